/* SPDX-License-Identifier: MIT
 *
 * The cursor over files: merged by time, in order within a ring, once each; damage reported and
 * passed over.
 */
#include "tests/unit/cursor_kit.h"

TestSuite(cursor, .init = setup, .fini = teardown);

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
