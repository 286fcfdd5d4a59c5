/* SPDX-License-Identifier: MIT
 *
 * A producer makes no system call and takes no page fault in a million log calls after its warm-up:
 * while the rings wrap and the collector drains them, and while they are full and records are
 * dropped. Nor with a log that waits for its segment, or has waited for it.
 */
#include "tests/kit/kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS "1000000"

struct run {
    const char *segment;
    const char *warm_up; /* calls */
    const char *pace; /* ticks between calls: about a microsecond, or none; `room`: see quiet.c */
    const char *when; /* the segment comes later or never; NULL: it is there */
};

/* Between the last two getrusage() an strace log has no line. */
static void check_silence(const char *path)
{
    char *log = kit_read_file(path, NULL);
    char *mark[2] = {NULL, NULL}, *line_end;

    for (char *at = log; (at = strstr(at, "getrusage(")); at++) {
        mark[0] = mark[1];
        mark[1] = at;
    }
    KIT_CHECK(mark[0] != NULL);
    line_end = strchr(mark[0], '\n');
    KIT_CHECK(line_end != NULL);
    *mark[1] = 0;
    if (strspn(line_end + 1, " 0123456789") != strlen(line_end + 1)) /* the next one's pid */
        KIT_FAIL("between the marks the kernel was entered:\n%s", line_end + 1);
    free(log);
}

/* Faults of the run, from what it printed; the loss, too. */
static void read_counts(const struct kit_process *process, long *ret_faults,
                        unsigned long *ret_lost)
{
    unsigned long allocations;
    char *text = kit_read_file(process->out, NULL);

    KIT_EQ(sscanf(text, "faults=%ld lost=%lu allocations=%lu", ret_faults, ret_lost, &allocations),
           3);
    KIT_EQ(allocations, 0);
    free(text);
}

static void run_quiet(const struct run *run, unsigned long *ret_lost)
{
    const char *program = kit_program("tests/integration/quiet");
    const char *argv[] = {program, run->segment, CALLS, run->warm_up, run->pace, run->when, NULL};
    struct kit_process quiet;
    long faults;

    KIT_EQ(kit_run(&quiet, argv, NULL), 0);
    read_counts(&quiet, &faults, ret_lost);
    printf("%s: %ld page faults, %lu lost in " CALLS " calls\n", run->segment, faults, *ret_lost);
    KIT_EQ(faults, 0);
}

/* False if tracing is forbidden or strace is not there. */
static bool run_traced(const struct run *run)
{
    const char *program = kit_program("tests/integration/quiet");
    const char *trace = kit_path(kit_text("strace-%s", run->segment));
    const char *try[] = {"strace", "-o", "/dev/null", "true", NULL};
    const char *argv[] = {"strace",     "-f",  "-o",         trace,     program,
                          run->segment, CALLS, run->warm_up, run->pace, NULL};
    struct kit_process quiet;

    if (!kit_have_command("strace") || kit_run(&quiet, try, NULL) != 0)
        return false;
    KIT_EQ(kit_run(&quiet, argv, NULL), 0);
    check_silence(trace);
    return true;
}

static void run_later(const struct run *run, const char *const args[])
{
    const char *program = kit_program("tests/integration/quiet");
    const char *trace = kit_path(kit_text("strace-%s", run->segment));
    const char *try[] = {"strace", "-o", "/dev/null", "true", NULL};
    const char *argv[] = {"strace", "-o",         trace,     program,   run->segment,
                          CALLS,    run->warm_up, run->pace, run->when, NULL};
    struct kit_process quiet, collector;
    bool traced = kit_have_command("strace") && kit_run(&quiet, try, NULL) == 0;
    unsigned long lost;
    long faults;

    kit_spawn(&quiet, traced ? argv : argv + 3, NULL);
    kit_wait_text(&quiet, "quiet: waiting", KIT_PATIENCE);
    if (args)
        kit_collector_start(&collector, run->segment, kit_path(run->segment), args);
    KIT_EQ(kit_wait_exit(&quiet, KIT_PATIENCE), 0);
    read_counts(&quiet, &faults, &lost);
    printf("%s: %lu lost in " CALLS " calls and those before\n", run->segment, lost);
    if (!args)
        KIT_COMPARE(lost, >=, strtoul(CALLS, NULL, 10));
    if (traced)
        check_silence(trace);
    if (args) {
        kit_collector_stop(&collector);
        kit_verify_balanced(kit_path(run->segment), NULL);
    }
}

int main(void)
{
    const char *const roomy_args[] = {"--ring-size", "256k", "--on-full", "drop", NULL};
    const char *const tight_args[] = {"--ring-size", "64k", "--on-full", "drop", NULL};
    const struct run roomy = {"roomy", "1000", "room", NULL};
    const struct run tight = {"tight", "10000", "0", NULL};
    const struct run late = {"late", "1000", "2000", "later"};
    const struct run never = {"never", "1000", "0", "never"};
    struct kit_process collector;
    unsigned long lost;
    bool traced;

    kit_begin("silence");
    kit_collector_start(&collector, "roomy", kit_path("roomy"), roomy_args);
    run_quiet(&roomy, &lost);
    KIT_EQ(lost, 0);
    traced = run_traced(&roomy);
    kit_collector_stop(&collector);
    kit_verify_balanced(kit_path("roomy"), NULL);

    kit_collector_start(&collector, "tight", kit_path("tight"), tight_args);
    kit_stop(collector.pid); /* nobody drains: full after the first thousands */
    run_quiet(&tight, &lost);
    KIT_COMPARE(lost, >, 0);
    if (traced)
        KIT_CHECK(run_traced(&tight));
    kit_kill(&collector, SIGCONT);
    kit_collector_stop(&collector);
    kit_verify_balanced(kit_path("tight"), NULL);
    run_later(&late, roomy_args);
    run_later(&never, NULL);
    if (!traced)
        kit_skip("no page faults; system calls not looked at: strace cannot be used here");
    return 0;
}
