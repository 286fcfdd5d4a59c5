/* SPDX-License-Identifier: MIT
 *
 * Segments that go and come under whoever logs (SHMLOG_OPEN_LATER, shmlog_poll()): nothing crashes,
 * what is in a segment is whole, each call is in a segment or counted, but for those that were
 * under way when a segment was left; and what it took of memory is given back.
 *
 *     replaced        at each instruction of a call; in the midst of a poll
 *     replaced busy   under threads and a signal handler, SHMLOG_TEST_CYCLES (default 300) times
 *     replaced cut    the same with files that are cut short (SHMLOG_OPEN_GUARD): nothing crashes,
 * all go on, and a sound segment has all again
 */
#include "tests/producer/later_kit.h"
#include "tests/producer/syscall_kit.h"

#include "shm/tables.h"
#include "tests/kit/shared_rings.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static struct shmlog *the_log;

#define WRITERS 8u
#define RINGS 32u

struct numbers {
    const struct segment_kit *segment;
    uint64_t last[RINGS][WRITERS];
    uint64_t records;
};

/* Each record is whole, of a site of the segment, and in its ring the next of its writer or a later
 * one. */
static void look(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    struct numbers *const n = arg;
    uint8_t writer;
    const uint64_t number = later_number(slots, &writer);

    KIT_COMPARE(ring, <, RINGS);
    KIT_COMPARE(writer, <, WRITERS);
    KIT_COMPARE(shm_site_words(n->segment->segment)[slots->site & SHMLOG_SITE_ID_MASK], !=, 0);
    KIT_COMPARE(number, >=, n->last[ring][writer]);
    n->last[ring][writer] = number;
    n->records++;
}

static void pin(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)kit_cpu(0), &set);
    KIT_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* ---- At each instruction of a call ---- */

#if defined(__x86_64__)
#define STEPS_MAX 600u /* of a call into the core's ring: a step through a sequence aborts it */
#define TRAP_FLAG 0x100
#define SAMPLE 5u

enum { LARGER, SMALLER }; /* one segment, then the other is where the log looks for it */
#define LARGER_SLOTS 4096u
#define SMALLER_SLOTS 1024u
static struct segment_kit segments[2];
static const char *const hidden[2] = {"larger", "smaller"};
enum { CALLER, HANDLER };
static struct {
    unsigned left, kind;
    bool shares;
} step;
static struct numbers seen;

static void place(unsigned which)
{
    KIT_EQ(rename(kit_text("%s/%s", kit_shm_dir(), hidden[which]),
                  kit_text("%s/" LATER_SEGMENT, kit_shm_dir())),
           0);
    KIT_OK(shmlog_poll(the_log));
    if (step.shares)
        KIT_OK(kit_share(the_log->local.later->current));
}

static void hide(unsigned which)
{
    KIT_EQ(rename(kit_text("%s/" LATER_SEGMENT, kit_shm_dir()),
                  kit_text("%s/%s", kit_shm_dir(), hidden[which])),
           0);
    KIT_EQ(shmlog_poll(the_log), -ENOENT);
}

/* The segment is left, and there is another one; and then the thread logs to that. Its head is
 * where what goes by the other one's size would go beyond the ring. */
static void on_trap(int signal, siginfo_t *info, void *context)
{
    const struct shm_segment *const s = segments[SMALLER].segment;
    const struct shmlog_ring *const ring = s->rings[step.shares ? s->geometry.cpu_rings : 0].header;
    ucontext_t *const at = context;

    (void)signal;
    (void)info;
    if (!step.left || --step.left)
        return;
    at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    hide(LARGER);
    place(SMALLER);
    do {
        later_log_one(the_log, step.kind, 1, HANDLER);
        segment_kit_drain(&segments[SMALLER], look, &seen);
    } while (ring->head % LARGER_SLOTS < SMALLER_SLOTS);
}

/* Not into the 128 bytes below the stack pointer: they are the compiler's. */
#define SET_FLAGS(operation_)                                           \
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\t" operation_ \
                     ", (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp" ::  \
                         : "memory", "cc")

static void clean_up(struct segment_kit *kit, bool left)
{
    const struct shm_segment *const s = kit->segment;

    if (left) /* with the thread in a call, which may have held a ring */
        s->rings[s->geometry.cpu_rings].header->holder = 0;
    KIT_EQ(kit->lost, 0);
    KIT_EQ(segment_kit_counted(kit), 0);
    for (uint32_t i = 0; i < s->geometry.rings; i++)
        KIT_EQ(s->rings[i].header->holder, 0);
    for (uint32_t i = 0; i < s->geometry.producers_max; i++)
        shm_producers(kit->segment)[i].claim = 0;
}

/* False: the call was over before. */
static bool replace_at(unsigned number, unsigned kind, bool shares)
{
    const struct shmlog_control *const g = &segments[SMALLER].segment->geometry;
    uint64_t handlers;
    bool hit;

    step.kind = kind;
    step.shares = shares;
    the_log = later_open();
    place(LARGER);
    later_log_one(the_log, kind, 1, CALLER);
    segment_kit_drain(&segments[LARGER], NULL, NULL);
    seen = (struct numbers){.segment = &segments[SMALLER]};
    step.left = number;
    SET_FLAGS("orq $0x100");
    later_log_one(the_log, kind, 1, CALLER);
    SET_FLAGS("andq $-0x101");
    hit = step.left == 0;
    step.left = 0;
    handlers = seen.records;
    later_log_one(the_log, kind, 2, CALLER);
    segment_kit_drain(&segments[SMALLER], look, &seen);
    if (hit) {
        KIT_EQ(seen.last[shares ? g->cpu_rings : 0][HANDLER], 1);
        KIT_EQ(seen.last[shares ? g->cpu_rings : 0][CALLER], 2);
    }
    /* the call was under way, and is nowhere, or had not come so far, or was done */
    KIT_COMPARE(seen.records - handlers, >=, hit);
    KIT_COMPARE(seen.records - handlers, <=, 2 * hit);
    hide(hit ? SMALLER : LARGER);
    segment_kit_drain(&segments[LARGER], NULL, NULL);
    shmlog_close(the_log);
    clean_up(&segments[LARGER], hit);
    clean_up(&segments[SMALLER], false);
    return hit;
}

static void test_instructions(void)
{
    const unsigned sample = kit_number("SHMLOG_TEST_THOROUGH", 0) ? 1 : SAMPLE;
    const struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    uint64_t state = kit_seed();
    unsigned steps = 0;

    sigaction(SIGTRAP, &action, NULL);
    for (unsigned i = 0; i < 2; i++) {
        const struct segment_kit_params params = {
            .ring_bytes = (i == LARGER ? LARGER_SLOTS : SMALLER_SLOTS) * SHMLOG_SLOT_SIZE,
            .only_cpu = 1 + kit_cpu(0),
            .shared_ring = true,
            .producers_max = 64,
            .sites_max = i == LARGER ? 64 : 1024, /* so they have other numbers */
        };

        segment_kit_open(&segments[i], hidden[i], &params);
    }
    for (unsigned shares = 0; shares < 2; shares++)
        for (unsigned kind = 0; kind < LATER_KINDS; kind++)
            for (unsigned at = 1 + (unsigned)kit_random_below(&state, sample);
                 at < STEPS_MAX && replace_at(at, kind, shares); at += sample)
                steps++;
    for (unsigned i = 0; i < 2; i++)
        segment_kit_close(&segments[i]);
    printf("replaced at %u instructions\n", steps);
    KIT_COMPARE(steps * sample, >, 2 * LATER_KINDS * 100);
}
#endif

/* ---- In the midst of a poll ---- */

static sem_t in_poll, go_on;

static void hold_poll(long number, const void *target, bool after)
{
    (void)target;
    if (number == SYS_newfstatat || number == SYS_pread64) {
        syscall_kit_set(NULL);
        sem_post(&in_poll);
        while (!after && sem_wait(&go_on) != 0)
            ;
    }
}

static void *poll_once(void *arg)
{
    (void)arg;
    KIT_EQ(shmlog_poll(the_log), 0);
    return NULL;
}

static int child_of_poll(void *arg)
{
    (void)arg;
    return shmlog_poll(the_log) == 0 ? 0 : 1;
}

/* A second thread's call returns at once; a child that is forked meanwhile can poll. */
static void test_polls(void)
{
    const struct segment_kit_params params = {.spare_rings = 1};
    struct kit_process child;
    struct segment_kit segment;
    pthread_t thread;

    KIT_EQ(sem_init(&in_poll, 0, 0), 0);
    KIT_EQ(sem_init(&go_on, 0, 0), 0);
    the_log = later_open();
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    syscall_kit_set(hold_poll);
    KIT_EQ(pthread_create(&thread, NULL, poll_once, NULL), 0);
    while (sem_wait(&in_poll) != 0)
        ;
    KIT_EQ(shmlog_poll(the_log), -ENOENT);
    kit_spawn_function(&child, "child", child_of_poll, NULL);
    KIT_EQ(kit_wait_exit(&child, KIT_PATIENCE), 0);
    KIT_EQ(shmlog_status(the_log), -ENOENT);
    KIT_EQ(sem_post(&go_on), 0);
    KIT_EQ(pthread_join(thread, NULL), 0);
    KIT_EQ(shmlog_poll(the_log), 0);
    shmlog_close(the_log);
    segment_kit_close(&segment);
}

/* ---- Under threads ---- */

#define THREADS 4u
#define IN_HANDLER THREADS      /* the writer that the signal handlers are */
#define UNDER_WAY (2 * THREADS) /* a call of each, and a handler in it */
#define MANY 500u

static uint64_t calls; /* that have returned */
static uint32_t stop, pause_all, paused;
static pthread_t thread[THREADS];
static pthread_barrier_t barrier;

static void log_kind(unsigned kind, uint64_t number, uint8_t writer)
{
    later_log_one(the_log, kind, number, writer);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

/* The handlers of several threads may be under way at once: their records have all one number. */
static void on_alarm(int signal)
{
    const int saved = errno;
    static uint32_t kind;

    (void)signal;
    log_kind(__atomic_fetch_add(&kind, 1, __ATOMIC_RELAXED) % LATER_KINDS, 0, IN_HANDLER);
    errno = saved;
}

static void block_alarms(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    KIT_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static void *log_on(void *arg)
{
    const uint8_t writer = (uint8_t)(uintptr_t)arg;

    block_alarms(SIG_UNBLOCK);
    for (uint64_t number = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); number++) {
        for (unsigned kind = 0; kind < LATER_KINDS; kind++)
            log_kind(kind, number, writer);
        if (!__atomic_load_n(&pause_all, __ATOMIC_ACQUIRE))
            continue;
        block_alarms(SIG_BLOCK);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        block_alarms(SIG_UNBLOCK);
    }
    return NULL;
}

/* Nobody is in a call, until they are let go on. */
static void pause_writers(void)
{
    __atomic_store_n(&pause_all, 1, __ATOMIC_RELEASE);
    pthread_barrier_wait(&barrier);
    paused = 1;
}
static void let_writers_go(void)
{
    if (!paused)
        return;
    paused = 0;
    __atomic_store_n(&pause_all, 0, __ATOMIC_RELEASE);
    pthread_barrier_wait(&barrier);
}

static void start_writers(void)
{
    const struct itimerval every = {{0, 500}, {0, 500}};
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    block_alarms(SIG_BLOCK); /* in this thread, and the others until they run */
    sigaction(SIGALRM, &action, NULL);
    KIT_EQ(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        KIT_EQ(pthread_create(&thread[i], NULL, log_on, (void *)i), 0);
    KIT_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void end_writers(void)
{
    const struct itimerval never = {{0, 0}, {0, 0}};

    KIT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    let_writers_go();
    for (unsigned i = 0; i < THREADS; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
}

static bool has_many(void *arg)
{
    const struct segment_kit *const kit = arg;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < kit->segment->geometry.rings; i++)
        sum += shmlog_load_relaxed_(&kit->segment->rings[i].header->head);
    return sum > MANY;
}

static void random_params(uint64_t *random, struct segment_kit_params *ret_params)
{
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};

    *ret_params = (struct segment_kit_params){
        .ring_bytes = UINT64_C(65536) << kit_random_below(random, 4),
        .spare_rings = (uint32_t)kit_random_below(random, 11),
        .shared_ring = true,
        .only_cpu = kit_random_below(random, 4) ? 0 : 1 + kit_cpu(0),
        .on_full = policies[kit_random_below(random, 3)],
        .wait_ns = 1000000,
        .producers_max = 64,
        .sites_max = 256,
    };
}

/* One segment's life. Returns the calls that it has or counts. */
static uint64_t come_and_go(uint64_t *random, bool quietly)
{
    struct segment_kit_params params;
    struct segment_kit segment;
    struct numbers numbers = {.segment = &segment};
    uint64_t sum;

    random_params(random, &params);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_poll(the_log));
    let_writers_go();
    if (!kit_wait(has_many, &segment, KIT_PATIENCE))
        KIT_FAIL("nobody logs");
    if (quietly)
        pause_writers();
    later_remove(&segment, (enum later_way)kit_random_below(random, LATER_WAYS));
    KIT_COMPARE(shmlog_poll(the_log), <, 0);
    segment_kit_drain(&segment, look, &numbers);
    sum = numbers.records + segment.lost + segment_kit_counted(&segment);
    later_close_removed(&segment);
    KIT_EQ(later_mappings(), 0);
    return sum;
}

/* Pages that are this process's alone, in KiB. */
static uint64_t own_kib(void)
{
    char *const text = kit_read_file("/proc/self/status", NULL);
    const char *const at = strstr(text, "RssAnon:");
    uint64_t kib = 0;

    KIT_CHECK(at && sscanf(at, "RssAnon: %lu", &kib) == 1);
    free(text);
    return kib;
}

/* What a segment that was left costs until the log is closed, its tables of rings above all. */
#define LEFT_KIB 80u

static void test_busy(void)
{
    const uint64_t cycles = kit_number("SHMLOG_TEST_CYCLES", 300), before = shmlog_lost(NULL);
    uint64_t random = kit_seed(), sum = 0, nowhere = 0, since = 0, loud = 0, kib;

    the_log = later_open();
    start_writers();
    sum += come_and_go(&random, false);
    loud++;
    kib = own_kib();
    for (uint64_t cycle = 0; cycle < cycles; cycle++) {
        const bool quietly = kit_random_below(&random, 2);

        sum += come_and_go(&random, quietly);
        loud += !quietly;
        if (!quietly)
            continue;
        /* so far nobody is in a call: what is nowhere was under way when a segment was left */
        KIT_COMPARE(sum + shmlog_lost(the_log), <=, calls);
        nowhere = calls - sum - shmlog_lost(the_log);
        KIT_COMPARE(nowhere - since, <=, loud * UNDER_WAY);
        since = nowhere;
        loud = 0;
    }
    end_writers();
    kib = own_kib() - kib;
    if (!kit_sanitized())
        KIT_COMPARE(kib, <, cycles * LEFT_KIB + 1024);
    shmlog_close(the_log);
    sum += shmlog_lost(NULL) - before;
    printf("%lu segments, %lu calls, of which %lu were under way when one was left; %lu KiB\n",
           (unsigned long)cycles, (unsigned long)calls, (unsigned long)(calls - sum),
           (unsigned long)kib);
    KIT_COMPARE(sum, <=, calls);
    KIT_COMPARE(calls - sum - since, <=, loud * UNDER_WAY);
}

/* ---- Files cut short ---- */

static void cut(const char *file, off_t size)
{
    KIT_EQ(truncate(kit_text("%s/" LATER_SEGMENT "/%s", kit_shm_dir(), file), size), 0);
}

static bool calls_reached(void *arg)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED) >= *(uint64_t *)arg;
}

static void all_go_on(void)
{
    uint64_t goal = __atomic_load_n(&calls, __ATOMIC_RELAXED) + MANY;

    if (!kit_wait(calls_reached, &goal, KIT_PATIENCE))
        KIT_FAIL("nobody goes on");
}

static void come_and_be_cut(uint64_t *random)
{
    struct segment_kit_params params;
    struct segment_kit segment;
    uint32_t rings, what = (uint32_t)kit_random_below(random, 6);
    off_t size;

    random_params(random, &params);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    rings = segment.segment->geometry.rings;
    size = what % 2 ? (off_t)segment.segment->geometry.file_size / 2 & -4096 : 0;
    shm_segment_close(segment.segment); /* or this test would run into it */
    segment.segment = NULL;
    KIT_OK(shmlog_poll(the_log));
    all_go_on();
    for (uint32_t i = 0; what >= 2 && i < rings; i++)
        cut(kit_text("ring-%03u", i), what % 2 ? (off_t)params.ring_bytes / 2 : 0);
    if (what < 4)
        cut("control", size);
    all_go_on();
    KIT_EQ(shmlog_poll(the_log) < 0, what < 4);
    all_go_on();
    KIT_EQ(rename(kit_text("%s/" LATER_SEGMENT, kit_shm_dir()),
                  kit_text("%s/removed", kit_shm_dir())),
           0);
    KIT_EQ(shmlog_poll(the_log), -ENOENT);
    later_close_removed(&segment);
    KIT_EQ(later_mappings(), 0);
}

static void test_cut(void)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_LATER | SHMLOG_OPEN_GUARD};
    const uint64_t cycles = kit_number("SHMLOG_TEST_CYCLES", 300) / 3;
    uint64_t random = kit_seed(), before, missed;

    KIT_OK(shmlog_open(&the_log, LATER_SEGMENT, &options));
    start_writers();
    for (uint64_t cycle = 0; cycle < cycles; cycle++)
        come_and_be_cut(&random);
    pause_writers();
    before = calls;
    missed = shmlog_lost(the_log);
    KIT_EQ(come_and_go(&random, true), calls - before + missed);
    end_writers();
    shmlog_close(the_log);
    printf("%lu segments cut short, %lu calls\n", (unsigned long)cycles, (unsigned long)calls);
}

int main(int argc, char **argv)
{
    kit_begin("replaced");
    if (argc > 1 && strcmp(argv[1], "busy") == 0) {
        test_busy();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "cut") == 0) {
        test_cut();
        return 0;
    }
    test_polls();
    pin();
#if defined(__x86_64__)
    if (!kit_sanitized()) /* whose own instructions would be interrupted, too */
        test_instructions();
#endif
    return 0;
}
