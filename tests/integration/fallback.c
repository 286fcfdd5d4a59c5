/* SPDX-License-Identifier: MIT
 *
 * io_uring that is not to be had, or not any more: forbidden by a seccomp filter, as containers do;
 * there, but its queue takes nothing; without registered buffers, for want of memory that may be
 * locked. Each time the collector writes all the same, and says once what it does without.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RECORDS 500

struct start {
    const char *io;
    long call; /* that fails; 0: none */
    unsigned error;
    bool limited; /* in memory that may be locked: to so many bytes */
    rlim_t memlock;
};

static unsigned runs;

static int forbid(long call, unsigned error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 4, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static int become_collector(void *arg)
{
    const struct start *const start = arg;
    const struct rlimit limit = {start->memlock, start->memlock};

    if (start->limited && setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return 90;
    if (start->limited) /* root would be free of the limit; others cannot, nor need to */
        (void)prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
    if (start->call && forbid(start->call, start->error) < 0)
        return 91;
    execl(kit_program("collector/shmlog-collector"), "shmlog-collector", "--no-alarm-records",
          "--segment", "fallback", "--output", kit_path(kit_text("log-%u", runs)), "--io",
          start->io, "--flush-ms", "1", "--on-full", "wait", "--wait-ms", "60000", (char *)NULL);
    return 92;
}

/* How often the collector's messages have this text. */
static unsigned count_said(const struct kit_process *collector, const char *text)
{
    char *const said = kit_read_file(collector->err, NULL);
    unsigned n = 0;

    for (const char *at = said; (at = strstr(at, text)); at++)
        n++;
    free(said);
    return n;
}

static void write_records(struct kit_process *collector, const struct start *start)
{
    struct kit_ledger ledger;
    struct shmlog *log;

    runs++;
    kit_spawn_function(collector, "collector", become_collector, (void *)start);
    kit_wait_text(collector, "shmlog-collector: ready", KIT_PATIENCE);
    KIT_OK(shmlog_open(&log, "fallback", NULL));
    for (unsigned i = 0; i < RECORDS; i++)
        shmlog_info(log, "record %u", i);
    shmlog_close(log);
    kit_collector_stop(collector);
    kit_verify_balanced(kit_path(kit_text("log-%u", runs)), &ledger);
    KIT_EQ(ledger.written, RECORDS);
    kit_check_zstd(kit_path(kit_text("log-%u", runs)));
}

static void test_forbidden(unsigned error)
{
    struct start start = {.io = "auto", .call = SYS_io_uring_setup, .error = error};
    struct kit_process collector;

    write_records(&collector, &start);
    KIT_EQ(count_said(&collector, "no io_uring: plain writes"), 1);
    KIT_EQ(count_said(&collector, "writes   plain writes"), 1);
    start.io = "uring";
    runs++;
    kit_spawn_function(&collector, "collector", become_collector, &start);
    KIT_EQ(kit_wait_exit(&collector, KIT_PATIENCE), 1);
    KIT_EQ(count_said(&collector, "--io uring: "), 1);
}

/* It is there, but takes nothing: with the last error, for two seconds. */
static void test_stalled(const char *io, unsigned error)
{
    const struct start start = {.io = io, .call = SYS_io_uring_enter, .error = error};
    struct kit_process collector;

    write_records(&collector, &start);
    KIT_EQ(count_said(&collector, "writes   io_uring"), 1);
    KIT_EQ(count_said(&collector, "plain writes from now on"), 1);
}

static void try_memlock(rlim_t memlock)
{
    const struct start start = {.io = "auto", .limited = true, .memlock = memlock};
    struct kit_process collector;

    write_records(&collector, &start);
    KIT_EQ(count_said(&collector, "no io_uring: plain writes") +
               count_said(&collector, "io_uring without registered buffers"),
           1);
}

/* Enough for the queue, but not for the outbox; and not even that. For which of them it is, the
 * kernel decides: newer ones count the queue, too, and all that the user's other programs have. */
static void test_memlock(void)
{
    try_memlock(4 << 20);
    try_memlock(0);
}

int main(void)
{
    char params[256] = {0}; /* struct io_uring_params is 120 bytes */
    long fd;

    kit_begin("fallback");
    test_forbidden(EPERM);
    test_forbidden(ENOSYS);
    fd = syscall(SYS_io_uring_setup, 1, params);
    if (fd < 0)
        kit_skip("the rest: io_uring cannot be used here: %s", strerror(errno));
    close((int)fd);
    test_stalled("auto", EPERM);
    test_stalled("uring", EBUSY);
    test_memlock();
    return 0;
}
