/* SPDX-License-Identifier: MIT
 *
 * Raw records in batches: all of them, in their order, with their times and numbers; those that
 * find no room are counted, each by itself.
 */
#include "tests/unit/producer_kit.h"

#define SLOTS 1024u
#define MOST 3000u

static struct shm_params parameters;

static void prepare(void)
{
    parameters = kit_producer_params();
    parameters.spare_rings = 1;
}

TestSuite(producer_batch, .init = prepare, .fini = kit_detach, .timeout = 120);

static void open_with(uint32_t on_full, bool shared)
{
    parameters.on_full = on_full;
    kit_attach(&parameters);
    if (shared)
        kit_share(logger);
}

/* Of one slot, with room in it; of exactly one; of 2, of 3, of 33, of which one commit holds only
 * one; and of all 64. */
#define KIND(name, bytes, level)                                                       \
    struct name {                                                                      \
        uint64_t number;                                                               \
        char text[(bytes)-8];                                                          \
    };                                                                                 \
    SHMLOG_RECORD(name##_record, struct name, level, SHMLOG_TRADE, #name,              \
                  SHMLOG_FIELD(struct name, number), SHMLOG_FIELD(struct name, text)); \
    static void put_##name(const uint64_t *times, uint64_t first, size_t n)            \
    {                                                                                  \
        static struct name data[MOST];                                                 \
                                                                                       \
        memset(data, 't', n * sizeof(data[0]));                                        \
        for (size_t i = 0; i < n; i++)                                                 \
            data[i].number = first + i;                                                \
        shmlog_record_n(logger, &name##_record, data, times, n);                       \
    }
KIND(small, 16, SHMLOG_INFO)
KIND(slot, 40, SHMLOG_INFO)
KIND(two, 48, SHMLOG_INFO)
KIND(three, 152, SHMLOG_INFO)
KIND(half, 1800, SHMLOG_INFO)
KIND(whole, 3568, SHMLOG_INFO)
KIND(severe, 40, SHMLOG_ERROR)

static const struct {
    void (*put)(const uint64_t *times, uint64_t first, size_t n);
    uint32_t slots;
} kinds[] = {{put_small, 1}, {put_slot, 1},  {put_two, 2},
             {put_three, 3}, {put_half, 33}, {put_whole, 64}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The next records have the numbers from `first` on. */
static void expect_records(uint64_t first, size_t n, uint32_t slots, const uint64_t *times)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert(kit_take(), "record %zu of %zu", i, n);
        cr_assert_eq(record_slots(kit_slots), slots);
        expect(0, SHMLOG_TYPE_U64, first + i);
        cr_assert_eq(kit_value[1].data[kit_value[1].size - 1], 't');
        for (size_t at = SHMLOG_PAYLOAD_RAW + kit_site.record_size;
             at < slots * SHMLOG_SLOT_PAYLOAD; at++)
            cr_assert_eq(kit_payload[at], 0, "what is in no struct");
        if (times)
            cr_assert_eq(load64(kit_payload), times[i]);
    }
    cr_assert_not(kit_take());
}

/* Each count that fits into the ring, around a commit's 64 slots above all, at each place in it. */
static void counts(bool shared)
{
    static uint64_t times[MOST];
    uint64_t number = 0;
    uint32_t seq = 0;

    open_with(SHMLOG_ON_FULL_DROP, shared);
    for (size_t i = 0; i < MOST; i++)
        times[i] = 1000000 - 7 * i; /* in any order */
    for (size_t kind = 0; kind < KINDS; kind++) {
        const uint32_t slots = kinds[kind].slots;

        for (size_t n = 0; n * slots <= SLOTS; n += n * slots < 200 ? 1 : 97) {
            const uint64_t *const at = n % 2 ? times : NULL;
            const uint64_t before = shmlog_now(logger);

            kinds[kind].put(at, number, n);
            cr_assert_eq(shmlog_lost(logger), 0);
            if (n) {
                const uint64_t after = shmlog_now(logger);
                const struct shmlog_ring *const ring = ring_in_use();
                const struct shmlog_slot *const last =
                    &segment->rings[ring->index].slots[(ring->head - slots) % SLOTS];

                seq += (uint32_t)n;
                cr_assert_eq(last->seq, seq, "numbers follow one another");
                cr_assert(at ||
                          (load64(last->payload) >= before && load64(last->payload) <= after));
            }
            expect_records(number, n, slots, at);
            number += n;
        }
    }
}

Test(producer_batch, counts_core)
{
    counts(false);
}

Test(producer_batch, counts_shared)
{
    counts(true);
}

/* As many as there is room for are committed, the first ones; the others are counted. */
static void full(bool shared)
{
    open_with(SHMLOG_ON_FULL_DROP, shared);
    for (size_t kind = 0; kind < KINDS; kind++) {
        const uint32_t slots = kinds[kind].slots, fit = SLOTS / slots;

        for (uint32_t already = 0; already <= 3; already++) {
            const uint64_t before = kit_lost(SHMLOG_LOST_FULL);
            const uint64_t beyond = shmlog_thread_lost(logger);

            put_small(NULL, 0, already * slots);
            kinds[kind].put(NULL, 100, fit + 50);
            cr_assert_eq(kit_lost(SHMLOG_LOST_FULL) - before, 50 + already);
            cr_assert_eq(shmlog_thread_lost(logger) - beyond, 50 + already);
            for (uint32_t i = 0; i < already * slots; i++)
                cr_assert(kit_take());
            expect_records(100, fit - already, slots, NULL);
        }
    }
    cr_assert_eq(shmlog_lost(logger), kit_lost(SHMLOG_LOST_FULL));
}

Test(producer_batch, full_core)
{
    full(false);
}

Test(producer_batch, full_shared)
{
    full(true);
}

/* Of a batch that waits in vain, each record is one that did. */
Test(producer_batch, waits)
{
    parameters.wait_ns = 1000000;
    open_with(SHMLOG_ON_FULL_WAIT, false);
    put_slot(NULL, 0, SLOTS + 70);
    cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), 70);
    expect_records(0, SLOTS, 1, NULL);
}

Test(producer_batch, overwrites)
{
    open_with(SHMLOG_ON_FULL_OVERWRITE, false);
    put_two(NULL, 0, MOST);
    cr_assert_eq(ring_in_use()->head, 2 * MOST);
    cr_assert_eq(shmlog_lost(logger), 0);
    for (uint32_t i = 0; i < SLOTS; i += 2) { /* the newest are there, whole */
        const uint64_t at = 2 * MOST - SLOTS + i;
        const struct shmlog_slot *const slot =
            &segment->rings[ring_in_use()->index].slots[at % SLOTS];

        cr_assert_eq(slot->seq, at / 2 + 1);
        cr_assert_eq(load64(slot->payload + SHMLOG_PAYLOAD_RAW), at / 2);
    }
}

/* Severe ones get the reserve, the others none of it. */
Test(producer_batch, reserve)
{
    uint32_t reserve;

    parameters.reserve = 10;
    open_with(SHMLOG_ON_FULL_DROP, false);
    reserve = segment->geometry.reserve_slots;
    cr_assert_eq(reserve, 102);
    put_slot(NULL, 0, SLOTS);
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), reserve);
    put_severe(NULL, 0, reserve + 5);
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), reserve + 5);
    cr_assert_eq(kit_take_all(), SLOTS);
}

/* Rings of their own, too, and nothing of them among the rest. */
Test(producer_batch, severe_rings)
{
    parameters.reserve = 10;
    open_with(SHMLOG_ON_FULL_OVERWRITE, false);
    put_severe(NULL, 0, 200);
    put_slot(NULL, 0, 300);
    if (kit_has_rseq()) {
        cr_assert_eq(segment->rings[1].header->head, 200);
        cr_assert_eq(segment->rings[0].header->head, 300);
    }
    cr_assert_eq(kit_take_all(), 500);
}

/* Below the level nothing is evaluated; without a segment each call, or record, is counted. */
Test(producer_batch, not_logged)
{
    const struct shmlog_options later = {0, SHMLOG_OPEN_LATER, NULL};
    const struct small data[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *waiting;
    unsigned evaluated = 0;

    open_with(SHMLOG_ON_FULL_DROP, false);
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_WARN), 0);
    shmlog_record_n(logger, &small_record, (evaluated++, data), NULL, (evaluated++, 3));
    cr_assert_eq(evaluated, 0);
    cr_assert_eq(kit_take_all(), 0);
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_INFO), 0);
    shmlog_record_n(logger, &small_record, (evaluated++, data), NULL, (evaluated++, 3));
    cr_assert_eq(evaluated, 2);
    cr_assert_eq(kit_take_all(), 3);
    shmlog_record_n(NULL, &small_record, data, NULL, 3);
    cr_assert_eq(shmlog_lost(NULL), before + 1);
    cr_assert_eq(shmlog_open(&waiting, "/dev/shm/no-such-folder/segment", &later), 0);
    shmlog_record_n(waiting, &small_record, data, NULL, 3);
    shmlog_record_n(waiting, &small_record, data, NULL, 0);
    cr_assert_eq(shmlog_lost(waiting), 3);
    shmlog_close(waiting);
}
