/* SPDX-License-Identifier: MIT
 *
 * Who logged: threads, forked children and owned rings. Every thread has a producer id of its own,
 * a forked child another than its parent, and the parent's owned ring stays the parent's.
 */
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define THREADS 24u
#define RECORDS 200u

static struct shmlog *shared_log;

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

static void test_threads(struct segment_kit *segment)
{
    static uint32_t writer[THREADS];
    pthread_t thread[THREADS];
    struct seen seen = {0};

    for (uint32_t i = 0; i < THREADS; i++) {
        writer[i] = i;
        KIT_EQ(pthread_create(&thread[i], NULL, run_thread, &writer[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    segment_kit_drain(segment, see, &seen);
    KIT_CHECK(!seen.mixed);
    for (uint32_t i = 0; i < THREADS; i++) {
        KIT_EQ(seen.records[i], RECORDS);
        KIT_COMPARE(seen.producer[i], !=, 0);
        KIT_EQ(entry_of(segment, &seen, i).pid, getpid());
        for (uint32_t k = 0; k < i; k++)
            KIT_COMPARE(seen.producer[i], !=, seen.producer[k]);
    }
}

static void test_fork(struct segment_kit *segment, bool own_ring)
{
    struct seen seen = {0};
    int status;
    pid_t child;

    if (own_ring)
        KIT_OK(shmlog_own_ring(shared_log));
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
    KIT_COMPARE(seen.producer[0], !=, seen.producer[1]);
    KIT_EQ(entry_of(segment, &seen, 0).pid, getpid());
    KIT_EQ(entry_of(segment, &seen, 1).pid, child);
    if (own_ring) {
        KIT_EQ(entry_of(segment, &seen, 0).ring, seen.ring[0] + 1);
        KIT_COMPARE(seen.ring[0], >=, segment->segment->geometry.cpu_rings);
        KIT_COMPARE(seen.ring[0], !=, seen.ring[1]);
        KIT_EQ(entry_of(segment, &seen, 0).why, SHMLOG_WHY_ASKED);
    }
    KIT_EQ(entry_of(segment, &seen, 1).why, 0);
}

static void *own_and_log(void *arg)
{
    KIT_OK(shmlog_own_ring(shared_log));
    return run_thread(arg);
}

static void in_thread(void *(*function)(void *), uint32_t writer)
{
    pthread_t thread;

    KIT_EQ(pthread_create(&thread, NULL, function, &writer), 0);
    KIT_EQ(pthread_join(thread, NULL), 0);
}

/* The entry of a dead thread is taken so often that another one gets its id: not its ring, too. */
static void test_same_id(struct segment_kit *segment)
{
    struct shmlog_producer *const table = shm_producers(segment->segment);
    struct seen seen = {0};
    uint32_t entry;

    in_thread(own_and_log, 0);
    segment_kit_drain(segment, see, &seen);
    KIT_COMPARE(seen.ring[0], >=, segment->segment->geometry.cpu_rings);
    /* as the collector frees them, 65,535 uses later */
    entry = (seen.producer[0] & 0xffff) - 1;
    segment->segment->rings[seen.ring[0]].header->owner = 0;
    table[entry].id -= 1 << 16;
    shmlog_store_release_(&table[entry].claim, 0);
    in_thread(run_thread, 1);
    segment_kit_drain(segment, see, &seen);
    KIT_EQ(seen.producer[1], seen.producer[0]);
    KIT_COMPARE(seen.ring[1], <, segment->segment->geometry.cpu_rings);
    KIT_EQ(entry_of(segment, &seen, 1).ring, 0);
}

/* Without rseq every thread needs a ring of its own; one too many is counted, not hung up. */
static void test_no_rseq(struct segment_kit *segment)
{
    static uint32_t writer[2] = {0, 1};
    pthread_t thread[2];
    struct seen seen = {0};

    for (unsigned i = 0; i < 2; i++)
        KIT_EQ(pthread_create(&thread[i], NULL, run_thread, &writer[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    segment_kit_drain(segment, see, &seen);
    for (unsigned i = 0; i < 2; i++) {
        KIT_EQ(seen.records[i], RECORDS);
        KIT_COMPARE(seen.ring[i], >=, segment->segment->geometry.cpu_rings);
        KIT_EQ(entry_of(segment, &seen, i).why, SHMLOG_WHY_NO_RSEQ);
    }
    KIT_EQ(segment_kit_counted(segment), 0);
}

/* The kernel is not to wipe the page of the key in a child, as where a container's filter does not
 * know of that. */
static void forbid_wiping(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SHMLOG_MADV_WIPEONFORK_, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = 6, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        kit_skip("no seccomp filters here");
    KIT_EQ(madvise(NULL, 0, (int)SHMLOG_MADV_WIPEONFORK_), -1);
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
    if (argc > 1 && strcmp(argv[1], "no-wipe") == 0)
        forbid_wiping();
    segment_kit_open(&segment, "identity", &params);
    KIT_OK(shmlog_open(&shared_log, "identity", NULL));
    if (no_rseq) {
        if (rseq_here())
            KIT_FAIL("run with GLIBC_TUNABLES=glibc.pthread.rseq=0");
        test_no_rseq(&segment);
    } else {
        if (!rseq_here())
            kit_skip("no rseq on this machine");
        test_threads(&segment);
        test_same_id(&segment);
        test_fork(&segment, false);
        test_fork(&segment, true);
    }
    shmlog_close(shared_log);
    KIT_EQ(segment.lost, 0);
    segment_kit_close(&segment);
    return 0;
}
