/* SPDX-License-Identifier: MIT
 *
 * Reading on from a position: each record once, what is missing told, whatever a file claims.
 */
#include "tests/unit/cursor_kit.h"
#include "reader/position.h"

TestSuite(position, .init = setup, .fini = teardown);

static struct position position;

static const char *read_on(void)
{
    struct cursor_options options = all;

    options.position = &position;
    return read_all(NULL, options);
}

static void add_file(uint64_t number, const char *name, uint64_t first)
{
    begin(number, 1);
    block(0, 1, (const uint64_t[]){first, first + 20, first + 40}, 3);
    block(1, 1, (const uint64_t[]){first + 10, first + 30}, 2);
    log_kit_seal(&file, false);
    end(name);
}

Test(position, each_record_once)
{
    add_file(1, "a.shmlog", 100);
    cr_expect_str_eq(read_on(), "100 110 120 130 140 ");
    cr_expect_str_eq(read_on(), "");
    add_file(2, "b.shmlog", 200);
    cr_expect_str_eq(read_on(), "200 210 220 230 240 ");
    cr_expect_eq(damages, 0);
    position_done(&position);
}

/* What it says is kept and taken up again as text; a record that is held comes again. */
Test(position, as_text)
{
    struct position_held held;
    unsigned line;
    size_t size;
    char *text;

    add_file(1, "a.shmlog", 100);
    cr_expect_str_eq(read_on(), "100 110 120 130 140 ");
    held = (struct position_held){position.ring[0], 2};
    cr_assert_eq(position.ring[0]->ring, 0);
    cr_assert_eq(position_text(&position, &held, 1, &text, &size), 0);
    position_done(&position);
    cr_assert_eq(position_parse(text, size, &position, &line), 0);
    free(text);
    cr_expect_str_eq(read_on(), "120 ");
    cr_expect_str_eq(read_on(), "");
    position_done(&position);
    cr_expect_eq(position_parse("ring 1\n", 7, &position, &line), -EBADMSG);
    cr_expect_eq(line, 1u);
}

/* A file was removed before it was read. */
Test(position, what_is_missing)
{
    char path[128];

    add_file(1, "a.shmlog", 100);
    read_on();
    add_file(2, "b.shmlog", 200);
    snprintf(path, sizeof(path), "%s/b.shmlog", directory);
    cr_assert_eq(unlink(path), 0);
    add_file(3, "c.shmlog", 300);
    cr_expect_str_eq(read_on(), "300 310 320 330 340 ");
    cr_expect_eq(damages, 2u); /* a line for each ring */
    position_done(&position);
}

/* Gaps of numbers that cannot be, and of no ring, are no reason to stop. */
Test(position, false_gaps)
{
    struct file_gap gap = {.ring = 0, .cause = SHMLOG_LOST_OVERWRITTEN, .count = 50, .seq = 2};

    begin(1, 1);
    BLOCK(0, 1, 100, 110);
    for (unsigned i = 0; i < 2; i++) {
        const size_t before = file.buffer.size;

        memcpy(gap.file_uuid, file.identity.file_uuid, 16);
        cr_assert_eq(file_put_gap(file.encoder, &gap, &file.buffer), 0);
        log_kit_added(&file, before);
        gap = (struct file_gap){.ring = ~UINT32_C(0),
                                .cause = SHMLOG_LOST_DAMAGED,
                                .count = 1,
                                .seq = 9};
    }
    BLOCK(0, 1, 120);
    log_kit_seal(&file, false);
    end("a.shmlog");
    cr_expect_str_eq(read_on(), "100 110 120 ");
    cr_expect_str_eq(read_on(), "");
    position_done(&position);
}
