/* SPDX-License-Identifier: MIT
 *
 * Joining: texts and lines that were logged in pieces are whole again, and what has no end takes in
 * nothing else.
 */
#include "tests/unit/cursor_kit.h"

TestSuite(join, .init = setup, .fini = teardown);

Test(join, joins_long_texts)
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
Test(join, joins_the_pieces_of_a_line_alone)
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
Test(join, lines_without_an_end_in_order)
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
Test(join, a_line_does_not_swallow_the_next_one)
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
Test(join, a_line_whose_end_cannot_be_read)
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
Test(join, a_line_waits_for_a_minute)
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

/* Of before the LINE flag: the next record goes on only if shmlog-cat could have made it. */
Test(join, joins_old_lines)
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

Test(join, a_line_is_not_held_back_longer_than_asked)
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

Test(join, lines_that_wait_are_bounded)
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
Test(join, joins_unknown_producers_by_ring)
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
