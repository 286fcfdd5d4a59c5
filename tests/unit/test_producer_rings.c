/* SPDX-License-Identifier: MIT
 *
 * Rings as a writer meets them: wrapping, full to the last slot, under each policy, damaged. What
 * is not committed is counted, once.
 */
#include "tests/unit/producer_kit.h"

#include <pthread.h>

#define SLOTS 1024u
#define WAIT_NS UINT64_C(20000000)

static struct shm_params parameters;

static void prepare(void)
{
    parameters = kit_producer_params();
    parameters.spare_rings = 1;
    parameters.wait_ns = WAIT_NS;
}

TestSuite(producer_rings, .init = prepare, .fini = kit_detach, .timeout = 120);

/* Into the ring of the core, or the one that threads share. */
static void open_with(uint32_t on_full, bool shared)
{
    parameters.on_full = on_full;
    kit_attach(&parameters);
    if (shared)
        kit_share(logger);
}

/* ---- Room ---- */

static void wrap(bool shared)
{
    uint64_t number = 0, taken = 0, in_ring = 0;

    open_with(SHMLOG_ON_FULL_DROP, shared);
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

Test(producer_rings, wrap_shared)
{
    wrap(true);
}

static void fill(bool shared)
{
    open_with(SHMLOG_ON_FULL_DROP, shared);
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
        cr_assert_eq(ring_in_use()->holder, 0);
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

Test(producer_rings, fill_shared)
{
    fill(true);
}

/* It has the head that was the first in its quarter of the ring; on the spot, whatever the size. */
static void overwrite(bool shared)
{
    const uint64_t quarter = SLOTS >> SHMLOG_DOORBELL_SHIFT;
    uint64_t rung = 0, head = 0, i;
    struct shmlog_ring *ring;

    open_with(SHMLOG_ON_FULL_OVERWRITE, shared);
    ring = ring_in_use();
    for (i = 0; head < 10 * SLOTS; i++) {
        const uint32_t slots = head < 3 * SLOTS ? 1 : (uint32_t)(i % 7 + 1);

        log_slots(slots, i);
        if ((head + slots) / quarter != head / quarter)
            rung = head + slots;
        head += slots;
        cr_assert_eq(ring->head, head);
        cr_assert_eq(ring->doorbell, rung, "at %lu it says %lu, not %lu", head, ring->doorbell,
                     rung);
        cr_assert_eq(shmlog_slots_(ring)[(head - 1) % SLOTS].seq, i + 1);
    }
    cr_assert_eq(shmlog_lost(logger), 0);
}

Test(producer_rings, overwrite_core)
{
    overwrite(false);
}

Test(producer_rings, overwrite_shared)
{
    overwrite(true);
}

/* ---- Waiting ---- */

/* A reader that is gone costs one wait for each place it stopped at: a second one would last for
 * ever. */
static void wait_for_nobody(bool shared)
{
    open_with(SHMLOG_ON_FULL_WAIT, shared);
    for (uint64_t round = 1; round <= 3; round++) {
        while (ring_in_use()->head - ring_in_use()->tail < SLOTS)
            log_slots(1, 0);
        cr_assert_neq(ring_in_use()->gave_up_tail, ring_in_use()->tail);
        logger->local.wait_ns = WAIT_NS;
        log_slots(1, 0);
        cr_assert_eq(ring_in_use()->gave_up_tail, ring_in_use()->tail);
        logger->local.wait_ns = UINT64_MAX;
        for (unsigned i = 0; i < 200; i++)
            log_slots(1, 0);
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

Test(producer_rings, wait_for_nobody_shared)
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
static void wait_for_reader(bool shared)
{
    pthread_t thread[3];
    uint64_t taken = 0;

    parameters.wait_ns = UINT64_MAX;
    open_with(SHMLOG_ON_FULL_WAIT, shared);
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

Test(producer_rings, wait_for_reader_core)
{
    wait_for_reader(false);
}

Test(producer_rings, wait_for_reader_shared)
{
    wait_for_reader(true);
}

/* ---- Damage ---- */

static const uint64_t wild[] = {0,          1,          SLOTS - 1,      SLOTS,
                                3 * SLOTS,  INT64_MAX,  1ull << 62,     (1ull << 62) - 1,
                                1ull << 63, UINT64_MAX, UINT64_MAX - 5, UINT64_MAX - SLOTS};
#define WILD (sizeof(wild) / sizeof(wild[0]))

/* Head, tail and limit say anything: a call returns, and stays inside the ring. */
static void survive(uint32_t on_full, bool shared)
{
    uint64_t guard;

    open_with(on_full, shared);
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
        cr_assert_eq(ring->holder, 0);
        cr_assert_eq(load64((const uint8_t *)&logger->control), guard);
    }
}

#define SURVIVE(policy, POLICY)                  \
    Test(producer_rings, wild_##policy##_core)   \
    {                                            \
        survive(SHMLOG_ON_FULL_##POLICY, false); \
    }                                            \
    Test(producer_rings, wild_##policy##_shared) \
    {                                            \
        survive(SHMLOG_ON_FULL_##POLICY, true);  \
    }
SURVIVE(drop, DROP)
SURVIVE(overwrite, OVERWRITE)
SURVIVE(wait, WAIT)
