/* SPDX-License-Identifier: MIT
 *
 * What is kept for records of warn and above: the last slots of a ring under drop and wait, rings
 * of their own under overwrite. Whatever else is logged, none of them is lost that there is room
 * for.
 */
#include "tests/unit/producer_kit.h"

#include "tools/cat_line.h"

#include <pthread.h>

#define SLOTS 1024u
#define PERCENT 12u
#define RESERVE (SLOTS * PERCENT / 100) /* slots */
#define WAIT_NS UINT64_C(20000000)

static struct shm_params parameters;

static void prepare(void)
{
    parameters = kit_producer_params();
    parameters.level = SHMLOG_TRACE;
    parameters.reserve = PERCENT;
    parameters.spare_rings = 1;
    parameters.wait_ns = WAIT_NS;
}

TestSuite(producer_reserve, .init = prepare, .fini = kit_detach, .timeout = 120);

static void open_with(uint32_t on_full, bool shared)
{
    parameters.on_full = on_full;
    kit_attach(&parameters);
    if (shared)
        kit_share(logger);
}

/* ---- every kind of call ---- */

struct small {
    uint64_t number;
};
struct large {
    uint64_t number;
    char text[200];
};
SHMLOG_RECORD(small_warn, struct small, SHMLOG_WARN, "", "small",
              SHMLOG_FIELD(struct small, number));
SHMLOG_RECORD(large_error, struct large, SHMLOG_ERROR, "", "large",
              SHMLOG_FIELD(struct large, number), SHMLOG_FIELD(struct large, text));
SHMLOG_RECORD(small_info, struct small, SHMLOG_INFO, "", "small",
              SHMLOG_FIELD(struct small, number));

static void log_warn(void)
{
    shmlog_warn(logger, "%d", 1);
}

static void log_error_at(void)
{
    shmlog_error_at(logger, shmlog_now(logger), "%d", 1);
}

static void log_critical_string(void)
{
    shmlog_critical(logger, "%s",
                    "so long a string that it takes up three slots, of which each has "
                    "fifty-six bytes of payload, the first one twelve fewer");
}

static void log_event(void)
{
    shmlog_event(logger, SHMLOG_WARN, "", "event", "number", 1);
}

static void log_event_at(void)
{
    shmlog_event_at(logger, shmlog_now(logger), SHMLOG_CRITICAL, "", "event", "a", 1ul, "b", 2ul,
                    "c", 3ul, "d", 4ul, "e", 5ul, "f", 6ul);
}

static void log_line(void)
{
    cat_line(logger, SHMLOG_ERROR, 0, "a line", 6);
}

static void log_small(void)
{
    const struct small small = {1};

    shmlog_record(logger, &small_warn, &small);
}

static void log_large(void)
{
    static const struct large large = {1, "text"};

    shmlog_record_at(logger, shmlog_now(logger), &large_error, &large);
}

static const struct {
    void (*log)(void);
    uint32_t slots;
} severe[] = {{log_warn, 1},     {log_error_at, 1}, {log_critical_string, 3}, {log_event, 1},
              {log_event_at, 2}, {log_line, 1},     {log_small, 1},           {log_large, 4}};
#define SEVERE (sizeof(severe) / sizeof(severe[0]))

static void log_info(void)
{
    shmlog_info(logger, "%d", 0);
}

static void log_trace_long(void)
{
    shmlog_trace(logger, "%s %d", "two slots: a string of more than the bytes of one", 0);
}

static void log_small_info(void)
{
    const struct small small = {0};

    shmlog_record(logger, &small_info, &small);
}

static void (*const noise[])(void) = {log_info, log_trace_long, log_small_info};
#define NOISE (sizeof(noise) / sizeof(noise[0]))

/* ---- drop ---- */

static void fill(bool shared)
{
    uint64_t free_slots = RESERVE, records = 0, full = 0;

    open_with(SHMLOG_ON_FULL_DROP, shared);
    while (ring_in_use()->head < SLOTS - RESERVE)
        log_info();
    cr_assert_eq(shmlog_lost(logger), 0);
    for (unsigned i = 0; i < NOISE; i++) {
        noise[i]();
        cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), ++full, "noise %u took the reserve", i);
    }
    for (unsigned i = 0; free_slots >= 4; i++) {
        severe[i % SEVERE].log();
        records++;
        free_slots -= severe[i % SEVERE].slots;
        cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), full, "call %u was lost", i);
        cr_assert_eq(ring_in_use()->head, SLOTS - free_slots);
        cr_assert_eq(kit_rseq_cs(), 0);
        noise[i % NOISE]();
        cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), ++full);
    }
    for (; free_slots; free_slots--, records++)
        log_warn();
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), full);
    for (unsigned i = 0; i < SEVERE; i++) { /* it is no more than the reserve */
        severe[i].log();
        cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), ++full);
    }
    cr_assert_eq(shmlog_thread_lost(logger), full);
    cr_assert(kit_take());
    log_info(); /* the slot that came free is one of the reserve's */
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), ++full);
    log_warn();
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), full);
    cr_assert_eq(kit_take_all(), SLOTS - RESERVE - 1 + records + 1);
    log_info();
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), full);
}

Test(producer_reserve, drop_core)
{
    fill(false);
}

Test(producer_reserve, drop_shared)
{
    fill(true);
}

/* The limit that a call compares does not stay behind while only severe records come. */
Test(producer_reserve, severe_alone)
{
    open_with(SHMLOG_ON_FULL_DROP, false);
    for (unsigned i = 0; i < 10 * SLOTS; i++) {
        log_warn();
        cr_assert(kit_take());
        cr_assert_geq(ring_in_use()->limit + RESERVE, ring_in_use()->head);
        cr_assert_eq(ring_in_use()->limit_severe - ring_in_use()->limit, RESERVE);
    }
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* A segment of before: no reserve, and the word that it begins with is zero. */
static void none(bool shared)
{
    parameters.reserve = 0;
    parameters.on_full = SHMLOG_ON_FULL_DROP;
    kit_open();
    segment = kit_create(&parameters);
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        segment->rings[i].header->limit_severe = 0;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    if (shared)
        kit_share(logger);
    for (unsigned i = 0; i < SLOTS / 2; i++) {
        log_warn();
        log_info();
    }
    cr_assert_eq(shmlog_lost(logger), 0);
    log_warn();
    log_info();
    cr_assert_eq(kit_lost(SHMLOG_LOST_FULL), 2);
    cr_assert_eq(kit_take_all(), SLOTS);
}

Test(producer_reserve, none_core)
{
    none(false);
}

Test(producer_reserve, none_shared)
{
    none(true);
}

/* ---- wait ---- */

static void *log_noise(void *arg)
{
    for (unsigned i = 0; i < 4 * SLOTS; i++)
        noise[i % NOISE]();
    cr_assert_eq(shmlog_thread_lost(logger), 0);
    __atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* A thread waits for room; the reserve is there for another one at once, then nothing is lost. */
static void wait_beside_a_waiter(bool shared)
{
    struct shmlog_ring *ring;
    uint64_t taken = 0;
    uint32_t done = 0;
    pthread_t thread;

    parameters.wait_ns = UINT64_MAX;
    open_with(SHMLOG_ON_FULL_WAIT, shared);
    ring = ring_in_use();
    cr_assert_eq(pthread_create(&thread, NULL, log_noise, &done), 0);
    while (!shmlog_load_acquire_(&ring->waiting)) /* the suite's timeout ends it */
        sched_yield();
    cr_assert_geq(ring->head, SLOTS - RESERVE - 1);
    for (unsigned i = 0; i < RESERVE; i++)
        log_warn(); /* would wait for ever */
    cr_assert_eq(__atomic_load_n(&done, __ATOMIC_ACQUIRE), 0);
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
        taken += kit_take_all();
    pthread_join(thread, NULL);
    taken += kit_take_all();
    cr_assert_eq(taken, 4 * SLOTS + RESERVE);
    cr_assert_eq(shmlog_lost(logger), 0);
}

Test(producer_reserve, wait_beside_a_waiter_core)
{
    wait_beside_a_waiter(false);
}

Test(producer_reserve, wait_beside_a_waiter_shared)
{
    wait_beside_a_waiter(true);
}

/* After a wait of the others that ran out, too. */
static void wait_after_one(bool shared)
{
    open_with(SHMLOG_ON_FULL_WAIT, shared);
    while (ring_in_use()->head < SLOTS - RESERVE)
        log_info();
    log_info();
    cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), 1);
    for (unsigned i = 0; i < RESERVE; i++)
        log_warn();
    cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), 1);
    log_warn();
    cr_assert_eq(kit_lost(SHMLOG_LOST_WAITED), 2);
    cr_assert_eq(kit_take_all(), SLOTS);
}

Test(producer_reserve, wait_core)
{
    wait_after_one(false);
}

Test(producer_reserve, wait_shared)
{
    wait_after_one(true);
}

/* ---- overwrite ---- */

static bool is_severe(const struct shmlog_slot *slots)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    struct file_site site;
    size_t size;

    cr_assert_eq(shm_site_copy(segment, slots->site & SHMLOG_SITE_ID_MASK, bytes, &size), 0);
    cr_assert_eq(file_site_parse(bytes, size, &site), 0);
    return site.level >= SHMLOG_WARN;
}

/* Records of a ring that was not overwritten; all of them are severe. */
static uint64_t severe_records(uint32_t index)
{
    const struct shmlog_ring *const ring = segment->rings[index].header;
    uint64_t records = 0;

    cr_assert_leq(ring->head, SLOTS);
    for (uint64_t at = 0; at < ring->head; records++) {
        cr_assert(is_severe(&segment->rings[index].slots[at]));
        at += record_slots(&segment->rings[index].slots[at]);
    }
    return records;
}

Test(producer_reserve, overwrite_core)
{
    struct shmlog_ring *ring;
    uint64_t records = 0, slots = 0;

    open_with(SHMLOG_ON_FULL_OVERWRITE, false);
    cr_assert_eq(segment->geometry.cpu_rings, 2);
    cr_assert_eq(segment->geometry.rings, 2 + parameters.spare_rings);
    cr_assert_eq(segment->geometry.reserve_slots, 0);
    for (; slots + 4 <= SLOTS; records++) {
        severe[records % SEVERE].log();
        slots += severe[records % SEVERE].slots;
        cr_assert_eq(kit_rseq_cs(), 0);
        for (unsigned n = 0; n < 30; n++)
            noise[n % NOISE]();
    }
    ring = ring_in_use();
    cr_assert_gt(ring->head, 10 * SLOTS);
    cr_assert_eq(shmlog_lost(logger), 0);
    if (!kit_has_rseq())
        return; /* see below */
    cr_assert_neq(ring, segment->rings[1].header);
    cr_assert_eq(segment->rings[1].header->head, slots);
    cr_assert_eq(severe_records(1), records);
    while (ring->head % SLOTS)
        log_info(); /* so that a record begins at slot 0 */
    for (uint64_t at = 0; at < SLOTS; at += record_slots(&segment->rings[0].slots[at]))
        cr_assert(!is_severe(&segment->rings[0].slots[at]));
}

/* Without sequences there is one ring for everything: said in shmlog(3). */
Test(producer_reserve, overwrite_no_sequences)
{
    parameters.on_full = SHMLOG_ON_FULL_OVERWRITE;
    kit_open();
    segment = kit_create(&parameters);
    segment->control->clock = SHMLOG_CLOCK_MONOTONIC;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    for (unsigned i = 0; i < SEVERE; i++)
        severe[i].log();
    log_info();
    cr_assert_eq(segment->rings[0].header->head + segment->rings[1].header->head, 0);
    cr_assert_eq(kit_take_all(), SEVERE + 1);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* The ring for them is missing, or its file is cut later: they go with the others. */
static void without(bool cut)
{
    const struct shmlog_options partial = {0, SHMLOG_OPEN_PARTIAL, NULL};

    parameters.on_full = SHMLOG_ON_FULL_OVERWRITE;
    kit_open();
    segment = kit_create(&parameters);
    if (!cut)
        cr_assert_eq(truncate(kit_file("ring-001"), 0), 0);
    cr_assert_eq(shmlog_open(&logger, kit_path, &partial), 0);
    if (!kit_has_rseq())
        cr_skip_test("there are no restartable sequences here");
    if (cut) {
        log_warn();
        cr_assert_eq(segment->rings[1].header->head, 1);
        cr_assert_eq(shmlog_lose_ring_(logger, 1), 0); /* as the SIGBUS handler does */
    }
    for (unsigned i = 0; i < SEVERE; i++)
        severe[i].log();
    log_info();
    cr_assert_eq(shmlog_lost(logger), 0);
    cr_assert_gt(segment->rings[0].header->head, SEVERE);
    cr_assert(is_severe(&segment->rings[0].slots[0]));
}

Test(producer_reserve, overwrite_missing)
{
    without(false);
}

Test(producer_reserve, overwrite_cut)
{
    without(true);
}
