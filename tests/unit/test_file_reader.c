/* SPDX-License-Identifier: MIT
 *
 * Whole files: written, read back, growing, shrinking, refused.
 */
#include "tests/unit/file_whole.h"

#include <errno.h>

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
    const struct file_piece *list, *again;
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
    cr_assert_eq(file_reader_list(reader, &again, &count), 0); /* a sealed file does not grow */
    cr_assert(again == list && count == pieces - 1);
    file_reader_ignore_index(reader);
    cr_assert_eq(file_reader_list(reader, &list, &count), 0);
    cr_assert_eq(list[count - 1].kind, FILE_PIECE_DAMAGED);
    clock = file_reader_clock(reader, &count);
    cr_assert(count == 3 && clock[0].ticks == 1000 && clock[2].realtime_ns == 15000);
    cr_assert_str_eq(file_reader_producer(reader, 65537)->process, "gateway");
    cr_assert_null(file_reader_producer(reader, 65538));
    cr_assert_not_null(file_sites_get(file_reader_sites(reader), SITES));
    file_reader_close(reader);
}

/* With ORIGIN behind its header; cut within it, and damaged, the file is one without. */
Test(reader, origin, .init = make_file, .fini = drop_file)
{
    const struct file_origin origin = {.pid = 77, .service = "matching", .reason = "it died"};
    struct file_reader *reader;
    size_t size;

    cr_assert_eq(file_reader_open(path, &reader), 0);
    cr_assert_null(file_reader_origin(reader));
    file_reader_close(reader);
    out.size = header_size;
    cr_assert_eq(file_put_origin(identity.file_uuid, &origin, &out), 0);
    size = out.size;
    for (unsigned damage = 0; damage < 3; damage++) {
        const struct file_origin *got;

        out.data[size - 9] ^= damage == 2;
        write_file(path, out.data, size - (damage == 1));
        cr_assert_eq(file_reader_open(path, &reader), 0);
        got = file_reader_origin(reader);
        cr_assert_eq(got != NULL, damage == 0);
        if (got)
            cr_assert(got->pid == 77 && !strcmp(got->service, "matching") &&
                      !strcmp(got->reason, "it died"));
        file_reader_close(reader);
    }
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
    /* Another version, whatever its rules for sizes are, and an unknown incompatible feature. */
    for (size_t size = header_size; size <= header_size + 8; size += 8) {
        memcpy(copy, out.data, out.size);
        ((struct frame_head *)copy)->version = 2;
        ((struct frame_head *)copy)->kind = size == header_size ? FILE_KIND_HEADER : FILE_KIND_GAP;
        ((struct frame_head *)copy)->size = (uint32_t)size - 8;
        file_frame_seal(copy, size);
        write_file(path, copy, out.size);
        cr_assert_eq(file_reader_open(path, &reader), -(FILE_ERR_VERSION + 2));
    }
    cr_assert_str_eq(file_strerror(-(FILE_ERR_VERSION + 2)),
                     "format version 2, this program reads version 1");
    memcpy(copy, out.data, out.size);
    copy[offsetof(struct frame_identity, incompatible) + 7] = 1;
    file_frame_seal(copy, header_size);
    write_file(path, copy, out.size);
    cr_assert_eq(file_reader_open(path, &reader), -FILE_ERR_FEATURES);
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
    cr_assert_eq(file_reader_decode(reader, &piece, &block), -FILE_ERR_CUT);
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
