/* SPDX-License-Identifier: MIT
 *
 * Threads: which shared ring each takes when others are held, and what name it has when the table
 * of producers is full. What is not committed is counted, once.
 */
#include "tests/unit/producer_kit.h"

#include <pthread.h>

#define WAIT_NS UINT64_C(20000000)

static struct shm_params parameters;

static void prepare(void)
{
    parameters = kit_producer_params();
    parameters.spare_rings = 1;
}

TestSuite(producer_threads, .init = prepare, .fini = kit_detach, .timeout = 120);

static void open_with(uint32_t on_full, bool shared)
{
    parameters.on_full = on_full;
    kit_attach(&parameters);
    if (shared)
        kit_share(logger);
}

/* ---- Shared rings ---- */

static struct shmlog_ring *shared_ring(uint32_t i)
{
    return logger->local.ring[logger->local.shared_begin + i];
}

/* A holder that lives: the first process of this pid namespace. */
static uint64_t somebody(void)
{
    return SHMLOG_HOLDER(1, logger->local.pid_ns, 0);
}

/* One of a thread that has ended. */
static uint64_t nobody(void)
{
    const pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    return SHMLOG_HOLDER(child, shm_pid_ns(), 0);
}

/* A handler that comes in the middle of a call finds its thread's ring held, and takes another; it
 * waits for none, here for ever, but takes a dead one's. */
Test(producer_threads, nested)
{
    const uint64_t dead = nobody();
    uint64_t self;

    parameters.spare_rings = 2;
    parameters.wait_ns = UINT64_MAX;
    open_with(SHMLOG_ON_FULL_WAIT, true);
    self = shmlog_state_(logger)->holder;
    shared_ring(0)->holder = self;
    log_slots(1, 0);
    log_slots(5, 0);
    cr_assert_eq(shared_ring(1)->head, 6);
    shared_ring(1)->holder = self; /* and one in that */
    log_slots(1, 0);
    shared_ring(1)->holder = somebody();
    log_slots(5, 0);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NESTED), 2);
    cr_assert_eq(shmlog_thread_lost(logger), 2);
    shared_ring(1)->holder = dead;
    log_slots(5, 0);
    cr_assert_eq(shared_ring(1)->head, 11);
    cr_assert_eq(shared_ring(0)->holder, self);
    shared_ring(0)->holder = 0;
    log_slots(1, 0);
    cr_assert_eq(shared_ring(0)->head + shared_ring(1)->head, 12);
    cr_assert_eq(shmlog_lost(logger), 2);
}

/* Whoever is gone is not waited for: it ended, or its number is another thread's now. */
Test(producer_threads, dead_holder)
{
    const uint64_t ns = shm_pid_ns(), tid = (uint64_t)gettid();
    const uint64_t start = shmlog_start_time_(SHMLOG_OWN_STAT_), dead = nobody();

    parameters.wait_ns = UINT64_MAX; /* for who lives */
    open_with(SHMLOG_ON_FULL_WAIT, true);
    shared_ring(0)->holder = dead;
    log_slots(1, 1);
    shared_ring(0)->holder = SHMLOG_HOLDER(tid, ns, start + 1);
    log_slots(2, 2);
    cr_assert_eq(shared_ring(0)->holder, 0);
    cr_assert_eq(kit_take_all(), 2);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* Who lives and does not go on is waited for once; a second wait would last for ever. */
Test(producer_threads, stopped_holder)
{
    open_with(SHMLOG_ON_FULL_WAIT, true);
    for (uint32_t round = 1; round <= 2; round++) {
        const uint64_t holder =
            round == 1 ? somebody() : SHMLOG_HOLDER(0x3fffff, ~logger->local.pid_ns, 0);

        shared_ring(0)->holder = holder; /* the second: of another pid namespace */
        logger->local.wait_ns = WAIT_NS;
        log_slots(1, 0);
        cr_assert_eq(shared_ring(0)->held_too_long, holder);
        logger->local.wait_ns = UINT64_MAX;
        for (unsigned i = 1; i < 100; i++)
            log_slots(1 + i % 3, 0);
        cr_assert_eq(kit_lost(SHMLOG_LOST_NO_RING), 100 * round);
        shared_ring(0)->holder = 0;
        log_slots(1, round);
        cr_assert_eq(shared_ring(0)->held_too_long, 0);
        cr_assert_eq(kit_take_all(), 1);
    }
    cr_assert_eq(shmlog_thread_lost(logger), 200);
}

/* Any that is free will do, however many others are held. */
Test(producer_threads, one_that_is_free)
{
    static const uint32_t spare[] = {1, 2, 11, 101, 1025};

    for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]); i++) {
        parameters.spare_rings = spare[i];
        parameters.wait_ns = UINT64_MAX;
        open_with(SHMLOG_ON_FULL_WAIT, true);
        cr_assert_eq(logger->local.shared_count, spare[i]);
        for (uint32_t k = 0; k < spare[i]; k++)
            shared_ring(k)->holder = somebody();
        for (uint32_t k = 0; k < spare[i]; k += 1 + k / 3) {
            shared_ring(k)->holder = 0;
            log_slots(1, k);
            cr_assert_eq(shared_ring(k)->head, 1);
            cr_assert_eq(shared_ring(k)->holder, 0);
            shared_ring(k)->holder = somebody();
        }
        cr_assert_eq(shmlog_lost(logger), 0);
        if (i + 1 < sizeof(spare) / sizeof(spare[0]))
            kit_detach();
    }
}

/* Those of an older collector's segment that are not shared are let alone. */
Test(producer_threads, rings_with_owners)
{
    parameters.spare_rings = 5;
    kit_open();
    segment = kit_create(&parameters);
    segment->rings[2].header->owner = 0;
    segment->rings[3].header->owner = 65537;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    cr_assert_eq(logger->local.shared_begin, 4);
    cr_assert_eq(logger->local.shared_count, 2);
}

static uint64_t thread_pointer_word(void)
{
    uint64_t word = 0;

#if defined(__x86_64__)
    __asm__ volatile("movq %%fs:8, %0" : "=r"(word));
#endif
    return word;
}

static uint32_t why(void)
{
    return shm_producers(segment)[(shmlog_state_(logger)->producer & 0xffff) - 1].why;
}

/* A core that has no ring: its threads go into a shared one. */
Test(producer_threads, core_without_ring)
{
    const uint32_t other = kit_cpu + 1;

    parameters.cpus = &other;
    open_with(SHMLOG_ON_FULL_DROP, false);
    log_slots(3, 1);
    log_slots(1, 2);
    cr_assert_eq(kit_rseq_cs(), 0);
    cr_assert_eq(shared_ring(0)->head, 4);
    cr_assert_eq(why(), kit_has_rseq() ? SHMLOG_WHY_NO_CORE : SHMLOG_WHY_NO_RSEQ);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* Neither sequences nor a shared ring: calls are counted, and the thread's control block is not
 * scribbled on. */
Test(producer_threads, no_rseq_no_ring)
{
    const uint64_t before = thread_pointer_word();

    kit_open();
    segment = kit_create(&parameters);
    segment->control->clock = SHMLOG_CLOCK_MONOTONIC; /* sequences read the TSC: not used */
    segment->rings[1].header->owner = 0;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    for (uint32_t i = 1; i <= 10; i++) {
        log_slots(i, i);
        cr_assert_eq(thread_pointer_word(), before);
        cr_assert_eq(kit_lost(SHMLOG_LOST_NO_RING), i);
    }
    cr_assert_eq(shmlog_thread_lost(logger), 10);
    cr_assert_eq(why(), SHMLOG_WHY_NO_TSC);
}

/* ---- Attachments and names ---- */

Test(producer_threads, four_attachments)
{
    struct shmlog *more[4] = {NULL};

    open_with(SHMLOG_ON_FULL_DROP, false);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(shmlog_open(&more[i], kit_path, NULL), 0);
    cr_assert_eq(shmlog_open(&more[3], kit_path, NULL), -EMFILE);
    cr_assert_null(more[3]);
    shmlog_close(more[1]);
    cr_assert_eq(shmlog_open(&more[1], kit_path, NULL), 0);
    for (unsigned i = 0; i < 3; i++) { /* the thread is another producer in each */
        shmlog_info(more[i], "%u", i);
        cr_assert(kit_take());
        cr_assert_eq(load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER),
                     shmlog_state_(more[i])->producer);
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(shmlog_state_(more[k])->producer, shmlog_state_(more[i])->producer);
    }
    for (unsigned i = 0; i < 3; i++)
        shmlog_close(more[i]);
    cr_assert_eq(shmlog_open(&more[0], "/nonexistent/segment", NULL), -ENOENT);
    cr_assert_eq(shmlog_entries_, 1);
}

static void fill_table(bool full)
{
    const uint64_t claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
    struct shmlog_producer *const table = shm_producers(segment);

    for (uint32_t i = 0; i < segment->geometry.producers_max; i++) {
        if (full && !table[i].claim)
            table[i].claim = claim;
        else if (!full && table[i].claim == claim)
            table[i].claim = 0;
    }
}

static bool is_named(uint32_t slots)
{
    log_slots(slots, 1);
    cr_assert_eq(kit_take_all(), 1);
    return load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER) != 0;
}

static void *log_nameless(void *arg)
{
    const uint32_t slots = *(const uint32_t *)arg, size = segment->geometry.producers_max;
    uint32_t calls = 1;

    for (uint32_t i = 1; i <= 3 * size; i++)
        cr_assert_not(is_named(slots));
    shm_producers(segment)[size - 1].claim = 0; /* one comes free */
    while (!is_named(slots))
        calls++;
    cr_assert_leq(calls, size);
    cr_assert_eq(load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER) & 0xffff, size);
    cr_assert_eq(shm_producers(segment)[size - 1].tid, (uint32_t)gettid());
    fill_table(true);
    return NULL;
}

/* A thread that finds the table full logs on, without a name; once an entry comes free, it has it
 * after no more calls than there are entries. */
static void nameless(bool shared)
{
    static const uint32_t sizes[] = {2, 11, 101, 1025};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        parameters.producers_max = sizes[i];
        open_with(SHMLOG_ON_FULL_DROP, shared);
        fill_table(true);
        for (uint32_t slots = 1; slots <= 2; slots++) {
            pthread_t thread;

            cr_assert_eq(pthread_create(&thread, NULL, log_nameless, &slots), 0);
            pthread_join(thread, NULL);
            shm_producers(segment)[sizes[i] - 1].claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
        }
        cr_assert_eq(shmlog_lost(logger), 0);
        fill_table(false);
        if (i + 1 < sizeof(sizes) / sizeof(sizes[0]))
            kit_detach();
    }
}

Test(producer_threads, nameless_core)
{
    nameless(false);
}

Test(producer_threads, nameless_shared)
{
    nameless(true);
}

static void *register_late(void *arg)
{
    shmlog_register_thread(logger);
    cr_assert_not(is_named(1));
    shm_producers(segment)[100].claim = 0;
    shmlog_register_thread(logger);
    cr_assert(is_named(1));
    cr_assert_eq(shmlog_state_(logger)->producer & 0xffff, 101);
    return arg;
}

/* Registering looks at the whole table again. */
Test(producer_threads, nameless_that_asks)
{
    pthread_t thread;

    parameters.producers_max = 101;
    open_with(SHMLOG_ON_FULL_DROP, false);
    fill_table(true);
    cr_assert_eq(pthread_create(&thread, NULL, register_late, NULL), 0);
    pthread_join(thread, NULL);
    fill_table(false);
}
