/* SPDX-License-Identifier: MIT
 *
 * Who logged: threads and forked children. Every thread has a producer id of its own, and a forked
 * child another than its parent.
 *
 *     identity           into rings of the cores, then into shared ones
 *     identity no-rseq   with rseq switched off: into shared ones alone
 *     identity no-wipe   where the kernel does not wipe a page in children: their records go by
 * their parent's name, and none is lost
 */
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#include "tests/kit/shared_rings.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define THREADS 24u
#define RECORDS 200u

static struct shmlog *shared_log;
static bool no_wipe;

/* Of each writer's records: the producer id and ring they came with. */
struct seen {
    uint32_t producer[THREADS + 2];
    uint32_t ring[THREADS + 2];
    uint32_t records[THREADS + 2];
    bool mixed; /* one writer came with two ids */
};

static inline __attribute__((always_inline)) void log_as(uint32_t writer)
{
    shmlog_info(shared_log, "writer %u", writer);
}

static void see(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct seen *seen = arg;
    const uint32_t writer = segment_kit_u32(slots, SHMLOG_PAYLOAD_ARGS);

    KIT_COMPARE(writer, <, THREADS + 2);
    if (seen->records[writer]++ && seen->producer[writer] != segment_kit_producer(slots))
        seen->mixed = true;
    seen->producer[writer] = segment_kit_producer(slots);
    seen->ring[writer] = ring;
}

/* The producer table's entry for a writer's id. */
static struct shmlog_producer entry_of(const struct segment_kit *segment, const struct seen *seen,
                                       uint32_t writer)
{
    struct shmlog_producer producer;

    KIT_OK(shm_producer_copy(segment->segment, seen->producer[writer], &producer));
    return producer;
}

static void *run_thread(void *arg)
{
    const uint32_t writer = *(uint32_t *)arg;

    for (unsigned i = 0; i < RECORDS; i++)
        log_as(writer);
    return NULL;
}

static void run_threads(struct segment_kit *segment, uint32_t threads, struct seen *ret_seen)
{
    static uint32_t writer[THREADS];
    pthread_t thread[THREADS];

    memset(ret_seen, 0, sizeof(*ret_seen));
    for (uint32_t i = 0; i < threads; i++) {
        writer[i] = i;
        KIT_EQ(pthread_create(&thread[i], NULL, run_thread, &writer[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    segment_kit_drain(segment, see, ret_seen);
    KIT_CHECK(!ret_seen->mixed);
    for (uint32_t i = 0; i < threads; i++) {
        KIT_EQ(ret_seen->records[i], RECORDS);
        KIT_COMPARE(ret_seen->producer[i], !=, 0);
        KIT_EQ(entry_of(segment, ret_seen, i).pid, getpid());
        for (uint32_t k = 0; k < i; k++)
            KIT_COMPARE(ret_seen->producer[i], !=, ret_seen->producer[k]);
    }
}

/* How the writer `i` logged is in the ring that it came by, and in its entry. */
static void check_way(struct segment_kit *segment, const struct seen *seen, uint32_t i, bool shares)
{
    KIT_EQ(seen->ring[i] >= segment->segment->geometry.cpu_rings, shares);
    KIT_EQ(entry_of(segment, seen, i).why, shares ? SHMLOG_WHY_NO_RSEQ : 0);
}

static void test_threads(struct segment_kit *segment, bool shares)
{
    struct seen seen;

    run_threads(segment, THREADS, &seen);
    for (uint32_t i = 0; i < THREADS; i++)
        check_way(segment, &seen, i, shares);
}

static void test_fork(struct segment_kit *segment, bool shares)
{
    struct seen seen = {0};
    int status;
    pid_t child;

    log_as(0);
    child = fork();
    KIT_COMPARE(child, >=, 0);
    if (child == 0) {
        for (unsigned i = 0; i < RECORDS; i++)
            log_as(1);
        _exit(0);
    }
    for (unsigned i = 1; i < RECORDS; i++)
        log_as(0);
    KIT_EQ(waitpid(child, &status, 0), child);
    KIT_EQ(status, 0);
    segment_kit_drain(segment, see, &seen);
    KIT_CHECK(!seen.mixed);
    KIT_EQ(seen.records[0], RECORDS);
    KIT_EQ(seen.records[1], RECORDS);
    KIT_EQ(seen.producer[0] == seen.producer[1], no_wipe);
    KIT_EQ(entry_of(segment, &seen, 0).pid, getpid());
    KIT_EQ(entry_of(segment, &seen, 1).pid, no_wipe ? getpid() : child);
    for (uint32_t i = 0; i < 2; i++)
        check_way(segment, &seen, i, shares);
}

/* The kernel is not to wipe the page of the key in a child, as where a container's filter does not
 * know of that. */
static void forbid_wiping(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 6, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        kit_skip("no seccomp filters here");
    KIT_EQ(madvise(NULL, 0, MADV_WIPEONFORK), -1);
}

static bool rseq_here(void)
{
#if SHMLOG_RSEQ_
    return &__rseq_size && __rseq_size > 0;
#else
    return false;
#endif
}

int main(int argc, char **argv)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 20, .spare_rings = 4};
    const bool no_rseq = argc > 1 && strcmp(argv[1], "no-rseq") == 0;
    struct segment_kit segment;

    kit_begin("identity");
    no_wipe = argc > 1 && strcmp(argv[1], "no-wipe") == 0;
    if (no_wipe)
        forbid_wiping();
    segment_kit_open(&segment, "identity", &params);
    KIT_OK(shmlog_open(&shared_log, "identity", NULL));
    if (no_rseq && rseq_here())
        KIT_FAIL("run with GLIBC_TUNABLES=glibc.pthread.rseq=0");
    if (!no_rseq && !rseq_here())
        kit_skip("no rseq on this machine");
    test_threads(&segment, no_rseq);
    test_fork(&segment, no_rseq);
    if (!no_rseq) {
        KIT_OK(kit_share(shared_log));
        test_fork(&segment, true);
    }
    KIT_EQ(segment_kit_counted(&segment), 0);
    for (uint32_t i = 0; i < segment.segment->geometry.rings; i++)
        KIT_EQ(segment.segment->rings[i].header->holder, 0);
    shmlog_close(shared_log);
    KIT_EQ(segment.lost, 0);
    segment_kit_close(&segment);
    return 0;
}
