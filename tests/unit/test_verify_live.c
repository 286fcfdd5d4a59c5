/* SPDX-License-Identifier: MIT
 *
 * --verify beside a segment that is still there: what is in the rings and in the outbox counts, and
 * what is nowhere is a problem.
 */
#include "logfile/outbox_layout.h"
#include "shm/segment.h"
#include "tests/unit/verify_kit.h"

#include <fcntl.h>

TestSuite(verify_live, .init = setup, .fini = teardown);

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

Test(verify_live, live_segment)
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
Test(verify_live, live_segment_after_a_seal)
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

Test(verify_live, next_file_only_just_begun)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    finish("1.shmlog");
    begin_next("2.shmlog.part");
    expect_good("produced=10 written=6 dropped=0 in_ring=4\n");
    end_live();
    expect_bad("not known what was to go into the file that was only just begun");
}

Test(verify_live, header_of_a_finished_file_cut)
{
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    finish("1.shmlog");
    begin_next("2.shmlog");
    expect_bad("2.shmlog: ");
    end_live();
}

/* What is missing in the last file is not in the ring any more, and no collector is at it. */
Test(verify_live, live_segment_with_a_hole)
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
Test(verify_live, newest_file_deleted)
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

Test(verify_live, outbox_holds_the_rest)
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
Test(verify_live, hostile_outboxes)
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

Test(verify_live, live_flight_recorder)
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

/* The segment knows that its producer logs and has never owned a ring. */
Test(verify_live, producer_without_a_ring)
{
    struct result result;

    ledger[1].kind = SHMLOG_RING_OWNED;
    make_live(SHMLOG_ON_FULL_DROP, 10, 6);
    log_kit_put_producer(&file, 65537, 7, "p");
    log_kit_slots_begin(&slots, 1, 0);
    log_kit_string(&slots, 1, 10, 65537, "text");
    log_kit_commit(live, 1, &slots);
    block(1, 1);
    finish("1.shmlog");
    result = run();
    cr_expect_null(strstr(result.out, "note: in ring"), "%s", result.out);
    shm_producers(live)[0] =
        (struct shmlog_producer){.claim = UINT64_C(7) << 32 | SHMLOG_PRODUCER_LIVE, .id = 65537};
    live->control->producers_used = 1;
    result = run();
    cr_expect_eq(result.r, 0, "%s", result.err);
    cr_expect(strstr(result.out, "note: in ring 1, 1 record names a producer that does not write"),
              "%s", result.out);
    shm_producers(live)[0].why = SHMLOG_WHY_ASKED;
    result = run();
    cr_expect_null(strstr(result.out, "note: in ring"), "%s", result.out);
    end_live();
}
