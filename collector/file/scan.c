/* SPDX-License-Identifier: MIT
 *
 * Stepping through a file's frames, and finding the way again after damage.
 *
 * A frame counts if its magic, tag, size, file UUID and checksum are right; nothing else in it is
 * looked at before. Where none stands, bytes are searched for the next one; what lies between is
 * one damaged piece.
 */
#include "collector/file/reader_state.h"

#include <errno.h>

#define SEARCH (64u << 10) /* bytes searched at once */
_Static_assert(SEARCH + FILE_FRAME_SMALL <= FILE_SOURCE_WINDOW, "a search reads the file once");

int file_scan_frame(struct file_source *source, uint64_t offset, const uint8_t *uuid,
                    struct found *ret_found)
{
    const uint8_t *bytes;
    int r = file_source_get(source, offset, sizeof(struct frame_head), &bytes);

    ret_found->size = 0;
    ret_found->reason = "ends within the head of a frame";
    if (r < 0)
        return r;
    memcpy(&ret_found->head, bytes, sizeof(ret_found->head));
    ret_found->reason = "no frame begins here";
    if (ret_found->head.magic != FILE_MAGIC || ret_found->head.tag != FILE_TAG)
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "frame of another file";
    if (uuid && memcmp(ret_found->head.file_uuid, uuid, 16))
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "frame of an impossible size";
    ret_found->size = file_frame_size(&ret_found->head);
    if (!ret_found->size)
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "ends within a frame";
    r = file_source_get(source, offset, ret_found->size, &ret_found->frame);
    if (r < 0)
        return r;
    ret_found->reason = "checksum of a frame does not fit";
    if (!file_frame_sound(ret_found->frame, ret_found->size))
        return -FILE_ERR_DAMAGED;
    ret_found->reason = NULL;
    return 0;
}

/* End of the last byte in `bytes` that is not zero. */
static size_t used_bytes(const uint8_t *bytes, size_t size)
{
    while (size && !bytes[size - 1])
        size--;
    return size;
}

/* Is there a small sound frame at `offset`? Large ones are not tried, so that bytes made to look
 * like the beginnings of many cannot make the search slow. */
static int try_frame(struct file_source *source, uint64_t offset, const uint8_t *uuid)
{
    const uint8_t *bytes;
    struct frame_head head;
    struct found found;
    int r = file_source_get(source, offset, sizeof(head), &bytes);

    if (r == 0) {
        memcpy(&head, bytes, sizeof(head));
        if (!file_frame_size(&head) || file_frame_size(&head) > FILE_FRAME_SMALL)
            return 0;
        r = file_scan_frame(source, offset, uuid, &found);
    }
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        return 0;
    return r < 0 ? r : 1;
}

/* Search the bytes [*offset, end) of the file, which with room for a small frame after them fit the
 * window, so that trying a frame never reads the file again. As file_scan_next(). */
static int search(struct file_source *source, uint64_t *offset, uint64_t end, const uint8_t *uuid,
                  uint64_t *used)
{
    static const uint32_t magic = FILE_MAGIC;
    uint64_t ahead = end + FILE_FRAME_SMALL < source->size ? end + FILE_FRAME_SMALL : source->size;

    while (*offset < end) {
        const uint8_t *bytes, *hit;
        size_t at;
        int r = file_source_get(source, *offset, (size_t)(ahead - *offset), &bytes);

        if (r < 0)
            return r;
        hit = memmem(bytes, (size_t)(ahead - *offset), &magic, sizeof(magic));
        at = hit ? (size_t)(hit - bytes) : (size_t)(end - *offset);
        if (at >= end - *offset) {
            at = (size_t)(end - *offset);
            hit = NULL;
        }
        if (used_bytes(bytes, at))
            *used = *offset + used_bytes(bytes, at);
        *offset += at;
        if (!hit)
            return 0;
        r = try_frame(source, *offset, uuid);
        if (r != 0)
            return r;
        *offset += 1;
        *used = *offset;
    }
    return 0;
}

int file_scan_next(struct file_source *source, uint64_t offset, uint64_t limit, const uint8_t *uuid,
                   uint64_t *ret_next)
{
    uint64_t used = offset;

    limit = limit < source->size ? limit : source->size;
    while (offset < limit) {
        uint64_t end = limit - offset < SEARCH ? limit : offset + SEARCH;
        int r = search(source, &offset, end, uuid, &used);

        if (r == -FILE_ERR_CUT)
            break;
        if (r < 0)
            return r;
        if (r > 0) {
            *ret_next = offset;
            return 1;
        }
    }
    *ret_next = used;
    return 0;
}

void file_block_info_of(const struct frame_block *frame, struct file_block_info *ret_info)
{
    *ret_info = (struct file_block_info){
        .ring = frame->ring,
        .first_seq = frame->first_seq,
        .first_pos = frame->first_pos,
        .records = frame->records,
        .slots = frame->slots,
        .time_min = frame->time_min,
        .time_max = frame->time_max,
        .levels = frame->levels,
        .sites = frame->sites,
        .stored_size = frame->stored_size,
        .raw_size = frame->raw_size,
        .codec = frame->codec,
    };
}

void file_gap_of(const struct frame_gap *frame, const uint8_t uuid[16], struct file_gap *ret_gap)
{
    *ret_gap = (struct file_gap){
        .ring = frame->ring,
        .cause = frame->cause,
        .count = frame->count,
        .seq = frame->seq,
        .pos = frame->pos,
        .time_before = frame->time_before,
        .time_after = frame->time_after,
    };
    memcpy(ret_gap->file_uuid, uuid, 16);
}

/* A LEDGER on the way: the end of the file, where the trailer did not say so before. */
static int take_end(struct file_reader *reader, const struct found *found)
{
    struct file_identity identity;
    struct ledger ledger;
    uint32_t flags;
    int r;

    if (reader->sealed)
        return 0;
    r = file_reader_take_ledger(found->frame, found->size, &identity, &ledger, &flags);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    reader->end = ledger;
    reader->bad = flags & FILE_SEAL_BAD;
    reader->sealed = true;
    return 0;
}

/* Is the hash of these bytes of the file the one that a frame says? 0, -FILE_ERR_DAMAGED,
 * -FILE_ERR_CUT or errno's. */
static int check_hash(struct file_source *source, uint64_t offset, uint64_t size, uint64_t hash)
{
    XXH64_state_t *state = XXH64_createState();
    int r = state ? 0 : -ENOMEM;

    if (state)
        XXH64_reset(state, 0);
    while (r == 0 && size) {
        size_t part = size < SEARCH ? (size_t)size : SEARCH;
        const uint8_t *bytes;

        r = file_source_get(source, offset, part, &bytes);
        if (r == 0)
            XXH64_update(state, bytes, part);
        offset += part;
        size -= part;
    }
    if (r == 0 && XXH64_digest(state) != hash)
        r = -FILE_ERR_DAMAGED;
    XXH64_freeState(state);
    return r;
}

/* Say what a sound frame is. -FILE_ERR_CUT, -FILE_ERR_DAMAGED with found->reason. */
static int take_piece(struct file_reader *reader, struct found *found, uint64_t offset,
                      struct file_piece *piece)
{
    uint64_t left = reader->source.size - offset;
    struct frame_block block;
    struct frame_index index;
    struct frame_gap gap;

    piece->kind = FILE_PIECE_OTHER;
    piece->size = found->size;
    switch (found->head.kind) {
    case FILE_KIND_BLOCK:
        memcpy(&block, found->frame, sizeof(block));
        file_block_info_of(&block, &piece->block);
        piece->kind = FILE_PIECE_BLOCK;
        piece->size += block.stored_size;
        found->reason = "block header makes no sense";
        if (!file_block_info_valid(&piece->block))
            return -FILE_ERR_DAMAGED;
        break;
    case FILE_KIND_GAP:
        memcpy(&gap, found->frame, sizeof(gap));
        file_gap_of(&gap, gap.head.file_uuid, &piece->gap);
        piece->kind = FILE_PIECE_GAP;
        break;
    case FILE_KIND_INDEX:
        memcpy(&index, found->frame, sizeof(index));
        piece->size += index.stored_size;
        found->reason = "checksum of the index does not fit";
        return check_hash(&reader->source, offset + sizeof(index), index.stored_size,
                          index.data_hash);
    case FILE_KIND_LEDGER:
        return take_end(reader, found);
    default:
        return file_dictionary_add(&reader->dictionary, found->frame, found->size);
    }
    found->reason = "ends within the data of a block";
    return piece->size > left ? -FILE_ERR_CUT : 0;
}

/* Nothing sound at `offset`: find out how far that goes. `error` is what was found there. */
static int take_damage(struct file_reader *reader, const struct found *found, uint64_t offset,
                       int error, struct file_piece *piece)
{
    const uint8_t *uuid = reader->identity.file_uuid;
    uint64_t next;
    int r;

    *piece = (struct file_piece){.kind = FILE_PIECE_END, .offset = offset};
    if (offset >= reader->source.size)
        return 0; /* the file has become shorter under way */
    r = file_scan_next(&reader->source, offset + 1, UINT64_MAX, uuid, &next);
    if (r < 0)
        return r;
    if (r == 0 && next == offset + 1) {
        /* Zeros alone from here on are space that was not written to yet. */
        const uint8_t *byte;

        if (file_source_get(&reader->source, offset, 1, &byte) == 0 && !*byte)
            return 0;
    }
    /* A frame that seems to go on beyond the end, and then comes another: its size is damaged. */
    if (r > 0 && error == -FILE_ERR_CUT)
        error = -FILE_ERR_DAMAGED;
    if (r == 0 && error == -FILE_ERR_CUT)
        next = reader->source.size;
    *piece = (struct file_piece){
        .kind = FILE_PIECE_DAMAGED,
        .offset = offset,
        .size = next - offset,
        .error = error,
        .reason = found->reason,
    };
    return 0;
}

/* The piece at `offset` by the file's size as it is known now. */
static int find_piece(struct file_reader *reader, uint64_t offset, struct found *ret_found,
                      struct file_piece *ret_piece)
{
    int r = file_scan_frame(&reader->source, offset, reader->identity.file_uuid, ret_found);

    *ret_piece = (struct file_piece){.offset = offset};
    return r < 0 ? r : take_piece(reader, ret_found, offset, ret_piece);
}

/* Look at the file's size again at its end: it may be growing, and a piece that was cut off when it
 * was last looked at may be whole now. */
static int look_again(struct file_reader *reader, uint64_t *at)
{
    int r = *at >= reader->source.size ? file_source_refresh(&reader->source) : 0;

    if (r == 0 && reader->cut && *at == reader->cut_end && reader->source.size > *at)
        *at = reader->cut_begin;
    return r;
}

int file_scan_step(struct file_reader *reader, uint64_t *at, struct file_piece *ret_piece)
{
    struct file_piece piece = {.kind = FILE_PIECE_END};
    struct found found;
    int r = look_again(reader, at);

    if (r == 0 && *at < reader->source.size) {
        r = find_piece(reader, *at, &found, &piece);
        if (r == -FILE_ERR_CUT) {
            r = file_source_refresh(&reader->source);
            if (r == 0)
                r = find_piece(reader, *at, &found, &piece);
        }
        if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
            r = take_damage(reader, &found, *at, r, &piece);
    }
    if (r < 0)
        return r;
    if (piece.kind == FILE_PIECE_END) {
        /* Nothing that was read is good for the next look. */
        r = file_source_refresh(&reader->source);
        piece.offset = *at;
    } else {
        reader->cut = piece.error == -FILE_ERR_CUT;
        reader->cut_begin = *at;
        reader->cut_end = *at + piece.size;
    }
    *at += piece.size;
    *ret_piece = piece;
    return r;
}
