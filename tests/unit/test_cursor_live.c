/* SPDX-License-Identifier: MIT
 *
 * The cursor over a live segment, at one moment and following it: nothing is consumed, damage costs
 * itself alone, what was missed is counted, and the next segment of the name is gone on with.
 */
#include "shm/clock.h"
#include "shm/segment.h"
#include "tests/unit/cursor_kit.h"

TestSuite(cursor_live, .init = setup, .fini = teardown);

static struct shm_segment *live;
static char live_path[128];

static void begin_live_with(uint32_t on_full)
{
    struct shmlog_clock_pair pair;

    snprintf(live_path, sizeof(live_path), "%s/segment", directory);
    live = log_kit_segment(live_path, on_full);
    shm_clock_sample(live->geometry.clock, &pair);
    shm_clock_publish(live, &pair);
    log_kit_register(live, 1, &text_site);
    log_kit_register(live, 2, &more_site);
}

static void begin_live(void)
{
    begin_live_with(SHMLOG_ON_FULL_DROP);
}

static void end_live(void)
{
    shm_segment_close(live);
    cr_expect_eq(shm_segment_destroy(live_path), 0);
}

static void commit(uint32_t ring, uint64_t seq, uint32_t site, uint64_t time, const char *text)
{
    log_kit_slots_begin(&slots, seq, 0);
    log_kit_string(&slots, site, time, 0, text);
    log_kit_commit(live, ring, &slots);
}

/* Records are shown and not consumed; an unknown site's are shown as such. */
Test(cursor_live, live_rings)
{
    uint64_t now = shm_clock_now(SHMLOG_CLOCK_TSC);

    begin_live();
    commit(0, 1, 1, now - 5000, "a");
    commit(1, 1, 1, now - 4000, "b");
    commit(0, 2, 1, now - 3000, "c");
    commit(2, 1, 77, now - 2000, "d");
    cr_expect_str_eq(read_all(live_path, all), "a b c (record of unknown site 77, 56 bytes) ");
    cr_expect_str_eq(read_all(live_path, all), "a b c (record of unknown site 77, 56 bytes) ");
    cr_expect_eq(damages, 0);
    cr_expect_eq(live->rings[0].header->tail, 0);
    end_live();
}

/* Scribbled slots cost themselves alone. */
Test(cursor_live, live_damage)
{
    uint64_t now = shm_clock_now(SHMLOG_CLOCK_TSC);

    begin_live();
    for (uint64_t seq = 1; seq <= 5; seq++)
        commit(0, seq, 1, now - 5000 + seq, "x");
    live->rings[0].slots[2].seq = 0xdeadbeef;
    cr_expect_str_eq(read_all(live_path, all), "x x x x ");
    cr_expect_eq(damages, 1);
    cr_expect_eq(gap_records, 1);
    live->rings[1].header->head = UINT64_MAX / 2; /* wild */
    cr_expect_eq(strncmp(read_all(live_path, all), "x x x x ", 8), 0);
    end_live();
}

/* A line of which a piece was overwritten, or scribbled over, before it was read. */
Test(cursor_live, live_line_with_a_hole)
{
    uint64_t now = shm_clock_now(SHMLOG_CLOCK_TSC);

    begin_live();
    commit(0, 1, 2, now - 5000, "begun-");
    commit(0, 2, 1, now - 4000, "end");
    commit(0, 3, 1, now - 3000, "whole");
    live->rings[0].slots[1].seq = 0xdeadbeef;
    cr_expect_str_eq(read_all(live_path, all), "begun-(unfinished) whole ");
    end_live();
}

/* The test is what goes on while the cursor pauses. */
static unsigned pauses;
static uint64_t start;

static bool on_idle(void *arg)
{
    uint64_t soon = start + live->geometry.clock_hz / 2;

    switch (pauses++) {
    case 0:
        commit(0, 2, 1, soon, "second");
        break;
    case 1: /* committed after it, but older: the other one has waited for it */
        commit(1, 1, 1, soon - 1000, "first");
        break;
    case 2:
        commit(0, 3, 2, soon + 1, "third-");
        break;
    case 3:
        commit(0, 4, 1, soon + 2, "part");
        break;
    case 100:
        commit(2, 1, 1, soon + 3, "last");
        commit(2, 2, 1, UINT64_MAX, "made-up");
        __atomic_store_n(&live->control->state, SHMLOG_SEGMENT_CLOSED, __ATOMIC_RELEASE);
        break;
    }
    return pauses == 120; /* nothing comes after it */
}

Test(cursor_live, follows_until_the_segment_is_gone)
{
    struct cursor_options options = all;

    options.follow = true;
    options.on_idle = on_idle;
    begin_live();
    start = shm_clock_now(live->geometry.clock);
    commit(0, 1, 1, start, "before");
    cr_expect_str_eq(read_all(live_path, options), "before first second third-part last made-up ");
    cr_expect_eq(pauses, 120);
    end_live();
}

static char changes[1024];

static void on_change(void *arg, const char *line)
{
    strcat(strcat(changes, strchr(line, ':')), "\n");
}

/* A record that the collector has taken before anybody looked. */
static void commit_taken(uint32_t ring, const char *text)
{
    struct shmlog_ring *const header = live->rings[ring].header;

    commit(ring, header->tail_seq, 1, shm_clock_now(live->geometry.clock), text);
    header->tail_seq++;
    header->tail++;
}

static bool make_successors(void *arg)
{
    switch (pauses++) {
    case 3:
        begin_live();
        commit_taken(0, "a");
        break;
    case 20: /* one that begins a line and dies; and the next one is there at once */
        commit(1, 1, 2, shm_clock_now(live->geometry.clock), "begun-");
        end_live();
        begin_live();
        commit_taken(0, "b");
        commit_taken(0, "c");
        commit(1, 1, 1, shm_clock_now(live->geometry.clock), "no-end-of-it");
        break;
    case 40:
        end_live();
        break;
    case 60:
        begin_live();
        commit_taken(3, "d");
        break;
    }
    return pauses == 80;
}

/* Each record once, from the first one of each segment on. */
Test(cursor_live, follows_the_next_segment_of_the_name)
{
    struct cursor_options options = all;

    options.follow = true;
    options.on_idle = make_successors;
    options.on_change = on_change;
    snprintf(live_path, sizeof(live_path), "%s/segment", directory);
    cr_expect_str_eq(read_all(live_path, options), "a b c no-end-of-it d begun-(unfinished) ");
    cr_expect_str_eq(changes, ": No such file or directory; waiting for it\n"
                              ": following the new segment\n"
                              ": the segment is gone; waiting for its successor\n"
                              ": following the new segment\n"
                              ": the segment is gone; waiting for its successor\n"
                              ": following the new segment\n");
    end_live();
}

static bool make_a_foreign_one(void *arg)
{
    char path[sizeof(live_path) + 16];
    FILE *control;

    if (pauses++ != 3)
        return pauses == 2000;
    snprintf(path, sizeof(path), "%s/control", live_path);
    cr_assert_eq(mkdir(live_path, 0755), 0);
    control = fopen(path, "w");
    for (unsigned i = 0; i < 65536; i++)
        fputc('x', control);
    fclose(control);
    return false;
}

/* What cannot be used is not waited for without end. */
Test(cursor_live, a_successor_that_cannot_be_used)
{
    const char *const paths[] = {live_path};
    struct cursor_options options = all;
    struct cursor_record record;
    struct cursor *cursor;
    char message[512];
    int r;

    options.follow = true;
    options.on_idle = make_a_foreign_one;
    options.on_change = on_change;
    snprintf(live_path, sizeof(live_path), "%s/segment", directory);
    cr_assert_eq(cursor_open(paths, 1, &options, &cursor, message, sizeof(message)), 0);
    while ((r = cursor_next(cursor, &record)) == -EAGAIN)
        ;
    cr_expect_eq(r, -SHM_ERR_FOREIGN, "%d after %u pauses", r, pauses);
    cr_expect_lt(pauses, 1100);
    cr_expect_not_null(strstr(changes, "cannot open segment"));
    cursor_close(cursor);
}

#define PASSING 3000u

static bool make_a_used_one(void *arg)
{
    if (pauses++ == 3) {
        begin_live_with(SHMLOG_ON_FULL_OVERWRITE);
        for (uint64_t seq = 1; seq <= PASSING; seq++)
            commit_taken(0, "x");
    }
    return pauses == 20;
}

/* Of one that is found late, what is no longer there counts as missed. */
Test(cursor_live, what_a_late_follower_missed)
{
    struct cursor_options options = all;
    uint64_t records;

    options.follow = true;
    options.on_idle = make_a_used_one;
    snprintf(live_path, sizeof(live_path), "%s/segment", directory);
    records = strlen(read_all(live_path, options)) / 2;
    cr_expect_gt(records, 500);
    cr_expect_eq(records + missed, PASSING, "%" PRIu64 " + %" PRIu64, records, missed);
    cr_expect_eq(gap_records, 0);
    end_live();
}

static bool stop_at_once(void *arg)
{
    return ++pauses == 2;
}

Test(cursor_live, follow_is_ended_by_its_caller)
{
    struct cursor_options options = all;

    options.follow = true;
    options.on_idle = stop_at_once;
    begin_live();
    cr_expect_str_eq(read_all(live_path, options), "");
    cr_expect_eq(pauses, 2);
    end_live();
}

/* While a reader pauses, so many records go through a ring of 1,024 slots, and the collector takes
 * those before `taken`. */
static uint64_t taken;

static bool pass_by(void *arg)
{
    struct shmlog_ring *const header = live->rings[0].header;

    if (pauses++ == 0)
        for (uint64_t seq = 1; seq <= PASSING; seq++) {
            log_kit_slots_begin(&slots, seq, 0);
            log_kit_string(&slots, 1, start, 0, "x");
            log_kit_commit(live, 0, &slots);
            if (seq < taken)
                header->tail = header->tail_seq = seq;
        }
    if (taken)
        header->tail_seq = taken, header->tail = taken - 1;
    return pauses > 5;
}

/* Returns how many records came out. */
static uint64_t read_beside(uint32_t on_full, uint64_t before)
{
    struct cursor_options options = all;
    uint64_t records;

    options.follow = true;
    options.on_idle = pass_by;
    taken = before;
    pauses = 0;
    missed = unread = gap_records = 0;
    begin_live_with(on_full);
    start = shm_clock_now(live->geometry.clock);
    records = strlen(read_all(live_path, options)) / 2;
    end_live();
    return records;
}

/* What a reader was too slow for is in the files, unless nobody had taken it. */
Test(cursor_live, missed_is_not_lost)
{
    uint64_t records = read_beside(SHMLOG_ON_FULL_DROP, PASSING);

    cr_expect_gt(records, 500);
    cr_expect_eq(records + missed, PASSING, "%" PRIu64 " + %" PRIu64, records, missed);
    cr_expect_eq(unread, 0);
    cr_expect_eq(gap_records, 0);

    records = read_beside(SHMLOG_ON_FULL_OVERWRITE, 0); /* a flight recorder */
    cr_expect_eq(records + missed, PASSING);
    cr_expect_eq(unread, missed);
    cr_expect_eq(gap_records, missed);

    records = read_beside(SHMLOG_ON_FULL_OVERWRITE, 501); /* its collector has taken some */
    cr_expect_eq(records + missed, PASSING);
    cr_expect_eq(unread, missed - 500);
    cr_expect_eq(gap_records, unread);
}
