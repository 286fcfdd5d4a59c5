/* SPDX-License-Identifier: MIT
 *
 * Rings as a writer meets them: wrapping, full to the last slot, under each policy, damaged, not
 * there at all. What is not committed is counted, once.
 */
#include "tests/unit/producer_kit.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define SLOTS 1024u
#define WAIT_NS UINT64_C(20000000)

static struct shm_params parameters;

static void prepare(void)
{
    parameters = kit_producer_params();
}

TestSuite(producer_rings, .init = prepare, .fini = kit_detach, .timeout = 120);

static void open_with(uint32_t on_full, bool own)
{
    parameters.on_full = on_full;
    parameters.wait_ns = WAIT_NS;
    kit_attach(&parameters);
    if (own)
        cr_assert_eq(shmlog_own_ring(logger), 0);
}

/* A record of so many slots, with its number in it. */
static void log_slots(uint32_t slots, uint64_t number)
{
    static char text[SHMLOG_RECORD_PAYLOAD];
    /* number at 16, length word at 24, text from 28 */
    const int size = (int)(slots * SHMLOG_SLOT_PAYLOAD) - 28;

    if (!text[0])
        memset(text, 't', sizeof(text));
    if (slots == 1)
        shmlog_info(logger, "%lu", number);
    else
        shmlog_event(logger, SHMLOG_INFO, "", "long", "number", number, "text",
                     shmlog_text(text, (size_t)size));
}

static struct shmlog_ring *ring_in_use(void)
{
    struct shmlog_ring *const own = shmlog_owned_ring_(shmlog_thread_state_(logger));

    return own ? own : logger->local.ring_of_cpu[kit_cpu];
}

static uint64_t thread_pointer_word(void)
{
    uint64_t word = 0;

#if defined(__x86_64__)
    __asm__ volatile("movq %%fs:8, %0" : "=r"(word));
#endif
    return word;
}

/* ---- room ---- */

static void wrap(bool own)
{
    uint64_t number = 0, taken = 0, in_ring = 0;

    open_with(SHMLOG_ON_FULL_DROP, own);
    for (unsigned round = 0; round < 40; round++) {
        for (uint32_t slots = 1; slots <= SHMLOG_RECORD_SLOTS; slots++) {
            while (in_ring + slots > SLOTS) {
                cr_assert(kit_take());
                cr_assert_eq(load64(kit_payload + 16), ++taken);
                in_ring -= record_slots(kit_slots);
            }
            log_slots(slots, ++number);
            in_ring += slots;
        }
    }
    while (kit_take())
        cr_assert_eq(load64(kit_payload + 16), ++taken);
    cr_assert_eq(taken, number);
    cr_assert_eq(shmlog_lost(logger), 0);
}

Test(producer_rings, wrap_core)
{
    wrap(false);
}

Test(producer_rings, wrap_owned)
{
    wrap(true);
}

static void fill(bool own)
{
    open_with(SHMLOG_ON_FULL_DROP, own);
    for (uint32_t i = 0; i < SLOTS - 1; i++)
        log_slots(1, i);
    log_slots(2, 0); /* one slot is not enough, and is not used */
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), 1);
    log_slots(1, 0);
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), 1);
    for (uint32_t i = 1; i <= SHMLOG_RECORD_SLOTS; i++) {
        log_slots(i, 0);
        cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), 1 + i);
        cr_assert_eq(kit_rseq_cs(), 0); /* the kernel is not left with a pointer to our code */
    }
    cr_assert_eq(shmlog_thread_lost(logger), 1 + SHMLOG_RECORD_SLOTS);
    cr_assert_eq(shmlog_lost(logger), 1 + SHMLOG_RECORD_SLOTS);
    cr_assert(kit_take());
    cr_assert(kit_take());
    log_slots(2, 0);
    cr_assert_eq(shmlog_lost(logger), 1 + SHMLOG_RECORD_SLOTS);
    log_slots(1, 0);
    cr_assert_eq(shmlog_lost(logger), 2 + SHMLOG_RECORD_SLOTS);
    cr_assert_eq(kit_take_all(), SLOTS - 1);
}

Test(producer_rings, fill_core)
{
    fill(false);
}

Test(producer_rings, fill_owned)
{
    fill(true);
}

Test(producer_rings, overwrite)
{
    struct shmlog_ring *ring;

    for (int own = 0; own < 2; own++) {
        open_with(SHMLOG_ON_FULL_OVERWRITE, own);
        for (uint32_t i = 0; i < 3 * SLOTS; i++)
            log_slots(1 + i % 3, i);
        ring = ring_in_use();
        cr_assert_eq(ring->head, 6 * SLOTS);
        cr_assert_eq(shmlog_slots_(ring)[SLOTS - 1].seq, 3 * SLOTS);
        cr_assert_eq(shmlog_lost(logger), 0);
        if (!own)
            kit_detach();
    }
}

/* ---- waiting ---- */

static uint64_t timed_log(void)
{
    const uint64_t start = shmlog_monotonic_ns_();

    log_slots(1, 0);
    return shmlog_monotonic_ns_() - start;
}

/* A reader that is gone costs one wait for each place it stopped at. */
static void wait_for_nobody(bool own)
{
    uint64_t all = 0;

    open_with(SHMLOG_ON_FULL_WAIT, own);
    for (unsigned round = 1; round <= 3; round++) {
        while (ring_in_use()->head - ring_in_use()->tail < SLOTS)
            log_slots(1, 0);
        cr_assert_geq(timed_log(), WAIT_NS);
        for (unsigned i = 0; i < 200; i++)
            all += timed_log();
        cr_assert_lt(all, round * 200 * WAIT_NS / 10);
        cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), round * 201);
        cr_assert(kit_take()); /* it moves: one more fits, and then it is worth waiting again */
        log_slots(1, 0);
        cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), round * 201);
    }
    cr_assert_eq(shmlog_thread_lost(logger), 3 * 201);
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), 0);
}

Test(producer_rings, wait_for_nobody_core)
{
    wait_for_nobody(false);
}

Test(producer_rings, wait_for_nobody_owned)
{
    wait_for_nobody(true);
}

static uint32_t writers_left;

static void *write_records(void *arg)
{
    for (uint64_t i = 0; i < 20000; i++)
        log_slots(1 + (uint32_t)(i % 7), i);
    cr_assert_eq(shmlog_thread_lost(logger), 0);
    __atomic_sub_fetch(&writers_left, 1, __ATOMIC_RELEASE);
    return arg;
}

/* Three writers on one ring that is nearly always full: nothing is lost. */
Test(producer_rings, wait_for_reader)
{
    pthread_t thread[3];
    uint64_t taken = 0;

    parameters.wait_ns = UINT64_MAX;
    parameters.spare_rings = 4; /* without rseq, one for each thread and for this one */
    parameters.on_full = SHMLOG_ON_FULL_WAIT;
    kit_attach(&parameters);
    writers_left = 3;
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, write_records, NULL), 0);
    while (__atomic_load_n(&writers_left, __ATOMIC_ACQUIRE))
        taken += kit_take_all();
    taken += kit_take_all();
    for (unsigned i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(taken, 3 * 20000);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* ---- whose ring ---- */

Test(producer_rings, nested)
{
    open_with(SHMLOG_ON_FULL_DROP, true);
    ring_in_use()->busy = 1; /* as a handler finds it that comes in the middle of a call */
    log_slots(1, 0);
    log_slots(5, 0);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NESTED), 2);
    cr_assert_eq(shmlog_thread_lost(logger), 2);
    cr_assert_eq(ring_in_use()->busy, 1);
    ring_in_use()->busy = 0;
    log_slots(1, 0);
    cr_assert_eq(kit_take_all(), 1);
}

/* A core that has no ring: the thread goes on with a spare one. */
Test(producer_rings, core_without_ring)
{
    const uint32_t other = kit_cpu + 1;

    parameters.cpus = &other;
    open_with(SHMLOG_ON_FULL_DROP, false);
    log_slots(3, 1);
    log_slots(1, 2);
    cr_assert_eq(kit_rseq_cs(), 0);
    cr_assert_eq(kit_take_all(), 2);
    cr_assert_geq(ring_in_use(), logger->local.ring[1]);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* Neither sequences nor a spare ring: calls are counted, and the thread's control block is not
 * scribbled on. A ring that comes free is taken. */
Test(producer_rings, no_rseq_no_ring)
{
    const uint64_t before = thread_pointer_word();

    parameters.spare_rings = 1;
    kit_open();
    segment = kit_create(&parameters);
    segment->control->clock = SHMLOG_CLOCK_MONOTONIC; /* sequences read the TSC: not used */
    segment->rings[1].header->owner = 12345;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(logger), -EAGAIN);
    for (uint32_t i = 1; i <= 10; i++) {
        log_slots(i, i);
        cr_assert_eq(thread_pointer_word(), before);
        cr_assert_eq(kit_lost(SHMLOG_LOST_NO_RING), i);
    }
    cr_assert_eq(shmlog_thread_lost(logger), 10);
    segment->rings[1].header->owner = 0;
    log_slots(1, 11);
    cr_assert_eq(kit_take_all(), 1);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_RING), 10);
    cr_assert_eq(segment->rings[1].header->owner, load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER));
}

/* ---- the doorbell ---- */

/* It has the head that was the first in its quarter of the ring; on the spot, whatever the size. */
static void doorbell(bool own)
{
    const uint64_t quarter = SLOTS >> SHMLOG_DOORBELL_SHIFT;
    uint64_t rung = 0, head = 0;
    struct shmlog_ring *ring;

    open_with(SHMLOG_ON_FULL_OVERWRITE, own);
    shmlog_register_thread(logger);
    ring = ring_in_use();
    cr_assert_eq(ring->head, 0);
    for (uint64_t i = 0; head < 10 * SLOTS; i++) {
        const uint32_t slots = head < 3 * SLOTS ? 1 : (uint32_t)(i % 7 + 1);

        log_slots(slots, i);
        if ((head + slots) / quarter != head / quarter)
            rung = head + slots;
        head += slots;
        cr_assert_eq(ring->head, head);
        cr_assert_eq(ring->doorbell, rung, "at %lu it says %lu, not %lu", head, ring->doorbell,
                     rung);
    }
}

Test(producer_rings, doorbell_core)
{
    doorbell(false);
}

Test(producer_rings, doorbell_owned)
{
    doorbell(true);
}

/* ---- damage ---- */

static const uint64_t wild[] = {0,          1,          SLOTS - 1,      SLOTS,
                                3 * SLOTS,  INT64_MAX,  1ull << 62,     (1ull << 62) - 1,
                                1ull << 63, UINT64_MAX, UINT64_MAX - 5, UINT64_MAX - SLOTS};
#define WILD (sizeof(wild) / sizeof(wild[0]))

/* Head, tail and limit say anything: a call returns, and stays inside the ring. */
static void survive(uint32_t on_full, bool own)
{
    uint64_t guard;

    open_with(on_full, own);
    logger->local.wait_ns = 0;
    log_slots(1, 0);
    guard = load64((const uint8_t *)&logger->control);
    for (size_t i = 0; i < WILD * WILD * WILD; i++) {
        struct shmlog_ring *const ring = ring_in_use();

        ring->head = wild[i % WILD];
        ring->tail = wild[i / WILD % WILD];
        ring->limit = wild[i / WILD / WILD];
        log_slots(1, 0);
        log_slots(SHMLOG_RECORD_SLOTS, 0);
        cr_assert_eq(ring->magic, SHMLOG_RING_MAGIC);
        cr_assert_eq(load64((const uint8_t *)&logger->control), guard);
    }
}

Test(producer_rings, wild_drop)
{
    survive(SHMLOG_ON_FULL_DROP, false);
}

Test(producer_rings, wild_drop_owned)
{
    survive(SHMLOG_ON_FULL_DROP, true);
}

Test(producer_rings, wild_overwrite)
{
    survive(SHMLOG_ON_FULL_OVERWRITE, false);
}

Test(producer_rings, wild_overwrite_owned)
{
    survive(SHMLOG_ON_FULL_OVERWRITE, true);
}

Test(producer_rings, wild_wait)
{
    survive(SHMLOG_ON_FULL_WAIT, false);
}

/* As when the thread is ending, and its thread-specific values are gone. */
static void forget_thread(void)
{
    struct shmlog_state_ *const state = shmlog_find_state_(logger);

    state->thread.key = shmlog_copy_.key = SHMLOG_KEY_NONE_;
    pthread_setspecific(logger->local.thread_key, NULL);
}

/* What the producer table says of this thread's ring and id is checked before it is believed. */
Test(producer_rings, wild_producer_table)
{
    static const uint32_t rings[] = {0, 1, 2, 3, 4, SHMLOG_RINGS_MAX, UINT32_MAX};
    static const uint32_t ids[] = {1, 2, 0xffff, UINT32_MAX, 0};
    const struct shmlog_thread_ *thread;
    struct shmlog_producer *entry;

    open_with(SHMLOG_ON_FULL_DROP, false);
    entry = &shm_producers(segment)[(shmlog_thread_state_(logger)->producer & 0xffff) - 1];
    segment->rings[2].header->owner = 0x10000;
    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
        entry->ring = rings[i];
        forget_thread();
        thread = shmlog_thread_state_(logger);
        cr_assert_eq(thread->producer, entry->id);
        cr_assert(!kit_has_rseq() || thread->owned == &logger->local.none);
        cr_assert_neq(thread->owned, logger->local.ring[0]);
        cr_assert_neq(thread->owned, logger->local.ring[2]);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        entry->id = ids[i];
        forget_thread();
        thread = shmlog_thread_state_(logger);
        cr_assert_leq(thread->producer & 0xffff, segment->geometry.producers_max);
        cr_assert_neq(thread->producer & 0xffff, 0);
        log_slots(1, 0);
    }
}

Test(producer_rings, four_attachments)
{
    struct shmlog *more[4] = {NULL};

    open_with(SHMLOG_ON_FULL_DROP, false);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(shmlog_open(&more[i], kit_path, NULL), 0);
    cr_assert_eq(shmlog_open(&more[3], kit_path, NULL), -EMFILE);
    cr_assert_null(more[3]);
    shmlog_close(more[1]);
    cr_assert_eq(shmlog_open(&more[3], kit_path, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            shmlog_close(more[i]);
    cr_assert_eq(shmlog_open(&more[0], "/nonexistent/segment", NULL), -ENOENT);
    cr_assert_eq(shmlog_entries_, 1);
}

/* ---- The thread's state ---- */

/* The copy is the first attachment's while that is open, whatever is opened beside it; then the
 * next one's that the thread comes to know. */
Test(producer_rings, copy_of_the_state)
{
    struct shmlog *second, *third;

    open_with(SHMLOG_ON_FULL_DROP, false);
    cr_assert_eq(shmlog_open(&second, kit_path, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        shmlog_info(logger, "%lu", 1ul);
        shmlog_info(second, "%lu", 2ul);
        cr_assert_eq(shmlog_copy_of_(logger), &shmlog_copy_);
        cr_assert_null(shmlog_copy_of_(second));
    }
    cr_assert_neq(shmlog_thread_state_(second)->producer, shmlog_copy_.producer);
    shmlog_close(logger);
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    cr_assert_eq(shmlog_copy_of_(logger), &shmlog_copy_);
    shmlog_info(second, "%lu", 3ul);
    cr_assert_eq(shmlog_copy_of_(logger), &shmlog_copy_);
    cr_assert_eq(shmlog_open(&third, kit_path, NULL), 0);
    cr_assert_null(shmlog_copy_of_(third));
    shmlog_close(third);
    shmlog_close(second);
}

/* A ring claimed, or found to be gone, through one shared object: another one's copy, which is
 * behind, still leads to a ring of this attachment, and is brought up to date. */
Test(producer_rings, copy_that_is_behind)
{
    struct shmlog_thread_ behind;
    struct shmlog_ring *first;

    parameters.spare_rings = 2;
    open_with(SHMLOG_ON_FULL_DROP, false);
    log_slots(1, 1);
    behind = shmlog_copy_;
    cr_assert_eq(shmlog_own_ring(logger), 0);
    first = shmlog_owned_ring_(&shmlog_copy_);
    cr_assert_not_null(first);
    shmlog_copy_ = behind;
    cr_assert_eq(shmlog_own_ring(logger), 0);
    cr_assert_eq(shmlog_owned_ring_(&shmlog_copy_), first);
    behind = shmlog_copy_;
    cr_assert_eq(shmlog_lose_ring_(logger, first->index), 0);
    log_slots(3, 2);
    cr_assert_neq(shmlog_copy_.owned, first);
    shmlog_copy_ = behind;
    log_slots(1, 3);
    cr_assert_neq(shmlog_copy_.owned, first);
    cr_assert_eq(shmlog_thread_lost(logger), 0);
}

/* ---- A full producer table ---- */

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

/* Log up to `most` records, and see after how many they have a name. */
static uint32_t log_until_named(uint32_t most, uint32_t slots)
{
    for (uint32_t i = 1; i <= most; i++) {
        log_slots(slots, i);
        if (kit_take_all() && load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER))
            return i;
    }
    return 0;
}

static void *log_nameless(void *arg)
{
    const uint32_t slots = *(const uint32_t *)arg, size = segment->geometry.producers_max;
    const uint64_t lost = shmlog_lost(logger);
    const bool core = kit_has_rseq();
    uint32_t after;

    for (uint32_t i = 1; i <= 3 * size; i++) {
        log_slots(slots, i);
        cr_assert_eq(kit_take_all(), core);
        cr_assert(!core || load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER) == 0);
    }
    cr_assert_eq(shmlog_thread_lost(logger), core ? 0 : 3 * size);
    shm_producers(segment)[size - 1].claim = 0; /* one comes free */
    after = log_until_named(2 * size, slots);
    cr_assert(after > 0 && after <= size, "named after %u calls", after);
    cr_assert_eq(load32(kit_payload + SHMLOG_PAYLOAD_PRODUCER) & 0xffff, size);
    cr_assert_eq(shmlog_lost(logger) - lost, shmlog_thread_lost(logger));
    cr_assert_eq(shmlog_thread_lost(logger), core ? 0 : 3 * size + after - 1);
    cr_assert_eq(shm_producers(segment)[size - 1].tid, (uint32_t)syscall(SYS_gettid));
    fill_table(true);
    return NULL;
}

/* A thread that finds the table full logs on, without a name; once an entry comes free, it has it
 * after no more calls than there are entries. */
static void nameless(uint32_t clock)
{
    static const uint32_t sizes[] = {2, 11, 101, 1025};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        parameters.producers_max = sizes[i];
        parameters.spare_rings = 4;
        kit_open();
        segment = kit_create(&parameters);
        segment->control->clock = clock;
        cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
        log_slots(1, 0);
        log_slots(2, 0);
        kit_take_all();
        fill_table(true);
        for (uint32_t slots = 1; slots <= 2; slots++) {
            pthread_t thread;

            cr_assert_eq(pthread_create(&thread, NULL, log_nameless, &slots), 0);
            pthread_join(thread, NULL);
            shm_producers(segment)[sizes[i] - 1].claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
        }
        fill_table(false);
        if (i + 1 < sizeof(sizes) / sizeof(sizes[0]))
            kit_detach();
    }
}

Test(producer_rings, nameless_on_a_core)
{
    nameless(SHMLOG_CLOCK_TSC);
}

Test(producer_rings, nameless_without_sequences)
{
    nameless(SHMLOG_CLOCK_MONOTONIC);
}

/* Registering, or asking for a ring, looks at the whole table again. */
Test(producer_rings, nameless_that_asks)
{
    parameters.producers_max = 101;
    kit_attach(&parameters);
    fill_table(true);
    forget_thread();
    shm_producers(segment)[0].claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
    shmlog_register_thread(logger);
    cr_assert_null(shmlog_find_state_(logger));
    cr_assert_eq(shmlog_own_ring(logger), -EAGAIN);
    shm_producers(segment)[100].claim = 0;
    cr_assert_eq(shmlog_own_ring(logger), 0);
    cr_assert_eq(shmlog_find_state_(logger)->thread.producer & 0xffff, 101);
}

/* Without sequences, a thread that found no ring has one soon after one comes free, and takes no
 * look at all of them in each call. */
Test(producer_rings, ring_that_comes_free)
{
    static const uint32_t spare[] = {1, 2, 11, 101, 1025};

    for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]); i++) {
        uint32_t calls = 0;

        parameters.spare_rings = spare[i];
        kit_open();
        segment = kit_create(&parameters);
        segment->control->clock = SHMLOG_CLOCK_MONOTONIC;
        for (uint32_t k = 1; k <= spare[i]; k++)
            segment->rings[k].header->owner = 12345;
        cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
        log_slots(1, 0);
        cr_assert_eq(kit_lost(SHMLOG_LOST_NO_RING), 1);
        segment->rings[spare[i]].header->owner = 0;
        do
            log_slots(1, ++calls);
        while (kit_lost(SHMLOG_LOST_NO_RING) == calls + 1);
        cr_assert_leq(calls, spare[i] / SHMLOG_RING_PROBES_ + 1);
        cr_assert_eq(kit_take_all(), 1);
        if (i + 1 < sizeof(spare) / sizeof(spare[0]))
            kit_detach();
    }
}
