/* SPDX-License-Identifier: MIT
 *
 * A segment that is put out of use by several steps, with threads in it: its rings are replaced by
 * private memory, then its control file. Whatever step that has got to, no two threads write to one
 * ring, and every call is in the segment or counted.
 *
 *     replaced         all of it
 *     replaced churn   segments that are removed under threads that come and go, SHMLOG_TEST_CYCLES
 *                      (default 12) of each policy
 */
#include "tests/producer/later_kit.h"
#include "tests/producer/syscall_kit.h"

#include "shm/tables.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/resource.h>

#define DEADLINE 60

static struct segment_kit segment;
static struct shmlog *the_log;

/* ---- Each step held ---- */

#define AT_STEP 2u /* threads that register at each step */
#define LIVING_MAX 256u

/* A thread that registered, and lives on. */
struct living {
    pthread_t thread;
    const struct shmlog_state_ *state; /* NULL: nameless */
    sem_t registered, end;
};
static struct living living[LIVING_MAX];
static unsigned living_count;
static uint64_t calls;

static sem_t reached, go_on;
static struct step {
    const void *target; /* of the replacing */
    bool after;
} step;

static void log_one(void)
{
    shmlog_info(the_log, "one of %u", LIVING_MAX);
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

static void *live(void *arg)
{
    struct living *const l = arg;

    log_one();
    (void)shmlog_own_ring(the_log);
    log_one();
    l->state = shmlog_find_state_(the_log);
    KIT_EQ(sem_post(&l->registered), 0);
    while (sem_wait(&l->end) != 0)
        ;
    log_one();
    return NULL;
}

static void add_living(void)
{
    struct living *const l = &living[living_count];

    KIT_COMPARE(living_count, <, LIVING_MAX);
    KIT_EQ(sem_init(&l->registered, 0, 0), 0);
    KIT_EQ(sem_init(&l->end, 0, 0), 0);
    KIT_EQ(pthread_create(&l->thread, NULL, live, l), 0);
    while (sem_wait(&l->registered) != 0)
        ;
    living_count++;
}

static void hold_step(long number, const void *target, bool after)
{
    if (number != SYS_mremap)
        return;
    step = (struct step){target, after};
    sem_post(&reached);
    while (sem_wait(&go_on) != 0)
        ;
}

static bool step_reached(void *arg)
{
    (void)arg;
    return sem_trywait(&reached) == 0;
}

static uint64_t state_in_table(const struct living *l)
{
    const struct shmlog_producer *const table = shm_producers(segment.segment);

    return shmlog_load_acquire_(&table[(l->state->thread.producer & 0xffff) - 1].claim) &
           SHMLOG_PRODUCER_STATE;
}

/* Of those that have a state none has another one's, nor another one's ring. */
static void check_living(void)
{
    for (unsigned i = 0; i < living_count; i++)
        for (unsigned j = 0; living[i].state && j < i; j++) {
            const struct shmlog_thread_ *const a = &living[i].state->thread;
            const struct shmlog_thread_ *b;

            if (!living[j].state)
                continue;
            b = &living[j].state->thread;
            if (a == b || a->producer == b->producer)
                KIT_FAIL("threads %u and %u are both producer %#x", i, j, a->producer);
            if (a->owned == b->owned && a->owned != &the_log->local.none &&
                !shmlog_ring_gone_(a->owned))
                KIT_FAIL("threads %u and %u own one ring", i, j);
        }
}

static void check_step(uint32_t rings_replaced)
{
    const struct shmlog_local_ *const local = &the_log->local;
    const bool control = step.target == &the_log->control;
    uint32_t gone = 0;

    for (uint32_t i = 0; i < local->geometry.rings; i++)
        gone += shmlog_ring_gone_(local->ring[i]) != 0;
    KIT_EQ(gone, rings_replaced);
    if (control) /* last, for until then threads may have rings */
        KIT_EQ(gone, local->geometry.rings);
    KIT_EQ(shmlog_control_gone_(the_log), control && step.after);
    /* who is signed off has no ring of the segment's any more: the collector may give it away */
    KIT_EQ(state_in_table(&living[0]), control ? SHMLOG_PRODUCER_DETACHED : SHMLOG_PRODUCER_LIVE);
    for (unsigned i = 0; i < AT_STEP; i++)
        add_living();
    if (control && step.after)
        KIT_CHECK(living[living_count - 1].state == NULL);
    else
        KIT_CHECK(living[living_count - 1].state != NULL);
    check_living();
}

static void test_steps(void)
{
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};

    for (unsigned p = 0; p < 3; p++) {
        const struct segment_kit_params params = {.on_full = policies[p],
                                                  .spare_rings = 2,
                                                  .shared_ring = true,
                                                  .wait_ns = 1000000};
        const uint64_t before = shmlog_lost(NULL);
        uint64_t found, counted;
        uint32_t rings, replaced = 0;

        calls = living_count = 0;
        KIT_EQ(sem_init(&reached, 0, 0), 0);
        KIT_EQ(sem_init(&go_on, 0, 0), 0);
        segment_kit_open(&segment, LATER_SEGMENT, &params);
        the_log = later_open();
        rings = the_log->local.geometry.rings;
        add_living(); /* has a ring of its own */
        KIT_CHECK(living[0].state->thread.owned != &the_log->local.none);
        syscall_kit_set(hold_step);
        later_remove(&segment);
        for (uint32_t steps = 0; steps < 2 * (rings + 1); steps++) {
            if (!kit_wait(step_reached, NULL, DEADLINE))
                KIT_FAIL("no step after %u", steps);
            replaced += step.after && step.target != &the_log->control;
            check_step(replaced);
            KIT_EQ(sem_post(&go_on), 0);
        }
        later_await_loss(the_log);
        syscall_kit_set(NULL);
        for (unsigned i = 0; i < living_count; i++) {
            KIT_EQ(sem_post(&living[i].end), 0);
            KIT_EQ(pthread_join(living[i].thread, NULL), 0);
        }
        found = segment_kit_drain(&segment, NULL, NULL) + segment.lost;
        counted = segment_kit_counted(&segment);
        shmlog_close(the_log);
        counted += shmlog_lost(NULL) - before;
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 0);
        later_close_removed(&segment);
        printf(
            "policy %u, %u rings held step by step: %lu calls, %lu in the segment, %lu counted\n",
            policies[p], rings, (unsigned long)calls, (unsigned long)found, (unsigned long)counted);
        KIT_EQ(found + counted, calls);
    }
}

/* ---- Cut short, by the handler of SIGBUS ---- */

static void cut_control(void)
{
    KIT_EQ(truncate(kit_text("%s/" LATER_SEGMENT "/control", kit_shm_dir()), 0), 0);
}

static pid_t first; /* of two threads that run into it: the one that came first */
static uint32_t second_is_in, first_is_done;

static bool is_set(void *arg)
{
    return __atomic_load_n((const uint32_t *)arg, __ATOMIC_ACQUIRE);
}

static void await_set(uint32_t *word)
{
    if (!kit_wait(is_set, word, DEADLINE))
        _exit(3);
}

static void *log_second(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 10; i++)
        log_one();
    return NULL;
}

static pthread_t second_thread;
static sem_t second_goes;

static void *wait_then_log(void *arg)
{
    shmlog_register_thread(the_log);
    __atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
    while (sem_wait(&second_goes) != 0)
        ;
    return log_second(NULL);
}

/* The first one stands before the replacing until the second one has run into the same; a second
 * replacing would wait until the first one's calls are counted. */
static void hold_first(long number, const void *target, bool after)
{
    if (gettid() != first)
        __atomic_store_n(&second_is_in, 1, __ATOMIC_RELEASE);
    if (number != SYS_mremap || target != &the_log->control || after)
        return;
    if (gettid() == first) {
        sem_post(&second_goes);
        await_set(&second_is_in);
    } else {
        await_set(&first_is_done);
    }
}

/* Two threads at once: what the first one has counted when the second one gets there stays. */
static int two_threads(void *arg)
{
    uint32_t registered = 0;

    (void)arg;
    KIT_EQ(sem_init(&second_goes, 0, 0), 0);
    KIT_OK(shmlog_open(&the_log, LATER_SEGMENT, NULL));
    log_one();
    KIT_EQ(pthread_create(&second_thread, NULL, wait_then_log, &registered), 0);
    await_set(&registered);
    first = gettid();
    calls = 0;
    cut_control();
    syscall_kit_set(hold_first);
    for (unsigned i = 0; i < 10; i++)
        log_one();
    __atomic_store_n(&first_is_done, 1, __ATOMIC_RELEASE);
    KIT_EQ(pthread_join(second_thread, NULL), 0);
    syscall_kit_set(NULL);
    KIT_EQ(calls, 20);
    KIT_EQ(shmlog_lost(the_log), calls);
    shmlog_close(the_log);
    return 0;
}

static uint32_t alarms, to_raise;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
    log_one();
}

static void raise_alarm(long number, const void *target, bool after)
{
    (void)number, (void)target, (void)after;
    if (to_raise && --to_raise == 0)
        raise(SIGALRM);
}

/* The handler of SIGBUS is interrupted by another one that logs, at each of its system calls. */
static int interrupted(void *arg)
{
    const struct sigaction action = {.sa_handler = on_alarm};

    KIT_OK(shmlog_open(&the_log, LATER_SEGMENT, NULL));
    KIT_EQ(sigaction(SIGALRM, &action, NULL), 0);
    log_one();
    calls = 0;
    to_raise = *(const uint32_t *)arg;
    cut_control();
    syscall_kit_set(raise_alarm);
    for (unsigned i = 0; i < 10; i++)
        log_one();
    syscall_kit_set(NULL);
    KIT_EQ(shmlog_lost(the_log), calls);
    KIT_EQ(calls, 10 + alarms);
    shmlog_close(the_log);
    return to_raise ? 10 : 0; /* 10: there are not so many system calls */
}

static int in_process(const char *name, int (*function)(void *), void *arg)
{
    const struct segment_kit_params params = {.spare_rings = 2, .shared_ring = true};
    struct kit_process process;
    int status;

    segment_kit_open(&segment, LATER_SEGMENT, &params);
    kit_spawn_function(&process, name, function, arg);
    status = kit_wait_exit(&process, DEADLINE);
    if (status != 0 && status != 10)
        KIT_FAIL("%s: status %d: %s", name, status, kit_read_file(process.err, NULL));
    shm_segment_close(segment.segment);
    KIT_OK(shm_segment_destroy(kit_text("%s/" LATER_SEGMENT, kit_shm_dir())));
    free(segment.reader);
    free(segment.buffer);
    return status;
}

static void test_cut(void)
{
    uint32_t at = 1;

    KIT_EQ(in_process("two threads", two_threads, NULL), 0);
    while (in_process("interrupted", interrupted, &at) == 0)
        at++;
    printf("interrupted at %u system calls\n", at - 1);
    KIT_COMPARE(at, >, 10);
}

/* ---- A site that is registered into nothing ---- */

static void log_site(struct shmlog *log)
{
    shmlog_info(log, "registered where there is no table");
}

static void look_at_site(void *arg, uint32_t ring, const struct shmlog_slot *slots)
{
    const uint64_t *const words =
        (const uint64_t *)(const void *)((const uint8_t *)segment.segment->control +
                                         segment.segment->geometry.sites_offset);

    (void)ring;
    *(bool *)arg = words[slots->site & SHMLOG_SITE_ID_MASK] != 0;
}

/* Its id holds for no other log of the same segment. */
static void test_site(void)
{
    const struct segment_kit_params params = {.spare_rings = 2};
    struct shmlog *lost, *log;
    bool known = false;

    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_open(&lost, LATER_SEGMENT, NULL));
    KIT_OK(shmlog_open(&log, LATER_SEGMENT, NULL));
    KIT_OK(shmlog_lose_segment_(lost));
    log_site(lost);
    KIT_EQ(shmlog_lost(lost), 1);
    log_site(log);
    KIT_EQ(segment_kit_drain(&segment, look_at_site, &known), 1);
    KIT_CHECK(known);
    shmlog_close(lost);
    shmlog_close(log);
    segment_kit_close(&segment);
}

/* ---- Threads that come and go ---- */

static uint32_t stop;
static uint64_t short_lived;

#define SHORT_RECORDS 20u

static void *log_and_end(void *arg)
{
    later_log(arg, SHORT_RECORDS);
    __atomic_fetch_add(&short_lived, SHORT_RECORDS * LATER_KINDS, __ATOMIC_RELAXED);
    return NULL;
}

static void *churn(void *arg)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_t thread[2];

        for (int i = 0; i < 2; i++)
            KIT_EQ(pthread_create(&thread[i], NULL, log_and_end, arg), 0);
        for (int i = 0; i < 2; i++)
            KIT_EQ(pthread_join(thread[i], NULL), 0);
    }
    return NULL;
}

static void churn_through(uint32_t policy, uint64_t *state)
{
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *const log = later_open();
    struct segment_kit_params params;
    uint64_t produced, found, counted;
    pthread_t churner;

    stop = 0;
    short_lived = 0;
    later_params(state, policy, &params);
    params.shared_ring = true; /* without rseq those that ended have all others */
    later_busy_begin(log);
    KIT_EQ(pthread_create(&churner, NULL, churn, log), 0);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    later_await_segment(log);
    later_await_records(&segment);
    later_remove(&segment);
    later_await_loss(log);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    KIT_EQ(pthread_join(churner, NULL), 0);
    produced = later_busy_end() + short_lived;
    shmlog_close(log);
    found = segment_kit_drain(&segment, NULL, NULL) + segment.lost;
    counted = segment_kit_counted(&segment) + shmlog_lost(NULL) - before;
    later_close_removed(&segment);
    if (found + counted != produced)
        KIT_FAIL("policy %u: %lu calls, %lu in the segment and %lu counted: %ld off", policy,
                 (unsigned long)produced, (unsigned long)found, (unsigned long)counted,
                 (long)(found + counted - produced));
}

static void test_churn(void)
{
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};
    const uint64_t cycles = kit_number("SHMLOG_TEST_CYCLES", 12);
    uint64_t state = kit_seed();

    for (uint64_t cycle = 0; cycle < cycles; cycle++)
        for (unsigned p = 0; p < 3; p++)
            churn_through(policies[p], &state);
    printf("%lu segments removed under each policy\n", (unsigned long)cycles);
}

int main(int argc, char **argv)
{
    kit_begin("replaced");
    if (argc < 2 || strcmp(argv[1], "churn") != 0) {
        test_steps();
        test_cut();
        test_site();
    }
    test_churn();
    return 0;
}
