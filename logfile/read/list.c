/* SPDX-License-Identifier: MIT
 *
 * All pieces of a file as a list: from its index where that is sound, else by stepping through.
 */
#include "logfile/index.h"
#include "logfile/read/reader_state.h"

#include <errno.h>
#include <stdlib.h>

struct listing {
    struct file_piece *piece;
    size_t count, room;
};

static int add(struct listing *listing, const struct file_piece *piece)
{
    if (listing->count == listing->room) {
        size_t room = listing->room ? 2 * listing->room : 64;
        struct file_piece *grown = realloc(listing->piece, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        listing->piece = grown;
        listing->room = room;
    }
    listing->piece[listing->count++] = *piece;
    return 0;
}

/* Pieces from `at` to the end of the file, by stepping; all of them, or those that are damaged. */
static int list_by_scan(struct file_reader *reader, uint64_t at, bool damaged,
                        struct listing *listing)
{
    struct file_walk walk = {.at = at};

    for (;;) {
        struct file_piece piece;
        int r = file_scan_step(reader, &walk, &piece);

        if (r == 0 && piece.kind == FILE_PIECE_END)
            return 0;
        if (r == 0 && (!damaged || piece.kind == FILE_PIECE_DAMAGED))
            r = add(listing, &piece);
        if (r < 0)
            return r;
    }
}

static bool same_gap(const struct frame_gap *a, const struct frame_gap *b)
{
    return a->ring == b->ring && a->cause == b->cause && a->count == b->count && a->seq == b->seq &&
           a->pos == b->pos && a->time_before == b->time_before && a->time_after == b->time_after;
}

/* What the frame of an entry that has no data says: taken in, and compared with the entry. */
static int take_frame(struct file_reader *reader, const struct index_entry *entry,
                      const struct found *found)
{
    struct frame_gap gap;

    if (found->head.kind != entry->kind || found->size != entry->size)
        return -EBADMSG;
    if (entry->kind != FILE_KIND_GAP)
        return file_dictionary_add(&reader->dictionary, found->frame, found->size);
    memcpy(&gap, found->frame, sizeof(gap));
    return file_gap_valid(&gap) && same_gap(&gap, &entry->gap) ? 0 : -EBADMSG;
}

/* An entry as a piece. The frame is read, but for blocks: decoding one compares it. */
static int piece_of(struct file_reader *reader, const struct index_entry *entry,
                    struct file_piece *piece)
{
    struct found found;
    int r;

    *piece = (struct file_piece){.offset = entry->offset, .size = entry->size};
    if (entry->kind == FILE_KIND_BLOCK) {
        piece->kind = FILE_PIECE_BLOCK;
        file_block_info_of(&entry->block, &piece->block);
        if (entry->size != sizeof(struct frame_block) + (uint64_t)piece->block.stored_size)
            return -EBADMSG;
        return file_block_info_valid(&piece->block) ? 0 : -EBADMSG;
    }
    piece->kind = entry->kind == FILE_KIND_RANGES ? FILE_PIECE_RANGES : FILE_PIECE_OTHER;
    if (entry->kind == FILE_KIND_GAP) {
        piece->kind = FILE_PIECE_GAP;
        file_gap_of(&entry->gap, reader->identity.file_uuid, &piece->gap);
    }
    if (entry->kind == FILE_KIND_RANGES && entry->size <= FILE_SOURCE_WINDOW)
        (void)file_source_look(&reader->source, entry->offset, entry->size); /* a block is next */
    r = file_scan_frame(&reader->source, entry->offset, reader->identity.file_uuid, &found);
    if (r == 0)
        return take_frame(reader, entry, &found);
    if (r != -FILE_ERR_DAMAGED && r != -FILE_ERR_CUT)
        return r;
    piece->kind = FILE_PIECE_DAMAGED;
    piece->error = r;
    piece->reason = found.reason;
    return 0;
}

/* The pieces from the index, and what is damaged in the seal, which the index does not have.
 * -FILE_ERR_* if there is no sound one, -EBADMSG if it is, but not of these pieces. */
static int list_by_index(struct file_reader *reader, struct listing *listing)
{
    struct index_entry *entries;
    struct frame_index frame;
    struct found found;
    int r;

    if (!reader->begin || !reader->index_offset)
        return -FILE_ERR_CUT;
    if (reader->index_lies) /* it was seen before */
        return -EBADMSG;
    r = file_scan_frame(&reader->source, reader->index_offset, reader->identity.file_uuid, &found);
    if (r < 0)
        return r;
    if (found.head.kind != FILE_KIND_INDEX)
        return -EBADMSG;
    memcpy(&frame, found.frame, sizeof(frame));
    /* No piece is smaller than a bare frame. */
    if (!file_index_valid(&frame) || frame.entries > reader->source.size / FILE_FRAME_MIN)
        return -EBADMSG;
    r = file_reader_unpack(reader, reader->index_offset + sizeof(frame), frame.stored_size,
                           frame.raw_size, frame.data_hash);
    if (r < 0)
        return r;
    r = file_index_decode(reader->content.data, reader->content.size, frame.entries, reader->begin,
                          reader->seal_begin, &entries);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < frame.entries; i++) {
        struct file_piece piece;

        r = piece_of(reader, &entries[i], &piece);
        if (r == 0)
            r = add(listing, &piece);
    }
    free(entries);
    return r < 0 ? r : list_by_scan(reader, reader->seal_begin, true, listing);
}

int file_reader_list(struct file_reader *reader, const struct file_piece **ret_pieces,
                     size_t *ret_count)
{
    struct listing listing = {0};
    int r;

    if (reader->list && reader->by_index && !reader->index_lies) { /* of a sealed file: all of it */
        *ret_pieces = reader->list;
        *ret_count = reader->listed;
        return 0;
    }
    r = list_by_index(reader, &listing);
    reader->by_index = r == 0;
    if (r == -EBADMSG || r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED) {
        const struct file_piece lies = {
            .kind = FILE_PIECE_DAMAGED,
            .offset = reader->index_offset,
            .size = sizeof(struct frame_index),
            .error = -FILE_ERR_DAMAGED,
            .reason = "the index is not that of the pieces before it",
        };

        reader->index_lies = r == -EBADMSG;
        listing.count = 0;
        r = list_by_scan(reader, reader->begin, false, &listing);
        if (r == 0 && reader->index_lies)
            r = add(&listing, &lies);
    }
    if (r < 0) {
        free(listing.piece);
        return r;
    }
    free(reader->list);
    *ret_pieces = reader->list = listing.piece;
    *ret_count = reader->listed = listing.count;
    return 0;
}
