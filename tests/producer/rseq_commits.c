/* SPDX-License-Identifier: MIT
 *
 * Two processes pinned to one core, and in each a timer signal whose handler logs, too, often in
 * the middle of a log call: nothing is lost, doubled, damaged or out of order, over 100 million
 * commits (SHMLOG_TEST_COMMITS for another number).
 *
 * Compiled with SHMLOG_TEST_NO_RSEQ_CS the header does not tell the kernel of its sequences; then
 * the same must lose (exit 3). The control shows that the test can see what it is looking for.
 *
 * Each writer counts up in every context (the loop, the handler); a reader on another core follows
 * the numbers.
 *
 *     rseq_commits            as said
 *     rseq_commits migrate    the writers go from core to core, too, every few records: each core's
 *                             ring has some of the numbers, all of them together each number once
 */
#include "tests/producer/segment_kit.h"

#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#define WRITERS 2u
#define CONTEXTS 2u /* loop, handler */
#define CORES 2u    /* that the writers go back and forth between */
#define STAY 50u    /* records on one core */
#define EXIT_LOST 3

struct shared {
    uint64_t ready;                        /* writers that are attached */
    uint64_t done;                         /* writers that are done */
    uint64_t committed[WRITERS][CONTEXTS]; /* calls that returned */
};
static struct shared *shared;

struct writer {
    unsigned index;
    uint64_t commits;
    bool migrates;
    int core[CORES];
};

static struct shmlog *writer_log;
static unsigned writer_index;

/* One slot; argument offsets in the payload: context 12, number 16, check 24, index 32. */
static inline __attribute__((always_inline)) void log_number(unsigned context, uint64_t number)
{
    shmlog_info(writer_log, "context %u number %" PRIu64 " check %" PRIu64 " writer %u", context,
                number, ~number * 3, writer_index);
}
#define AT_CONTEXT 12u
#define AT_NUMBER 16u
#define AT_CHECK 24u
#define AT_WRITER 32u

static void on_timer(int signal)
{
    const int saved = errno;

    (void)signal;
    for (int i = 0; i < 3; i++) {
        log_number(1, shared->committed[writer_index][1] + 1);
        shared->committed[writer_index][1]++;
    }
    errno = saved;
}

static void start_timer(void)
{
    struct sigaction sa = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    /* two periods with no common factor: the signals wander over the code */
    const struct itimerspec every = {.it_interval = {.tv_nsec = writer_index ? 61000 : 47000},
                                     .it_value = {.tv_nsec = 50000}};
    timer_t timer;

    sigaction(SIGALRM, &sa, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &every, NULL))
        KIT_FAIL("timer: %s", strerror(errno));
}

static void stay_on(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static int write_numbers(void *arg)
{
    const struct writer *writer = arg;

    writer_index = writer->index;
    KIT_OK(shmlog_open(&writer_log, "rseq", NULL));
    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < WRITERS)
        sched_yield();
    start_timer();
    for (uint64_t n = 1; n <= writer->commits; n++) {
        if (writer->migrates && n % STAY == 0)
            stay_on(writer->core[n / STAY % CORES]);
        log_number(0, n);
        shared->committed[writer_index][0] = n;
    }
    signal(SIGALRM, SIG_IGN);
    __atomic_add_fetch(&shared->done, 1, __ATOMIC_ACQ_REL);
    shmlog_close(writer_log);
    return 0;
}

struct check {
    bool migrates;
    uint64_t last[CORES][WRITERS][CONTEXTS]; /* one for each ring, if they migrate */
    uint64_t sum[WRITERS][CONTEXTS];
    uint64_t bad; /* records that make no sense, or are not the next of their context */
};

static void check_record(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct check *check = arg;
    const uint32_t context = segment_kit_u32(slots, AT_CONTEXT);
    const uint32_t index = segment_kit_u32(slots, AT_WRITER);
    const uint64_t number = segment_kit_u64(slots, AT_NUMBER);

    uint64_t *last;

    if (context >= CONTEXTS || index >= WRITERS || ring >= CORES ||
        segment_kit_u64(slots, AT_CHECK) != ~number * 3) {
        check->bad++;
        return;
    }
    last = &check->last[check->migrates ? ring : 0][index][context];
    if (check->migrates ? number <= *last : number != *last + 1)
        check->bad++;
    *last = number;
    check->sum[index][context] += number;
}

/* Each number came once: by their sums, since none came twice to one ring. */
static bool sums_are_right(const struct check *check)
{
    bool right = true;

    for (unsigned i = 0; i < WRITERS; i++)
        for (unsigned k = 0; k < CONTEXTS; k++) {
            const uint64_t n = shared->committed[i][k];

            right &= check->sum[i][k] == n * (n + 1) / 2;
        }
    return right;
}

static uint64_t committed(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WRITERS; i++) {
        for (unsigned k = 0; k < CONTEXTS; k++)
            sum += shared->committed[i][k];
    }
    return sum;
}

static void read_all(struct segment_kit *segment, struct kit_process *process, struct check *check)
{
    bool alive = true;

    while (alive) {
        alive = false;
        for (unsigned i = 0; i < WRITERS; i++) {
            if (!kit_has_ended(&process[i]))
                alive = true;
        }
        for (unsigned turn = 0; turn < 200; turn++) {
            const struct timespec pause = {.tv_nsec = 20000};

            if (!segment_kit_drain(segment, check_record, check))
                nanosleep(&pause, NULL);
        }
    }
    segment_kit_drain(segment, check_record, check);
    for (unsigned i = 0; i < WRITERS; i++)
        KIT_EQ(process[i].status, 0);
}

/* Was the per-core ring used at all? Owned rings would hide what is tested here. */
static void need_rseq(void)
{
#if SHMLOG_RSEQ_
    if (&__rseq_size && __rseq_size > 0)
        return;
#endif
    kit_skip("no rseq on this machine");
}

int main(int argc, char **argv)
{
    const bool migrates = argc == 2 && strcmp(argv[1], "migrate") == 0;
    const uint64_t commits = kit_number("SHMLOG_TEST_COMMITS", 100000000) / (migrates ? 10 : 1);
    const int cpu = kit_cpu(kit_cpus() - 1);
    const struct segment_kit_params params = {.on_full = SHMLOG_ON_FULL_WAIT,
                                              .ring_bytes = 4 << 20,
                                              .only_cpu = migrates ? 0 : cpu + 1};
    struct writer writer[WRITERS];
    struct kit_process process[WRITERS];
    struct segment_kit segment;
    struct check check = {.migrates = migrates};
    cpu_set_t all;
    uint64_t start;

    kit_begin("rseq_commits");
    need_rseq();
    if (migrates && kit_cpus() < CORES)
        kit_skip("one core only");
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(shared != MAP_FAILED);
    segment_kit_open(&segment, "rseq", &params);

    sched_getaffinity(0, sizeof(all), &all);
    start = kit_now_ns();
    for (unsigned i = 0; i < WRITERS; i++) {
        writer[i] = (struct writer){.index = i, .commits = commits / WRITERS, .migrates = migrates};
        for (unsigned k = 0; k < CORES && migrates; k++)
            writer[i].core[k] = kit_cpu(k);
    }
    stay_on(cpu); /* for the writers to inherit */
    for (unsigned i = 0; i < WRITERS; i++)
        kit_spawn_function(&process[i], "writer", write_numbers, &writer[i]);
    if (CPU_COUNT(&all) > 1 && !migrates)
        CPU_CLR((unsigned)cpu, &all);
    sched_setaffinity(0, sizeof(all), &all);
    read_all(&segment, process, &check);

    printf("%" PRIu64 " committed (%" PRIu64 " in handlers), %" PRIu64 " read, %" PRIu64
           " not the next, %" PRIu64 " found lost, %" PRIu64 " counted lost, %.1f s\n",
           committed(), shared->committed[0][1] + shared->committed[1][1], segment.records,
           check.bad, segment.lost, segment_kit_counted(&segment),
           (double)(kit_now_ns() - start) / 1e9);
    if (segment.records != committed() || !sums_are_right(&check) || check.bad || segment.lost ||
        segment_kit_counted(&segment)) {
        fprintf(stderr, "commits were lost or damaged\n");
        return EXIT_LOST;
    }
    segment_kit_close(&segment);
    return 0;
}
