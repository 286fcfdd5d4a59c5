/* SPDX-License-Identifier: MIT
 *
 * One whole file, made up from a fixed seed, with what went in kept beside, and a look at all that
 * comes out of it again: whatever happened to the file in between, a record that comes out must be
 * one that went in.
 */
#ifndef TESTS_UNIT_FILE_WHOLE_H
#define TESTS_UNIT_FILE_WHOLE_H

#include "tests/unit/file_kit.h"

#define RINGS 2       /* with records */
#define RINGS_MOST 64 /* in the ledger */
#define BLOCKS 8
#define BLOCK_RECORDS 6
#define RECORDS (BLOCKS * BLOCK_RECORDS)
#define SITES 3

static struct file_encoder *encoder;
static struct file_buffer out;
static struct file_index *file_index;
static struct file_sites sites;
static struct original original[RINGS][RECORDS + 1]; /* by number, from 1 */
static uint64_t next_seq[RINGS];
static size_t piece_end[64], pieces; /* of what is before the seal */
static bool is_block[64];
static size_t header_size, seal_begin;
static const char *path;

static struct file_identity identity = {
    .file_uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .segment_uuid = {21, 22, 23},
    .file_number = 7,
    .created_ns = 1700000000000000000,
    .clock_hz = 2000000000,
    .clock = SHMLOG_CLOCK_TSC,
    .on_full = SHMLOG_ON_FULL_DROP,
    .ring_slots = 16384,
    .host = "tokyo-7",
    .segment = "trading",
    .segment_path = "/dev/shm/shmlog/trading",
};
static struct file_ledger_entry ledger[RINGS_MOST];
static size_t ledger_rings = RINGS;

/* ---- Making a file ---- */

static void piece_done(void)
{
    size_t begin = pieces ? piece_end[pieces - 1] : 0;

    cr_assert_eq(file_index_add(file_index, begin, out.data + begin, out.size - begin), 0);
    piece_end[pieces++] = out.size;
}

static void put_site(uint32_t id)
{
    static const uint8_t types[SITES][4] = {
        {SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_U32, SHMLOG_TYPE_CHAR},
        {SHMLOG_TYPE_STRING, SHMLOG_TYPE_I32, SHMLOG_TYPE_STRING, SHMLOG_TYPE_BYTES},
        {SHMLOG_TYPE_F32, SHMLOG_TYPE_BOOL, SHMLOG_TYPE_I64, SHMLOG_TYPE_I16},
    };
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size = make_printf_site(bytes, id, 4, types[id - 1]);

    cr_assert_eq(file_sites_put(&sites, id, bytes, size), 0);
    cr_assert_eq(file_put_site(encoder, identity.file_uuid, id, bytes, size, &out), 0);
    piece_done();
}

static void put_block(uint32_t ring)
{
    struct shmlog_slot slots[BLOCK_RECORDS * 8];
    struct file_block_params params = {
        .ring = ring,
        .first_seq = next_seq[ring],
        .first_pos = 2 * next_seq[ring],
        .slots = slots,
        .records = BLOCK_RECORDS,
        .sites = &sites,
    };

    memcpy(params.file_uuid, identity.file_uuid, 16);
    for (unsigned i = 0; i < BLOCK_RECORDS; i++) {
        struct original *record = &original[ring][next_seq[ring]];
        uint32_t size;

        do {
            record->seq = next_seq[ring];
            record->site = 1 + (uint32_t)rng_below(SITES);
            record->time = 1000000 * record->seq + rng_below(1000);
            record->producer = 65537;
            size = fill_payload(file_sites_get(&sites, record->site), record);
        } while (size > 200);
        record->slots = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
        record->payload_size = record->slots * SHMLOG_SLOT_PAYLOAD;
        put_slots(record, slots + params.slot_count);
        params.slot_count += record->slots;
        next_seq[ring]++;
    }
    cr_assert_eq(file_put_block(encoder, &params, &out, NULL), 0);
    is_block[pieces] = true;
    piece_done();
}

static void put_clock(uint64_t ticks)
{
    struct shmlog_clock_pair pair = {.ticks = ticks, .realtime_ns = 5 * ticks, .error_ns = 20};

    cr_assert_eq(file_put_clock(encoder, identity.file_uuid, &pair, &out), 0);
    piece_done();
}

static void put_gap(void)
{
    struct file_gap gap = {
        .ring = 1, .cause = SHMLOG_LOST_FULL, .count = 12345, .seq = 7, .pos = 14, .time_after = 9};

    memcpy(gap.file_uuid, identity.file_uuid, 16);
    cr_assert_eq(file_put_gap(encoder, &gap, &out), 0);
    piece_done();
}

__attribute__((unused)) static void make_file(void)
{
    struct shmlog_producer producer = {.id = 65537, .pid = 77, .tid = 78, .process = "gateway"};

    rng_seed(1);
    for (uint32_t i = 0; i < RINGS_MOST; i++)
        ledger[i] = (struct file_ledger_entry){.ring = i,
                                               .cpu = 2 + i,
                                               .kind = SHMLOG_RING_CPU,
                                               .next_seq = 1};
    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    cr_assert_eq(file_index_open(&file_index), 0);
    for (unsigned i = 0; i < RINGS; i++)
        next_seq[i] = 1;
    cr_assert_eq(file_put_header(encoder, &identity, ledger, ledger_rings, &out), 0);
    piece_done();
    header_size = out.size;
    put_clock(2000);
    put_clock(1000);
    cr_assert_eq(file_put_producer(encoder, identity.file_uuid, &producer, &out), 0);
    piece_done();
    for (uint32_t id = 1; id <= SITES; id++)
        put_site(id);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (i == BLOCKS / 2)
            put_gap();
        put_block(i % RINGS);
    }
    put_clock(3000);
    seal_begin = out.size;
    ledger[0].next_seq = next_seq[0];
    cr_assert_eq(file_put_seal(encoder, &identity, ledger, ledger_rings, file_index, out.size,
                               false, 1800000000000000000, &out),
                 0);
    path = temp_path("reader");
    write_file(path, out.data, out.size);
}

__attribute__((unused)) static void drop_file(void)
{
    unlink(path);
    file_encoder_close(encoder);
    file_index_close(file_index);
    file_buffer_done(&out);
    file_sites_done(&sites);
}

/* ---- Reading it ---- */

struct seen {
    int opened; /* result of opening */
    bool sealed, first_site, producer;
    size_t clocks;
    unsigned records, blocks, gaps, damaged, bad_blocks;
    uint64_t damage_offset, damage_size;
    int damage_error, block_error;
};

static void check_block(struct file_reader *reader, const struct file_piece *piece,
                        struct file_block *block, struct seen *seen)
{
    int r = file_reader_decode(reader, piece, block);

    seen->blocks++;
    if (r < 0) {
        cr_assert(r == -FILE_ERR_DAMAGED || r == -FILE_ERR_CUT, "%d", r);
        cr_assert_eq(block->records, 0);
        seen->block_error = r;
        seen->bad_blocks++;
    }
    for (size_t i = 0; i < block->records; i++) {
        const struct file_record *record = &block->record[i];

        cr_assert(block->info.ring < RINGS && record->seq >= 1 && record->seq <= RECORDS);
        cr_assert(same_record(&sites, &original[block->info.ring][record->seq], record));
        seen->records++;
    }
}

static void see_piece(struct file_reader *reader, const struct file_piece *piece,
                      struct file_block *block, struct seen *seen)
{
    if (piece->kind == FILE_PIECE_BLOCK)
        check_block(reader, piece, block, seen);
    if (piece->kind == FILE_PIECE_GAP) {
        cr_assert_eq(piece->gap.count, 12345);
        seen->gaps++;
    }
    if (piece->kind == FILE_PIECE_DAMAGED) {
        cr_assert_not_null(piece->reason);
        cr_assert_gt(piece->size, 0);
        seen->damage_offset = piece->offset;
        seen->damage_size = piece->size;
        seen->damage_error = piece->error;
        seen->damaged++;
    }
}

/* Read all of the file at `path`, step by step or by its list. */
__attribute__((unused)) static struct seen see(bool by_list)
{
    struct seen seen = {0};
    struct file_block block = {0};
    struct file_reader *reader;
    const struct file_piece *list;
    struct file_piece piece;
    size_t count;

    seen.opened = file_reader_open(path, &reader);
    if (seen.opened < 0)
        return seen;
    if (by_list) {
        cr_assert_eq(file_reader_list(reader, &list, &count), 0);
        for (size_t i = 0; i < count; i++)
            see_piece(reader, &list[i], &block, &seen);
    } else {
        do {
            cr_assert_eq(file_reader_next(reader, &piece), 0);
            see_piece(reader, &piece, &block, &seen);
        } while (piece.kind != FILE_PIECE_END);
    }
    seen.sealed = file_reader_end(reader, &count) != NULL;
    seen.first_site = file_sites_get(file_reader_sites(reader), 1) != NULL;
    seen.producer = file_reader_producer(reader, 65537) != NULL;
    file_reader_clock(reader, &seen.clocks);
    file_block_done(&block);
    file_reader_close(reader);
    return seen;
}

#endif
