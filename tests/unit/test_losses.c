/* SPDX-License-Identifier: MIT
 *
 * What was lost so far: the same at every look, whoever stands still, as the producers and, in the
 * end, the files say.
 */
#include "tests/unit/drain_kit.h"

#include "shm/losses.h"

TestSuite(losses, .init = kit_open, .fini = kit_close, .timeout = 120);

static uint64_t lost(uint32_t cause)
{
    struct shm_losses ring, segment;

    shm_losses_of_ring(agents.segment, SHARED, &ring);
    shm_losses_of_segment(agents.segment, &segment);
    cr_assert_eq(ring.cause[cause], segment.cause[cause]);
    cr_assert_eq(shm_losses_sum(&segment), segment.cause[cause], "and none for another cause");
    return ring.cause[cause];
}

/* The collector does nothing, or its outbox is full: the writers' counts are in the ring. */
Test(losses, dropped)
{
    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY);
    cr_assert_eq(lost(SHMLOG_LOST_FULL), 0);
    for (uint64_t i = 1; i <= 100; i++) {
        put(CAPACITY, 1);
        cr_assert_eq(lost(SHMLOG_LOST_FULL), i);
    }
    agents_stop(&agents);
    cr_assert_eq(lost(SHMLOG_LOST_FULL), 100);
    tally_close(finish());
}

/* Of records that are overwritten while nobody reads, each counts when its slot is gone, to the
 * margin that readers keep. */
Test(losses, overwritten_unread)
{
    start(SHMLOG_ON_FULL_OVERWRITE);
    for (uint64_t n = 0; n < 5 * CAPACITY; n += 64) {
        const uint64_t gone = n > CAPACITY ? n - CAPACITY : 0;

        cr_assert_geq(lost(SHMLOG_LOST_OVERWRITTEN), gone, "%llu", (unsigned long long)n);
        cr_assert_leq(lost(SHMLOG_LOST_OVERWRITTEN),
                      n ? gone + (n >= CAPACITY - 64 ? SHMLOG_RECORD_SLOTS : 0) : 0, "%llu",
                      (unsigned long long)n);
        put(n, 64);
    }
    tally_close(finish());
}

/* At any moment, what is gone is what the collector found gone and what has gone since, never both
 * and never less than before. */
Test(losses, overwritten_and_found)
{
    uint64_t state = 1, logged = 0, before = 0;
    struct tally *t;

    start(SHMLOG_ON_FULL_OVERWRITE);
    for (unsigned round = 0; round < 400; round++) {
        const uint64_t n = (state = state * 6364136223846793005u + 1) >> 33;
        uint64_t now;

        put(logged, n % (2 * CAPACITY));
        logged += n % (2 * CAPACITY);
        now = lost(SHMLOG_LOST_OVERWRITTEN);
        cr_assert_geq(now, before);
        before = now;
        if (n % 3 == 0) {
            for (uint32_t i = 0; i < n % 5; i++)
                cr_assert_geq(agents_drain(&agents), 0);
            agents_write(&agents);
            now = lost(SHMLOG_LOST_OVERWRITTEN);
            cr_assert_geq(now, before);
            /* the collector catches up to some way behind the edge, not more */
            cr_assert_leq(now, before + CAPACITY / 4);
            before = now;
        }
        if (n % 31 == 0)
            die_and_start();
        cr_assert_eq(lost(SHMLOG_LOST_OVERWRITTEN), before, "the next collector's is the same");
    }
    agents_stop(&agents);
    before = lost(SHMLOG_LOST_OVERWRITTEN);
    t = finish();
    cr_assert_eq(before, t->ring[SHARED].lost[SHMLOG_LOST_OVERWRITTEN]);
    cr_assert_eq(logged, t->ring[SHARED].written + t->ring[SHARED].lost[SHMLOG_LOST_OVERWRITTEN]);
    tally_close(t);
}

/* Nobody writes when the collector begins: what was not lost before is not lost then. */
Test(losses, overwritten_before_draining)
{
    static const uint64_t counts[] = {CAPACITY, CAPACITY + 1, 3 * CAPACITY + 7};
    struct tally *t;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint64_t before;

        start(SHMLOG_ON_FULL_OVERWRITE);
        put(0, counts[i]);
        before = lost(SHMLOG_LOST_OVERWRITTEN);
        cr_assert_eq(before, counts[i] - CAPACITY + SHMLOG_RECORD_SLOTS);
        while (agents_drain(&agents) > 0)
            cr_assert_eq(lost(SHMLOG_LOST_OVERWRITTEN), before);
        agents_write(&agents);
        t = finish();
        cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_OVERWRITTEN], before);
        cr_assert_eq(t->ring[SHARED].written, counts[i] - before);
        tally_close(t);
        kit_close();
        kit_open();
    }
}

/* A collector that dies between the journal and its word to others: it counts once. */
Test(losses, found_and_not_said)
{
    uint64_t before, after;
    struct shmlog_found found[2];

    start(SHMLOG_ON_FULL_OVERWRITE);
    put(0, 3 * CAPACITY);
    memcpy(found, agents.segment->rings[SHARED].header->found, sizeof(found));
    before = lost(SHMLOG_LOST_OVERWRITTEN);
    cr_assert_geq(agents_drain(&agents), 0);
    cr_assert_neq(memcmp(agents.segment->rings[SHARED].header->found, found, sizeof(found)), 0);
    after = lost(SHMLOG_LOST_OVERWRITTEN);
    agents.segment->rings[SHARED].header->tail = 0;
    agents.segment->rings[SHARED].header->tail_seq = 1;
    cr_assert_eq(lost(SHMLOG_LOST_OVERWRITTEN), after, "said, but the tail not yet released");
    memcpy(agents.segment->rings[SHARED].header->found, found, sizeof(found));
    cr_assert_eq(lost(SHMLOG_LOST_OVERWRITTEN), before);
    die_and_start();
    cr_assert_eq(lost(SHMLOG_LOST_OVERWRITTEN), before);
    tally_close(finish());
}

/* A copy that is being written when the writer is stopped does not count yet. */
Test(losses, half_said)
{
    struct shmlog_ring *ring;

    start(SHMLOG_ON_FULL_DROP);
    ring = agents.segment->rings[SHARED].header;
    shm_losses_publish(ring, 10, 0, 4);
    cr_assert_eq(lost(SHMLOG_LOST_DAMAGED), 4);
    shm_losses_publish(ring, 10, 0, 5); /* no news */
    cr_assert_eq(lost(SHMLOG_LOST_DAMAGED), 4);
    shm_losses_publish(ring, 20, 0, 7);
    cr_assert_eq(lost(SHMLOG_LOST_DAMAGED), 7);
    ring->found[ring->found[0].seq > ring->found[1].seq].damaged = 99;
    cr_assert_eq(lost(SHMLOG_LOST_DAMAGED), 7);
    shm_losses_publish(ring, 30, 0, 9);
    cr_assert_eq(lost(SHMLOG_LOST_DAMAGED), 9);
    tally_close(finish());
}

/* Nonsense in shared memory gives some number. */
Test(losses, scribbled)
{
    struct shm_losses losses;
    struct shmlog_ring *ring;

    start(SHMLOG_ON_FULL_OVERWRITE);
    put(0, 3 * CAPACITY);
    ring = agents.segment->rings[SHARED].header;
    ring->found[1].seq = UINT64_MAX;
    shm_losses_of_segment(agents.segment, &losses);
    ring->tail_seq = ring->found[0].seq = UINT64_MAX;
    ring->tail = UINT64_MAX - 5;
    shm_losses_of_segment(agents.segment, &losses);
    ring->head = 17;
    shm_losses_of_segment(agents.segment, &losses);
    agents.segment->rings[SHARED].header = NULL;
    shm_losses_of_ring(agents.segment, SHARED, &losses);
    cr_assert_eq(shm_losses_sum(&losses), 0, "a ring that was refused");
}
