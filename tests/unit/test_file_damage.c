/* SPDX-License-Identifier: MIT
 *
 * Damaged files: cut at every byte, torn before space that was allocated ahead, with every bit
 * flipped, with bytes missing and too many. A damaged piece costs that piece alone and is reported;
 * no other record is lost, and none comes out that did not go in.
 */
#include "tests/unit/file_whole.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/time.h>

/* End of the last byte before `cut` that is not zero. */
static size_t used_until(size_t cut)
{
    while (cut && !out.data[cut - 1])
        cut--;
    return cut;
}

Test(damage, cut_at_every_byte, .init = make_file, .fini = drop_file)
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
            cr_assert_eq(seen.damage_offset + seen.damage_size, used_until(cut));
        }
    }
}

static void flip(int fd, size_t at, unsigned bit)
{
    uint8_t byte = (uint8_t)(out.data[at] ^ 1u << bit);

    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

Test(damage, every_bit_flipped, .init = make_file, .fini = drop_file)
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

Test(damage, bytes_scribbled, .init = make_file, .fini = drop_file)
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

Test(damage, zeros_at_the_end_are_no_damage, .init = make_file, .fini = drop_file)
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

Test(damage, blocks_of_another_file_are_not_read, .init = make_file, .fini = drop_file)
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

/* ---- Finding the way again ---- */

/* Write the file with `gone` bytes at `at` replaced by `more` others. */
static void write_changed(size_t at, size_t gone, size_t more)
{
    uint8_t *copy = malloc(out.size + more);

    memcpy(copy, out.data, at);
    memset(copy + at, 0xa5, more);
    memcpy(copy + at + more, out.data + at + gone, out.size - at - gone);
    write_file(path, copy, out.size - gone + more);
    free(copy);
}

Test(damage, bytes_missing_in_a_block, .init = make_file, .fini = drop_file)
{
    static const size_t sizes[] = {1, 10, 90};

    for (size_t i = 0; i < pieces; i++) {
        size_t data = (i ? piece_end[i - 1] : 0) + sizeof(struct frame_block);

        for (size_t s = 0; is_block[i] && s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            size_t at = data + rng_below(piece_end[i] - data - sizes[s]);
            struct seen seen;

            write_changed(at, sizes[s], 0);
            seen = see(s % 2);
            cr_assert_eq(seen.opened, 0);
            cr_assert_eq(seen.bad_blocks, 1, "%zu of block at %zu", sizes[s], data);
            cr_assert_eq(seen.damaged, 0, "%zu of block at %zu", sizes[s], data);
            cr_assert_eq(seen.records, RECORDS - BLOCK_RECORDS);
            cr_assert_eq(seen.gaps, 1);
            cr_assert(seen.sealed);
            write_changed(at, 0, sizes[s]);
            seen = see(s % 2);
            cr_assert_eq(seen.bad_blocks, 1);
            cr_assert_eq(seen.damaged, 1);
            cr_assert_eq(seen.damage_size, sizes[s]);
            cr_assert_eq(seen.records, RECORDS - BLOCK_RECORDS);
            cr_assert(seen.sealed);
        }
    }
}

static void make_file_of_many_rings(void)
{
    ledger_rings = RINGS_MOST;
    make_file();
}

/* Such a ledger is larger than what a search finds. */
Test(damage, ledger_after_damage, .init = make_file_of_many_rings, .fini = drop_file)
{
    size_t begin = piece_end[pieces - 2];
    struct seen seen;
    int fd;

    cr_assert_gt(header_size, FILE_FRAME_SMALL);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    flip(fd, seal_begin - 1, 3);
    seen = see(false);
    cr_assert_eq(seen.damaged, 1);
    cr_assert_eq(seen.damage_offset, begin);
    cr_assert_eq(seen.damage_size, seal_begin - begin);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(pwrite(fd, out.data + seal_begin - 1, 1, (off_t)seal_begin - 1), 1);
    /* And a header that cannot be recognized. */
    flip(fd, 0, 0);
    seen = see(false);
    cr_assert_eq(seen.opened, 0);
    cr_assert(seen.damaged == 1 && seen.damage_size == header_size && seen.sealed); /* index too */
    cr_assert_eq(seen.records, RECORDS);
    close(fd);
}

/* Header and trailer gone: what the header said is in the ledger on the way. */
Test(damage, ledger_instead_of_the_header, .init = make_file, .fini = drop_file)
{
    const struct file_identity *found;
    struct file_reader *reader;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t rings, ledger_size;
    uint32_t size;

    memcpy(&size, out.data + seal_begin + 4, sizeof(size));
    ledger_size = size + 8;
    flip(fd, 0, 0);
    cr_assert_eq(ftruncate(fd, (off_t)(out.size - 1)), 0);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    found = file_reader_identity(reader);
    cr_assert_str_eq(found->segment, identity.segment);
    cr_assert_str_eq(found->host, identity.host);
    cr_assert(!memcmp(found->segment_uuid, identity.segment_uuid, 16));
    cr_assert_eq(found->clock_hz, identity.clock_hz);
    cr_assert_eq(found->file_number, identity.file_number);
    cr_assert_not_null(file_reader_end(reader, &rings));
    file_reader_close(reader);
    /* Features of the ledger count as the header's would. */
    out.data[seal_begin + offsetof(struct frame_identity, incompatible)] ^= 1;
    file_frame_seal(out.data + seal_begin, ledger_size);
    cr_assert_eq(pwrite(fd, out.data + seal_begin, ledger_size, (off_t)seal_begin),
                 (ssize_t)ledger_size);
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_FEATURES);
    cr_assert_eq(pwrite(fd, out.data, 1, 0), 1);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    file_reader_close(reader);
    /* No ledger, either. */
    flip(fd, 0, 0);
    cr_assert_eq(ftruncate(fd, (off_t)seal_begin), 0);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    cr_assert_eq(file_reader_identity(reader)->clock_hz, 0);
    file_reader_close(reader);
    close(fd);
}

Test(damage, dictionary_is_there_twice, .init = make_file, .fini = drop_file)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    /* clock, clock, producer, site, site, site */
    for (size_t i = 1; i <= 3 + SITES; i++) {
        for (unsigned by_list = 0; by_list < 2; by_list++) {
            struct seen seen;

            flip(fd, piece_end[i] - 20, 5);
            seen = see(by_list);
            cr_assert_eq(seen.damaged, 1);
            cr_assert_eq(seen.damage_offset, piece_end[i - 1]);
            cr_assert_eq(seen.records, RECORDS);
            cr_assert(seen.first_site && seen.producer);
            cr_assert_eq(seen.clocks, i == 2 ? 2 : 3); /* only the outer ones are repeated */
        }
        cr_assert_eq(pwrite(fd, out.data + piece_end[i] - 20, 1, (off_t)piece_end[i] - 20), 1);
    }
    close(fd);
}

/* ---- Space allocated ahead ---- */

Test(damage, torn_before_zeros, .init = make_file, .fini = drop_file)
{
    for (size_t cut = header_size; cut < seal_begin; cut++) {
        unsigned whole = 0, same = 0;
        struct seen seen;

        write_file(path, out.data, cut);
        cr_assert_eq(truncate(path, (off_t)seal_begin + 5000), 0);
        seen = see(cut % 2);
        for (size_t i = 0; i < pieces; i++) {
            /* what is missing may be zeros anyway */
            whole += is_block[i] && used_until(piece_end[i]) <= cut;
            same |= piece_end[i] == used_until(cut) || used_until(piece_end[i]) == used_until(cut);
        }
        cr_assert_eq(seen.records, whole * BLOCK_RECORDS, "cut at %zu", cut);
        cr_assert_eq(seen.damaged + seen.bad_blocks, !same, "cut at %zu", cut);
        if (seen.damaged) {
            cr_assert_eq(seen.damage_error, -FILE_ERR_CUT, "cut at %zu", cut);
            cr_assert_eq(seen.damage_offset + seen.damage_size, used_until(cut));
        }
        if (seen.bad_blocks)
            cr_assert_eq(seen.block_error, -FILE_ERR_CUT, "cut at %zu", cut);
    }
}

Test(damage, follows_a_file_with_zeros_at_its_end, .init = make_file, .fini = drop_file)
{
    struct file_piece piece, late[BLOCKS];
    struct seen seen = {0};
    struct file_block block = {0};
    struct file_reader *reader;
    size_t lates = 0;
    int fd;

    write_file(path, out.data, header_size);
    cr_assert_eq(truncate(path, (off_t)seal_begin + 5000), 0);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t at = header_size; at < seal_begin;) {
        size_t size = 1 + rng_below(90);

        size = size < seal_begin - at ? size : seal_begin - at;
        cr_assert_eq(pwrite(fd, out.data + at, size, (off_t)at), (ssize_t)size);
        at += size;
        do {
            cr_assert_eq(file_reader_next(reader, &piece), 0);
            if (piece.kind == FILE_PIECE_DAMAGED)
                cr_assert_eq(piece.error, -FILE_ERR_CUT, "at %zu: %s", at, piece.reason);
            if (piece.kind == FILE_PIECE_BLOCK)
                late[lates++] = piece; /* its data comes later */
            else
                see_piece(reader, &piece, &block, &seen);
        } while (piece.kind != FILE_PIECE_END);
    }
    close(fd);
    for (size_t i = 0; i < lates; i++)
        check_block(reader, &late[i], &block, &seen);
    cr_assert_eq(seen.records, RECORDS);
    cr_assert_eq(seen.bad_blocks, 0);
    cr_assert_eq(seen.gaps, 1);
    file_block_done(&block);
    file_reader_close(reader);
}

/* ---- Frames that are sound and still not to be taken ---- */

/* Put `size` bytes at `at` into a copy of what is before the seal, and read that. */
static struct seen see_inserted(size_t at, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(seal_begin + size);
    struct seen seen;

    memcpy(copy, out.data, at);
    memcpy(copy + at, bytes, size);
    memcpy(copy + at + size, out.data + at, seal_begin - at);
    write_file(path, copy, seal_begin + size);
    seen = see(size % 2);
    free(copy);
    return seen;
}

Test(damage, unknown_kinds_and_versions, .init = make_file, .fini = drop_file)
{
    static const size_t sizes[] = {FILE_FRAME_MIN, 41, 5000, FILE_FRAME_MAX};
    static uint8_t frame[FILE_FRAME_MAX];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct seen seen;

        file_frame_head((struct frame_head *)frame, 42, sizes[i], identity.file_uuid);
        file_frame_seal(frame, sizes[i]);
        seen = see_inserted(piece_end[8], frame, sizes[i]);
        cr_assert(seen.records == RECORDS && !seen.damaged && !seen.bad_blocks);
        ((struct frame_head *)frame)->version = FILE_VERSION + 1;
        file_frame_seal(frame, sizes[i]);
        seen = see_inserted(piece_end[8], frame, sizes[i]);
        cr_assert(seen.records == RECORDS && seen.damaged == 1 && !seen.bad_blocks);
        cr_assert_eq(seen.damage_size, sizes[i]);
    }
    /* Kinds of this version have their sizes. */
    file_frame_head((struct frame_head *)frame, FILE_KIND_SITE, 4000, identity.file_uuid);
    file_frame_seal(frame, 4000);
    cr_assert_eq(see_inserted(piece_end[8], frame, 4000).damaged, 1);
}

Test(damage, unknown_codec_costs_its_block, .init = make_file, .fini = drop_file)
{
    uint8_t *copy = malloc(out.size);
    size_t i = 0;

    while (!is_block[i])
        i++;
    memcpy(copy, out.data, out.size);
    copy[piece_end[i - 1] + offsetof(struct frame_block, codec)] = 9;
    file_frame_seal(copy + piece_end[i - 1], sizeof(struct frame_block));
    write_file(path, copy, out.size);
    for (unsigned by_list = 0; by_list < 2; by_list++) {
        struct seen seen = see(by_list);

        cr_assert_eq(seen.bad_blocks, 1);
        cr_assert_eq(seen.damaged, 0);
        cr_assert_eq(seen.records, RECORDS - BLOCK_RECORDS);
    }
    free(copy);
}

/* Id 0 is that of records whose producer is unknown: no piece of the dictionary may give them one.
 */
Test(damage, no_producer_has_id_0, .init = make_file, .fini = drop_file)
{
    struct shmlog_producer producer = {.id = 0, .pid = 77, .process = "nobody"};
    struct file_buffer frame = {0};
    struct file_reader *reader;
    struct file_piece piece;

    cr_assert_eq(file_put_producer(encoder, identity.file_uuid, &producer, &frame), 0);
    cr_assert_eq(see_inserted(piece_end[8], frame.data, frame.size).damaged, 0);
    cr_assert_eq(file_reader_open(path, &reader), 0);
    do
        cr_assert_eq(file_reader_next(reader, &piece), 0);
    while (piece.kind != FILE_PIECE_END);
    cr_assert_not_null(file_reader_producer(reader, 65537));
    cr_assert_null(file_reader_producer(reader, 0));
    file_reader_close(reader);
    file_buffer_done(&frame);
}

/* Many frames that each claim most of the file as their data: reading them takes no longer for
 * it. */
Test(damage, frames_within_frames, .init = make_file, .fini = drop_file)
{
    enum { SIZE = 8 << 20 };
    const struct itimerval limit = {.it_value = {.tv_sec = 10}}; /* of processor time */
    uint8_t *bytes = calloc(1, SIZE);

    cr_assert_eq(setitimer(ITIMER_PROF, &limit, NULL), 0);
    for (unsigned index = 0; index < 2; index++) {
        size_t frame = index ? sizeof(struct frame_index) : sizeof(struct frame_block);
        size_t at = header_size;

        memset(bytes, 1, SIZE);
        memcpy(bytes, out.data, header_size);
        for (; at + frame < SIZE / 2; at += frame) {
            struct frame_block block = {.records = 1,
                                        .slots = 1,
                                        .stored_size = SIZE / 2,
                                        .raw_size = 100};
            struct frame_index of = {.entries = 1, .stored_size = SIZE / 2, .raw_size = 100};
            struct frame_head *head = index ? &of.head : &block.head;

            file_frame_head(head, index ? FILE_KIND_INDEX : FILE_KIND_BLOCK, frame,
                            identity.file_uuid);
            memcpy(bytes + at, head, frame);
            file_frame_seal(bytes + at, frame);
        }
        write_file(path, bytes, SIZE);
        cr_assert_geq(see(index).damaged, 1);
    }
    free(bytes);
}
