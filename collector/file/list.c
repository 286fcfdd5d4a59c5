/* SPDX-License-Identifier: MIT
 *
 * All pieces of a file as a list: from its index where that is sound, else by stepping through.
 */
#include "collector/file/index.h"
#include "collector/file/reader_state.h"

#include <errno.h>
#include <stdlib.h>

/* An entry's numbers as a piece; a dictionary entry is read and taken in. */
static int piece_of(struct file_reader *reader, const struct index_entry *entry,
                    struct file_piece *piece)
{
    struct found found;
    int r;

    *piece = (struct file_piece){.offset = entry->offset, .size = entry->size};
    switch (entry->kind) {
    case FILE_KIND_BLOCK:
        piece->kind = FILE_PIECE_BLOCK;
        file_block_info_of(&entry->block, &piece->block);
        if (entry->size != sizeof(struct frame_block) + (uint64_t)piece->block.stored_size)
            return -EBADMSG;
        return file_block_info_valid(&piece->block) ? 0 : -EBADMSG;
    case FILE_KIND_GAP:
        piece->kind = FILE_PIECE_GAP;
        file_gap_of(&entry->gap, reader->identity.file_uuid, &piece->gap);
        return 0;
    default:
        piece->kind = FILE_PIECE_OTHER;
        r = file_scan_frame(&reader->source, entry->offset, reader->identity.file_uuid, &found);
        if (r == 0)
            return file_dictionary_add(&reader->dictionary, found.frame, found.size);
        if (r != -FILE_ERR_DAMAGED && r != -FILE_ERR_CUT)
            return r;
        piece->kind = FILE_PIECE_DAMAGED;
        piece->error = r;
        piece->reason = found.reason;
        return 0;
    }
}

static int pieces_of(struct file_reader *reader, const struct index_entry *entries, size_t count)
{
    struct file_piece *list = calloc(count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int r = piece_of(reader, &entries[i], &list[i]);

        if (r < 0) {
            free(list);
            return r;
        }
    }
    reader->list = list;
    reader->listed = count;
    return 0;
}

/* The pieces from the index. -EBADMSG or -FILE_ERR_* if it is not sound. */
static int list_by_index(struct file_reader *reader)
{
    struct index_entry *entries;
    struct frame_index frame;
    struct found found;
    int r;

    if (!reader->begin || !reader->index_offset)
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
    r = pieces_of(reader, entries, frame.entries);
    free(entries);
    return r;
}

static int list_by_scan(struct file_reader *reader)
{
    struct file_piece *list = NULL;
    size_t count = 0, room = 0;
    struct file_walk walk = {.at = reader->begin};

    for (;;) {
        struct file_piece piece;
        int r = file_scan_step(reader, &walk, &piece);

        if (r == 0 && piece.kind == FILE_PIECE_END)
            break;
        if (r == 0 && count == room) {
            size_t wanted = room ? 2 * room : 64;
            struct file_piece *grown = realloc(list, wanted * sizeof(*list));

            if (grown) {
                list = grown;
                room = wanted;
            } else {
                r = -ENOMEM;
            }
        }
        if (r < 0) {
            free(list);
            return r;
        }
        list[count++] = piece;
    }
    reader->list = list;
    reader->listed = count;
    return 0;
}

int file_reader_list(struct file_reader *reader, const struct file_piece **ret_pieces,
                     size_t *ret_count)
{
    int r;

    free(reader->list);
    reader->list = NULL;
    reader->listed = 0;
    r = list_by_index(reader);
    if (r == -EBADMSG || r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        r = list_by_scan(reader);
    if (r < 0)
        return r;
    *ret_pieces = reader->list;
    *ret_count = reader->listed;
    return 0;
}
