/* SPDX-License-Identifier: MIT
 *
 * Stepping through a file's frames, and finding the way again after damage.
 *
 * Where no sound frame stands, bytes are searched for the next one; what lies between is one
 * damaged piece.
 */
#include "logfile/read/reader_state.h"

#include <errno.h>

#define HASH_PART (64u << 10) /* bytes hashed at once */

/* A LEDGER on the way: the end of the file, where the trailer did not say so before. It has all
 * that a damaged header said; only then does a feature in it that is not known refuse the file. */
static int take_end(struct file_reader *reader, const struct found *found)
{
    struct file_identity identity;
    struct ledger ledger;
    uint32_t flags;
    int r;

    if (reader->sealed)
        return 0;
    r = file_reader_take_ledger(found->frame, found->size, &identity, &ledger, &flags);
    if (r == -ENOMEM || (r == -FILE_ERR_FEATURES && !reader->begin))
        return r;
    if (r < 0)
        return 0;
    if (!reader->begin)
        reader->identity = identity;
    reader->end = ledger;
    reader->bad = flags & FILE_SEAL_BAD;
    reader->sealed = true;
    return 0;
}

/* Is the hash of these bytes of the file the one that a frame says? 0, -FILE_ERR_DAMAGED,
 * -FILE_ERR_CUT or errno's. Frames may claim each other's bytes as their data, so there is an end
 * to it: 1, not looked at. */
static int check_hash(struct file_reader *reader, struct file_walk *walk, uint64_t offset,
                      uint64_t size, uint64_t hash)
{
    XXH64_state_t *state;
    int r = 0;

    walk->hashed += size;
    if (walk->hashed > 2 * reader->source.size)
        return 1;
    state = XXH64_createState();
    if (!state)
        return -ENOMEM;
    XXH64_reset(state, 0);
    while (r == 0 && size) {
        size_t part = size < HASH_PART ? (size_t)size : HASH_PART;
        const uint8_t *bytes;

        r = file_source_get(&reader->source, offset, part, &bytes);
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

static int take_block(struct file_walk *walk, struct found *found, uint64_t offset, uint64_t left,
                      struct file_piece *piece)
{
    struct frame_block block;

    memcpy(&block, found->frame, sizeof(block));
    file_block_info_of(&block, &piece->block);
    piece->kind = FILE_PIECE_BLOCK;
    found->reason = "block header makes no sense";
    if (!file_block_info_valid(&piece->block))
        return -FILE_ERR_DAMAGED;
    found->size = piece->size += block.stored_size;
    found->reason = "ends within the data of a block";
    if (piece->size > left)
        return -FILE_ERR_CUT;
    walk->block = offset;
    walk->data_end = offset + piece->size;
    walk->data_hash = block.data_hash;
    return 0;
}

static int take_index(struct file_reader *reader, struct file_walk *walk, struct found *found,
                      uint64_t offset, struct file_piece *piece)
{
    struct frame_index index;
    int r;

    memcpy(&index, found->frame, sizeof(index));
    found->reason = "index header makes no sense";
    if (!file_index_valid(&index))
        return -FILE_ERR_DAMAGED;
    found->size = piece->size += index.stored_size;
    found->reason = "ends within the data of the index";
    if (piece->size > reader->source.size - offset)
        return -FILE_ERR_CUT;
    found->reason = "checksum of the index does not fit";
    r = check_hash(reader, walk, offset + sizeof(index), index.stored_size, index.data_hash);
    return r > 0 ? -FILE_ERR_DAMAGED : r;
}

/* Say what a sound frame is. -FILE_ERR_CUT, -FILE_ERR_DAMAGED with found->reason; found->size is
 * then that of the whole piece. */
static int take_piece(struct file_reader *reader, struct file_walk *walk, struct found *found,
                      uint64_t offset, struct file_piece *piece)
{
    struct frame_gap gap;

    piece->kind = FILE_PIECE_OTHER;
    piece->size = found->size;
    switch (found->head.kind) {
    case FILE_KIND_BLOCK:
        return take_block(walk, found, offset, reader->source.size - offset, piece);
    case FILE_KIND_GAP:
        memcpy(&gap, found->frame, sizeof(gap));
        found->reason = "gap makes no sense";
        if (!file_gap_valid(&gap))
            return -FILE_ERR_DAMAGED;
        file_gap_of(&gap, gap.head.file_uuid, &piece->gap);
        piece->kind = FILE_PIECE_GAP;
        return 0;
    case FILE_KIND_INDEX:
        return take_index(reader, walk, found, offset, piece);
    case FILE_KIND_LEDGER:
        return take_end(reader, found);
    case FILE_KIND_RANGES:
        piece->kind = FILE_PIECE_RANGES;
        return 0;
    default:
        return file_dictionary_add(&reader->dictionary, found->frame, found->size);
    }
}

/* Search from `offset` for the next piece. As file_scan_next(); a ledger may be larger than what
 * that finds, but the trailer knows where it is. */
static int search_piece(struct file_reader *reader, uint64_t offset, uint64_t *ret_next)
{
    const uint8_t *uuid = reader->identity.file_uuid;
    uint64_t seal = reader->seal_begin;
    struct found found;
    int r;

    if (seal < offset)
        return file_scan_next(&reader->source, offset, UINT64_MAX, uuid, ret_next);
    r = file_scan_next(&reader->source, offset, seal, uuid, ret_next);
    if (r != 0)
        return r;
    r = file_scan_frame(&reader->source, seal, uuid, &found);
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED) /* not what it was at opening */
        return file_scan_next(&reader->source, offset, UINT64_MAX, uuid, ret_next);
    if (r < 0)
        return r;
    *ret_next = seal;
    return 1;
}

/* Nothing sound at `offset`: find out how far that goes. `error` is what was found there. */
static int take_damage(struct file_reader *reader, const struct found *found, uint64_t offset,
                       int error, struct file_piece *piece)
{
    const char *reason = found->reason;
    uint64_t next;
    int r;

    *piece = (struct file_piece){.kind = FILE_PIECE_END, .offset = offset};
    r = file_scan_zeros(&reader->source, offset);
    if (r != 0)
        return r < 0 ? r : 0; /* space that was not written to yet, or the file became shorter */
    r = search_piece(reader, offset + 1, &next);
    if (r < 0)
        return r;
    if (r > 0) {
        /* A frame that seems to go on beyond the end, and then comes another: it is damaged. */
        error = -FILE_ERR_DAMAGED;
    } else if (error != -FILE_ERR_CUT &&
               next - offset < (found->size ? found->size : sizeof(struct frame_head))) {
        error = -FILE_ERR_CUT;
        reason = "only zeros after the beginning of a piece";
    }
    *piece = (struct file_piece){
        .kind = FILE_PIECE_DAMAGED,
        .offset = offset,
        .size = next - offset,
        .error = error,
        .reason = reason,
    };
    return 0;
}

/* The piece at `offset` by the file's size as it is known now. */
static int find_piece(struct file_reader *reader, struct file_walk *walk, uint64_t offset,
                      struct found *ret_found, struct file_piece *ret_piece)
{
    int r = file_scan_frame(&reader->source, offset, reader->identity.file_uuid, ret_found);

    *ret_piece = (struct file_piece){.offset = offset};
    return r < 0 ? r : take_piece(reader, walk, ret_found, offset, ret_piece);
}

/* Nothing sound stands where the data of a block ends. If the data is not sound either, bytes of it
 * may be missing, or be too many: the next piece is looked for from the block's frame on, and what
 * is before it is the block's damage. 1: stepped back. */
static int step_back(struct file_reader *reader, struct file_walk *walk)
{
    uint64_t data = walk->block + sizeof(struct frame_block), next;
    int r;

    if (!walk->data_end || walk->at != walk->data_end)
        return 0;
    walk->data_end = 0; /* once is enough, also where a file is waited for at its end */
    r = check_hash(reader, walk, data, walk->at - data, walk->data_hash);
    if (r != -FILE_ERR_DAMAGED)
        return r < 0 && r != -FILE_ERR_CUT ? r : 0;
    r = file_scan_next(&reader->source, data, walk->at, reader->identity.file_uuid, &next);
    if (r > 0)
        walk->at = next;
    return r;
}

/* Look at the file's size again at its end: it may be growing. A piece that was cut off when it was
 * last looked at may be whole now, or more of it be there. */
static int look_again(struct file_reader *reader, struct file_walk *walk)
{
    struct file_piece piece;
    struct found found;
    int r = 0;

    if (walk->at >= reader->source.size || (walk->cut && walk->at == walk->cut_end))
        r = file_source_refresh(&reader->source);
    if (r < 0 || !walk->cut || walk->at != walk->cut_end || walk->cut_begin >= reader->source.size)
        return r;
    r = find_piece(reader, walk, walk->cut_begin, &found, &piece);
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED) {
        r = file_scan_zeros(&reader->source, walk->at);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (r == 0)
        walk->at = walk->cut_begin;
    return r;
}

/* The piece at walk->at, which is before the end of the file. */
static int take_next(struct file_reader *reader, struct file_walk *walk, struct file_piece *piece)
{
    struct found found;
    int r = find_piece(reader, walk, walk->at, &found, piece);

    if (r == -FILE_ERR_CUT) {
        r = file_source_refresh(&reader->source);
        if (r == 0)
            r = find_piece(reader, walk, walk->at, &found, piece);
    }
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED) {
        int back = step_back(reader, walk);

        if (back < 0)
            return back;
        if (back > 0)
            r = find_piece(reader, walk, walk->at, &found, piece);
    }
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        r = take_damage(reader, &found, walk->at, r, piece);
    return r;
}

int file_scan_step(struct file_reader *reader, struct file_walk *walk, struct file_piece *ret_piece)
{
    struct file_piece piece = {.kind = FILE_PIECE_END};
    int r = look_again(reader, walk);

    if (r == 0 && walk->at < reader->source.size)
        r = take_next(reader, walk, &piece);
    if (r < 0)
        return r;
    if (piece.kind == FILE_PIECE_END) {
        /* Nothing that was read is good for the next look. */
        r = file_source_refresh(&reader->source);
        piece.offset = walk->at;
    } else {
        walk->cut = piece.error == -FILE_ERR_CUT;
        walk->cut_begin = walk->at;
        walk->cut_end = walk->at + piece.size;
    }
    walk->at += piece.size;
    *ret_piece = piece;
    return r;
}
