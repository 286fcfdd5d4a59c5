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

TestSuite(producer_rings, .init = prepare, .fini = kit_detach, .timeout = 30);

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
    const struct shmlog_thread_ *thread = shmlog_thread_of_(logger);

    return thread->owned ? thread->owned : logger->local.ring_of_cpu[kit_cpu];
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

/* What the producer table says of this thread's ring and id is checked before it is believed. */
Test(producer_rings, wild_producer_table)
{
    static const uint32_t rings[] = {0, 1, 2, 3, 4, SHMLOG_RINGS_MAX, UINT32_MAX};
    static const uint32_t ids[] = {1, 2, 0xffff, UINT32_MAX, 0};
    struct shmlog_thread_ *thread;
    struct shmlog_producer *entry;

    open_with(SHMLOG_ON_FULL_DROP, false);
    thread = shmlog_thread_of_(logger);
    entry = &shm_producers(segment)[(thread->producer & 0xffff) - 1];
    segment->rings[2].header->owner = 0x10000;
    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
        entry->ring = rings[i];
        thread->key =
            SHMLOG_KEY_NONE_; /* as in a shared object with thread-local state of its own */
        shmlog_register_thread(logger);
        cr_assert_eq(thread->producer, entry->id);
        cr_assert_eq(thread->owned, kit_has_rseq() ? NULL : thread->owned);
        cr_assert_neq(thread->owned, logger->local.ring[0]);
        cr_assert_neq(thread->owned, logger->local.ring[2]);
    }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        entry->id = ids[i];
        thread->key = SHMLOG_KEY_NONE_;
        shmlog_register_thread(logger);
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

/* ---- A thread's state that another attachment takes meanwhile ---- */

#if SHMLOG_RSEQ_
__attribute__((noinline)) static void log_other(struct shmlog *other)
{
    shmlog_info(other, "to another segment");
}

/* A shared object with state of its own that was handed a log may have it in the same entry as its
 * own log's. What a signal handler's call to the other one does to the entry, at the two places in
 * a log call where it matters, is done here by hand. */
Test(producer_rings, state_of_two_attachments)
{
    struct shmlog_words_ words = {0};
    struct shm_segment *other_segment = NULL;
    struct shmlog_ring *ring, *other_ring;
    struct shmlog_thread_ *thread;
    struct shmlog *other;
    uint64_t entry, before, other_before;
    char path[128], message[512];

    open_with(SHMLOG_ON_FULL_DROP, false);
    if (!kit_has_rseq())
        return;
    snprintf(path, sizeof(path), "%s/other", kit_folder);
    cr_assert_eq(shm_segment_create(path, &parameters, NULL, &other_segment, message,
                                    sizeof(message)),
                 0, "%s", message);
    cr_assert_eq(shmlog_open(&other, path, NULL), 0);
    entry = other->local.tls_offset;
    other->local.tls_offset = logger->local.tls_offset;
    thread = shmlog_thread_of_(logger);
    ring = logger->local.ring_of_cpu[kit_cpu];
    other_ring = other->local.ring_of_cpu[kit_cpu];

    log_slots(1, 1);
    log_slots(1, 2);
    cr_assert_eq(thread->ring, ring);
    log_other(other);
    cr_assert_eq(thread->ring, other_ring);
    before = ring->head;
    other_before = other_ring->head;
    /* it came between the comparison of keys and the sequence */
    cr_assert_eq(shmlog_rseq_one_(logger, thread, UINT64_C(1) << 32, &words, 64, 0, 0), 0);
    cr_assert_eq(ring->head, before);
    cr_assert_eq(other_ring->head, other_before, "a record in another segment's ring");
    /* and between that comparison and the note of the core */
    shmlog_note_core_(logger, thread);
    for (unsigned i = 1; i <= 3; i++) {
        log_other(other);
        cr_assert_eq(other_ring->head, other_before + i);
        cr_assert_eq(ring->head, before);
    }
    other->local.tls_offset = entry;
    shmlog_close(other);
    shm_segment_close(other_segment);
}
#endif
