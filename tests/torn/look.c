/* SPDX-License-Identifier: MIT
 *
 * Looking at what became of a file: see whole.h.
 */
#include "logfile/format.h"
#include "logfile/read/reader.h"
#include "tests/kit/kit.h"
#include "tests/torn/whole.h"
#include "reader/cursor.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd = -1;
static char path[64];

/* A record that came out of a ring: is it one that went in, and after the one before? */
static void look_record(struct look *look, uint64_t *last_seq, uint32_t ring, uint64_t seq)
{
    if (seq <= last_seq[ring])
        KIT_FAIL("not in order: ring %u number %llu after %llu", ring, (unsigned long long)seq,
                 (unsigned long long)last_seq[ring]);
    last_seq[ring] = seq;
    look->seen[ring][seq] = true;
    look->records++;
}

static void wrong_record(uint32_t ring, uint64_t seq)
{
    KIT_FAIL("a wrong record: ring %u number %llu", ring, (unsigned long long)seq);
}

static void look_block(const struct file_block *block, uint64_t *last_seq, struct look *look)
{
    for (size_t i = 0; i < block->records; i++) {
        const struct file_record *record = &block->record[i];
        uint32_t slots = (record->payload_size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

        if (record->slots != slots ||
            !whole_has(block->info.ring, record->seq, record->site, record->producer,
                       record->payload, record->payload_size))
            wrong_record(block->info.ring, record->seq);
        look_record(look, last_seq, block->info.ring, record->seq);
    }
}

static void look_piece(struct file_reader *reader, const struct file_piece *piece,
                       uint64_t *last_seq, struct look *look)
{
    static struct file_block block;
    int r;

    if (piece->kind == FILE_PIECE_DAMAGED) {
        KIT_CHECK(piece->reason && piece->size);
        if (!look->damaged++)
            look->damage_at = piece->offset;
    }
    if (piece->kind == FILE_PIECE_GAP)
        KIT_CHECK(piece->gap.ring < WHOLE_RINGS && piece->gap.count == 1000 + piece->gap.ring);
    if (piece->kind != FILE_PIECE_BLOCK)
        return;
    r = file_reader_decode(reader, piece, &block);
    if (r < 0) {
        KIT_CHECK(r == -FILE_ERR_DAMAGED || r == -FILE_ERR_CUT);
        look->bad_blocks++;
    }
    look_block(&block, last_seq, look);
}

void look_again(bool by_list, struct look *ret_look)
{
    uint64_t last_seq[WHOLE_RINGS] = {0};
    const struct file_piece *list;
    struct file_reader *reader;
    struct file_piece piece;
    size_t count;

    *ret_look = (struct look){0};
    ret_look->opened = file_reader_open(path, &reader);
    if (ret_look->opened < 0)
        return;
    if (by_list) {
        KIT_OK(file_reader_list(reader, &list, &count));
        for (size_t i = 0; i < count; i++)
            look_piece(reader, &list[i], last_seq, ret_look);
    } else {
        do {
            KIT_OK(file_reader_next(reader, &piece));
            look_piece(reader, &piece, last_seq, ret_look);
        } while (piece.kind != FILE_PIECE_END);
    }
    ret_look->sealed = file_reader_end(reader, &count) != NULL;
    ret_look->whole = file_reader_whole(reader);
    file_reader_close(reader);
}

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    struct look *look = arg;

    KIT_CHECK(where && error < 0);
    if (!look->damaged++)
        look->damage_at = offset;
}

void look_by_cursor(struct look *ret_look)
{
    const struct cursor_options options = {
        .since_ns = INT64_MIN,
        .until_ns = INT64_MAX,
        .on_damage = on_damage,
        .arg = ret_look,
    };
    const char *const paths[] = {path};
    uint64_t last_seq[WHOLE_RINGS] = {0};
    struct cursor_record record;
    struct cursor *cursor;
    char message[256];
    int r;

    *ret_look = (struct look){.whole = true}; /* where it is not, that is damage here */
    ret_look->opened = cursor_open(paths, 1, &options, &cursor, message, sizeof(message));
    if (ret_look->opened < 0)
        return;
    while ((r = cursor_next(cursor, &record)) > 0) {
        if (!whole_has(record.ring, record.seq, record.site_id, record.producer_id, record.payload,
                       record.payload_size))
            wrong_record(record.ring, record.seq);
        look_record(ret_look, last_seq, record.ring, record.seq);
    }
    KIT_EQ(r, 0);
    cursor_close(cursor);
}

void look_write(const uint8_t *bytes, size_t size)
{
    if (fd < 0) {
        fd = memfd_create("torn", 0); /* children open it by its path */
        KIT_OK(fd);
        snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getpid(), fd);
    }
    look_truncate(0);
    look_patch(0, bytes, size);
}

void look_patch(size_t at, const uint8_t *bytes, size_t size)
{
    KIT_EQ(pwrite(fd, bytes, size, (off_t)at), size);
}

void look_truncate(size_t size)
{
    KIT_OK(ftruncate(fd, (off_t)size));
}

const char *look_path(void)
{
    return path;
}

bool look_has_block(const struct look *look, const struct whole_piece *piece)
{
    for (uint32_t i = 0; i < WHOLE_BLOCK_RECORDS; i++)
        if (!look->seen[piece->ring][piece->first_seq + i])
            return false;
    return true;
}

bool look_reports(const struct look *look)
{
    return look->opened < 0 || look->damaged || look->bad_blocks || !look->whole;
}
