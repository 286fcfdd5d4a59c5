/* SPDX-License-Identifier: MIT
 *
 * Journal and drain, from log calls to what files say: every record exactly once and in order,
 * every loss counted exactly and in its place; under each policy, with a full outbox, and over the
 * death of the collector.
 */
#include "producer/shmlog.h"

#include "tests/unit/agents_kit.h"

#include <pthread.h>

#define CAPACITY 1024u /* slots of a ring of the kit's size */
#define OWNED 3u       /* the first ring after those of the kit's cores */

TestSuite(drain, .init = kit_open, .fini = kit_close, .timeout = 60);

static struct agents agents;
static struct shmlog *log_handle;

/* A segment and a producer that writes to the first owned ring. */
static void start(uint32_t on_full)
{
    struct shm_params params = kit_params();

    params.on_full = on_full;
    params.wait_ns = 1000000;
    agents_open(&agents, &params);
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(log_handle), 0);
}

static struct shmlog_ring *ring(void)
{
    return agents.segment->rings[OWNED].header;
}

static void put(uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++)
        shmlog_info(log_handle, "n %lu", (unsigned long)i);
}

static struct tally *finish(void)
{
    struct tally *t;

    agents_stop(&agents);
    cr_assert(drain_is_complete(agents.drain));
    t = tally_open(agents.out);
    cr_assert_eq(t->files, t->sealed);
    tally_balances(t);
    shmlog_close(log_handle);
    agents_die(&agents);
    return t;
}

static void die_and_start(void)
{
    struct shm_params params = kit_params();

    params.on_full = agents.segment->geometry.on_full;
    params.wait_ns = agents.segment->geometry.wait_ns;
    agents_die(&agents);
    agents_open(&agents, &params);
    cr_assert(!agents.segment->created);
    agents_recover(&agents);
}

/* Records of the owned ring are from, from + 1, ... */
static void check_values(const struct tally *t, uint64_t first, uint64_t from, uint64_t count)
{
    cr_assert_leq(first + count, t->ring[OWNED].written);
    for (uint64_t i = 0; i < count; i++)
        cr_assert_eq(t->ring[OWNED].record[first + i].value, from + i,
                     "record %llu: %llu instead of %llu", (unsigned long long)(first + i),
                     (unsigned long long)t->ring[OWNED].record[first + i].value,
                     (unsigned long long)(from + i));
}

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
    cr_assert_eq(t->ring[OWNED].written, 10000);
    check_values(t, 0, 0, 10000);
    for (uint64_t i = 0; i < 10000; i++)
        cr_assert(t->ring[OWNED].record[i].site_known && t->ring[OWNED].record[i].producer_known);
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
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], 18);
    cr_assert_eq(t->ring[OWNED].written, 2 * CAPACITY + 300);
    cr_assert_eq(t->ring[OWNED].gaps, 2);
    cr_assert_eq(t->ring[OWNED].gap[0].count, 7);
    cr_assert_eq(t->ring[OWNED].gap_at[0], CAPACITY);
    cr_assert_eq(t->ring[OWNED].gap[0].time_before, t->ring[OWNED].record[CAPACITY - 1].time);
    cr_assert_eq(t->ring[OWNED].gap[1].count, 11);
    cr_assert_eq(t->ring[OWNED].gap_at[1], 2 * CAPACITY + 300);
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
    cr_assert_eq(t->ring[OWNED].gaps, 2);
    cr_assert_eq(t->ring[OWNED].gap[0].count, 3);
    cr_assert_eq(t->ring[OWNED].gap_at[0], CAPACITY);
    cr_assert_eq(t->ring[OWNED].gap[1].count, 5);
    cr_assert_eq(t->ring[OWNED].gap_at[1], CAPACITY + CAPACITY / 2);
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
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], dropped);
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_NESTED], nested);
    cr_assert_eq(t->ring[OWNED].written, CAPACITY + 50 * CAPACITY);
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
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_WAITED], 5);
    cr_assert_eq(t->ring[OWNED].gap_at[0], CAPACITY);
    check_values(t, 0, 0, CAPACITY + 10);
    tally_close(t);
}

static void *writer(void *count)
{
    cr_assert_eq(shmlog_own_ring(log_handle), 0);
    put(0, *(const uint64_t *)count);
    return NULL;
}

/* A writer that waits, against the drain: nothing is lost, nobody hangs. */
Test(drain, wait_policy_against_a_writer)
{
    struct shm_params params = kit_params();
    uint64_t count = 200000;
    pthread_t thread;
    struct tally *t;

    params.on_full = SHMLOG_ON_FULL_WAIT;
    params.wait_ns = UINT64_MAX;
    agents_open(&agents, &params);
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    cr_assert_eq(pthread_create(&thread, NULL, writer, &count), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[OWNED].written, count);
    check_values(t, 0, 0, count);
    tally_close(t);
}

/* A writer that drops, against the drain: each record is written or counted. */
Test(drain, drop_policy_against_a_writer)
{
    struct shm_params params = kit_params();
    uint64_t count = 300000, last = 0;
    pthread_t thread;
    struct tally *t;

    agents_open(&agents, &params);
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    cr_assert_eq(pthread_create(&thread, NULL, writer, &count), 0);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[OWNED].written + t->ring[OWNED].lost[SHMLOG_LOST_FULL], count);
    for (uint64_t i = 0; i < t->ring[OWNED].written; i++) {
        cr_assert(i == 0 || t->ring[OWNED].record[i].value > last);
        last = t->ring[OWNED].record[i].value;
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
    cr_assert_gt(t->ring[OWNED].lost[SHMLOG_LOST_OVERWRITTEN], 9 * CAPACITY - 1);
    cr_assert_eq(t->ring[OWNED].written + t->ring[OWNED].lost[SHMLOG_LOST_OVERWRITTEN],
                 100 + 10 * CAPACITY);
    cr_assert_eq(t->ring[OWNED].gaps, 1);
    cr_assert_eq(t->ring[OWNED].gap_at[0], 100);
    check_values(t, 0, 0, 100);
    check_values(t, 100, 100 + t->ring[OWNED].gap[0].count,
                 10 * CAPACITY - t->ring[OWNED].gap[0].count);
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
    cr_assert_eq(t->ring[OWNED].written, kept);
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], 3000 - kept);
    cr_assert_gt(kept, 1000);
    for (uint64_t i = 0; i < kept; i++)
        slots += t->ring[OWNED].record[i].slots;
    cr_assert_gt(slots, 10 * kept);
    tally_close(t);
}

/* Per-core rings, where this machine has the core and rseq. */
Test(drain, ring_of_a_core)
{
    struct shm_params params = kit_params();
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
    cr_assert_eq(t->ring[0].lost[SHMLOG_LOST_FULL] + t->ring[OWNED].lost[SHMLOG_LOST_FULL], 5);
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
    return &agents.segment->rings[OWNED].slots[pos % CAPACITY];
}

Test(drain, damaged_slots)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 300);
    slot_at(100)->seq ^= 0x5555;        /* record 101 */
    memset(slot_at(150), 0xff, 3 * 64); /* records 151 to 153 */
    t = finish();
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_DAMAGED], 4);
    cr_assert_eq(t->ring[OWNED].written, 296);
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
    cr_assert_eq(t->ring[OWNED].record[t->ring[OWNED].written - 1].value, 77);
    cr_assert(t->ring[OWNED].record[t->ring[OWNED].written - 1].site_known);
    tally_close(t);
}

/* ---- A full outbox ---- */

/* Nothing is written for a while: the outbox fills, then the ring, and all goes on from there. */
Test(drain, full_outbox)
{
    uint64_t dropped, number = 0;
    struct tally *t;
    char text[1500];

    agents.outbox_size = OUTBOX_SIZE_MIN;
    start(SHMLOG_ON_FULL_DROP);
    srand(7);
    for (unsigned round = 0; round < 6; round++) {
        bool stuck = false;

        for (unsigned turn = 0; !stuck; turn++) {
            int64_t n;

            cr_assert_lt(turn, 1000);
            for (unsigned i = 0; i < 20; i++) { /* not to be compressed */
                for (size_t k = 0; k < sizeof(text) - 1; k++)
                    text[k] = (char)(' ' + rand() % 90);
                text[sizeof(text) - 1] = 0;
                shmlog_info(log_handle, "n %lu %s", (unsigned long)number++, text);
            }
            n = agents_drain(&agents);
            cr_assert_geq(n, 0);
            stuck = n == 0;
        }
        cr_assert_gt(outbox_head(agents.outbox) - outbox_tail(agents.outbox), OUTBOX_SIZE_MIN / 4);
        /* some go, then the next round */
        cr_assert_geq(writeback_work(agents.writeback, agents.now++), 0);
        agents_write(&agents);
    }
    dropped = ring()->lost[SHMLOG_LOST_FULL];
    t = finish();
    cr_assert_gt(dropped, 0);
    cr_assert_eq(t->ring[OWNED].written + dropped, number);
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], dropped);
    for (uint64_t i = 1; i < t->ring[OWNED].written; i++)
        cr_assert_gt(t->ring[OWNED].record[i].value, t->ring[OWNED].record[i - 1].value);
    tally_close(t);
}

/* The queue of gaps is full when draining ends: what found no room in it is counted all the same.
 */
Test(drain, more_gaps_than_the_queue_holds)
{
    const struct outbox_entry filler = {.kind = OUTBOX_ENTRY_DATA, .size = 5000, .file_number = 9};
    uint8_t bytes[5000] = {0};
    char path[PATH_MAX];
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY);
    while (outbox_has_room(agents.outbox, filler.size))
        outbox_commit(agents.outbox, &filler, bytes, 0, NULL, outbox_file(agents.outbox));
    for (unsigned i = 0; i < 30; i++) {
        for (uint32_t cause = SHMLOG_LOST_FULL; cause <= SHMLOG_LOST_NESTED; cause++)
            __atomic_fetch_add(&ring()->lost[cause], 1, __ATOMIC_RELAXED);
        cr_assert_eq(agents_drain(&agents), 0);
    }
    agents_write(&agents);
    cr_assert_eq(writeback_path(agents.out, "t", 9, 0, true, path, sizeof(path)), 0);
    cr_assert_eq(unlink(path), 0);
    t = finish();
    cr_assert_eq(t->ring[OWNED].written, CAPACITY);
    for (uint32_t cause = SHMLOG_LOST_FULL; cause <= SHMLOG_LOST_NESTED; cause++)
        cr_assert_eq(t->ring[OWNED].lost[cause], 30);
    tally_close(t);
}

/* More new sites in a batch than an entry of the outbox can hold: they go ahead, in parts. */
Test(drain, dictionary_larger_than_an_entry)
{
    struct shm_params params = kit_params();
    struct tally *t;
    char format[801], name[251];

    params.sites_max = 8192;
    agents.outbox_size = OUTBOX_SIZE_MIN;
    agents_open(&agents, &params);
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(log_handle), 0);
    snprintf(name, sizeof(name), "%0250u", 1u);
    for (unsigned i = 0; i < 900; i++) {
        struct shmlog_callsite_ site = {.format = format,
                                        .file = name,
                                        .category = "",
                                        .line = i,
                                        .kind = SHMLOG_SITE_PRINTF,
                                        .level = SHMLOG_INFO};
        struct shmlog_slot slot = {0};
        uint32_t id;

        snprintf(format, sizeof(format), "%u %0790u", i, i);
        id = shmlog_word_id_(shmlog_register_site_(log_handle, &site, "f"));
        cr_assert_neq(id, 0);
        slot.site = id | 1u << SHMLOG_SITE_SLOTS_SHIFT;
        cr_assert_eq(shmlog_commit_slots_(log_handle, shmlog_thread_of_(log_handle), &slot, 1, 0),
                     1);
    }
    for (unsigned i = 0; agents_drain(&agents) > 0 || !writeback_idle(agents.writeback); i++) {
        cr_assert_lt(i, 100);
        agents_write(&agents);
    }
    t = finish();
    cr_assert_eq(t->ring[OWNED].written, 900);
    for (unsigned i = 0; i < 900; i++)
        cr_assert(t->ring[OWNED].record[i].site_known, "record %u", i);
    tally_close(t);
}

/* ---- Dying and starting again ---- */

/* At each point between the steps of a record's way into a file. */
Test(drain, starts_again_exactly_once)
{
    uint64_t number = 0, state = 99;
    struct tally *t;

    fprintf(stderr, "seed %llu\n", (unsigned long long)state);
    start(SHMLOG_ON_FULL_DROP);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned step = 0; step < 6; step++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            switch (state >> 60) {
            case 0 ... 5:
                put(number, 400);
                number += 400;
                break;
            case 6 ... 9:
                cr_assert_geq(agents_drain(&agents), 0);
                break;
            case 10 ... 12:
                cr_assert_geq(writeback_work(agents.writeback, agents.now++), 0);
                break;
            case 13:
                cr_assert_eq(journal_seal(agents.journal), 0);
                break;
            default: /* died before the tail was released */
                agents_drain(&agents);
                shmlog_store_release_(&ring()->tail, ring()->tail);
                break;
            }
        }
        die_and_start();
    }
    number -= ring()->lost[SHMLOG_LOST_FULL];
    t = finish();
    cr_assert_eq(t->ring[OWNED].written, number);
    for (uint64_t i = 1; i < number; i++) {
        cr_assert_gt(t->ring[OWNED].record[i].value, t->ring[OWNED].record[i - 1].value);
        cr_assert(t->ring[OWNED].record[i].site_known && t->ring[OWNED].record[i].producer_known);
    }
    cr_assert_gt(t->files, 20);
    tally_close(t);
}

/* Dead after the commit, before the tail was released: taken once. */
Test(drain, tail_behind_the_ledger)
{
    struct tally *t;
    uint64_t tail;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 100);
    cr_assert_eq(agents_drain(&agents), 100);
    tail = ring()->tail;
    put(100, 300);
    while (agents_drain(&agents) > 0)
        ;
    cr_assert_eq(ring()->tail, 400);
    shmlog_store_release_(&ring()->tail, tail);
    shmlog_store_relaxed_(&ring()->tail_seq, tail + 1);
    die_and_start();
    cr_assert_eq(ring()->tail, 400);
    cr_assert_eq(ring()->tail_seq, 401);
    put(400, 50);
    t = finish();
    check_values(t, 0, 0, 450);
    cr_assert_eq(t->ring[OWNED].written, 450);
    tally_close(t);
}

/* Losses that were noted but not yet written when the collector died are noted again. */
Test(drain, losses_survive)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY + 3);
    cr_assert_gt(agents_drain(&agents), 0);
    die_and_start();
    put(0, CAPACITY); /* half of them dropped */
    die_and_start();
    t = finish();
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], 3 + CAPACITY / 2);
    tally_close(t);
}

/* A ring whose file was cut while it was full: what was dropped then is in the ledger, though the
 * cursor never gets to where it was dropped, and nothing waits for that. */
Test(drain, cut_while_full)
{
    struct shm_ring *cut;
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY + 7);
    cut = &agents.segment->rings[OWNED];
    memset(cut->slots + CAPACITY / 2, 0, CAPACITY / 2 * sizeof(*cut->slots));
    cut->lost = 1;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    agents_stop(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->ring[OWNED].written, CAPACITY / 2);
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_FULL], 7);
    cr_assert_eq(t->ring[OWNED].lost[SHMLOG_LOST_DAMAGED], 1,
                 "the newest slot is gone: how many "
                 "there were, nobody knows");
    tally_close(t);
    shmlog_close(log_handle);
    agents_die(&agents);
}
