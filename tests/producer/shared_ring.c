/* SPDX-License-Identifier: MIT
 *
 * Threads that cannot use restartable sequences share rings, each holding one for a call: with any
 * number of rings for any number of threads, none of them is left without. The program is run with
 * rseq switched off.
 *
 *     shared_ring         1, 2, 11, 24, 101 threads under each policy; threads without a name
 *     shared_ring kill    processes killed while they hold a ring, again and again
 */
#include "tests/producer/segment_kit.h"
#include "tests/producer/syscall_kit.h"

#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SEGMENT "shared"
#define THREADS 101u
#define RECORDS 2000u

static struct segment_kit segment;
static struct shmlog *the_log;

/* ---- Many threads ---- */

#define RINGS 11u

struct count {
    uint64_t next[RINGS][THREADS]; /* of each thread in a ring: number that may come next */
    uint32_t shared;               /* index of the first of those rings */
};

struct writer {
    pthread_t thread;
    uint32_t index;
    uint64_t lost;
};

static uint32_t running;

static void *write_records(void *arg)
{
    struct writer *const w = arg;

    for (uint64_t i = 0; i < RECORDS; i++) {
        if (i % 5 == 4)
            shmlog_warn(the_log, "%u %lu a string that takes the record beyond one slot: %s",
                        w->index, i, "fifty-six bytes are in it");
        else
            shmlog_info(the_log, "%u %lu", w->index, i);
    }
    w->lost = shmlog_thread_lost(the_log);
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void look(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct count *const c = arg;
    const uint32_t thread = segment_kit_u32(slots, 12);
    const uint64_t number = segment_kit_u64(slots, 16);
    uint64_t *next;

    KIT_COMPARE(thread, <, THREADS);
    KIT_COMPARE(ring, >=, c->shared);
    KIT_COMPARE(ring - c->shared, <, RINGS);
    next = &c->next[ring - c->shared][thread];
    KIT_COMPARE(number, >=, *next); /* in order; those that are missing were counted */
    KIT_COMPARE(number, <, RECORDS);
    *next = number + 1;
}

/* In a segment with so many shared rings. */
static void open_segment(uint32_t rings, uint32_t on_full, uint32_t producers_max)
{
    const struct segment_kit_params params = {.on_full = on_full,
                                              .spare_rings = rings - 1,
                                              .shared_ring = true,
                                              .reserve = 12,
                                              .producers_max = producers_max};

    segment_kit_open(&segment, SEGMENT, &params);
    KIT_EQ(segment.segment->geometry.rings - segment.segment->geometry.cpu_rings, rings);
    KIT_OK(shmlog_open(&the_log, SEGMENT, NULL));
    KIT_EQ(the_log->local.cpus, 0);
    KIT_EQ(the_log->local.shared_count, rings);
}

static void close_segment(void)
{
    for (uint32_t i = 0; i < segment.segment->geometry.rings; i++)
        KIT_EQ(segment.segment->rings[i].header->holder, 0);
    shmlog_close(the_log);
    segment_kit_close(&segment);
}

static void crowd(uint32_t threads, uint32_t rings, uint32_t on_full, uint32_t producers_max)
{
    static struct writer writer[THREADS];
    struct count count = {.next = {{0}}};
    uint64_t lost = 0;

    open_segment(rings, on_full, producers_max);
    count.shared = segment.segment->geometry.cpu_rings;
    running = threads;
    for (uint32_t i = 0; i < threads; i++) {
        writer[i].index = i;
        KIT_EQ(pthread_create(&writer[i].thread, NULL, write_records, &writer[i]), 0);
    }
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
        if (segment_kit_drain(&segment, look, &count) == 0)
            sched_yield();
    }
    for (uint32_t i = 0; i < threads; i++) {
        KIT_EQ(pthread_join(writer[i].thread, NULL), 0);
        lost += writer[i].lost;
    }
    segment_kit_drain(&segment, look, &count);
    printf("%u threads, %u rings, policy %u%s: %lu records, %lu lost by writers, %lu overwritten\n",
           threads, rings, on_full, producers_max ? ", without names" : "",
           (unsigned long)segment.records, (unsigned long)lost, (unsigned long)segment.lost);
    KIT_EQ(lost, shmlog_lost(the_log));
    KIT_EQ(segment.records + lost + segment.lost, (uint64_t)threads * RECORDS);
    if (threads == 1) /* nobody else has it */
        KIT_EQ(segment.segment->control->lost[SHMLOG_LOST_NO_RING], 0);
    if (on_full == SHMLOG_ON_FULL_WAIT)
        KIT_EQ(lost + segment.lost, 0);
    /* a holder that the machine keeps from its processor may cost the others some */
    if (on_full == SHMLOG_ON_FULL_OVERWRITE)
        KIT_EQ(lost, segment.segment->control->lost[SHMLOG_LOST_NO_RING]);
    close_segment();
}

/* ---- Who holds it ---- */

static void *log_one(void *arg)
{
    shmlog_info(the_log, "%u %lu", 0u, *(uint64_t *)arg);
    return NULL;
}

static uint64_t log_in_thread(uint64_t number)
{
    const uint64_t start = kit_now_ns();
    pthread_t thread;

    KIT_EQ(pthread_create(&thread, NULL, log_one, &number), 0);
    KIT_EQ(pthread_join(thread, NULL), 0);
    return kit_now_ns() - start;
}

static uint32_t naps;

static void count_naps(long number, const void *target, bool after)
{
    (void)target;
    if (number == SYS_nanosleep && !after)
        __atomic_fetch_add(&naps, 1, __ATOMIC_RELAXED);
}

static uint64_t self(void)
{
    return shmlog_thread_(the_log)->holder;
}

/* One that lives, and does not let go: so long is waited, not longer, and once. */
static void stuck_holder(struct shmlog_ring *ring, const uint64_t *lost)
{
    naps = 0;
    ring->holder = self();
    syscall_kit_set(count_naps);
    KIT_COMPARE(log_in_thread(1), >=, SHMLOG_HOLD_NS_);
    KIT_EQ(*lost, 1);
    KIT_EQ(ring->holder, self());
    KIT_EQ(ring->held_too_long, self());
    KIT_COMPARE(naps, >, 0);
    naps = 0;
    log_in_thread(1); /* nobody waits for it a second time */
    KIT_EQ(*lost, 2);
    KIT_EQ(ring->held_too_long, self());
    KIT_EQ(naps, 0);
    syscall_kit_set(NULL);
    ring->holder = 0; /* it goes on: so do the others, and would wait again */
    log_in_thread(1);
    KIT_EQ(*lost, 2);
    KIT_EQ(ring->held_too_long, 0);
}

/* Those that are gone, and those of whom nobody here can tell. */
static void lost_holders(struct shmlog_ring *ring, const uint64_t *lost)
{
    struct stat st;
    pid_t child;

    KIT_EQ(stat("/proc/self/ns/pid", &st), 0);
    child = fork();
    KIT_COMPARE(child, >=, 0);
    if (child == 0)
        _exit(0);
    KIT_EQ(waitpid(child, NULL, 0), child);
    ring->holder = SHMLOG_HOLDER(child, st.st_ino, 1); /* one that is gone */
    log_in_thread(2);
    KIT_EQ(*lost, 2);
    KIT_EQ(ring->holder, 0);
    ring->holder = SHMLOG_HOLDER(getpid(), st.st_ino, 1); /* whose number is another one's now */
    log_in_thread(3);
    KIT_EQ(*lost, 2);
    ring->holder = SHMLOG_HOLDER(child, st.st_ino + 1, 1); /* of another namespace */
    KIT_COMPARE(log_in_thread(4), >=, SHMLOG_HOLD_NS_);
    KIT_EQ(*lost, 3);
    ring->holder = 0;
}

static void one_ring(void)
{
    struct count count = {.next = {{0}}};
    struct shmlog_ring *ring;
    uint64_t number = 5;

    open_segment(1, SHMLOG_ON_FULL_DROP, 0);
    count.shared = segment.segment->geometry.cpu_rings;
    ring = segment.segment->rings[count.shared].header;
    log_in_thread(0);
    KIT_EQ(segment_kit_drain(&segment, look, &count), 1);
    stuck_holder(ring, &segment.segment->control->lost[SHMLOG_LOST_NO_RING]);
    lost_holders(ring, &segment.segment->control->lost[SHMLOG_LOST_NO_RING]);
    ring->holder = self(); /* a handler in the midst of its thread's call */
    log_one(&number);
    KIT_EQ(ring->lost[SHMLOG_LOST_NESTED], 1);
    KIT_EQ(shmlog_thread_lost(the_log), 1);
    KIT_EQ(ring->holder, self());
    ring->holder = 0;
    log_in_thread(5);
    segment_kit_drain(&segment, look, &count);
    KIT_EQ(segment.records, 5);
    close_segment();
}

/* As long as one ring is free, nobody waits and nothing is lost, whoever holds the others. */
static void many_rings(uint32_t rings)
{
    uint32_t first;

    open_segment(rings, SHMLOG_ON_FULL_DROP, 0);
    first = segment.segment->geometry.cpu_rings;
    naps = 0;
    syscall_kit_set(count_naps);
    for (uint32_t free = 0; free < rings; free++) {
        const uint64_t before = segment.segment->rings[first + free].header->head;
        uint64_t number = free;

        for (uint32_t i = 0; i < rings; i++) /* some are the thread's own, as in a handler */
            segment.segment->rings[first + i].header->holder =
                i == free ? 0
                : i % 2   ? self()
                          : SHMLOG_HOLDER(1, the_log->local.pid_ns, 0);
        log_one(&number);
        log_in_thread(free);
        KIT_EQ(segment.segment->rings[first + free].header->head - before, 2);
    }
    syscall_kit_set(NULL);
    KIT_EQ(naps, 0);
    KIT_EQ(shmlog_lost(the_log), 0);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 2 * rings);
    for (uint32_t i = 0; i < rings; i++)
        segment.segment->rings[first + i].header->holder = 0;
    close_segment();
}

/* ---- Killed ---- */

#define PROCESSES 3u

struct page {
    uint64_t before[PROCESSES], after[PROCESSES]; /* numbers: about to be logged, logged */
};
static struct page *page;

struct killed {
    uint64_t last[PROCESSES];
};
static struct killed killed;

static void look_killed(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct killed *const k = arg;
    const uint32_t index = segment_kit_u32(slots, 12);
    const uint64_t number = segment_kit_u64(slots, 16);

    (void)ring;
    KIT_COMPARE(index, <, PROCESSES);
    KIT_EQ(number, k->last[index] + 1); /* each once, in order */
    k->last[index] = number;
}

static int log_until_killed(void *arg)
{
    const uint32_t index = *(const uint32_t *)arg;
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    for (;;) {
        const uint64_t number = page->after[index] + 1;

        __atomic_store_n(&page->before[index], number, __ATOMIC_RELEASE);
        if (number % 3 == 0)
            shmlog_info(log, "%u %lu a string that takes the record beyond one slot: %s", index,
                        number, "fifty-six bytes are in it");
        else
            shmlog_info(log, "%u %lu", index, number);
        if (shmlog_thread_lost(log))
            return 1;
        __atomic_store_n(&page->after[index], number, __ATOMIC_RELEASE);
    }
}

static bool goes_on(void *arg)
{
    const uint64_t *const goal = arg;

    segment_kit_drain(&segment, look_killed, &killed);
    return goal[0] <= __atomic_load_n(&page->after[goal[1]], __ATOMIC_ACQUIRE);
}

static void kill_holders(void)
{
    const unsigned kills = (unsigned)(5 * kit_number("SHMLOG_TEST_KILLS", 40));
    struct kit_process process[PROCESSES];
    static const uint32_t index[PROCESSES] = {0, 1, 2};
    uint64_t state = kit_seed(), taken = 0;

    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(page != MAP_FAILED);
    open_segment(1, SHMLOG_ON_FULL_WAIT, 0);
    for (uint32_t i = 0; i < PROCESSES; i++)
        kit_spawn_function(&process[i], "writer", log_until_killed, (void *)(uintptr_t)&index[i]);
    for (unsigned n = 0; n < kills; n++) {
        const uint32_t victim = (uint32_t)kit_random_below(&state, PROCESSES);
        const uint64_t until = kit_now_ns() + kit_random_below(&state, 3000000);
        uint64_t before;

        while (kit_now_ns() < until)
            segment_kit_drain(&segment, look_killed, &killed);
        kit_kill_hard(&process[victim]);
        segment_kit_drain(&segment, look_killed, &killed);
        taken += segment.segment->rings[segment.segment->geometry.rings - 1].header->holder != 0;
        /* what it was about to log is there or not; what it had logged is */
        before = page->before[victim];
        KIT_COMPARE(killed.last[victim], >=, page->after[victim]);
        KIT_COMPARE(killed.last[victim], <=, before);
        page->after[victim] = killed.last[victim];
        kit_spawn_function(&process[victim], "writer", log_until_killed,
                           (void *)(uintptr_t)&index[victim]);
    }
    for (uint32_t i = 0; i < PROCESSES; i++) {
        uint64_t goal[2] = {page->after[i] + 1000, i};

        segment_kit_drain(&segment, look_killed, &killed);
        if (!kit_wait(goes_on, goal, 20))
            KIT_FAIL("writer %u does not go on", i);
    }
    for (uint32_t i = 0; i < PROCESSES; i++)
        kit_kill_hard(&process[i]);
    printf("%u kills, the ring seen held after %lu of them\n", kills, (unsigned long)taken);
    KIT_EQ(segment_kit_counted(&segment), 0);
    shmlog_close(the_log);
    segment_kit_close(&segment);
}

int main(int argc, char **argv)
{
    static const uint32_t threads[] = {1, 2, 11, 24, 101};
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};

    kit_begin("shared_ring");
    if (argc > 1 && strcmp(argv[1], "kill") == 0) {
        kill_holders();
        return 0;
    }
    for (unsigned p = 0; p < 3; p++)
        for (unsigned i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
            crowd(threads[i], 1, policies[p], 0);
    for (unsigned p = 0; p < 3; p++)
        crowd(24, 11, policies[p], 0);
    crowd(24, 2, SHMLOG_ON_FULL_WAIT, 2);
    one_ring();
    many_rings(2);
    many_rings(11);
    many_rings(101);
    return 0;
}
