/* SPDX-License-Identifier: MIT
 *
 * Whole files: written, read back, cut at every byte, with every bit flipped, growing, given to
 * another file. Whatever happened to a file, a record that comes out is one that went in.
 */
#include "tests/unit/file_kit.h"

#include <errno.h>
#include <sys/stat.h>

#define RINGS 2
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
static struct file_ledger_entry ledger[RINGS] = {
    {.ring = 0, .cpu = 2, .kind = SHMLOG_RING_CPU, .next_seq = 1},
    {.ring = 1, .cpu = 3, .kind = SHMLOG_RING_CPU, .next_seq = 1},
};

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

static void make_file(void)
{
    struct shmlog_producer producer = {.id = 65537, .pid = 77, .tid = 78, .process = "gateway"};

    rng_seed(1);
    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    cr_assert_eq(file_index_open(&file_index), 0);
    for (unsigned i = 0; i < RINGS; i++)
        next_seq[i] = 1;
    cr_assert_eq(file_put_header(encoder, &identity, ledger, RINGS, &out), 0);
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
    cr_assert_eq(file_put_seal(encoder, &identity, ledger, RINGS, file_index, out.size, false,
                               1800000000000000000, &out),
                 0);
    path = temp_path("reader");
    write_file(path, out.data, out.size);
}

static void drop_file(void)
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
    unsigned records, blocks, gaps, damaged, bad_blocks;
    uint64_t damage_offset, damage_size;
    int damage_error;
};

static void check_block(struct file_reader *reader, const struct file_piece *piece,
                        struct file_block *block, struct seen *seen)
{
    int r = file_reader_decode(reader, piece, block);

    seen->blocks++;
    if (r == -FILE_ERR_DAMAGED)
        seen->bad_blocks++;
    else
        cr_assert_eq(r, 0);
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
static struct seen see(bool by_list)
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
    file_block_done(&block);
    file_reader_close(reader);
    return seen;
}

Test(reader, everything_comes_back, .init = make_file, .fini = drop_file)
{
    for (unsigned by_list = 0; by_list < 2; by_list++) {
        struct seen seen = see(by_list);

        cr_assert_eq(seen.opened, 0);
        cr_assert_eq(seen.blocks, BLOCKS);
        cr_assert_eq(seen.records, RECORDS);
        cr_assert_eq(seen.gaps, 1);
        cr_assert_eq(seen.damaged + seen.bad_blocks, 0);
    }
}

Test(reader, tables, .init = make_file, .fini = drop_file)
{
    const struct shmlog_clock_pair *clock;
    const struct file_ledger_entry *entries;
    const struct file_identity *got;
    const struct file_piece *list;
    struct file_reader *reader;
    size_t count;

    cr_assert_eq(file_reader_open(path, &reader), 0);
    got = file_reader_identity(reader);
    cr_assert(!memcmp(got->file_uuid, identity.file_uuid, 16));
    cr_assert_str_eq(got->host, "tokyo-7");
    cr_assert_str_eq(got->segment_path, identity.segment_path);
    cr_assert_eq(got->file_number, 7);
    entries = file_reader_start(reader, &count);
    cr_assert(count == RINGS && entries[1].cpu == 3 && entries[0].next_seq == 1);
    entries = file_reader_end(reader, &count);
    cr_assert(count == RINGS && entries[0].next_seq == next_seq[0]);
    cr_assert_not(file_reader_sealed_bad(reader));
    cr_assert_eq(file_reader_list(reader, &list, &count), 0);
    cr_assert_eq(count, pieces - 1);
    clock = file_reader_clock(reader, &count);
    cr_assert(count == 3 && clock[0].ticks == 1000 && clock[2].realtime_ns == 15000);
    cr_assert_str_eq(file_reader_producer(reader, 65537)->process, "gateway");
    cr_assert_null(file_reader_producer(reader, 65538));
    cr_assert_not_null(file_sites_get(file_reader_sites(reader), SITES));
    file_reader_close(reader);
}

/* ---- Damage ---- */

Test(reader, cut_at_every_byte, .init = make_file, .fini = drop_file)
{
    for (size_t cut = out.size; cut-- > 0;) {
        unsigned whole = 0;
        struct seen seen;

        cr_assert_eq(truncate(path, (off_t)cut), 0);
        seen = see(cut % 2);
        if (cut < header_size) {
            cr_assert_eq(seen.opened, -FILE_ERR_CUT, "cut at %zu: %d", cut, seen.opened);
            continue;
        }
        cr_assert_eq(seen.opened, 0);
        for (size_t i = 0; i < pieces; i++)
            whole += is_block[i] && piece_end[i] <= cut;
        cr_assert_eq(seen.bad_blocks, 0);
        cr_assert_eq(seen.blocks, whole);
        cr_assert_eq(seen.records, whole * BLOCK_RECORDS);
        for (size_t i = 0; i < pieces; i++) {
            if (piece_end[i] == cut)
                cr_assert_eq(seen.damaged, 0, "cut between pieces at %zu", cut);
        }
        if (cut < seal_begin && seen.damaged) {
            cr_assert_eq(seen.damage_error, -FILE_ERR_CUT, "cut at %zu", cut);
            cr_assert_eq(seen.damage_offset + seen.damage_size, cut);
        }
    }
}

static void flip(int fd, size_t at, unsigned bit)
{
    uint8_t byte = (uint8_t)(out.data[at] ^ 1u << bit);

    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

Test(reader, every_bit_flipped, .init = make_file, .fini = drop_file, .timeout = 120)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    for (size_t at = 0; at < out.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct seen seen;

            flip(fd, at, bit);
            seen = see(false);
            cr_assert_eq(seen.opened, 0, "byte %zu bit %u: %d", at, bit, seen.opened);
            cr_assert_eq(seen.damaged + seen.bad_blocks, 1, "byte %zu bit %u", at, bit);
            cr_assert_geq(seen.records, RECORDS - BLOCK_RECORDS, "byte %zu bit %u", at, bit);
            if (bit == at % 8) {
                seen = see(true);
                cr_assert_eq(seen.opened, 0);
                cr_assert_geq(seen.records, RECORDS - BLOCK_RECORDS);
            }
        }
        cr_assert_eq(pwrite(fd, out.data + at, 1, (off_t)at), 1);
    }
    close(fd);
    fprintf(stderr, "%zu bits flipped\n", 8 * out.size);
}

Test(reader, bytes_scribbled, .init = make_file, .fini = drop_file)
{
    uint8_t *copy = malloc(out.size);

    for (unsigned round = 0; round < 2000; round++) {
        size_t at = rng_below(out.size), size = 1 + rng_below(300);

        memcpy(copy, out.data, out.size);
        for (size_t i = at; i < at + size && i < out.size; i++)
            copy[i] = (uint8_t)rng();
        write_file(path, copy, out.size);
        see(round % 2);
        /* A piece of the file moved elsewhere. */
        memcpy(copy, out.data, out.size);
        size = size < out.size - at ? size : out.size - at;
        memmove(copy + rng_below(out.size - size + 1), copy + at, size);
        write_file(path, copy, out.size);
        see(round % 2);
    }
    free(copy);
}

Test(reader, zeros_at_the_end_are_no_damage, .init = make_file, .fini = drop_file)
{
    struct seen seen;

    cr_assert_eq(truncate(path, (off_t)seal_begin), 0);
    cr_assert_eq(truncate(path, (off_t)seal_begin + 300000), 0);
    seen = see(false);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(seen.damaged, 0);
    /* Zeros with something after them are. */
    cr_assert_eq(truncate(path, (off_t)piece_end[pieces - 2]), 0);
    cr_assert_eq(truncate(path, (off_t)seal_begin + 300000), 0);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    cr_assert_gt(write(fd, out.data + piece_end[pieces - 2], 64), 0);
    close(fd);
    seen = see(false);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(seen.damaged, 1);
    cr_assert_eq(seen.damage_offset, piece_end[pieces - 2]);
    cr_assert_eq(seen.damage_size, seal_begin + 300000 - piece_end[pieces - 2]);
}

Test(reader, blocks_of_another_file_are_not_read, .init = make_file, .fini = drop_file)
{
    static const uint8_t other[16] = {99};
    size_t begin = piece_end[pieces - 3], end = piece_end[pieces - 2];
    uint8_t *copy = malloc(out.size);
    struct seen seen;

    /* The last block in the file is a stale one. */
    memcpy(copy, out.data, out.size);
    cr_assert_eq(file_retarget(copy + begin, end - begin, other), 0);
    write_file(path, copy, seal_begin);
    seen = see(false);
    cr_assert_eq(seen.records, RECORDS - BLOCK_RECORDS);
    cr_assert_eq(seen.damaged, 1);
    cr_assert_eq(seen.damage_offset, begin);
    cr_assert_eq(seen.damage_size, end - begin);
    /* And given back it is good again. */
    cr_assert_eq(file_retarget(copy + begin, end - begin, identity.file_uuid), 0);
    cr_assert(!memcmp(copy, out.data, out.size));
    cr_assert_eq(file_retarget(copy + begin + 1, end - begin - 1, other), -EBADMSG);
    cr_assert_eq(file_retarget(copy + begin, end - begin - 1, other), -EBADMSG);
    cr_assert(!memcmp(copy, out.data, out.size));
    /* All pieces of a file at once. */
    cr_assert_eq(file_retarget(copy, out.size, other), 0);
    write_file(path, copy, out.size);
    seen = see(true);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(seen.damaged + seen.bad_blocks, 0);
    free(copy);
}

/* ---- What is not ours, and what is not finished ---- */

Test(reader, refuses_what_is_not_ours, .init = make_file, .fini = drop_file)
{
    static const char text[] = "a text that is long enough to hold the head of a frame";
    struct file_reader *reader = NULL;
    uint8_t *copy = malloc(out.size);

    write_file(path, text, sizeof(text));
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_FOREIGN);
    write_file(path, text, 3);
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_FOREIGN);
    cr_assert_eq(file_reader_open("/", &reader), -EISDIR);
    cr_assert_eq(file_reader_open("/dev/zero", &reader), -FILE_ERR_FOREIGN);
    cr_assert_eq(file_reader_open("/nonexistent", &reader), -ENOENT);
    /* Another version, and an unknown incompatible feature. */
    memcpy(copy, out.data, out.size);
    copy[offsetof(struct frame_head, version)] = FILE_VERSION + 1;
    file_frame_seal(copy, header_size);
    write_file(path, copy, out.size);
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_VERSION);
    memcpy(copy, out.data, out.size);
    copy[offsetof(struct frame_identity, incompatible) + 7] = 1;
    file_frame_seal(copy, header_size);
    write_file(path, copy, out.size);
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_VERSION);
    /* An unknown compatible one is none of our business. */
    memcpy(copy, out.data, out.size);
    copy[offsetof(struct frame_identity, compatible)] = 1;
    file_frame_seal(copy, header_size);
    write_file(path, copy, out.size);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    file_reader_close(reader);
    free(copy);
}

Test(reader, follows_a_growing_file, .init = make_file, .fini = drop_file)
{
    struct seen seen = {0};
    struct file_block block = {0};
    struct file_reader *reader;
    struct file_piece piece;
    int fd;

    write_file(path, out.data, header_size);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    for (size_t at = header_size; at < out.size;) {
        size_t size = 1 + rng_below(90);

        do {
            cr_assert_eq(file_reader_next(reader, &piece), 0);
            if (piece.kind == FILE_PIECE_DAMAGED)
                cr_assert_eq(piece.error, -FILE_ERR_CUT);
            see_piece(reader, &piece, &block, &seen);
        } while (piece.kind != FILE_PIECE_END);
        size = size < out.size - at ? size : out.size - at;
        cr_assert_eq(write(fd, out.data + at, size), (ssize_t)size);
        at += size;
    }
    do {
        cr_assert_eq(file_reader_next(reader, &piece), 0);
        see_piece(reader, &piece, &block, &seen);
    } while (piece.kind != FILE_PIECE_END);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(seen.bad_blocks, 0);
    close(fd);
    file_block_done(&block);
    file_reader_close(reader);
}

Test(reader, survives_a_file_that_shrinks, .init = make_file, .fini = drop_file)
{
    struct file_block block = {0};
    struct file_reader *reader;
    struct file_piece piece;

    cr_assert_eq(file_reader_open(path, &reader), 0);
    do {
        cr_assert_eq(file_reader_next(reader, &piece), 0);
    } while (piece.kind != FILE_PIECE_BLOCK);
    cr_assert_eq(truncate(path, 10), 0);
    cr_assert_eq(file_reader_decode(reader, &piece, &block), -FILE_ERR_DAMAGED);
    cr_assert_eq(block.records, 0);
    do {
        cr_assert_eq(file_reader_next(reader, &piece), 0);
    } while (piece.kind != FILE_PIECE_END);
    file_block_done(&block);
    file_reader_close(reader);
    /* Stopped beyond the new end, and started again behind it. */
    write_file(path, out.data, out.size);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    for (unsigned i = 0; i < 12; i++)
        cr_assert_eq(file_reader_next(reader, &piece), 0);
    cr_assert_eq(truncate(path, 10), 0);
    do {
        cr_assert_eq(file_reader_next(reader, &piece), 0);
        cr_assert_lt(piece.size, out.size);
    } while (piece.kind != FILE_PIECE_END);
    file_reader_close(reader);
}

Test(reader, zstd_tests_the_file, .init = make_file, .fini = drop_file)
{
    char command[512];
    int status;

    if (system("zstd --version >/dev/null 2>&1") != 0)
        cr_skip_test("no zstd program");
    snprintf(command, sizeof(command), "zstd -tq %s && zstd -lq %s >/dev/null", path, path);
    status = system(command);
    cr_assert_eq(status, 0);
}
