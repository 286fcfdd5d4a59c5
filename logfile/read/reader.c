/* SPDX-License-Identifier: MIT
 *
 * Reading log files: opening, and decoding blocks.
 */
#include "logfile/read/reader_state.h"
#include "logfile/block/choice.h"
#include "logfile/ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RECOVER (1u << 20) /* how far a file without a sound header is searched for frames */

static const char *version_strerror(int version)
{
    static _Thread_local char text[96];

    snprintf(text, sizeof(text), "format version %d%s, this program reads version %u", version,
             version == FILE_ERR_VERSION_LAST - FILE_ERR_VERSION ? " or later" : "", FILE_VERSION);
    return text;
}

const char *file_strerror(int error)
{
    error = error < 0 ? -error : error;
    if (error >= FILE_ERR_VERSION && error <= FILE_ERR_VERSION_LAST)
        return version_strerror(error - FILE_ERR_VERSION);
    switch (error) {
    case FILE_ERR_FOREIGN:
        return "not a shmlog file";
    case FILE_ERR_FEATURES:
        return "uses features of the file format that this program does not know";
    case FILE_ERR_CUT:
        return "ends in the middle of a piece";
    case FILE_ERR_DAMAGED:
        return "damaged";
    default:
        return strerror(error);
    }
}

/* ---- Identity ---- */

/* The version stands in the head of every frame, and features in the HEADER: both are looked at
 * only when the frame's checksum is right. */
static int refuse_version(unsigned version)
{
    unsigned last = FILE_ERR_VERSION_LAST - FILE_ERR_VERSION;

    return -(int)(FILE_ERR_VERSION + (version < last ? version : last));
}

static int check_version(const struct found *found)
{
    struct frame_identity frame;

    if (found->head.version != FILE_VERSION)
        return refuse_version(found->head.version);
    if (found->head.kind != FILE_KIND_HEADER || found->size < sizeof(frame))
        return -FILE_ERR_DAMAGED;
    memcpy(&frame, found->frame, sizeof(frame));
    return frame.incompatible & ~FILE_INCOMPATIBLE ? -FILE_ERR_FEATURES : 0;
}

static int read_header(struct file_reader *reader)
{
    struct found found;
    uint32_t flags;
    int r = file_scan_frame(&reader->source, 0, NULL, &found);

    if (r == 0)
        r = check_version(&found);
    if (r == 0)
        r = file_reader_take_ledger(found.frame, found.size, &reader->identity, &reader->start,
                                    &flags);
    if (r == 0)
        reader->begin = found.size;
    return r == -EBADMSG ? -FILE_ERR_DAMAGED : r;
}

/* Right behind the header. What is damaged there is found by who steps through the pieces. */
static int read_origin(struct file_reader *reader)
{
    struct frame_origin frame;
    struct found found;
    int r = file_scan_frame(&reader->source, reader->begin, reader->identity.file_uuid, &found);

    if (r < 0)
        return r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED ? 0 : r;
    if (found.head.kind != FILE_KIND_ORIGIN)
        return 0;
    memcpy(&frame, found.frame, sizeof(frame));
    reader->origin = frame.origin;
    reader->origin.service[sizeof(frame.origin.service) - 1] = '\0';
    reader->origin.reason[sizeof(frame.origin.reason) - 1] = '\0';
    reader->has_origin = true;
    return 0;
}

/* What the seal repeats of the dictionary stands from `at` on, frame after frame. */
static int read_repeated(struct file_reader *reader, uint64_t at)
{
    const uint8_t *uuid = reader->identity.file_uuid;
    uint64_t end = at + 2 * FILE_REPEATED_MAX;
    struct found found;
    int r = 0;

    for (; r == 0 && at < end; at += found.size) {
        r = file_scan_frame(&reader->source, at, uuid, &found);
        if (r < 0)
            return r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED ? 0 : r;
        if (found.head.kind == FILE_KIND_INDEX || found.head.kind == FILE_KIND_TRAILER)
            break;
        r = file_dictionary_add(&reader->dictionary, found.frame, found.size);
    }
    return r;
}

/* The trailer, and the ledger that it points to. No error if there is none. */
static int read_seal(struct file_reader *reader, const uint8_t *uuid)
{
    struct frame_trailer trailer;
    struct file_identity identity;
    struct found found;
    uint32_t flags;
    int r;

    if (reader->source.size < sizeof(trailer))
        return 0;
    r = file_scan_frame(&reader->source, reader->source.size - sizeof(trailer), uuid, &found);
    if (r == 0 && found.head.kind == FILE_KIND_TRAILER && found.head.version == FILE_VERSION) {
        memcpy(&trailer, found.frame, sizeof(trailer));
        if (trailer.file_size == reader->source.size)
            r = file_scan_frame(&reader->source, trailer.ledger_offset, trailer.head.file_uuid,
                                &found);
        else
            r = -FILE_ERR_DAMAGED;
        if (r == 0 && found.head.kind == FILE_KIND_LEDGER)
            r = file_reader_take_ledger(found.frame, found.size, &identity, &reader->end, &flags);
        else if (r == 0)
            r = -FILE_ERR_DAMAGED;
        if (r == 0) {
            if (!uuid)
                reader->identity = identity;
            reader->bad = (flags | trailer.flags) & FILE_SEAL_BAD;
            reader->sealed = true;
            reader->seal_begin = trailer.ledger_offset;
            reader->index_offset = trailer.index_offset;
            r = read_repeated(reader, trailer.ledger_offset + found.size);
        }
    }
    return r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED || r == -EBADMSG ? 0 : r;
}

/* No sound frame anywhere: do the first bytes, as far as there are any, look like ours? */
static int judge_start(struct file_reader *reader, int error)
{
    struct frame_head head = {.magic = FILE_MAGIC, .tag = FILE_TAG};
    size_t have = reader->source.size < sizeof(head) ? (size_t)reader->source.size : sizeof(head);
    static const uint8_t zeros[sizeof(struct frame_head)];
    const uint8_t *bytes;
    int r = file_source_get(&reader->source, 0, have, &bytes);

    if (r < 0)
        return r;
    if (!memcmp(bytes, zeros, have))
        return -FILE_ERR_CUT; /* space that nothing was written to yet */
    memcpy(&head, bytes, have);
    return head.magic == FILE_MAGIC && head.tag == FILE_TAG ? error : -FILE_ERR_FOREIGN;
}

/* Walk as far as the first LEDGER, which has all that the header said. No error if there is none.
 */
static int find_ledger(struct file_reader *reader)
{
    struct file_walk walk = {0};
    struct file_piece piece;
    int r;

    do
        r = file_scan_step(reader, &walk, &piece);
    while (r == 0 && !reader->sealed && piece.kind != FILE_PIECE_END);
    return r;
}

/* A file whose header is not sound: the seal has all that was in it; else the first sound frame has
 * the file's UUID, and a ledger on the way the rest. `error` is what was wrong with the header. */
static int recover(struct file_reader *reader, int error)
{
    struct found found;
    uint64_t next;
    int r = read_seal(reader, NULL);

    if (r < 0 || reader->sealed)
        return r;
    r = file_scan_next(&reader->source, 1, RECOVER, NULL, &next);
    if (r > 0)
        r = file_scan_frame(&reader->source, next, NULL, &found);
    else if (r == 0)
        r = -FILE_ERR_FOREIGN;
    if (r == 0) {
        if (found.head.version != FILE_VERSION)
            return refuse_version(found.head.version);
        memcpy(reader->identity.file_uuid, found.head.file_uuid, 16);
        return find_ledger(reader);
    }
    if (r != -FILE_ERR_FOREIGN)
        return r;
    return judge_start(reader, error);
}

/* ---- Opening ---- */

static int open_pieces(struct file_reader *reader)
{
    int r = read_header(reader);

    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        r = recover(reader, r);
    else if (r == 0)
        r = read_seal(reader, reader->identity.file_uuid);
    if (r == 0 && reader->begin)
        r = read_origin(reader);
    file_reader_rewind(reader);
    return r;
}

int file_reader_open(const char *path, struct file_reader **ret_reader)
{
    struct file_reader *reader = calloc(1, sizeof(*reader));
    int r;

    if (!reader)
        return -ENOMEM;
    reader->dictionary.clock_sorted = true;
    r = file_source_open(path, &reader->source);
    if (r == 0)
        r = file_block_decoder_open(&reader->decoder);
    if (r == 0)
        r = open_pieces(reader);
    if (r < 0) {
        file_reader_close(reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void file_reader_close(struct file_reader *reader)
{
    if (!reader)
        return;
    file_source_done(&reader->source);
    file_dictionary_done(&reader->dictionary);
    file_block_decoder_close(reader->decoder);
    ZSTD_freeDCtx(reader->zstd);
    file_buffer_done(&reader->stored);
    file_buffer_done(&reader->content);
    free(reader->start.entry);
    free(reader->end.entry);
    free(reader->list);
    free(reader);
}

const struct file_identity *file_reader_identity(const struct file_reader *reader)
{
    return &reader->identity;
}

const struct file_origin *file_reader_origin(const struct file_reader *reader)
{
    return reader->has_origin ? &reader->origin : NULL;
}

const struct file_ledger_entry *file_reader_start(const struct file_reader *reader,
                                                  size_t *ret_rings)
{
    *ret_rings = reader->start.rings;
    return reader->start.entry;
}

const struct file_ledger_entry *file_reader_end(const struct file_reader *reader, size_t *ret_rings)
{
    *ret_rings = reader->end.rings;
    return reader->end.entry;
}

bool file_reader_sealed_bad(const struct file_reader *reader)
{
    return reader->bad;
}

bool file_reader_whole(const struct file_reader *reader)
{
    return reader->seal_begin != 0;
}

uint64_t file_reader_size(const struct file_reader *reader)
{
    return reader->source.size;
}

/* ---- Pieces ---- */

int file_reader_next(struct file_reader *reader, struct file_piece *ret_piece)
{
    return file_scan_step(reader, &reader->walk, ret_piece);
}

void file_reader_rewind(struct file_reader *reader)
{
    reader->walk = (struct file_walk){.at = reader->begin};
}

/* Is it the block that the piece, perhaps by the index, says it is? */
static bool same_info(const struct file_block_info *a, const struct file_block_info *b)
{
    return a->ring == b->ring && a->first_seq == b->first_seq && a->first_pos == b->first_pos &&
           a->records == b->records && a->slots == b->slots && a->time_min == b->time_min &&
           a->time_max == b->time_max && a->levels == b->levels && a->sites == b->sites &&
           a->stored_size == b->stored_size && a->raw_size == b->raw_size && a->codec == b->codec;
}

/* Only the frame is read where it is as the entry says: its checksum can wait for decoding. */
int file_reader_check_block(struct file_reader *reader, const struct file_piece *piece)
{
    struct file_block_info info;
    struct frame_block frame;
    struct found found;
    int r;

    if (!reader->by_index || piece->kind != FILE_PIECE_BLOCK)
        return 0;
    r = file_source_read(&reader->source, piece->offset, &frame, sizeof(frame));
    if (r == 0) {
        file_block_info_of(&frame, &info);
        if (frame.head.kind == FILE_KIND_BLOCK && same_info(&info, &piece->block))
            return 0;
        r = file_scan_frame(&reader->source, piece->offset, reader->identity.file_uuid, &found);
    }
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        return 0;
    if (r == 0)
        file_reader_ignore_index(reader);
    return r < 0 ? r : 1;
}

int file_reader_decode_chosen(struct file_reader *reader, const struct file_piece *piece,
                              const struct file_choice *choice, struct file_block *ret_block)
{
    struct file_block_info info;
    struct frame_block frame;
    struct found found;
    int r;

    ret_block->records = 0;
    if (piece->kind != FILE_PIECE_BLOCK)
        return -EINVAL;
    r = file_scan_frame(&reader->source, piece->offset, reader->identity.file_uuid, &found);
    if (r < 0)
        return r;
    if (found.head.kind != FILE_KIND_BLOCK)
        return -FILE_ERR_DAMAGED;
    memcpy(&frame, found.frame, sizeof(frame));
    file_block_info_of(&frame, &info);
    if (!file_block_info_valid(&info) || !same_info(&info, &piece->block))
        return -FILE_ERR_DAMAGED;
    r = file_reader_unpack(reader, piece->offset + sizeof(frame), info.stored_size, info.raw_size,
                           frame.data_hash);
    if (r == 0 && choice)
        r = file_block_decode_chosen(reader->decoder, &info, reader->content.data, info.raw_size,
                                     choice, ret_block);
    else if (r == 0)
        r = file_block_decode(reader->decoder, &info, reader->content.data, info.raw_size,
                              ret_block);
    return r == -EBADMSG ? -FILE_ERR_DAMAGED : r;
}

int file_reader_decode(struct file_reader *reader, const struct file_piece *piece,
                       struct file_block *ret_block)
{
    return file_reader_decode_chosen(reader, piece, NULL, ret_block);
}

int file_reader_ranges(struct file_reader *reader, const struct file_piece *piece,
                       struct file_ranges *ret_ranges)
{
    struct found found;
    const int r =
        file_scan_frame(&reader->source, piece->offset, reader->identity.file_uuid, &found);

    return r < 0 ? r : file_ranges_get(found.frame, found.size, ret_ranges);
}

bool file_reader_index_lies(const struct file_reader *reader)
{
    return reader->index_lies;
}

void file_reader_ignore_index(struct file_reader *reader)
{
    reader->index_lies = true;
}
