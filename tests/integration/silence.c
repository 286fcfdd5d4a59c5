/* SPDX-License-Identifier: MIT
 *
 * A producer makes no system call and takes no page fault in a million log calls after its warm-up:
 * while the rings have room, while they wrap and the collector drains them, and while they are full
 * and records are dropped.
 */
#include "tests/kit/kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS "1000000"

/* Between the two marks an strace log has no line. */
static void check_silence(const char *path)
{
    char *log = kit_read_file(path, NULL);
    char *first = strstr(log, "getppid("), *second, *line_end;

    KIT_CHECK(first != NULL);
    line_end = strchr(first, '\n');
    KIT_CHECK(line_end != NULL);
    second = strstr(line_end, "getppid(");
    KIT_CHECK(second != NULL);
    *second = 0;
    if (strspn(line_end + 1, " \n0123456789") != strlen(line_end + 1))
        KIT_FAIL("between the marks the kernel was entered:\n%s", line_end + 1);
    free(log);
}

/* Faults of the run, from what it printed; the loss, too. */
static void read_counts(const struct kit_process *process, long *ret_faults,
                        unsigned long *ret_lost)
{
    char *text = kit_read_file(process->out, NULL);

    KIT_EQ(sscanf(text, "faults=%ld lost=%lu", ret_faults, ret_lost), 2);
    free(text);
}

static void run_quiet(const char *segment, unsigned long *ret_lost)
{
    const char *program = kit_program("tests/integration/quiet");
    const char *argv[] = {program, segment, CALLS, NULL};
    struct kit_process quiet;
    long faults;

    KIT_EQ(kit_run(&quiet, argv, NULL), 0);
    read_counts(&quiet, &faults, ret_lost);
    printf("%s: %ld page faults, %lu lost in " CALLS " calls\n", segment, faults, *ret_lost);
    KIT_EQ(faults, 0);
}

/* False if tracing is forbidden or strace is not there. */
static bool run_traced(const char *segment)
{
    const char *program = kit_program("tests/integration/quiet");
    const char *trace = kit_path(kit_text("strace-%s", segment));
    const char *try[] = {"strace", "-o", "/dev/null", "true", NULL};
    const char *argv[] = {"strace", "-f", "-o", trace, program, segment, CALLS, NULL};
    struct kit_process quiet;

    if (!kit_have_command("strace") || kit_run(&quiet, try, NULL) != 0)
        return false;
    KIT_EQ(kit_run(&quiet, argv, NULL), 0);
    check_silence(trace);
    return true;
}

int main(void)
{
    const char *const roomy[] = {"--ring-size", "16m", "--on-full", "drop", NULL};
    const char *const tight[] = {"--ring-size", "64k", "--on-full", "drop", NULL};
    struct kit_process collector;
    unsigned long lost;
    bool traced;

    kit_begin("silence");
    kit_collector_start(&collector, "roomy", kit_path("roomy"), roomy);
    run_quiet("roomy", &lost);
    traced = run_traced("roomy");
    kit_collector_stop(&collector);
    kit_verify_balanced(kit_path("roomy"), NULL);

    kit_collector_start(&collector, "tight", kit_path("tight"), tight);
    kit_kill(&collector, SIGSTOP); /* nobody drains: full after the first thousand */
    run_quiet("tight", &lost);
    KIT_COMPARE(lost, >, 0);
    if (traced)
        KIT_CHECK(run_traced("tight"));
    kit_kill(&collector, SIGCONT);
    kit_collector_stop(&collector);
    kit_verify_balanced(kit_path("tight"), NULL);
    if (!traced)
        kit_skip("no page faults; system calls not looked at: strace cannot be used here");
    return 0;
}
