/* SPDX-License-Identifier: MIT
 *
 * The ring reader, one thread: order, wrap, long records, lost and damaged ones, hostile rings.
 * What races is tested in race_ring_reader.c.
 */
#include "tests/unit/ring_writer.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define SLOTS 1024u
#define BATCH 256u
#define SITE 9u

static struct ring_fixture *f;
static struct shmlog_slot buffer[BATCH];
static struct shm_ring_reader reader;
static struct shm_read result;

static void close_fixture(void)
{
    ring_fixture_close(f);
}

static void drop(void)
{
    f = ring_fixture_open(SLOTS, SHMLOG_ON_FULL_DROP);
    shm_ring_reader_init(&reader, &f->segment, 0, 0, 1);
}

static void overwrite(void)
{
    f = ring_fixture_open(SLOTS, SHMLOG_ON_FULL_OVERWRITE);
    shm_ring_reader_init(&reader, &f->segment, 0, 0, 1);
}

static void put_many(uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        cr_assert(ring_put(f, number, SITE, 1));
}

static enum shm_read_kind next(void)
{
    shm_ring_read(&reader, shm_ring_head(f->ring.header), buffer, BATCH, &result);
    if (result.kind == SHM_READ_RECORDS)
        cr_assert(ring_check_read(buffer, &result), "torn at %" PRIu64, result.first_seq);
    return result.kind;
}

/* Slot of position `pos`, to be scribbled into. */
static struct shmlog_slot *slot(uint64_t pos)
{
    return &f->ring.slots[pos & (SLOTS - 1)];
}

static void expect_records(uint64_t first, uint64_t count)
{
    cr_assert_eq(next(), SHM_READ_RECORDS, "kind %d", result.kind);
    cr_assert_eq(result.first_seq, first, "first %" PRIu64 ", not %" PRIu64, result.first_seq,
                 first);
    cr_assert_eq(result.records, count, "%zu records, not %" PRIu64, result.records, count);
}

static void expect_lost(uint64_t lost, uint32_t cause)
{
    cr_assert_eq(next(), SHM_READ_LOST, "kind %d", result.kind);
    cr_assert_eq(result.lost, lost, "lost %" PRIu64 ", not %" PRIu64, result.lost, lost);
    cr_assert_eq(result.cause, cause);
}

TestSuite(drop, .init = drop, .fini = close_fixture, .timeout = 120);
TestSuite(overwrite, .init = overwrite, .fini = close_fixture, .timeout = 120);

Test(drop, empty_ring_reads_as_none)
{
    cr_assert_eq(next(), SHM_READ_NONE);
    put_many(1, 1);
    expect_records(1, 1);
    cr_assert_eq(next(), SHM_READ_NONE);
}

Test(drop, records_come_in_batches_and_whole)
{
    for (uint64_t number = 1; number <= 10; number++)
        cr_assert(ring_put(f, number, SITE, 60));
    /* 256 slots hold four records of 60 */
    expect_records(1, 4);
    cr_assert_eq(result.slots, 240);
    expect_records(5, 4);
    expect_records(9, 2);
    cr_assert_eq(next(), SHM_READ_NONE);
    cr_assert_eq(reader.pos, 600);
    cr_assert_eq(reader.seq, 11);
}

Test(drop, wraps_with_records_across_the_end)
{
    uint64_t random = 1, number = 1, expected = 1;

    for (int i = 0; i < 20000; i++) {
        uint32_t count = 1 + (uint32_t)(ring_random(&random) % SHMLOG_RECORD_SLOTS);

        if (ring_put(f, number, SITE, count)) {
            number++;
            continue;
        }
        while (next() == SHM_READ_RECORDS) {
            cr_assert_eq(result.first_seq, expected);
            expected += result.records;
        }
        cr_assert_eq(result.kind, SHM_READ_NONE);
        ring_release(f, &reader);
    }
    cr_assert_gt(number, 10000);
}

Test(drop, reads_a_full_ring_to_the_last_slot)
{
    put_many(1, SLOTS);
    cr_assert_not(ring_put(f, SLOTS + 1, SITE, 1));
    for (uint64_t first = 1; first <= SLOTS; first += BATCH)
        expect_records(first, BATCH);
    cr_assert_eq(next(), SHM_READ_NONE);
}

Test(drop, stops_at_the_bound)
{
    put_many(1, 100);
    shm_ring_read(&reader, 40, buffer, BATCH, &result);
    cr_assert_eq(result.records, 40);
    shm_ring_read(&reader, 40, buffer, BATCH, &result);
    cr_assert_eq(result.kind, SHM_READ_NONE);
}

Test(drop, wild_bounds_read_as_none)
{
    static const uint64_t wild[] = {0, 49, 50 + SLOTS + 1, UINT64_MAX, UINT64_C(1) << 63};

    put_many(1, 100);
    shm_ring_read(&reader, 50, buffer, BATCH, &result);
    for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        shm_ring_read(&reader, wild[i], buffer, BATCH, &result);
        cr_assert_eq(result.kind, SHM_READ_NONE, "bound %" PRIu64, wild[i]);
        cr_assert_eq(reader.pos, 50);
    }
}

Test(drop, numbers_go_past_32_bits)
{
    uint64_t first = UINT64_C(0xfffffffe);

    shm_ring_reader_init(&reader, &f->segment, 0, 0, first);
    for (uint64_t number = first; number < first + 10; number++)
        cr_assert(ring_put(f, number, SITE, 2));
    expect_records(first, 10);
    cr_assert_eq(reader.seq, UINT64_C(0x100000008));
}

Test(drop, one_damaged_record_costs_one)
{
    put_many(1, 100);
    slot(30)->seq ^= 0x80000000u;
    expect_records(1, 30);
    expect_lost(1, SHMLOG_LOST_DAMAGED);
    expect_records(32, 69);
    cr_assert_eq(next(), SHM_READ_NONE);
}

Test(drop, damage_in_any_field_of_a_long_record)
{
    for (int what = 0; what < 5; what++) {
        uint64_t at = reader.pos, number = reader.seq;

        cr_assert(ring_put(f, number, SITE, 5));
        cr_assert(ring_put(f, number + 1, SITE, 5));
        cr_assert(ring_put(f, number + 2, SITE, 5));
        switch (what) {
        case 0: /* a slot number */
            slot(at + 5 + 3)->seq++;
            break;
        case 1: /* another site in a slot that goes on */
            slot(at + 5 + 4)->site ^= 1;
            break;
        case 2: /* a first slot in the middle */
            slot(at + 5 + 2)->site |= 3u << SHMLOG_SITE_SLOTS_SHIFT;
            break;
        case 3: /* more slots than a record may have */
            slot(at + 5)->site = SITE | 65u << SHMLOG_SITE_SLOTS_SHIFT;
            break;
        case 4: /* a reserved bit */
            slot(at + 5)->site |= 1u << 31;
            break;
        }
        expect_records(number, 1);
        expect_lost(1, SHMLOG_LOST_DAMAGED);
        expect_records(number + 2, 1);
        cr_assert_eq(next(), SHM_READ_NONE);
        ring_release(f, &reader);
    }
}

Test(drop, record_beyond_the_head_is_damage)
{
    cr_assert(ring_put(f, 1, SITE, 1));
    cr_assert(ring_put(f, 2, SITE, 3));
    slot(1)->site = SITE | 4u << SHMLOG_SITE_SLOTS_SHIFT;
    expect_records(1, 1);
    expect_lost(1, SHMLOG_LOST_DAMAGED);
    cr_assert_eq(next(), SHM_READ_NONE);
    put_many(3, 10);
    expect_records(3, 8);
}

Test(drop, long_damage_is_counted_in_the_end)
{
    put_many(1, 900);
    for (uint64_t pos = 10; pos < 790; pos++)
        memset(slot(pos), 0xa5, sizeof(struct shmlog_slot));
    expect_records(1, 10);
    uint64_t lost = 0;
    while (next() == SHM_READ_LOST)
        lost += result.lost;
    cr_assert_eq(lost, 780, "lost %" PRIu64, lost);
    cr_assert_eq(result.kind, SHM_READ_RECORDS);
    cr_assert_eq(result.first_seq, 791);
}

/* A number that would fit, but that the next record does not go on from. */
Test(drop, a_plausible_number_is_not_believed_alone)
{
    cr_assert(ring_put(f, 1, SITE, 10));
    put_many(2, 20);
    slot(0)->site = 0;
    slot(10)->seq = 5;
    expect_lost(2, SHMLOG_LOST_DAMAGED);
    expect_records(3, 18);
}

Test(drop, numbering_that_jumps_is_followed)
{
    uint64_t records = 0;

    put_many(1, 50);
    /* A writer goes on from a slot that was scribbled into. */
    for (uint64_t number = 500001; number <= 500100; number++)
        cr_assert(ring_put(f, number, SITE, 1));
    expect_records(1, 50);
    expect_lost(1, SHMLOG_LOST_DAMAGED);
    cr_assert_eq(reader.seq, 500001, "seq %" PRIu64, reader.seq);
    while (next() == SHM_READ_RECORDS)
        records += result.records;
    cr_assert_eq(records, 100);
    /* Backwards too, also one record at a time: numbers that are used up do not come back. */
    for (uint64_t number = 7; number < 20; number++) {
        cr_assert(ring_put(f, number, SITE, 1));
        do {
            shm_ring_read(&reader, shm_ring_head(f->ring.header), buffer, BATCH, &result);
            cr_assert_leq(result.lost, 1);
        } while (result.kind != SHM_READ_NONE);
    }
    cr_assert_eq(reader.seq, UINT64_C(0x100000000) + 20, "seq %" PRIx64, reader.seq);
}

Test(overwrite, lap_is_lost_and_counted)
{
    uint64_t read = 0, lost = 0;

    put_many(1, 10 * SLOTS);
    while (next() != SHM_READ_NONE) {
        read += result.records;
        lost += result.lost;
    }
    cr_assert_eq(read + lost, 10 * SLOTS);
    cr_assert_eq(read, SLOTS - SHMLOG_RECORD_SLOTS);
    cr_assert_eq(reader.seq, 10 * SLOTS + 1);
}

Test(overwrite, slots_a_writer_may_be_filling_are_not_believed)
{
    put_many(1, SLOTS);
    expect_lost(SHMLOG_RECORD_SLOTS, SHMLOG_LOST_OVERWRITTEN);
}

/* Nobody writes: all is read that can be, and so is what the oldest record says. */
Test(overwrite, full_ring_at_rest_is_read_from_its_edge)
{
    for (uint64_t laps = 1; laps <= 3; laps++) {
        const uint64_t last = laps * SLOTS + laps;
        struct shm_ring_reader oldest;

        put_many(reader.seq, last);
        shm_ring_reader_init_oldest(&oldest, &f->segment, 0);
        while (next() != SHM_READ_RECORDS)
            cr_assert_eq(result.kind, SHM_READ_LOST);
        cr_assert_eq(result.first_seq, last + 1 - (SLOTS - SHMLOG_RECORD_SLOTS), "first %" PRIu64,
                     result.first_seq);
        cr_assert_eq(result.first_seq, oldest.seq);
        while (next() == SHM_READ_RECORDS)
            ;
        cr_assert_eq(reader.seq, last + 1);
    }
}

/* Overtaken at the edge: a writer is about, so reading goes on at some distance from it, until that
 * has brought something. */
Test(overwrite, keeps_a_distance_from_a_writer)
{
    put_many(1, 2 * SLOTS);
    expect_lost(SLOTS + SHMLOG_RECORD_SLOTS, SHMLOG_LOST_OVERWRITTEN);
    put_many(2 * SLOTS + 1, 2 * SLOTS + 1);
    expect_lost(1 + SLOTS / 8, SHMLOG_LOST_OVERWRITTEN);
    put_many(2 * SLOTS + 2, 2 * SLOTS + SLOTS / 8 + 1);
    expect_records(SLOTS + SHMLOG_RECORD_SLOTS + SLOTS / 8 + 2, BATCH);
    put_many(2 * SLOTS + SLOTS / 8 + 2, 4 * SLOTS);
    expect_lost(2 * SLOTS - SLOTS / 8 - 1 - BATCH, SHMLOG_LOST_OVERWRITTEN);
}

Test(overwrite, damage_where_reading_would_go_on)
{
    uint64_t head, lost = 0;

    put_many(1, 5 * SLOTS);
    head = shm_ring_head(f->ring.header);
    slot(head - (SLOTS - SHMLOG_RECORD_SLOTS))->seq ^= 0x40000000;
    while (next() == SHM_READ_LOST)
        lost += result.lost;
    cr_assert_eq(lost + 1, result.first_seq);
    cr_assert_eq(lost, 4 * SLOTS + SHMLOG_RECORD_SLOTS + 1);
}

Test(overwrite, oldest_is_at_the_edge)
{
    uint64_t random = 3, number = 1;

    while (shm_ring_head(f->ring.header) < 50 * SLOTS)
        cr_assert(ring_put(f, number++, SITE,
                           1 + (uint32_t)(ring_random(&random) % SHMLOG_RECORD_SLOTS)));
    shm_ring_reader_init_oldest(&reader, &f->segment, 0);
    cr_assert_leq(shm_ring_head(f->ring.header) - reader.pos, SLOTS - SHMLOG_RECORD_SLOTS);
    cr_assert_geq(shm_ring_head(f->ring.header) - reader.pos, SLOTS - 2 * SHMLOG_RECORD_SLOTS);
    while (next() == SHM_READ_RECORDS)
        ;
    cr_assert_eq(result.kind, SHM_READ_NONE);
    cr_assert_eq(reader.seq, number, "at %" PRIu64 ", not %" PRIu64, reader.seq, number);
}

Test(overwrite, young_ring_is_read_from_its_first_record)
{
    put_many(1, SLOTS - SHMLOG_RECORD_SLOTS);
    shm_ring_reader_init_oldest(&reader, &f->segment, 0);
    expect_records(1, BATCH);
}

Test(overwrite, numbers_are_right_beyond_32_bits)
{
    uint64_t first = UINT64_C(0x1fffffff0);

    /* A ring that has come that far with one slot a record. */
    f->ring.header->head = f->ring.header->tail = first - 1;
    f->ring.header->tail_seq = first;
    put_many(first, first + 3 * SLOTS);
    shm_ring_reader_init_oldest(&reader, &f->segment, 0);
    cr_assert_eq(reader.seq, reader.pos + 1);
    while (next() == SHM_READ_RECORDS)
        ;
    cr_assert_eq(reader.seq, first + 3 * SLOTS + 1);
}

Test(drop, follower_starts_at_the_tail_and_may_be_overtaken)
{
    struct shm_ring_reader collector = reader, follower;

    put_many(1, 100);
    shm_ring_read(&collector, 60, buffer, BATCH, &result);
    ring_release(f, &collector);
    shm_ring_reader_init_oldest(&follower, &f->segment, 0);
    cr_assert_eq(follower.pos, 60);
    cr_assert_eq(follower.seq, 61);
    /* The number is stored before the tail: seen between the two stores, the slot decides. */
    f->ring.header->tail_seq = 81;
    shm_ring_reader_init_oldest(&follower, &f->segment, 0);
    cr_assert_eq(follower.seq, 61);
    /* Full, but nothing was released: the follower reads it all. */
    put_many(101, 60 + SLOTS);
    reader = follower;
    expect_records(61, BATCH);
    reader = follower;
    /* Released, then written over. */
    f->ring.header->tail = 60 + SLOTS;
    put_many(61 + SLOTS, 60 + SLOTS + 10);
    expect_lost(SHMLOG_RECORD_SLOTS + 10, SHMLOG_LOST_OVERWRITTEN);
}

Test(drop, a_look_back_over_what_was_released)
{
    struct shm_ring_reader collector = reader;

    put_many(1, 100);
    shm_ring_read(&collector, 100, buffer, BATCH, &result);
    ring_release(f, &collector);
    shm_ring_reader_init_kept(&reader, &f->segment, 0);
    expect_records(1, 100);
    /* Wrapped: all but the slots that a record under way may be written into. */
    put_many(101, SLOTS + 30);
    shm_ring_reader_init_kept(&reader, &f->segment, 0);
    cr_assert_eq(reader.pos, 30 + SHMLOG_RECORD_SLOTS);
    cr_assert_eq(reader.seq, 31 + SHMLOG_RECORD_SLOTS);
    expect_records(31 + SHMLOG_RECORD_SLOTS, BATCH);
    /* Of those, none that was not released. */
    put_many(SLOTS + 31, SLOTS + 50);
    shm_ring_reader_init_kept(&reader, &f->segment, 0);
    cr_assert_eq(reader.pos, 100);
    expect_records(101, BATCH);
}

/* The collector does not read, and writers respect its tail: all of a full ring stands. */
Test(drop, a_look_back_over_a_full_ring)
{
    put_many(1, SLOTS);
    for (uint64_t tail = 0; tail <= 2 * SHMLOG_RECORD_SLOTS; tail++) {
        const uint64_t edge = SHMLOG_RECORD_SLOTS + tail, filled = SLOTS + tail;

        /* read up to `tail`, and written up to there again */
        f->ring.header->tail = tail;
        f->ring.header->tail_seq = tail + 1;
        if (tail)
            put_many(filled, filled);
        shm_ring_reader_init_kept(&reader, &f->segment, 0);
        expect_records(tail + 1, BATCH);
        while (next() == SHM_READ_RECORDS)
            ;
        cr_assert_eq(reader.seq, filled + 1);
        /* a writer may fill what was read: the tail in front of the slots a record may take */
        f->ring.header->tail = edge + 1;
        f->ring.header->tail_seq = edge + 2;
        shm_ring_reader_init_kept(&reader, &f->segment, 0);
        expect_records(edge + 1, BATCH);
    }
}

/* A head just below 2^64, then an honest one: going on at position 0 would lose nothing. */
Test(drop, no_loss_of_nothing_around_the_end_of_64_bits)
{
    f->ring.header->head = (uint64_t)-24260;
    shm_ring_reader_init_kept(&reader, &f->segment, 0);
    cr_assert_eq(reader.pos, (uint64_t)-24260);
    f->ring.header->head = 0;
    put_many(1, 928); /* 960 slots before the head is where an overtaken reader goes on */
    cr_assert_eq(next(), SHM_READ_NONE);
}

Test(drop, head_seq)
{
    uint64_t head;

    cr_assert_eq(shm_ring_head_seq(&f->segment, 0, 1, &head), 0);
    put_many(1, 10);
    cr_assert_eq(shm_ring_head_seq(&f->segment, 0, 1, &head), 10);
    cr_assert_eq(head, 10);
}

Test(numbers, extend)
{
    cr_assert_eq(shm_seq_extend(5, 7), 7);
    cr_assert_eq(shm_seq_extend(7, 5), 5);
    cr_assert_eq(shm_seq_extend(UINT64_C(0x1fffffffe), 3), UINT64_C(0x200000003));
    cr_assert_eq(shm_seq_extend(UINT64_C(0x200000003), 0xfffffffe), UINT64_C(0x1fffffffe));
    cr_assert_eq(shm_seq_extend(1, 0xffffffff), UINT64_C(0xffffffff));
}

/* Scribble into slots and header words, with all readers on it: nothing but the ring is touched
 * (the sanitizers watch), every call ends, and what is read as records is whole by the rules. */
static void scribble(uint64_t seed)
{
    uint64_t random = seed, number = 1;

    for (int round = 0; round < 3000; round++) {
        uint64_t r = ring_random(&random);
        uint64_t pos = r >> 16;

        if (r % 3 == 0)
            memcpy(slot(pos), &r, sizeof(r));
        if (r % 5 == 0)
            slot(pos)->site = SITE | (uint32_t)(r >> 40) % 80 << SHMLOG_SITE_SLOTS_SHIFT;
        if (r % 7 == 0)
            slot(pos)->seq = (uint32_t)(number + (r >> 50) % 100);
        for (int i = 0; i < 20; i++)
            number += ring_put(f, number, SITE, 1 + (uint32_t)(ring_random(&random) % 9));
        if (r % 64 == 0)
            f->ring.header->head = r % 128 ? r : f->ring.header->head + r % 5000;
        if (r % 96 == 0)
            f->ring.header->tail = ring_random(&random);
        if (r % 80 == 0)
            shm_ring_reader_init_oldest(&reader, &f->segment, 0);
        for (int i = 0; i < 8; i++) {
            uint64_t before_pos = reader.pos, before_seq = reader.seq;

            shm_ring_read(&reader, r % 11 ? shm_ring_head(f->ring.header) : r, buffer, BATCH,
                          &result);
            if (result.kind == SHM_READ_NONE) {
                cr_assert_eq(reader.pos, before_pos);
                break;
            }
            cr_assert(reader.pos != before_pos || reader.seq != before_seq, "no progress");
            cr_assert_leq(result.slots, BATCH);
            cr_assert_leq(result.records, result.slots);
            if (result.kind == SHM_READ_LOST)
                cr_assert_geq(result.lost, 1);
        }
        if (r % 2) {
            f->ring.header->tail = f->ring.header->head;
            reader.pos = f->ring.header->head;
        }
    }
}

Test(drop, scribbling_never_leads_astray)
{
    printf("seeds 1 to 8\n");
    for (uint64_t seed = 1; seed <= 8; seed++)
        scribble(seed);
}

Test(overwrite, scribbling_never_leads_astray)
{
    printf("seeds 11 to 18\n");
    for (uint64_t seed = 11; seed <= 18; seed++)
        scribble(seed);
}

/* Damage alone, with an honest head: whatever is lost is counted, to the record. */
Test(drop, scattered_damage_is_counted_exactly)
{
    uint64_t random = 77, number = 1, read = 0, lost = 0;

    for (int round = 0; round < 2000; round++) {
        uint64_t from = shm_ring_head(f->ring.header), to;

        while (ring_put(f, number, SITE, 1 + (uint32_t)(ring_random(&random) % 70 % 64)))
            number++;
        to = shm_ring_head(f->ring.header);
        for (int i = 0; i < 6; i++) {
            uint64_t r = ring_random(&random);

            /* not the newest slots, from which the writer counts on */
            slot(from + r % (to - from - 64))->seq = (uint32_t)(r >> 32);
        }
        while (next() != SHM_READ_NONE) {
            read += result.records;
            lost += result.lost;
        }
        cr_assert_eq(reader.seq, number, "round %d: at %" PRIu64 ", not %" PRIu64, round,
                     reader.seq, number);
        cr_assert_eq(read + lost, number - 1);
        ring_release(f, &reader);
    }
    cr_assert_gt(lost, 2000);
}

/* ---- a writer that comes in at any instruction of the reader ----
 *
 * A timer's signal handler writes in bursts, so it is the reader's copying and checking that is
 * interrupted most of the time; and it leaves a record half-written behind the head.
 */

#define BURSTS 4000u /* under which it reads */
static uint64_t burst_number = 1, burst_random = 9, bursts;
static bool burst_takes_over; /* also as the collector, which has read everything */

static void burst(int signal_number)
{
    struct shmlog_ring *ring = f->ring.header;
    uint64_t r = ring_random(&burst_random), head;
    uint32_t half = 1 + (uint32_t)(r % SHMLOG_RECORD_SLOTS);

    (void)signal_number;
    bursts++;
    if (burst_takes_over) {
        ring->tail_seq = burst_number;
        shmlog_store_release_(&ring->tail, ring->head);
    }
    for (uint64_t i = (r >> 16) % (r % 4 ? 300 : 1500); i > 0; i--)
        burst_number += ring_put(f, burst_number, SITE,
                                 i % 8 ? 1 : 1 + (uint32_t)(i * r % SHMLOG_RECORD_SLOTS));
    head = ring->head;
    if (burst_takes_over && head + half > ring->tail + SLOTS)
        return;
    for (uint32_t i = 0; i < half; i++)
        ring_put_slot(f, head + i, burst_number,
                      SITE | (i == 0 ? half << SHMLOG_SITE_SLOTS_SHIFT : 0), i);
}

static void set_timer(long us)
{
    struct itimerval timer = {{0, us}, {0, us}};

    cr_assert_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void read_under_fire(void)
{
    struct sigaction action = {.sa_handler = burst, .sa_flags = SA_RESTART};
    uint64_t read = 0, lost = 0, first;

    shm_ring_reader_init_oldest(&reader, &f->segment, 0);
    first = reader.seq;
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    set_timer(25);
    while (bursts < BURSTS) {
        if (next() == SHM_READ_LOST)
            cr_assert_eq(result.cause, SHMLOG_LOST_OVERWRITTEN);
        read += result.records;
        lost += result.lost;
        /* Go back to where a burst reaches the copy: the old end. */
        if (result.kind == SHM_READ_NONE) {
            shm_ring_reader_init_oldest(&reader, &f->segment, 0);
            first = reader.seq;
            read = lost = 0;
        }
        cr_assert_eq(read + lost, reader.seq - first);
    }
    set_timer(0);
    while (next() != SHM_READ_NONE)
        ;
    cr_assert_eq(reader.seq, burst_number, "at %" PRIu64 ", not %" PRIu64, reader.seq,
                 burst_number);
    printf("%" PRIu64 " bursts, %" PRIu64 " records\n", bursts, burst_number - 1);
}

Test(overwrite, interrupted_anywhere)
{
    read_under_fire();
}

Test(drop, follower_interrupted_anywhere)
{
    burst_takes_over = true;
    read_under_fire();
}
