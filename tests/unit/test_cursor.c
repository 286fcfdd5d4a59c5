/* SPDX-License-Identifier: MIT
 *
 * The cursor over files: merged by time, in order within a ring, once each; long texts whole again;
 * damage reported and passed over.
 */
#include "shm/clock.h"
#include "shm/segment.h"
#include "tests/unit/log_kit.h"
#include "tools/cursor.h"
#include "tools/join.h"

#include <errno.h>
#include <inttypes.h>

static char directory[64];
static struct log_kit_file file;
static struct log_kit_slots slots;
static struct file_ledger_entry ledger[LOG_KIT_RINGS];
static unsigned damages;
static uint64_t gap_records;

static const struct log_kit_site text_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};
static const struct log_kit_site more_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .flags = SHMLOG_SITE_FLAG_MORE,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};
static const struct log_kit_site error_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_ERROR,
    .format = "bad %s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};

/* A site of shmlog_line(). */
static struct log_kit_site line_site(bool more, const char *function, uint8_t level)
{
    struct log_kit_site site = text_site;

    site.flags = SHMLOG_SITE_FLAG_LINE | (more ? SHMLOG_SITE_FLAG_MORE : 0);
    site.function = function;
    site.level = level;
    return site;
}

static void setup(void)
{
    log_kit_directory(directory);
    log_kit_ledger_begin(ledger);
    damages = 0;
    gap_records = 0;
}

static void teardown(void)
{
    log_kit_remove(directory);
}

TestSuite(cursor, .init = setup, .fini = teardown);

static void begin(uint64_t number, uint8_t segment)
{
    log_kit_file_begin(&file, number, segment, ledger);
    log_kit_put_site(&file, 1, &text_site);
    log_kit_put_site(&file, 2, &more_site);
    log_kit_put_site(&file, 3, &error_site);
    log_kit_put_producer(&file, 65537, 100, "one");
    log_kit_put_producer(&file, 65538, 200, "two");
}

static void end(const char *name)
{
    memcpy(ledger, file.ledger, sizeof(ledger));
    log_kit_file_end(&file, directory, name);
}

/* A block of single records at these times, each with its time as text. */
static void block(uint32_t ring, uint32_t site, const uint64_t *times, size_t count)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 0; i < count; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%" PRIu64, times[i]);
        log_kit_string(&slots, site, times[i], 65537 + ring % 2, text);
    }
    log_kit_put_block(&file, ring, &slots);
}
#define BLOCK(ring, site, ...)                         \
    block(ring, site, (const uint64_t[]){__VA_ARGS__}, \
          sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    damages++;
}

static void on_gap(void *arg, const struct file_gap *gap)
{
    gap_records += gap->count;
}

static uint64_t missed, unread;

static void on_missed(void *arg, uint32_t ring, uint64_t records, uint64_t of_them)
{
    missed += records;
    unread += of_them;
}

static int next(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

/* All lines of the path (NULL: the directory), one after the other, with a blank after each. */
static const char *read_all(const char *path, struct cursor_options options)
{
    static char all[1 << 16];
    const char *paths[] = {path ? path : directory};
    struct cursor *cursor;
    struct join *join;
    struct line line = {0};
    char message[512] = "";
    size_t at = 0;
    int r;

    options.on_damage = on_damage;
    options.on_gap = on_gap;
    options.on_missed = on_missed;
    r = cursor_open(paths, 1, &options, &cursor, message, sizeof(message));
    cr_assert_eq(r, 0, "%s", message);
    cr_assert_eq(join_open(next, cursor, &(struct join_options){0}, &join), 0);
    *all = 0;
    while ((r = join_next(join, &line)) == 1)
        at +=
            (size_t)snprintf(all + at, sizeof(all) - at, "%.*s%s ", (int)line_message(&line)->size,
                             line_message(&line)->data, line.unfinished ? "(unfinished)" : "");
    cr_assert_eq(r, 0);
    line_done(&line);
    join_close(join);
    cursor_close(cursor);
    return all;
}

static const struct cursor_options all = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};

Test(cursor, merges_rings_and_files)
{
    begin(1, 1);
    BLOCK(0, 1, 10, 40, 70);
    BLOCK(1, 1, 20, 30, 80);
    log_kit_seal(&file, false);
    end("a.shmlog");
    begin(2, 1);
    BLOCK(0, 1, 90, 110);
    BLOCK(3, 1, 5, 60, 100); /* a ring that comes late */
    log_kit_seal(&file, false);
    end("b.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "5 10 20 30 40 60 70 80 90 100 110 ");
    cr_expect_eq(damages, 0);
}

Test(cursor, keeps_the_order_of_a_ring)
{
    begin(1, 1);
    BLOCK(0, 1, 50, 10, 60); /* a caller's timestamp: the number counts */
    BLOCK(1, 1, 55, 70);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "50 10 55 60 70 ");
}

Test(cursor, equal_times_by_ring)
{
    begin(1, 1);
    BLOCK(1, 1, 10, 10);
    BLOCK(0, 3, 10, 10);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "bad 10 bad 10 10 10 ");
}

Test(cursor, merges_segments_by_time)
{
    begin(1, 1);
    BLOCK(0, 1, 10, 30);
    log_kit_seal(&file, false);
    end("a.shmlog");
    log_kit_ledger_begin(ledger);
    begin(1, 2);
    BLOCK(0, 1, 20, 40);
    log_kit_seal(&file, false);
    end("b.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "10 20 30 40 ");
}

/* After an error of the disk, the last block of a bad file is in the next one too. */
Test(cursor, repeated_blocks_come_once)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1, 1);
    BLOCK(0, 1, 10, 20);
    memcpy(before, file.ledger, sizeof(before));
    BLOCK(0, 1, 30, 40);
    log_kit_seal(&file, true);
    end("a.shmlog");
    memcpy(ledger, before, sizeof(ledger));
    begin(2, 1);
    BLOCK(0, 1, 30, 40, 50); /* the same two records, and one more */
    log_kit_seal(&file, false);
    end("b.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "10 20 30 40 50 ");
}

/* Gaps likewise. Only the ledger shows which they are: two gaps that are alike are two losses. */
Test(cursor, repeated_gaps_count_once)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1, 1);
    BLOCK(0, 1, 10, 20);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 5);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 5);
    log_kit_put_gap(&file, 1, SHMLOG_LOST_FULL, 5);
    memcpy(before, file.ledger, sizeof(before));
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 5);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_OVERWRITTEN, 3);
    log_kit_seal(&file, true);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "10 20 ");
    cr_expect_eq(gap_records, 23); /* without a next file all of them count */
    memcpy(ledger, before, sizeof(ledger));
    begin(2, 1);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 5);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_OVERWRITTEN, 3);
    log_kit_put_gap(&file, 1, SHMLOG_LOST_FULL, 7);
    log_kit_seal(&file, false);
    end("b.shmlog");
    gap_records = 0;
    cr_expect_str_eq(read_all(NULL, all), "10 20 ");
    cr_expect_eq(gap_records, 30);
}

/* Copies of one file: the sealed one is read, else the longest, whatever their names are. */
Test(cursor, reads_the_best_copy)
{
    char path[512];
    size_t half;

    begin(1, 1);
    BLOCK(0, 1, 10, 20);
    half = file.buffer.size;
    BLOCK(0, 1, 30, 40);
    log_kit_write(&file, half, directory, "b.shmlog.part");
    log_kit_write(&file, half - 1, directory, "a.shmlog.part");
    cr_expect_str_eq(read_all(NULL, all), "10 20 ");
    log_kit_seal(&file, false);
    end("c.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "10 20 30 40 ");
    /* A longer one without a seal: zeros for what comes after the blocks. */
    snprintf(path, sizeof(path), "%s/b.shmlog.part", directory);
    cr_assert_eq(truncate(path, 1 << 20), 0);
    cr_expect_str_eq(read_all(NULL, all), "10 20 30 40 ");
    cr_expect_eq(damages, 0);
}

/* An index that says something else of one block than the file: nothing of it is used, so all
 * records come, each in its ring. */
Test(cursor, ignores_an_index_that_lies)
{
    static const struct {
        size_t offset;
        uint8_t lie;
    } lies[] = {
        {offsetof(struct frame_block, ring), 2},      {offsetof(struct frame_block, first_seq), 9},
        {offsetof(struct frame_block, first_pos), 9}, {offsetof(struct frame_block, records), 1},
        {offsetof(struct frame_block, slots), 3},     {offsetof(struct frame_block, time_min), 35},
        {offsetof(struct frame_block, time_max), 50}, {offsetof(struct frame_block, sites), 4},
        {offsetof(struct frame_block, raw_size), 9},  {offsetof(struct frame_block, levels), 8},
        {offsetof(struct frame_block, codec), 2},
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        size_t at;

        log_kit_ledger_begin(ledger);
        begin(1, 1);
        BLOCK(1, 1, 20, 60);
        at = file.buffer.size;
        BLOCK(0, 1, 30, 40);
        BLOCK(0, 1, 70);
        log_kit_lie(&file, at, lies[i].offset, lies[i].lie);
        log_kit_seal(&file, false);
        end("a.shmlog");
        damages = 0;
        cr_expect_str_eq(read_all(NULL, all), "20 30 40 60 70 ", "lie %zu", i);
        cr_expect_eq(damages, 1, "lie %zu", i);
    }
}

Test(cursor, bounds_of_time_and_level)
{
    struct cursor_options options = all;

    begin(1, 1);
    BLOCK(0, 1, 10, 20);
    BLOCK(0, 3, 30, 40);
    BLOCK(0, 1, 50, 60);
    log_kit_seal(&file, false);
    end("a.shmlog");
    options.since_ns = 20;
    options.until_ns = 50;
    cr_expect_str_eq(read_all(NULL, options), "20 bad 30 bad 40 50 ");
    options = all;
    options.min_level = SHMLOG_ERROR;
    cr_expect_str_eq(read_all(NULL, options), "bad 30 bad 40 ");
}

Test(cursor, joins_long_texts)
{
    begin(1, 1);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 2, 10, 65537, "a1");
    log_kit_string(&slots, 2, 11, 65538, "b1"); /* two producers in one ring */
    log_kit_string(&slots, 2, 12, 65537, "a2");
    log_kit_string(&slots, 1, 14, 65538, "b2");
    log_kit_string(&slots, 1, 30, 65537, "alone");
    log_kit_string(&slots, 2, 31, 65537, "no-end");
    log_kit_put_block(&file, 0, &slots);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 1, 20, 65537, "a3"); /* the thread went to another core */
    log_kit_put_block(&file, 1, &slots);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "b1b2 a1a2a3 alone no-end(unfinished) ");
}

/* What a signal handler logs in the middle of a line stays apart, lines of its own too. */
Test(cursor, joins_the_pieces_of_a_line_alone)
{
    struct log_kit_site site;

    begin(1, 1);
    log_kit_put_site(&file, 4, (site = line_site(true, "put", SHMLOG_INFO), &site));
    log_kit_put_site(&file, 5, (site = line_site(false, "put", SHMLOG_INFO), &site));
    log_kit_put_site(&file, 6, (site = line_site(true, "on_signal", SHMLOG_INFO), &site));
    log_kit_put_site(&file, 7, (site = line_site(false, "on_signal", SHMLOG_INFO), &site));
    log_kit_put_site(&file, 8, (site = line_site(false, "put", SHMLOG_ERROR), &site));
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 4, 10, 65537, "a1");
    log_kit_string(&slots, 3, 11, 65537, "warning"); /* "bad %s" */
    log_kit_string(&slots, 4, 12, 65537, "a2");
    log_kit_string(&slots, 4, 13, 65538, "other-thread1");
    log_kit_string(&slots, 1, 14, 65537, "text"); /* "%s" of an ordinary call */
    log_kit_string(&slots, 6, 15, 65537, "handler1");
    log_kit_string(&slots, 8, 16, 65537, "other-level");
    log_kit_string(&slots, 7, 17, 65537, "handler2");
    log_kit_string(&slots, 5, 18, 65538, "other-thread2");
    log_kit_string(&slots, 5, 19, 65537, "a3");
    log_kit_string(&slots, 5, 20, 65537, "alone");
    log_kit_put_block(&file, 0, &slots);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "bad warning text other-level handler1handler2 "
                                          "other-thread1other-thread2 a1a2a3 alone ");
}

/* Lines without an end come by the time of their first pieces, of equal ones by ring and number. */
Test(cursor, lines_without_an_end_in_order)
{
    begin(1, 1);
    for (uint32_t ring = 0; ring < 2; ring++) {
        log_kit_slots_begin(&slots, 1, 0);
        log_kit_string(&slots, 2, 10, 65600 - 2 * ring, ring ? "c" : "a");
        log_kit_string(&slots, 2, 10, 65599 - 2 * ring, ring ? "d" : "b");
        if (ring)
            log_kit_string(&slots, 2, 9, 65601, "first");
        log_kit_put_block(&file, ring, &slots);
    }
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "first(unfinished) a(unfinished) b(unfinished) "
                                          "c(unfinished) d(unfinished) ");
}

/* A ring of one producer: pieces of a line, and between them what the test puts there. */
static void begin_pieces(uint64_t number)
{
    const struct log_kit_site more = line_site(true, "put", SHMLOG_INFO);
    const struct log_kit_site last = line_site(false, "put", SHMLOG_INFO);

    begin(number, 1);
    log_kit_put_site(&file, 4, &more);
    log_kit_put_site(&file, 5, &last);
}

static void pieces(uint32_t ring, uint64_t time, uint32_t site, const char *text)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    log_kit_string(&slots, site, time, 65537, text);
    log_kit_put_block(&file, ring, &slots);
}

/* Where the end of a line may be among what was lost, the next line is not taken for it. */
Test(cursor, a_line_does_not_swallow_the_next_one)
{
    static const uint32_t causes[] = {SHMLOG_LOST_FULL, SHMLOG_LOST_OVERWRITTEN,
                                      SHMLOG_LOST_DAMAGED};
    uint64_t time = 10;

    begin_pieces(1);
    for (unsigned i = 0; i < 3; i++) {
        pieces(0, time++, 4, "begun-");
        log_kit_put_gap(&file, 0, causes[i], 2);
        pieces(0, time++, 5, "whole");
    }
    pieces(0, time++, 4, "a");
    log_kit_put_gap(&file, 1, SHMLOG_LOST_FULL, 2); /* of another ring */
    pieces(1, time++, 1, "other");
    pieces(0, time++, 4, "b");
    pieces(1, time++, 5, "c"); /* the thread went to that ring after it */
    pieces(1, time++, 4, "d");
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 2);
    pieces(0, time++, 5, "e"); /* and back to one that has lost some */
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all),
                     "begun-(unfinished) whole begun-(unfinished) whole begun-(unfinished) whole "
                     "other abc d(unfinished) e ");
}

/* Nor where the block with its end is damaged, or the file that had it gone. */
Test(cursor, a_line_whose_end_cannot_be_read)
{
    size_t at;

    begin_pieces(1);
    pieces(0, 10, 4, "begun-");
    pieces(0, 11, 5, "end");
    at = file.buffer.size - 3;
    pieces(0, 12, 5, "whole");
    pieces(0, 13, 4, "begun-");
    log_kit_seal(&file, false);
    file.buffer.data[at] ^= 0x10;
    end("a.shmlog");
    begin_pieces(3);
    file.ledger[0].next_seq = 100;
    pieces(0, 14, 5, "whole");
    log_kit_seal(&file, false);
    end("c.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "begun-(unfinished) whole begun-(unfinished) whole ");
}

/* By the records' times a line waits for a minute, and comes out in its place. */
Test(cursor, a_line_waits_for_a_minute)
{
    static const uint64_t second = 1000000000;

    begin_pieces(1);
    pieces(0, 1 * second, 4, "a");
    pieces(1, 55 * second, 1, "other");
    pieces(0, 60 * second, 4, "b");
    pieces(1, 119 * second, 1, "other");
    pieces(1, 120 * second, 1, "late");
    pieces(0, 121 * second, 5, "c");
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "other other ab(unfinished) late c ");
}

/* Of before the LINE flag: the next record goes on only if shmlog_line() could have made it. */
Test(cursor, joins_old_lines)
{
    struct log_kit_site site = line_site(false, NULL, SHMLOG_INFO);

    begin(1, 1);
    log_kit_put_site(&file, 4, &site);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 2, 10, 65537, "a1");
    log_kit_string(&slots, 3, 11, 65537, "warning");
    log_kit_string(&slots, 4, 12, 65537, "new");
    log_kit_string(&slots, 1, 13, 65537, "a2");
    log_kit_put_block(&file, 0, &slots);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "bad warning new a1a2 ");
}

/* ---- A line whose end does not come ---- */

struct script {
    struct file_site more, last;
    unsigned calls, pieces; /* of so many producers, a piece each; then nothing, then the end */
    unsigned quiet;         /* -EAGAIN so many times */
};

static int play(void *arg, struct cursor_record *ret_record)
{
    static uint8_t payload[SHMLOG_PAYLOAD_ARGS + 4 + 2] = {[SHMLOG_PAYLOAD_ARGS] = 2};
    struct script *const script = arg;
    const unsigned call = script->calls++;

    payload[SHMLOG_PAYLOAD_ARGS + 4] = (uint8_t)('a' + call % 26);
    payload[SHMLOG_PAYLOAD_ARGS + 5] = '-';
    if (call >= script->pieces && script->quiet && script->quiet--)
        return -EAGAIN;
    if (call > script->pieces)
        return 0;
    *ret_record = (struct cursor_record){
        .time_ns = call,
        .producer_id = call < script->pieces ? call + 1 : 1,
        .site = call < script->pieces ? &script->more : &script->last,
        .payload = payload,
        .payload_size = sizeof(payload),
    };
    return 1;
}

static void parse_line_site(bool more, struct file_site *ret_site)
{
    const struct log_kit_site site = line_site(more, "put", SHMLOG_INFO);
    uint8_t bytes[SHMLOG_SITE_MAX];

    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&site, bytes), ret_site), 0);
}

static void next_line(struct join *join, struct line *line, const char *text, bool unfinished)
{
    cr_assert_eq(join_next(join, line), 1);
    cr_expect_eq(line_message(line)->size, strlen(text));
    cr_expect_eq(memcmp(line_message(line)->data, text, strlen(text)), 0, "%s", text);
    cr_expect_eq(line->unfinished, unfinished, "%s", text);
}

Test(cursor, a_line_is_not_held_back_longer_than_asked)
{
    struct script script = {.pieces = 1, .quiet = UINT32_MAX};
    const struct join_options options = {.hold_ns = 1000000};
    struct line line = {0};
    struct join *join;

    parse_line_site(true, &script.more);
    parse_line_site(false, &script.last);
    cr_assert_eq(join_open(play, &script, &options, &join), 0);
    next_line(join, &line, "a-", true);
    script.calls = 1;
    script.quiet = 0;
    next_line(join, &line, "b-", false); /* late: a line of its own */
    cr_expect_eq(join_next(join, &line), 0);
    join_close(join);
    line_done(&line);
}

Test(cursor, lines_that_wait_are_bounded)
{
    struct script script = {.pieces = 100};
    const struct join_options options = {.held_max = 50 * sizeof(struct file_site)};
    struct line line = {0};
    struct join *join;
    unsigned lines = 1;
    int r;

    parse_line_site(true, &script.more);
    parse_line_site(false, &script.last);
    cr_assert_eq(join_open(play, &script, &options, &join), 0);
    next_line(join, &line, "a-", true); /* the oldest one makes room */
    cr_expect_leq(script.calls, 50);
    while ((r = join_next(join, &line)) == 1)
        lines++;
    cr_expect_eq(r, 0);
    cr_expect_eq(lines, 101);
    join_close(join);
    line_done(&line);
}

/* Producer 0 is nobody: such texts are told apart by their ring. */
Test(cursor, joins_unknown_producers_by_ring)
{
    begin(1, 1);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 2, 10, 0, "a1");
    log_kit_string(&slots, 1, 30, 0, "a2");
    log_kit_put_block(&file, 0, &slots);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 1, 20, 0, "b");
    log_kit_put_block(&file, 1, &slots);
    end("a.shmlog.part");
    cr_expect_str_eq(read_all(NULL, all), "b a1a2 ");
}

Test(cursor, long_strings_over_several_slots)
{
    char text[2002] = "";

    memset(text, 'x', sizeof(text) - 2);
    begin(1, 1);
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 1, 10, 65537, text);
    log_kit_string(&slots, 1, 11, 65537, "short");
    log_kit_put_block(&file, 0, &slots);
    log_kit_seal(&file, false);
    end("a.shmlog");
    strcat(text, " ");
    cr_expect_eq(strncmp(read_all(NULL, all), text, strlen(text)), 0);
    cr_expect_not_null(strstr(read_all(NULL, all), "x short "));
}

Test(cursor, damaged_block_costs_itself_alone)
{
    size_t at;

    begin(1, 1);
    BLOCK(0, 1, 10);
    at = file.buffer.size;
    BLOCK(0, 1, 20);
    at += (file.buffer.size - at) - 3; /* in its data */
    BLOCK(0, 1, 30);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 7);
    log_kit_seal(&file, false);
    file.buffer.data[at] ^= 0x10;
    end("a.shmlog");
    cr_expect_str_eq(read_all(NULL, all), "10 30 ");
    cr_expect_eq(damages, 1);
    cr_expect_eq(gap_records, 7);
}

/* A file may be cut anywhere: no crash, no wrong record, and what is before the cut is there. */
Test(cursor, every_cut)
{
    static const char whole[] = "10 20 30 40 ";
    char path[128];
    size_t size, last = 0;

    begin(1, 1);
    BLOCK(0, 1, 10, 20);
    BLOCK(0, 1, 30, 40);
    log_kit_seal(&file, false);
    size = file.buffer.size;
    end("a.shmlog");
    snprintf(path, sizeof(path), "%s/a.shmlog", directory);
    for (size_t cut = size - 1; cut > 400; cut--) {
        const char *paths[] = {path};
        struct cursor_options options = all;
        struct cursor *cursor;
        char message[512];
        const char *got;

        cr_assert_eq(truncate(path, (off_t)cut), 0);
        options.on_damage = on_damage;
        damages = 0;
        if (cursor_open(paths, 1, &options, &cursor, message, sizeof(message)) < 0)
            break; /* within the header */
        cursor_close(cursor);
        damages = 0;
        got = read_all(path, all);
        cr_assert_eq(strncmp(got, whole, strlen(got)), 0, "cut at %zu: %s", cut, got);
        /* Behind the ledger, what is cut off is only there to find things faster. */
        cr_assert(damages || !strcmp(got, whole), "cut at %zu is not reported", cut);
        last = strlen(got);
    }
    cr_expect_eq(last, 0);
}

/* ---- A live segment ---- */

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
Test(cursor, live_rings)
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
Test(cursor, live_damage)
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

#define PASSING 3000u

/* A line of which a piece was overwritten, or scribbled over, before it was read. */
Test(cursor, live_line_with_a_hole)
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

Test(cursor, follows_until_the_segment_is_gone)
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
Test(cursor, follows_the_next_segment_of_the_name)
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
Test(cursor, a_successor_that_cannot_be_used)
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
Test(cursor, what_a_late_follower_missed)
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

Test(cursor, follow_is_ended_by_its_caller)
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
Test(cursor, missed_is_not_lost)
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

Test(cursor, names_that_are_nothing)
{
    static const char *const bad[] = {"nowhere-at-all", "/nonexistent/x", "", "a b"};
    struct cursor *cursor = NULL;
    char message[512];

    setenv("SHMLOG_DIR", directory, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        *message = 0;
        cr_expect_lt(cursor_open(&bad[i], 1, &all, &cursor, message, sizeof(message)), 0);
        cr_expect_neq(*message, 0);
        cr_expect_null(cursor);
    }
    cr_expect_lt(cursor_open((const char *const[]){directory}, 1, &all, &cursor, message,
                             sizeof(message)),
                 0);
    cr_expect_not_null(strstr(message, "no log files"));
}
