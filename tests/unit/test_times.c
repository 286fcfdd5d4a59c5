/* SPDX-License-Identifier: MIT
 *
 * A record has one time, whenever it is read: live, from a file that grows, later, from the sealed
 * file, and by another file. Pairs are published by hand, also as late as the format allows, of a
 * wall clock that drifts, is slewed, is read inexactly, or is set; records wait in their rings,
 * files are rotated, collectors die and take over, a disk fails. All of it is seeded.
 */
#include "shm/clock.h"
#include "shm/stats.h"
#include "tests/unit/agents_kit.h"
#include "tests/unit/ring_writer.h"
#include "reader/cursor.h"

#include <inttypes.h>

TestSuite(times, .init = kit_open, .fini = kit_close, .timeout = 300);

#define RINGS 2u
#define RECORDS 20000u
#define STEPS 500u

static struct agents agents;
static uint64_t random_state, hz;
static uint64_t now, limit;           /* ticks, and before which ones they stay */
static struct shmlog_clock_pair wall; /* the wall clock at some moment, exactly */
static int64_t ppm;                   /* by which it is fast */
static uint64_t logged[RINGS];
static int64_t time_ns[RINGS][RECORDS]; /* by number, 0: not read yet */
static unsigned changed, backwards;

static uint64_t below(uint64_t end)
{
    return ring_random(&random_state) % end;
}

/* ---- What there is ---- */

static void pass(uint64_t ticks)
{
    now = ticks < limit - now ? now + ticks : limit - 1;
}

/* Take a pair of this moment. */
static struct shmlog_clock_pair take_pair(void)
{
    const int64_t nominal =
        (int64_t)((unsigned __int128)(now - wall.ticks) * UINT64_C(1000000000) / hz);
    struct shmlog_clock_pair pair;

    wall.realtime_ns += (uint64_t)(nominal + nominal / 1000000 * ppm);
    wall.ticks = now;
    pair = wall;
    pair.error_ns = 30;
    pair.realtime_ns += below(61);
    pair.realtime_ns -= 30;
    return pair;
}

static void log_records(uint32_t ring, unsigned count)
{
    struct shm_ring *const to = &agents.segment->rings[ring];

    for (unsigned i = 0; i < count; i++) {
        const uint64_t head = to->header->head;
        struct shmlog_slot slot = {.seq = (uint32_t)++logged[ring],
                                   .site = 1u << SHMLOG_SITE_SLOTS_SHIFT};

        cr_assert_lt(logged[ring], RECORDS);
        memcpy(slot.payload, &now, sizeof(now));
        to->slots[head & agents.segment->slot_mask] = slot;
        shmlog_store_release_(&to->header->head, head + 1);
        pass(below(8) ? below(2000) : below(hz / 20));
    }
}

static uint64_t waiting(uint32_t ring)
{
    return logged[ring] + 1 - outbox_ledger(agents.outbox, ring)->next_seq;
}

static void drain(void)
{
    for (;;) {
        const int64_t work = agents_drain(&agents);

        cr_assert_geq(work, 0);
        if (!work)
            return;
    }
}

/* Read everything of a segment or a directory: nothing has another time than ever. */
static uint64_t look(const char *path)
{
    const struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    struct cursor_record record;
    struct cursor *cursor;
    char message[512] = "";
    uint64_t records = 0;

    cr_assert_eq(cursor_open(&path, 1, &options, &cursor, message, sizeof(message)), 0, "%s",
                 message);
    while (cursor_next(cursor, &record) == 1) {
        int64_t *const seen = &time_ns[record.ring][record.seq];

        if (*seen && *seen != record.time_ns && !changed++)
            cr_log_error("%s: record %" PRIu64 " of ring %" PRIu32 ", %" PRIu64
                         " ticks, was %" PRId64 ", is %" PRId64,
                         path, record.seq, record.ring, record.ticks, *seen, record.time_ns);
        if (record.seq > 1 && record.time_ns < seen[-1])
            backwards++;
        *seen = record.time_ns;
        records++;
    }
    cursor_close(cursor);
    return records;
}

static void look_at_all(void)
{
    (void)look(kit_path);
    if (below(3) == 0)
        agents_write(&agents);
    (void)look(agents.out);
}

/* ---- What happens ---- */

static void slew(void)
{
    ppm = (int64_t)below(1001) - 500;
}

/* Records right before and after the moment from which a pair counts. */
static void count_now(uint64_t pair)
{
    const uint32_t ring = (uint32_t)below(RINGS);

    now = pair + hz / 10 - 1;
    limit = now + 1;
    if (below(2))
        log_records(ring, 1);
    limit = UINT64_MAX;
    now = pair + hz / 10;
    if (below(2))
        log_records(ring, 1);
}

static void publish(void)
{
    const struct shmlog_clock_pair pair = take_pair();

    /* as long as it may take */
    limit = pair.ticks + hz / 10;
    log_records((uint32_t)below(RINGS), (unsigned)below(10));
    (void)look(kit_path);
    shm_clock_publish(agents.segment, &pair);
    count_now(pair.ticks);
}

static void log_some(void)
{
    const uint32_t ring = (uint32_t)below(RINGS);

    if (waiting(ring) > 500)
        drain();
    log_records(ring, 1 + (unsigned)below(40));
}

static void be_quiet(void)
{
    drain();
    for (unsigned i = 0; i < 12; i++) {
        const struct shmlog_clock_pair pair = take_pair();

        shm_clock_publish(agents.segment, &pair);
        if (i == 11)
            count_now(pair.ticks);
        else
            pass(hz / 2 + below(hz / 100));
        slew();
    }
}

static void rotate(void)
{
    cr_assert_eq(journal_seal(agents.journal), 0);
}

static void die(void)
{
    struct shm_params params = kit_params();

    agents_die(&agents);
    agents_open(&agents, &params);
    cr_assert(!agents.segment->created);
    agents_recover(&agents);
}

static void step(void)
{
    switch (below(16)) {
    case 0 ... 3:
        publish();
        break;
    case 4 ... 9:
        log_some();
        break;
    case 10 ... 12:
        drain();
        break;
    case 13:
        rotate();
        break;
    case 14:
        if (below(2))
            be_quiet();
        break;
    case 15:
        if (below(4) == 0)
            die();
        else if (below(4) == 0)
            agents_move(&agents);
        break;
    }
    if (below(6) == 0)
        slew();
}

static void run(bool set)
{
    const char *const seed = getenv("SHMLOG_TEST_SEED");
    struct shm_params params = kit_params();

    random_state = (seed ? strtoull(seed, NULL, 0) : 1) | 1;
    printf("seed %" PRIu64 "\n", random_state);
    memset(time_ns, 0, sizeof(time_ns));
    memset(logged, 0, sizeof(logged));
    changed = backwards = 0;
    agents_open(&agents, &params);
    cr_assert(shm_clock_newest(agents.segment, &wall));
    hz = agents.segment->geometry.clock_hz;
    now = wall.ticks + hz / 10;
    limit = UINT64_MAX;
    ppm = 37;
    cr_assert_eq(journal_begin(agents.journal), 0);
    agents_write(&agents);
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        if (set && below(10) == 0)
            wall.realtime_ns += (below(2) ? 1 : -1) * (uint64_t)below(5000000000);
        pass(below(hz / 4));
        look_at_all();
    }
    drain();
    rotate();
    agents_write(&agents);
    cr_assert_eq(look(agents.out), logged[0] + logged[1]);
    cr_assert_lt(agents.segment->control->clock_count, SHM_CLOCK_PAIRS, "none was overwritten");
    cr_assert_eq(changed, 0, "%u changed", changed);
    agents_die(&agents);
}

Test(times, of_a_clock_that_runs)
{
    run(false);
    cr_assert_eq(backwards, 0, "%u went back", backwards);
}

Test(times, of_a_clock_that_is_set)
{
    run(true);
    cr_assert_gt(backwards, 0);
}
