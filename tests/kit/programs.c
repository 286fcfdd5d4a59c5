/* SPDX-License-Identifier: MIT
 *
 * Test kit: collector and dump, by their command lines.
 */
#include "tests/kit/kit.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGS_MAX 64
#define READY "shmlog-collector: ready"

static const char *wanted_io(void)
{
    const char *io = getenv("SHMLOG_TEST_IO");

    return io && *io ? io : "auto";
}

void kit_need_io(void)
{
    char params[256] = {0}; /* struct io_uring_params is 120 bytes */
    long fd;

    if (strcmp(wanted_io(), "uring") != 0)
        return;
    fd = syscall(SYS_io_uring_setup, 1, params);
    if (fd < 0)
        kit_skip("io_uring cannot be used here: %s", strerror(errno));
    close((int)fd);
}

static size_t append(const char **argv, size_t count, const char *const args[])
{
    while (args && *args) {
        if (count + 1 >= ARGS_MAX)
            KIT_FAIL("too many arguments");
        argv[count++] = *args++;
    }
    argv[count] = NULL;
    return count;
}

bool kit_alarm_records;

void kit_collector_start(struct kit_process *collector, const char *segment, const char *output,
                         const char *const args[])
{
    const char *argv[ARGS_MAX] = {
        kit_program("collector/shmlog-collector"),
        "--segment",
        segment,
        "--output",
        output,
        "--io",
        wanted_io(),
        kit_alarm_records ? NULL : "--no-alarm-records",
    };

    append(argv, kit_alarm_records ? 7 : 8, args);
    kit_spawn(collector, argv, NULL);
    kit_wait_text(collector, READY, KIT_PATIENCE);
}

void kit_collector_stop(struct kit_process *collector)
{
    int status;

    kit_kill(collector, SIGTERM);
    status = kit_wait_exit(collector, KIT_PATIENCE);
    if (status != 0)
        KIT_FAIL("collector ended with status %d after SIGTERM", status);
}

/* The last line of a text, without its newline; cuts the text. */
static char *last_line(char *text)
{
    size_t size = strlen(text);
    char *start;

    while (size && text[size - 1] == '\n')
        text[--size] = 0;
    start = strrchr(text, '\n');
    return start ? start + 1 : text;
}

void kit_verify(const char *path, struct kit_ledger *ret_ledger)
{
    const char *argv[] = {kit_program("tools/shmlog-dump"), "--verify", path, NULL};
    struct kit_process dump;
    char *text;
    int end = 0;

    memset(ret_ledger, 0, sizeof(*ret_ledger));
    ret_ledger->status = kit_run(&dump, argv, NULL);
    snprintf(ret_ledger->out, sizeof(ret_ledger->out), "%s", dump.out);
    snprintf(ret_ledger->err, sizeof(ret_ledger->err), "%s", dump.err);
    text = kit_read_file(dump.out, NULL);
    ret_ledger->found =
        sscanf(last_line(text),
               "produced=%" SCNu64 " written=%" SCNu64 " dropped=%" SCNu64 " in_ring=%" SCNu64 "%n",
               &ret_ledger->produced, &ret_ledger->written, &ret_ledger->dropped,
               &ret_ledger->in_ring, &end) == 4 &&
        last_line(text)[end] == 0;
    free(text);
}

void kit_verify_balanced(const char *path, struct kit_ledger *ret_ledger)
{
    struct kit_ledger ledger;

    kit_verify(path, &ledger);
    if (ledger.status != 0 || !ledger.found ||
        ledger.produced != ledger.written + ledger.dropped + ledger.in_ring) {
        kit_ledger_is_wrong();
        KIT_FAIL("--verify %s: exit status %d, produced %" PRIu64 " written %" PRIu64
                 " dropped %" PRIu64 " in_ring %" PRIu64 "; it said:\n%s%s",
                 path, ledger.status, ledger.produced, ledger.written, ledger.dropped,
                 ledger.in_ring, kit_read_file(ledger.err, NULL), kit_read_file(ledger.out, NULL));
    }
    if (ret_ledger)
        *ret_ledger = ledger;
}

void kit_dump(const char *out_path, const char *const args[])
{
    const char *argv[ARGS_MAX] = {kit_program("tools/shmlog-dump")};
    struct kit_spawn_options options = {.stdout_path = out_path};
    struct kit_process dump;

    append(argv, 1, args);
    if (kit_run(&dump, argv, &options) != 0)
        KIT_FAIL("shmlog-dump ended with status %d", dump.status);
}

void kit_check_zstd(const char *dir)
{
    const char *argv[] = {"sh", "-c",
                          "for f in \"$0\"/*.shmlog; do zstd -q -t - <\"$f\" || exit 1; done", dir,
                          NULL};
    struct kit_process zstd;

    if (!kit_have_command("zstd"))
        return;
    if (kit_run(&zstd, argv, NULL) != 0)
        KIT_FAIL("zstd -t failed on a file of %s", dir);
}

static void allowed_cpus(cpu_set_t *ret_set)
{
    CPU_ZERO(ret_set);
    if (sched_getaffinity(0, sizeof(*ret_set), ret_set) != 0)
        KIT_FAIL("sched_getaffinity: %s", strerror(errno));
}

unsigned kit_cpus(void)
{
    cpu_set_t set;

    allowed_cpus(&set);
    return (unsigned)CPU_COUNT(&set);
}

int kit_cpu(unsigned n)
{
    cpu_set_t set;

    allowed_cpus(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((unsigned)cpu, &set) && n-- == 0)
            return cpu;
    }
    return -1;
}
