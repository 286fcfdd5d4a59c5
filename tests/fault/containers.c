/* SPDX-License-Identifier: MIT
 *
 * Programs in pid namespaces of their own, as in containers, that crash again and again, and never
 * detach: three times as many as the table of producers has entries. A collector in the initial
 * namespace finds them dead: whoever comes later has a name. Who lives in a namespace keeps its
 * own, also a child that was forked into one after its parent had attached.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include "shm/segment.h"
#include "shm/tables.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT "containers"
#define PRODUCERS 11u
#define LIVING 2u /* the thread that attached in its namespace, and the one that stays */
#define INITIAL_PID_NS UINT64_C(4026531836)

static struct shm_segment *segment;

static struct shared {
    uint32_t ready, finish;
} * shared;

/* Fork into a new pid namespace, or user and pid namespace; the caller's next children as well. */
static pid_t fork_inside(void)
{
    pid_t pid, inner;

    pid = fork();
    KIT_COMPARE(pid, >=, 0);
    if (pid)
        return pid;
    if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        _exit(77);
    inner = fork();
    if (inner) {
        int status;

        if (inner < 0 || waitpid(inner, &status, 0) != inner)
            _exit(1);
        _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    return 0;
}

static int wait_status(pid_t pid)
{
    int status;

    KIT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Attach, log once, crash. */
static void crash_inside(void)
{
    const pid_t pid = fork_inside();
    struct shmlog *log;

    if (pid) {
        const int status = wait_status(pid);

        if (status == 77)
            kit_skip("pid namespaces are not allowed here");
        KIT_EQ(status, 128 + SIGILL);
        return;
    }
    if (shmlog_open(&log, SEGMENT, NULL) < 0)
        _exit(1);
    kit_share(log);
    shmlog_info(log, "about to crash");
    __builtin_trap(); /* a namespace's first process cannot send itself a signal that kills */
}

static unsigned count_entries(unsigned state)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct shmlog_producer p;

        if (shm_producer_at(segment, i, &p) == 0)
            count += (p.claim & SHMLOG_PRODUCER_STATE) == state;
    }
    return count;
}

static bool only_the_one_lives(void *arg)
{
    (void)arg;
    kit_clock_next(shmlog_load_relaxed_(&segment->control->collector_written));
    return count_entries(SHMLOG_PRODUCER_LIVE) == LIVING;
}

/* Logs from a namespace of its own all the time. */
static pid_t start_one_that_stays(void)
{
    const pid_t pid = fork_inside();
    struct shmlog *log;
    unsigned n = 0;
    pid_t child;
    int status;

    if (pid)
        return pid;
    if (shmlog_open(&log, SEGMENT, NULL) < 0)
        _exit(1);
    /* attached in this namespace, and in another one of its own, as number 2: of that number there
     * is no process in the first */
    if (unshare(CLONE_NEWPID) < 0)
        _exit(77);
    child = fork();
    if (child) {
        waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    child = fork();
    if (child) {
        waitpid(child, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    kit_share_from(log, 1);
    __atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&shared->finish, __ATOMIC_ACQUIRE)) {
        shmlog_info(log, "still here %u", n++);
        usleep(1000);
    }
    shmlog_close(log);
    _exit(0);
}

static bool is_ready(void)
{
    return __atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE);
}

static bool is_ready_or_ended(void *arg)
{
    siginfo_t info = {0};

    return is_ready() ||
           waitid(P_PID, (id_t) * (const pid_t *)arg, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid;
}

static void make_segment(void)
{
    static const uint32_t cpus[2] = {0, 1};
    const char *const path = kit_text("%s/" SEGMENT, kit_shm_dir());
    const struct shm_params params = {
        .name = SEGMENT,
        .cpus = cpus,
        .cpu_count = 2,
        .spare_rings = 3,
        .ring_bytes = 65536,
        .on_full = SHMLOG_ON_FULL_DROP,
        .level = SHMLOG_TRACE,
        .page_kib = 4,
        .producers_max = PRODUCERS,
        .group = -1,
    };
    char message[512] = "";

    if (shm_segment_create(path, &params, NULL, &segment, message, sizeof(message)) < 0)
        KIT_FAIL("%s", message);
    shm_segment_close(segment);
    KIT_OK(shm_segment_open(path, true, &segment));
}

static void start(struct kit_process *collector)
{
    kit_collector_start(collector, SEGMENT, kit_path("log"),
                        (const char *const[]){"--ring-size", "64k", "--page-size", "4K",
                                              "--spare-rings", "3", "--flush-ms", "5", NULL});
}

/* The last one that comes is in the table, by its own name and number. */
static void check_newcomer(void)
{
    const struct shmlog_options options = {.process_name = "newcomer"};
    struct shmlog *log;
    bool found = false;

    KIT_OK(shmlog_open(&log, SEGMENT, &options));
    kit_share(log);
    shmlog_info(log, "just come");
    KIT_EQ(shmlog_lost(log), 0);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct shmlog_producer p;

        found |= shm_producer_at(segment, i, &p) == 0 && p.pid == (uint32_t)getpid() &&
                 !strcmp(p.process, "newcomer");
    }
    KIT_CHECK(found);
    shmlog_close(log);
}

static void run_outside(void)
{
    struct kit_process collector;
    pid_t one;

    if (shm_pid_ns() != INITIAL_PID_NS)
        kit_skip("not in the initial pid namespace");
    if (geteuid() != 0)
        kit_skip("only root can tell the namespaces of others' processes");
    one = start_one_that_stays();
    (void)kit_wait(is_ready_or_ended, &one, KIT_PATIENCE);
    if (!is_ready()) {
        if (waitpid(one, NULL, WNOHANG) == one)
            kit_skip("pid namespaces are not allowed here");
        KIT_FAIL("the first program does not log");
    }
    (void)kit_clock_begin();
    start(&collector);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < PRODUCERS / 2; i++)
            crash_inside();
        if (!kit_wait(only_the_one_lives, NULL, KIT_PATIENCE))
            KIT_FAIL("%u entries are taken for alive", count_entries(SHMLOG_PRODUCER_LIVE));
        check_newcomer();
    }
    __atomic_store_n(&shared->finish, 1, __ATOMIC_RELEASE);
    KIT_EQ(wait_status(one), 0);
    kit_collector_stop(&collector);
}

int main(int argc, char **argv)
{
    kit_begin("containers");
    kit_need_io();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(shared != MAP_FAILED);
    make_segment();
    (void)argc;
    (void)argv;
    run_outside();
    return 0;
}
