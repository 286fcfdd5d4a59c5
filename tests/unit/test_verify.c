/* SPDX-License-Identifier: MIT
 *
 * --verify: it says yes to files that balance, and no, with the reason, to each kind that does not.
 */
#include "collector/file/outbox_layout.h"
#include "shm/segment.h"
#include "tests/unit/log_kit.h"
#include "tools/account.h"
#include "tools/verify.h"

#include <fcntl.h>
#include <inttypes.h>

static char directory[64];
static struct log_kit_file file;
static struct log_kit_slots slots;
static struct file_ledger_entry ledger[LOG_KIT_RINGS];

static const struct log_kit_site text_site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_INFO,
    .format = "%s",
    .args = 1,
    .type = {SHMLOG_TYPE_STRING},
    .name = {"text"},
};

static void setup(void)
{
    log_kit_directory(directory);
    log_kit_ledger_begin(ledger);
}

static void teardown(void)
{
    log_kit_remove(directory);
}

TestSuite(verify, .init = setup, .fini = teardown);

static void begin(uint64_t number)
{
    log_kit_file_begin(&file, number, 1, ledger);
    log_kit_put_site(&file, 1, &text_site);
}

static void end(const char *name)
{
    memcpy(ledger, file.ledger, sizeof(ledger));
    log_kit_file_end(&file, directory, name);
}

static void finish(const char *name)
{
    log_kit_seal(&file, false);
    end(name);
}

/* Records of a ring, whose times are `ticks` for each number. */
static void block_at(uint32_t ring, size_t records, uint64_t ticks)
{
    log_kit_slots_begin(&slots, file.ledger[ring].next_seq, 0);
    for (size_t i = 0; i < records; i++)
        log_kit_string(&slots, 1, slots.seq * ticks, 65537, "text");
    log_kit_put_block(&file, ring, &slots);
}

static void block(uint32_t ring, size_t records)
{
    block_at(ring, records, 10);
}

struct result {
    int r;
    char out[8192], err[8192], *last; /* line of `out` */
};

static struct result run(void)
{
    static struct result result;
    const char *paths[] = {directory};
    char message[512] = "";
    FILE *out, *err;

    result = (struct result){0};
    out = fmemopen(result.out, sizeof(result.out), "w");
    err = fmemopen(result.err, sizeof(result.err), "w");
    result.r = verify(paths, 1, out, err, message, sizeof(message));
    fclose(out);
    fclose(err);
    result.last = result.out;
    for (char *at = result.out; (at = strchr(at, '\n')) && at[1];)
        result.last = ++at;
    return result;
}

static void expect_good(const char *last)
{
    struct result result = run();

    cr_expect_eq(result.r, 0, "%s%s", result.out, result.err);
    cr_expect_str_eq(result.err, "");
    cr_expect_str_eq(result.last, last);
}

static void expect_bad(const char *reason)
{
    struct result result = run();

    cr_expect_eq(result.r, 1, "%s%s", result.out, result.err);
    cr_expect_not_null(strstr(result.err, reason), "no '%s' in: %s", reason, result.err);
    cr_expect_eq(strncmp(result.last, "produced=", 9), 0, "%s", result.last);
}

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

/* ---- Against a live segment ---- */

static struct shm_segment *live;

/* Records in ring 0 of a live segment, the first `written` of them in an unsealed file. */
static void make_live(uint32_t on_full, uint64_t produced, size_t written)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/segment", directory);
    live = log_kit_segment(path, on_full);
    for (uint64_t seq = 1; seq <= produced;) {
        log_kit_slots_begin(&slots, seq, seq - 1);
        while (slots.slots < 1000 && slots.seq <= produced)
            log_kit_string(&slots, 1, slots.seq * 10, 65537, "text");
        log_kit_commit(live, 0, &slots);
        seq = slots.seq;
    }
    log_kit_file_begin(&file, 1, 1, ledger);
    strcpy(file.identity.segment_path, path);
    memcpy(file.identity.segment_uuid, live->geometry.uuid, 16);
    file.buffer.size = 0; /* once more, with these */
    file_index_clear(file.index);
    cr_assert_eq(file_put_header(file.encoder, &file.identity, file.ledger, LOG_KIT_RINGS,
                                 &file.buffer),
                 0);
    log_kit_put_site(&file, 1, &text_site);
    block(0, written);
    live->rings[0].header->tail = written;
    live->rings[0].header->tail_seq = written + 1;
}

static void end_live(void)
{
    char path[PATH_MAX];

    strcpy(path, live->path);
    shm_segment_close(live);
    cr_expect_eq(shm_segment_destroy(path), 0);
}

Test(verify, live_segment)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    live->rings[0].header->lost[SHMLOG_LOST_FULL] = 3; /* not in a gap record yet */
    live->control->lost[SHMLOG_LOST_NO_RING] = 0;
    end("1.shmlog.part");
    expect_good("produced=13 written=6 dropped=3 in_ring=4\n");
    live->rings[0].header->head = 5; /* a ring that lost its memory */
    expect_bad("the ring's newest is");
    end_live();
}

/* Sealed at a rotation, and the segment goes on. */
Test(verify, live_segment_after_a_seal)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    finish("1.shmlog");
    expect_good("produced=10 written=6 dropped=0 in_ring=4\n");
    end_live();
}

/* The next file has been begun, but not even its header is on the disk: nothing else can be. */
static void begin_next(const char *name)
{
    begin(2);
    file.buffer.size = 40;
    end(name);
}

Test(verify, next_file_only_just_begun)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    finish("1.shmlog");
    begin_next("2.shmlog.part");
    expect_good("produced=10 written=6 dropped=0 in_ring=4\n");
    end_live();
    expect_bad("not known what was to go into the file that was only just begun");
}

Test(verify, header_of_a_finished_file_cut)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    finish("1.shmlog");
    begin_next("2.shmlog");
    expect_bad("2.shmlog: ");
    end_live();
}

/* What is missing in the last file is not in the ring any more, and no collector is at it. */
Test(verify, live_segment_with_a_hole)
{
    make_live(SHMLOG_ON_FULL_DROP, 30, 6);
    file.ledger[0].next_seq += 5;
    block(0, 10);
    live->rings[0].header->tail = live->rings[0].header->tail_seq = 22;
    end("1.shmlog.part");
    expect_bad("ring 0: records 7 to 21 are missing: the collector took them");
    end_live();
}

/* The collector has taken more than the files have: they, and the segment, are as they would be if
 * the newest file had been deleted. */
Test(verify, newest_file_deleted)
{
    struct result result;

    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    live->rings[0].header->tail_seq = 9;
    finish("1.shmlog");
    expect_bad("ring 0: records 7 to 8 are missing: the collector took them");
    result = run();
    cr_expect_str_eq(result.last, "produced=10 written=6 dropped=0 in_ring=2\n");
    live->rings[0].header->tail_seq = 11; /* and the ring is empty */
    expect_bad("ring 0: records 7 to 10 are missing: the collector took them");
    live->rings[0].header->tail_seq = 8;
    expect_bad("ring 0: record 7 is missing: the collector took them");
    end_live();
}

/* ---- What waits in the outbox ---- */

/* Put the bytes into the outbox as an entry for each part; `sizes` of them, ended by 0. */
static void put_outbox(const uint8_t *bytes, const size_t *sizes)
{
    static struct {
        struct outbox_header header;
        uint8_t rest[8192 - sizeof(struct outbox_header)];
        uint8_t data[1 << 20];
    } box;
    char path[PATH_MAX + 16];
    size_t at = 4096;
    FILE *f;

    memset(&box, 0, sizeof(box));
    box.header.magic = OUTBOX_MAGIC;
    box.header.version = OUTBOX_VERSION;
    box.header.data_offset = offsetof(__typeof__(box), data);
    box.header.data_size = sizeof(box.data);
    memcpy(box.header.segment_uuid, live->geometry.uuid, 16);
    box.header.head = box.header.tail = 3 * sizeof(box.data) + at;
    for (; *sizes; bytes += *sizes++) {
        const struct outbox_entry entry = {.kind = OUTBOX_ENTRY_DATA, .size = *sizes};
        const size_t whole = sizeof(entry) + (*sizes + 63) / 64 * 64;

        memcpy(box.data + at, &entry, sizeof(entry));
        memcpy(box.data + at + sizeof(entry), bytes, *sizes);
        at += whole;
        box.header.head += whole;
    }
    snprintf(path, sizeof(path), "%s/outbox", live->path);
    f = fopen(path, "we");
    cr_assert_not_null(f);
    fwrite(&box, sizeof(box), 1, f);
    fclose(f);
}

/* Blocks of 4 and of 5 records, which the collector has taken and not written. */
static uint8_t *waiting_blocks(size_t sizes[3])
{
    const size_t begin = file.buffer.size;
    struct file_ledger_entry before[LOG_KIT_RINGS];
    uint8_t *bytes;

    memcpy(before, file.ledger, sizeof(before));
    block(0, 4);
    sizes[0] = file.buffer.size - begin;
    log_kit_put_gap(&file, 0, SHMLOG_LOST_OVERWRITTEN, 2);
    block(0, 5);
    sizes[1] = file.buffer.size - begin - sizes[0];
    sizes[2] = 0;
    bytes = malloc(sizes[0] + sizes[1]);
    memcpy(bytes, file.buffer.data + begin, sizes[0] + sizes[1]);
    file.buffer.size = begin;
    memcpy(file.ledger, before, sizeof(before));
    return bytes;
}

Test(verify, outbox_holds_the_rest)
{
    size_t sizes[3];
    uint8_t *bytes;
    char path[PATH_MAX + 16], cut[PATH_MAX + 16];

    make_live(SHMLOG_ON_FULL_DROP, 20, 6);
    bytes = waiting_blocks(sizes);
    end("1.shmlog.part");
    live->rings[0].header->tail_seq = 18;
    put_outbox(bytes, sizes);
    expect_good("produced=20 written=6 dropped=2 in_ring=12\n");
    live->rings[0].header->tail_seq = 19; /* more was taken than that */
    expect_bad("ring 0: record 18 is missing: the collector took them");
    live->rings[0].header->tail_seq = 18;
    put_outbox(bytes + sizes[0], sizes + 1); /* the first one is gone */
    expect_bad("ring 0: records 7 to 10 are missing: the collector took them");
    bytes[sizes[0] + 50] ^= 1;
    put_outbox(bytes, sizes);
    expect_bad("records 7 to 17 are in no file, and the collector's outbox cannot be read");
    live->rings[0].header->tail_seq = 7; /* nothing was taken: it does not matter */
    expect_good("produced=20 written=6 dropped=0 in_ring=14\n");
    snprintf(path, sizeof(path), "%s/outbox", live->path);
    snprintf(cut, sizeof(cut), "%s/outbox", directory);
    cr_assert_eq(rename(path, cut), 0);
    cr_assert_eq(symlink(cut, path), 0);
    live->rings[0].header->tail_seq = 18;
    expect_bad("outbox cannot be read");
    free(bytes);
    end_live();
}

/* Nonsense in an outbox ends the reading, and is reported. */
Test(verify, hostile_outboxes)
{
    char path[PATH_MAX + 16];
    size_t sizes[3];
    uint8_t *bytes;
    uint64_t random = 7;

    make_live(SHMLOG_ON_FULL_DROP, 20, 6);
    bytes = waiting_blocks(sizes);
    end("1.shmlog.part");
    live->rings[0].header->tail_seq = 18;
    snprintf(path, sizeof(path), "%s/outbox", live->path);
    for (unsigned i = 0; i < 300; i++) {
        const long at = (long[]){16, 24, 128, 256, 8192 + 4096, 8192 + 4104}[i % 6];
        FILE *f;

        put_outbox(bytes, sizes);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        f = fopen(path, "r+e");
        cr_assert_not_null(f);
        fseek(f, at, SEEK_SET);
        random >>= i % 50;
        fwrite(&random, 8, 1, f);
        fclose(f);
        if (i % 10 == 9)
            cr_assert_eq(truncate(path, (off_t)(random % (1 << 20))), 0);
        cr_expect_geq(run().r, 0);
    }
    free(bytes);
    end_live();
}

Test(verify, live_flight_recorder)
{
    uint64_t produced, written, dropped, in_ring;
    struct result result;

    make_live(SHMLOG_ON_FULL_OVERWRITE, 3000, 6); /* in 1024 slots */
    end("1.shmlog.part");
    result = run();
    cr_expect_eq(result.r, 0, "%s%s", result.out, result.err);
    cr_assert_eq(sscanf(result.last,
                        "produced=%" SCNu64 " written=%" SCNu64 " dropped=%" SCNu64
                        " in_ring=%" SCNu64,
                        &produced, &written, &dropped, &in_ring),
                 4);
    cr_expect_eq(produced, 3000);
    cr_expect_eq(written, 6);
    cr_expect_leq(in_ring, 1024);
    cr_expect_geq(in_ring, 1024 - SHMLOG_RECORD_SLOTS);
    cr_expect_eq(dropped, 3000 - 6 - in_ring);
    end_live();
}

/* ---- The account alone, against a live ring ---- */

static unsigned problems;

static void count_problem(void *arg, const struct account *account, const char *format, ...)
{
    problems++;
}

static const struct account_report report = {count_problem, NULL};

static struct account account_of(uint64_t written, uint64_t full, uint64_t overwritten)
{
    struct file_ledger_entry start = {.kind = SHMLOG_RING_CPU, .next_seq = 1};
    struct file_gap gap = {.cause = SHMLOG_LOST_FULL, .count = full};
    struct account account;

    problems = 0;
    account_begin(&account, &start);
    account_block(&account, 1, written, true, &report);
    if (full)
        account_gap(&account, &gap, true, &report);
    gap = (struct file_gap){.cause = SHMLOG_LOST_OVERWRITTEN,
                            .count = overwritten,
                            .seq = written + 1 + overwritten};
    if (overwritten)
        account_gap(&account, &gap, true, &report);
    return account;
}

static void expect_account(const struct account *account, uint64_t produced, uint64_t dropped,
                           uint64_t in_ring, unsigned want_problems)
{
    cr_expect_eq(account->produced, produced, "produced %" PRIu64, account->produced);
    cr_expect_eq(account->dropped, dropped, "dropped %" PRIu64, account->dropped);
    cr_expect_eq(account->in_ring, in_ring, "in ring %" PRIu64, account->in_ring);
    cr_expect_eq(problems, want_problems);
}

Test(account, live_rings)
{
    struct account account = account_of(10, 0, 0);

    account_close_live(&account, &(struct account_ring){.newest = 15}, &report);
    expect_account(&account, 15, 0, 5, 0);

    account = account_of(10, 3, 0); /* two more drops than the files know of */
    account_close_live(&account, &(struct account_ring){.newest = 10, .lost = {5}}, &report);
    expect_account(&account, 15, 5, 0, 0);

    account = account_of(10, 3, 0); /* the files have drops that the ring does not */
    account_close_live(&account, &(struct account_ring){.newest = 10, .lost = {2}}, &report);
    cr_expect_gt(problems, 0);

    account = account_of(10, 0, 5); /* the flight recorder has gone on: 16..20 are gone too */
    account_close_live(&account, &(struct account_ring){.newest = 30, .oldest = 21}, &report);
    expect_account(&account, 30, 10, 10, 0);

    account = account_of(10, 0, 0); /* a ring that is behind its files */
    account_close_live(&account, &(struct account_ring){.newest = 8}, &report);
    cr_expect_gt(problems, 0);
}

/* Retention removed files that were to be read next: they count as those before the first one. */
Test(account, files_removed_while_reading)
{
    struct account account = account_of(10, 3, 0);
    struct file_ledger_entry start = {
        .kind = SHMLOG_RING_CPU,
        .next_seq = 31,
        .written = 28,
        .lost = {[SHMLOG_LOST_FULL] = 3, [SHMLOG_LOST_OVERWRITTEN] = 2}};

    account.before = 4;
    account_skip(&account, &start);
    account_block(&account, 31, 5, true, &report);
    start.next_seq = 36;
    start.written = 33;
    account_seal(&account, &start, &report);
    account_close_sealed(&account, 38, &report);
    expect_account(&account, 38, 5, 0, 0);
    cr_expect_eq(account.written, 33);
    cr_expect_eq(account.before, 22);
}

/* What the collector takes while the files are read is on its way; overwritten is what it had not
 * taken. */
Test(account, taken_while_reading)
{
    struct account account = account_of(10, 0, 0);

    account_close_live(
        &account,
        &(struct account_ring){.newest = 30, .oldest = 25, .taken_before = 11, .taken = 21},
        &report);
    expect_account(&account, 30, 4, 16, 0);
}

Test(account, missing_records_do_not_balance)
{
    struct account account = account_of(10, 0, 0);

    account_block(&account, 15, 6, true, &report);
    cr_expect_eq(problems, 1);
    account_close_live(&account, &(struct account_ring){.newest = 20}, &report);
    cr_expect_eq(problems, 2);
    cr_expect_neq(account.produced, account.written + account.dropped + account.in_ring);
}

/* Nonsense from a file is arithmetic like any other. */
Test(account, hostile_numbers)
{
    struct account account = account_of(UINT64_MAX, 0, 0);
    struct file_gap gap = {.cause = SHMLOG_LOST_DAMAGED, .count = UINT64_MAX, .seq = 3};

    account_gap(&account, &gap, true, &report);
    account_block(&account, UINT64_MAX, UINT64_MAX, true, &report);
    account_close_live(&account, &(struct account_ring){.newest = UINT64_MAX}, &report);
    gap.cause = 77;
    problems = 0;
    account_gap(&account, &gap, true, &report);
    cr_expect_eq(problems, 1);
}
