/* SPDX-License-Identifier: MIT
 *
 * Journal and drain, from log calls to what files say: every record exactly once and in order,
 * every loss counted exactly and in its place; under each policy, and with damaged slots.
 */
#include "tests/unit/drain_kit.h"

#include <pthread.h>

TestSuite(drain, .init = kit_open, .fini = kit_close, .timeout = 120);

Test(drain, records_once_and_in_order)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    for (uint64_t i = 0; i < 10000; i += 100) {
        put(i, 100);
        if (i % 300 == 0)
            cr_assert_geq(agents_drain(&agents), 0);
        if (i % 700 == 0)
            agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[SHARED].written, 10000);
    check_values(t, 0, 0, 10000);
    for (uint64_t i = 0; i < 10000; i++)
        cr_assert(t->ring[SHARED].record[i].site_known && t->ring[SHARED].record[i].producer_known);
    tally_close(t);
}

/* Below a quarter of the ring nothing moves before the flush age; the doorbell does not wait. */
Test(drain, doorbell_and_flush_age)
{
    uint64_t now = 1000000;

    start(SHMLOG_ON_FULL_DROP);
    cr_assert_eq(drain_work(agents.drain, now), 0); /* an empty ring: looked at, at this time */
    put(0, 200);
    cr_assert_eq(drain_work(agents.drain, now + AGENTS_FLUSH_NS - 1), 0);
    cr_assert_eq(drain_work(agents.drain, now + AGENTS_FLUSH_NS), 200);
    put(200, 56);
    cr_assert_eq(drain_work(agents.drain, now + AGENTS_FLUSH_NS), 56, "the doorbell rang at 256");
    put(256, 100);
    cr_assert_eq(drain_work(agents.drain, now + AGENTS_FLUSH_NS), 0);
    tally_close(finish());
}

/* The ring is full up to a known position: that is where the gap goes. */
Test(drain, drops_counted_and_placed)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY + 7);
    cr_assert_eq(ring()->lost[SHMLOG_LOST_FULL], 7);
    while (agents_drain(&agents) > 0)
        ;
    put(2000, 300);
    while (agents_drain(&agents) > 0)
        ;
    put(3000, CAPACITY + 11);
    t = finish();
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], 18);
    cr_assert_eq(t->ring[SHARED].written, 2 * CAPACITY + 300);
    cr_assert_eq(t->ring[SHARED].gaps, 2);
    cr_assert_eq(t->ring[SHARED].gap[0].count, 7);
    cr_assert_eq(t->ring[SHARED].gap_at[0], CAPACITY);
    cr_assert_eq(t->ring[SHARED].gap[0].time_before, t->ring[SHARED].record[CAPACITY - 1].time);
    cr_assert_eq(t->ring[SHARED].gap[1].count, 11);
    cr_assert_eq(t->ring[SHARED].gap_at[1], 2 * CAPACITY + 300);
    check_values(t, 0, 0, CAPACITY);
    check_values(t, CAPACITY, 2000, 300);
    check_values(t, CAPACITY + 300, 3000, CAPACITY);
    tally_close(t);
}

/* Drops between two batches of the same full ring lie inside the next batch: it is cut there. */
Test(drain, gap_inside_a_batch)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY);
    put(9000, 3);                                      /* dropped */
    cr_assert_eq(agents_drain(&agents), CAPACITY / 2); /* a batch is half a ring */
    put(CAPACITY, CAPACITY / 2);                       /* fits again */
    put(9000, 5);                                      /* dropped */
    t = finish();
    cr_assert_eq(t->ring[SHARED].gaps, 2);
    cr_assert_eq(t->ring[SHARED].gap[0].count, 3);
    cr_assert_eq(t->ring[SHARED].gap_at[0], CAPACITY);
    cr_assert_eq(t->ring[SHARED].gap[1].count, 5);
    cr_assert_eq(t->ring[SHARED].gap_at[1], CAPACITY + CAPACITY / 2);
    check_values(t, 0, 0, CAPACITY + CAPACITY / 2);
    tally_close(t);
}

/* More places with drops than the queue of gaps has room for, and every cause in turn. */
Test(drain, many_gaps)
{
    uint64_t dropped = 0, nested = 0;
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY);
    for (uint64_t round = 1; round <= 100; round++) {
        put(0, round % 7);
        dropped += round % 7;
        nested += round % 3;
        __atomic_fetch_add(&ring()->lost[SHMLOG_LOST_NESTED], round % 3, __ATOMIC_RELAXED);
        cr_assert_gt(agents_drain(&agents), 0);
        put(round, CAPACITY / 2);
    }
    t = finish();
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], dropped);
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_NESTED], nested);
    cr_assert_eq(t->ring[SHARED].written, CAPACITY + 50 * CAPACITY);
    tally_close(t);
}

Test(drain, wait_policy)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_WAIT);
    put(0, CAPACITY);
    put(9000, 1); /* waits a millisecond, in vain */
    put(9001, 4); /* does not wait again */
    cr_assert_eq(ring()->lost[SHMLOG_LOST_WAITED], 5);
    while (agents_drain(&agents) > 0)
        ;
    put(CAPACITY, 10);
    t = finish();
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_WAITED], 5);
    cr_assert_eq(t->ring[SHARED].gap_at[0], CAPACITY);
    check_values(t, 0, 0, CAPACITY + 10);
    tally_close(t);
}

static void *writer(void *count)
{
    put(0, *(const uint64_t *)count);
    return NULL;
}

/* A writer that waits, against the drain: nothing is lost, nobody hangs. */
Test(drain, wait_policy_against_a_writer)
{
    struct shm_params params = drain_params();
    uint64_t count = 200000;
    pthread_t thread;
    struct tally *t;

    params.on_full = SHMLOG_ON_FULL_WAIT;
    params.wait_ns = UINT64_MAX;
    agents_open(&agents, &params);
    attach();
    cr_assert_eq(pthread_create(&thread, NULL, writer, &count), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[SHARED].written, count);
    check_values(t, 0, 0, count);
    tally_close(t);
}

/* A writer that drops, against the drain: each record is written or counted. */
Test(drain, drop_policy_against_a_writer)
{
    struct shm_params params = drain_params();
    uint64_t count = 300000, last = 0;
    pthread_t thread;
    struct tally *t;

    agents_open(&agents, &params);
    attach();
    cr_assert_eq(pthread_create(&thread, NULL, writer, &count), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[SHARED].written + t->ring[SHARED].lost[SHMLOG_LOST_FULL], count);
    for (uint64_t i = 0; i < t->ring[SHARED].written; i++) {
        cr_assert(i == 0 || t->ring[SHARED].record[i].value > last);
        last = t->ring[SHARED].record[i].value;
    }
    tally_close(t);
}

Test(drain, overwrite_policy)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_OVERWRITE);
    put(0, 100);
    cr_assert_eq(agents_drain(&agents), 100);
    put(100, 10 * CAPACITY);
    t = finish();
    cr_assert_gt(t->ring[SHARED].lost[SHMLOG_LOST_OVERWRITTEN], 9 * CAPACITY - 1);
    cr_assert_eq(t->ring[SHARED].written + t->ring[SHARED].lost[SHMLOG_LOST_OVERWRITTEN],
                 100 + 10 * CAPACITY);
    cr_assert_eq(t->ring[SHARED].gaps, 1);
    cr_assert_eq(t->ring[SHARED].gap_at[0], 100);
    check_values(t, 0, 0, 100);
    check_values(t, 100, 100 + t->ring[SHARED].gap[0].count,
                 10 * CAPACITY - t->ring[SHARED].gap[0].count);
    tally_close(t);
}

/* ---- Shapes of records ---- */

static const char *text_of(uint64_t i)
{
    static char text[3601];

    memset(text, 'a' + (int)(i % 26), sizeof(text) - 1);
    text[i * 37 % 3500] = 0;
    return text;
}

Test(drain, records_of_many_slots)
{
    uint64_t kept = 0, slots = 0;
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    for (uint64_t i = 0; i < 3000; i++) {
        const uint64_t lost = shmlog_thread_lost(log_handle);

        shmlog_info(log_handle, "n %lu %s", (unsigned long)i, text_of(i));
        kept += lost == shmlog_thread_lost(log_handle);
        if (i % 50 == 49)
            cr_assert_geq(agents_drain(&agents), 0);
        if (i % 150 == 149)
            agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[SHARED].written, kept);
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], 3000 - kept);
    cr_assert_gt(kept, 1000);
    for (uint64_t i = 0; i < kept; i++)
        slots += t->ring[SHARED].record[i].slots;
    cr_assert_gt(slots, 10 * kept);
    tally_close(t);
}

/* Per-core rings, where this machine has the core and rseq. */
Test(drain, ring_of_a_core)
{
    struct shm_params params = drain_params();
    cpu_set_t cpus;
    struct tally *t;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
        cr_skip_test("core 0 is not ours");
    agents_open(&agents, &params);
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    put(0, CAPACITY + 5);
    t = finish();
    cr_assert_eq(tally_written(t), CAPACITY);
    cr_assert_eq(t->ring[0].lost[SHMLOG_LOST_FULL] + t->ring[SHARED].lost[SHMLOG_LOST_FULL], 5);
    tally_close(t);
}

/* Losses that never got to a ring stand in a line of their own. */
Test(drain, losses_without_a_ring)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 10);
    agents.segment->control->lost[SHMLOG_LOST_NO_RING] += 5;
    agents.segment->control->lost[SHMLOG_LOST_NO_SITE] += 2;
    cr_assert_geq(agents_drain(&agents), 0);
    cr_assert_geq(agents_drain(&agents), 0);
    die_and_start();
    agents.segment->control->lost[SHMLOG_LOST_NO_RING] += 4;
    t = finish();
    cr_assert_eq(t->ring[TALLY_RINGS].lost[SHMLOG_LOST_NO_RING], 9);
    cr_assert_eq(t->ring[TALLY_RINGS].lost[SHMLOG_LOST_NO_SITE], 2);
    cr_assert_eq(t->ring[TALLY_RINGS].gaps, 3);
    tally_close(t);
}

static struct shmlog_slot *slot_at(uint64_t pos)
{
    return &agents.segment->rings[SHARED].slots[pos % CAPACITY];
}

Test(drain, damaged_slots)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 300);
    slot_at(100)->seq ^= 0x5555;        /* record 101 */
    memset(slot_at(150), 0xff, 3 * 64); /* records 151 to 153 */
    t = finish();
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_DAMAGED], 4);
    cr_assert_eq(t->ring[SHARED].written, 296);
    check_values(t, 0, 0, 100);
    check_values(t, 100, 101, 49);
    check_values(t, 149, 153, 147);
    tally_close(t);
}

/* A head that no writer can have stored: the ring is left alone, and stopping does not hang. */
Test(drain, damaged_head)
{
    start(SHMLOG_ON_FULL_DROP);
    put(0, 10);
    cr_assert_eq(agents_drain(&agents), 10);
    __atomic_store_n(&ring()->head, UINT64_C(1) << 40, __ATOMIC_RELEASE);
    cr_assert_eq(agents_drain(&agents), 0);
    agents_stop(&agents);
    cr_assert(!drain_is_complete(agents.drain));
    shmlog_close(log_handle);
    agents_die(&agents);
}

/* A damaged record may name a site that comes into being later: its text must get into the file
 * then. */
Test(drain, site_named_before_it_is_there)
{
    struct tally *t;
    uint32_t next;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 2);
    /* site ids are found by hash: fill the table's free words in turn, whichever comes */
    for (uint32_t id = 1; id < 256; id++)
        if (!shm_site_words(agents.segment)[id]) {
            shmlog_info(log_handle, "n %lu", (unsigned long)id);
            next = slot_at(ring()->head - 1)->site;
            slot_at(ring()->head - 1)->site = (next & ~SHMLOG_SITE_ID_MASK) | id;
        }
    cr_assert_gt(agents_drain(&agents), 200);
    shmlog_warn(log_handle, "another %lu", 77ul);
    t = finish();
    cr_assert_eq(t->ring[SHARED].record[t->ring[SHARED].written - 1].value, 77);
    cr_assert(t->ring[SHARED].record[t->ring[SHARED].written - 1].site_known);
    tally_close(t);
}
