/* SPDX-License-Identifier: MIT
 *
 * --verify: it says yes to files that balance, and no, with the reason, to each kind that does not.
 */
#include "tests/unit/verify_kit.h"

#include <fcntl.h>

TestSuite(verify, .init = setup, .fini = teardown);

Test(verify, whole_and_balanced)
{
    ledger[LOG_KIT_RINGS - 1].ring = UINT32_MAX; /* the segment's own line: not a ring */
    begin(1);
    block(0, 10);
    block(1, 5);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    block(0, 2);
    finish("1.shmlog");
    begin(2);
    log_kit_put_gap(&file, 1, SHMLOG_LOST_OVERWRITTEN, 4);
    block(1, 6);
    log_kit_put_gap(&file, 1, SHMLOG_LOST_WAITED, 1);
    finish("2.shmlog");
    expect_good("produced=31 written=23 dropped=8 in_ring=0\n");
    cr_expect_not_null(strstr(run().out, "\n1 more ring, without a record\n"), "%s", run().out);
}

/* A copy that is not whole does not hide the file, whatever its name is. */
Test(verify, reads_the_sealed_copy)
{
    begin(1);
    block(0, 10);
    log_kit_write(&file, file.buffer.size, directory, "0.shmlog");
    block(0, 2);
    finish("1.shmlog");
    expect_good("produced=12 written=12 dropped=0 in_ring=0\n");
}

/* Nothing is missing, but a reader that goes by the index would pass over the block. */
Test(verify, index_that_lies)
{
    size_t at;

    begin(1);
    block(0, 10);
    at = file.buffer.size;
    block(0, 5);
    log_kit_lie(&file, at, offsetof(struct frame_block, time_min), 120);
    finish("1.shmlog");
    expect_bad("1.shmlog: its index is not that of its pieces");
    cr_expect_str_eq(run().last, "produced=15 written=15 dropped=0 in_ring=0\n");
}

/* Retention removed the first file: what was in it still counts. */
Test(verify, first_file_removed)
{
    struct result result;

    begin(1);
    block(0, 10);
    finish("1.shmlog");
    begin(2);
    block(0, 5);
    finish("2.shmlog");
    cr_assert_eq(unlinkat(AT_FDCWD, strcat(strcpy((char[128]){0}, directory), "/1.shmlog"), 0), 0);
    expect_good("produced=15 written=15 dropped=0 in_ring=0\n");
    result = run();
    cr_expect_not_null(strstr(result.out, "10 of the records written are in files no longer here"));
}

/* What is written, the last line counts in the files that are there. */
Test(verify, middle_file_missing)
{
    struct result result;

    for (uint64_t number = 1; number <= 3; number++) {
        begin(number);
        block(0, 10);
        finish(number == 1 ? "1.shmlog" : number == 2 ? "2.not" : "3.shmlog");
    }
    expect_bad("those between are missing");
    expect_bad("records 11 to 20 are missing: no file before this one has them");
    result = run();
    cr_expect_str_eq(result.last, "produced=30 written=20 dropped=0 in_ring=0\n");
}

Test(verify, block_missing)
{
    begin(1);
    block(0, 10);
    file.ledger[0].next_seq += 5;
    block(0, 10);
    finish("1.shmlog");
    expect_bad("records 11 to 15 are missing");
}

Test(verify, block_twice)
{
    begin(1);
    block(0, 10);
    file.ledger[0].next_seq -= 5;
    block(0, 10);
    finish("1.shmlog");
    expect_bad("record 6 comes again");
}

Test(verify, seal_differs)
{
    begin(1);
    block(0, 10);
    file.ledger[0].written++;
    finish("1.shmlog");
    expect_bad("the seal says 11 written, by the blocks it is 10");
}

Test(verify, gap_not_in_the_ledger)
{
    begin(1);
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_NESTED, 2);
    file.ledger[0].lost[SHMLOG_LOST_NESTED] = 1;
    finish("1.shmlog");
    expect_bad("lost (nested)");
}

Test(verify, next_file_starts_elsewhere)
{
    begin(1);
    block(0, 10);
    finish("1.shmlog");
    ledger[0].next_seq = 13;
    ledger[0].written = 12;
    begin(2);
    block(0, 10);
    finish("2.shmlog");
    expect_bad("2.shmlog: ring 0: the start of this file");
}

Test(verify, more_produced_than_found)
{
    begin(1);
    block(0, 10);
    file.ledger[0].produced += 4;
    finish("1.shmlog");
    expect_bad("4 records were still in the ring");
}

Test(verify, damaged_block)
{
    size_t at;

    begin(1);
    block(0, 10);
    at = file.buffer.size - 3;
    block(0, 10);
    log_kit_seal(&file, false);
    file.buffer.data[at] ^= 1;
    end("1.shmlog");
    expect_bad("damaged");
}

/* Every flipped bit of a block's or a gap's bytes is found. */
Test(verify, every_flipped_byte)
{
    size_t from, to;
    uint8_t *bytes;
    size_t size;

    begin(1);
    from = file.buffer.size;
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    to = file.buffer.size;
    log_kit_seal(&file, false);
    size = file.buffer.size;
    bytes = malloc(size);
    memcpy(bytes, file.buffer.data, size);
    end("1.shmlog");
    for (size_t i = from; i < to; i++) {
        FILE *f = fopen(strcat(strcpy((char[128]){0}, directory), "/1.shmlog"), "we");
        struct result result;

        bytes[i] ^= (uint8_t)(1u << i % 8);
        fwrite(bytes, 1, size, f);
        fclose(f);
        bytes[i] ^= (uint8_t)(1u << i % 8);
        result = run();
        cr_expect_eq(result.r, 1, "a flipped bit at %zu is not found", i);
    }
    free(bytes);
}

Test(verify, cut_file)
{
    begin(1);
    block(0, 10);
    block(0, 10);
    file.buffer.size -= 5;
    end("1.shmlog");
    expect_bad("without a seal");
}

Test(verify, last_file_unsealed_and_segment_gone)
{
    begin(1);
    block(0, 10);
    end("1.shmlog.part");
    expect_bad("not known how much was produced");
}

/* The collector was killed in the middle of a block; the next one wrote that block again. */
Test(verify, collector_was_killed)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block(0, 10);
    file.buffer.size -= 7;
    end("1.shmlog.part");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block(0, 10);
    block(0, 3);
    finish("2.shmlog");
    expect_good("produced=23 written=23 dropped=0 in_ring=0\n");
}

/* It was on the disk as a whole, but that was not known yet. */
Test(verify, collector_was_killed_after_writing)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    end("1.shmlog.part");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    finish("2.shmlog");
    expect_good("produced=23 written=20 dropped=3 in_ring=0\n");
}

/* What two files have is looked at once: the repetition is not a clock that runs backwards, and
 * where one does, its records count once. */
static void expect_backwards(const char *said)
{
    struct result result = run();
    const char *found = strstr(result.out, "note: ring 0: ");

    cr_expect_eq(result.r, 0, "%s", result.err);
    if (said)
        cr_expect(found && strncmp(found, said, strlen(said)) == 0, "%s", result.out);
    else
        cr_expect_null(found, "%s", result.out);
}

Test(verify, times_of_a_repetition)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block(0, 10);
    end("1.shmlog.part");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block(0, 15); /* those that were, and five more */
    finish("2.shmlog");
    expect_backwards(NULL);
}

Test(verify, times_around_a_lost_block)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];
    size_t at;

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block(0, 10);
    at = file.buffer.size - 3;
    block(0, 10);
    log_kit_seal(&file, true);
    file.buffer.data[at] ^= 1;
    end("1.shmlog");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block(0, 10);
    block(0, 10);
    finish("2.shmlog");
    expect_backwards(NULL);
}

Test(verify, times_backwards_in_a_repetition)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block_at(0, 3, 5);
    end("1.shmlog.part");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block_at(0, 3, 5);
    block(0, 2);
    finish("2.shmlog");
    expect_backwards("note: ring 0: 3 records are older");
}

/* An error of the disk: a block in the middle was lost, one after it was not; the next file has
 * all from the lost one on. */
Test(verify, bad_file_and_its_repetition)
{
    struct file_ledger_entry before[LOG_KIT_RINGS];
    size_t at;

    begin(1);
    block(0, 10);
    memcpy(before, file.ledger, sizeof(before));
    block(0, 10);
    at = file.buffer.size - 3;
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    log_kit_seal(&file, true);
    file.buffer.data[at] ^= 1;
    end("1.shmlog");
    memcpy(ledger, before, sizeof(ledger));
    begin(2);
    block(0, 10);
    block(0, 10);
    log_kit_put_gap(&file, 0, SHMLOG_LOST_FULL, 3);
    block(0, 1);
    finish("2.shmlog");
    expect_good("produced=34 written=31 dropped=3 in_ring=0\n");
}

Test(verify, bad_file_without_its_repetition)
{
    begin(1);
    block(0, 10);
    log_kit_seal(&file, true);
    end("1.shmlog");
    begin(2); /* starts after it, as if nothing was wrong */
    ledger[0].next_seq = 21;
    memcpy(file.ledger, ledger, sizeof(ledger));
    finish("2.shmlog");
    expect_bad("problem");
}

/* ---- Where records come from ---- */

static void put_producer(uint32_t id, uint32_t owned_ring_and_1, uint32_t why)
{
    const struct shmlog_producer producer = {.claim = SHMLOG_PRODUCER_LIVE,
                                             .id = id,
                                             .pid = 7,
                                             .tid = 7,
                                             .ring = owned_ring_and_1,
                                             .why = why};
    const size_t before = file.buffer.size;

    cr_assert_eq(file_put_producer(file.encoder, file.identity.file_uuid, &producer, &file.buffer),
                 0);
    log_kit_added(&file, before);
}

static void block_of(uint32_t ring, uint32_t producer, uint64_t time)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 0; i < 3; i++)
        log_kit_string(&slots, 1, time, producer, "text");
    log_kit_put_block(&file, ring, &slots);
}

static void expect_note(const char *note)
{
    const struct result result = run();

    cr_expect_eq(result.r, 0, "a note is no problem: %s", result.err);
    cr_expect(strstr(result.out, note), "no '%s' in: %s", note, result.out);
}

static void expect_no_note(void)
{
    const struct result result = run();

    cr_expect_eq(result.r, 0, "%s", result.err);
    cr_expect_null(strstr(result.out, "note: in ring"), "%s", result.out);
}

Test(verify, producers_in_their_places)
{
    ledger[1].kind = ledger[2].kind = SHMLOG_RING_OWNED;
    begin(1);
    put_producer(65537, 0, 0);
    put_producer(65538, 2, SHMLOG_WHY_ASKED);
    put_producer(65539, 3, SHMLOG_WHY_NO_RSEQ);
    block_of(0, 65537, 2000);
    block_of(0, 65538, 2000); /* before it owned one */
    block_of(1, 65538, 2000);
    block_of(1, 0, 2000); /* nobody knows who */
    block_of(2, 65539, 2000);
    block_of(2, 65537, 2000); /* the file got it before it claimed a ring, for all that is known */
    finish("1.shmlog");
    expect_no_note();
}

Test(verify, producer_that_is_not_known)
{
    begin(1);
    put_producer(65537, 0, 0);
    block_of(0, 65537, 2000);
    block_of(0, 131073, 2000); /* of the same entry, but not it */
    block_of(0, 65537, 2000);
    finish("1.shmlog");
    expect_note("note: in ring 0, 3 records name a producer that the files do not know; the first "
                "is number 4 and names 131073\n");
}

Test(verify, producer_of_another_owned_ring)
{
    ledger[1].kind = ledger[2].kind = SHMLOG_RING_OWNED;
    begin(1);
    put_producer(65538, 2, SHMLOG_WHY_ASKED);
    put_producer(65539, 3, SHMLOG_WHY_ASKED);
    block_of(1, 65538, 2000);
    block_of(2, 65538, 2000);
    block_of(2, 65539, 2000);
    finish("1.shmlog");
    expect_note("note: in ring 2, 3 records name a producer that does not write to this ring; the "
                "first is number 1 and names 65538\n");
}

Test(verify, producer_that_cannot_use_cores)
{
    ledger[1].kind = SHMLOG_RING_OWNED;
    begin(1);
    put_producer(65538, 2, SHMLOG_WHY_NO_RSEQ);
    block_of(1, 65538, 2000);
    block_of(0, 65538, 2000);
    finish("1.shmlog");
    expect_note("note: in ring 0, 3 records name a producer that does not write to this ring");
}

#define HOUR UINT64_C(3600000000000)

static void put_clock(uint64_t ticks)
{
    const struct shmlog_clock_pair pair = {.seq = 2, .ticks = ticks, .realtime_ns = ticks};
    const size_t before = file.buffer.size;

    cr_assert_eq(file_put_clock(file.encoder, file.identity.file_uuid, &pair, &file.buffer), 0);
    log_kit_added(&file, before);
}

Test(verify, times_that_no_clock_had_yet)
{
    begin(1);
    put_producer(65537, 0, 0);
    block_of(0, 65537, HOUR);
    put_clock(2 * HOUR);
    block_of(0, 65537, 2 * HOUR + HOUR / 61);
    finish("1.shmlog");
    expect_no_note();
    begin(2);
    put_producer(65537, 0, 0);
    block_of(0, 65537, 3 * HOUR);
    finish("2.shmlog");
    expect_note("note: in ring 0, times go up to 3600 s beyond the collector's newest one");
}

/* The first file, with nothing but this of the clock. */
static void begin_with_clock(uint64_t ticks)
{
    begin(1);
    file.buffer.size = 0;
    file_index_clear(file.index);
    cr_assert_eq(file_put_header(file.encoder, &file.identity, file.ledger, LOG_KIT_RINGS,
                                 &file.buffer),
                 0);
    log_kit_put_site(&file, 1, &text_site);
    put_clock(ticks);
    put_producer(65537, 0, 0);
}

Test(verify, times_before_the_segment)
{
    begin_with_clock(2 * HOUR);
    block_of(0, 65537, 2 * HOUR - HOUR / 61);
    finish("1.shmlog");
    expect_no_note();
    begin(2); /* not the segment's first: what a ring kept from before it is as old as it is */
    put_producer(65537, 0, 0);
    block_of(0, 65537, 2 * HOUR);
    finish("2.shmlog");
    expect_no_note();
    log_kit_remove(directory);
    log_kit_directory(directory);
    log_kit_ledger_begin(ledger);
    begin_with_clock(2 * HOUR);
    block_of(0, 65537, HOUR);
    finish("1.shmlog");
    expect_note("note: in ring 0, times begin 3600 s before the collector's first one");
}
