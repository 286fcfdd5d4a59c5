/* SPDX-License-Identifier: MIT
 *
 * The index: what was put into a file, collected on the way and written as columns with the seal.
 */
#include "logfile/index.h"
#include "logfile/block/encoder.h"

#include <errno.h>
#include <stdlib.h>

struct file_index {
    struct index_entry *entry;
    size_t count, room;
    bool overflowed; /* more pieces than an index may have: the file will have none */
    /* What the seal repeats: sites and producers as frames, and the outermost clock pairs. */
    struct file_buffer repeated;
    struct frame_clock clock[2];
    unsigned clocks;
};

/* A column: where its values lie in an entry. */
struct index_column {
    uint16_t offset;
    uint8_t width;
};
#define ENTRY(field)                                                                  \
    {                                                                                 \
        offsetof(struct index_entry, field), sizeof(((struct index_entry *)0)->field) \
    }

static const struct index_column all_columns[] = {ENTRY(kind), ENTRY(offset), ENTRY(size)};
static const struct index_column block_columns[] = {
    ENTRY(block.ring),        ENTRY(block.first_seq), ENTRY(block.first_pos), ENTRY(block.records),
    ENTRY(block.slots),       ENTRY(block.time_min),  ENTRY(block.time_max),  ENTRY(block.sites),
    ENTRY(block.stored_size), ENTRY(block.raw_size),  ENTRY(block.levels),    ENTRY(block.codec),
};
static const struct index_column gap_columns[] = {
    ENTRY(gap.ring), ENTRY(gap.cause),       ENTRY(gap.count),      ENTRY(gap.seq),
    ENTRY(gap.pos),  ENTRY(gap.time_before), ENTRY(gap.time_after),
};

/* The three tables: `kind` 0 is for all entries. */
static const struct index_table {
    uint8_t kind;
    uint8_t columns;
    const struct index_column *column;
} tables[] = {
    {0, sizeof(all_columns) / sizeof(all_columns[0]), all_columns},
    {FILE_KIND_BLOCK, sizeof(block_columns) / sizeof(block_columns[0]), block_columns},
    {FILE_KIND_GAP, sizeof(gap_columns) / sizeof(gap_columns[0]), gap_columns},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* ---- Collecting ---- */

int file_index_open(struct file_index **ret_index)
{
    struct file_index *index = calloc(1, sizeof(*index));

    if (!index)
        return -ENOMEM;
    *ret_index = index;
    return 0;
}

void file_index_close(struct file_index *index)
{
    if (!index)
        return;
    free(index->entry);
    file_buffer_done(&index->repeated);
    free(index);
}

void file_index_clear(struct file_index *index)
{
    index->count = 0;
    index->overflowed = false;
    index->repeated.size = 0;
    index->clocks = 0;
}

static int add_entry(struct file_index *index, const struct index_entry *entry)
{
    if (index->count == FILE_INDEX_ENTRIES_MAX) {
        index->overflowed = true;
        return 0;
    }
    if (index->count == index->room) {
        size_t room = index->room ? 2 * index->room : 256;
        struct index_entry *grown = realloc(index->entry, room * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        index->entry = grown;
        index->room = room;
    }
    index->entry[index->count++] = *entry;
    return 0;
}

/* Keep an entry of the dictionary for the seal, as long as there is room. */
static int keep_entry(struct file_index *index, unsigned kind, const uint8_t *frame, size_t size)
{
    struct file_buffer *repeated = &index->repeated;
    int r;

    if (kind == FILE_KIND_CLOCK) {
        if (index->clocks < 2)
            index->clocks++;
        memcpy(&index->clock[index->clocks - 1], frame, sizeof(index->clock[0]));
        return 0;
    }
    if (kind != FILE_KIND_SITE && kind != FILE_KIND_PRODUCER)
        return 0;
    if (size > FILE_REPEATED_MAX - repeated->size)
        return 0;
    r = file_buffer_reserve(repeated, size);
    if (r < 0)
        return r;
    memcpy(repeated->data + repeated->size, frame, size);
    repeated->size += size;
    return 0;
}

static int add_piece(struct file_index *index, uint64_t offset, const uint8_t *piece, size_t size,
                     size_t *ret_whole)
{
    struct index_entry entry = {.offset = offset};
    struct frame_head head;
    size_t frame, whole;
    int r = file_piece_frame(piece, size, &head, &frame, &whole);

    if (r < 0)
        return r;
    entry.size = whole;
    entry.kind = head.kind;
    if (head.kind == FILE_KIND_BLOCK)
        memcpy(&entry.block, piece, sizeof(entry.block));
    else if (head.kind == FILE_KIND_GAP)
        memcpy(&entry.gap, piece, sizeof(entry.gap));
    if (head.kind != FILE_KIND_HEADER)
        r = add_entry(index, &entry);
    if (r == 0)
        r = keep_entry(index, head.kind, piece, frame);
    if (r == 0)
        *ret_whole = whole;
    return r;
}

int file_index_add(struct file_index *index, uint64_t offset, const uint8_t *piece, size_t size)
{
    /* all that adding changes, to be put back if it fails on the way */
    const size_t count = index->count, repeated = index->repeated.size;
    const struct frame_clock clock[2] = {index->clock[0], index->clock[1]};
    const unsigned clocks = index->clocks;
    const bool overflowed = index->overflowed;
    size_t whole = 0;

    for (size_t at = 0; at < size; at += whole) {
        const int r = add_piece(index, offset + at, piece + at, size - at, &whole);

        if (r < 0) {
            index->count = count;
            index->repeated.size = repeated;
            index->overflowed = overflowed;
            index->clocks = clocks;
            memcpy(index->clock, clock, sizeof(clock));
            return r;
        }
    }
    return 0;
}

/* ---- Writing ---- */

/* Append the columns of one table; `value` has room for all entries. */
static int put_table(struct file_encoder *encoder, const struct file_index *index,
                     const struct index_table *table, uint64_t *value)
{
    for (unsigned c = 0; c < table->columns; c++) {
        const struct index_column *column = &table->column[c];
        size_t count = 0;
        int r;

        for (size_t i = 0; i < index->count; i++) {
            const struct index_entry *entry = &index->entry[i];

            if (table->kind && entry->kind != table->kind)
                continue;
            value[count] = 0;
            memcpy(&value[count++], (const uint8_t *)entry + column->offset, column->width);
        }
        r = file_columns_put(&encoder->columns, value, count, &encoder->content);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_index(struct file_encoder *encoder, const uint8_t file_uuid[16],
                     const struct file_index *index, struct file_buffer *out)
{
    size_t begin = out->size;
    size_t data = begin + sizeof(struct frame_index);
    struct frame_index frame = {.entries = (uint32_t)index->count};
    uint64_t *value = malloc((index->count + 1) * sizeof(*value));
    int r = value ? 0 : -ENOMEM;

    encoder->content.size = 0;
    file_columns_begin(&encoder->columns);
    encoder->columns.slack = COLUMN_SLACK_NONE;
    for (unsigned t = 0; r == 0 && t < TABLES; t++)
        r = put_table(encoder, index, &tables[t], value);
    free(value);
    if (r == 0)
        r = file_buffer_reserve(out, sizeof(frame));
    if (r < 0)
        return r;
    frame.raw_size = (uint32_t)encoder->content.size;
    out->size = data;
    r = file_encoder_compress(encoder, encoder->content.size, false, out);
    if (r < 0)
        return r;
    frame.stored_size = (uint32_t)(out->size - data);
    if (out->size - data > FILE_STORED_MAX) { /* readers do without an index */
        out->size = begin;
        return 0;
    }
    frame.data_hash = XXH64(out->data + data, frame.stored_size, 0);
    file_frame_head(&frame.head, FILE_KIND_INDEX, sizeof(frame), file_uuid);
    memcpy(out->data + begin, &frame, sizeof(frame));
    file_frame_seal(out->data + begin, sizeof(frame));
    return 0;
}

static int put_bytes(const void *bytes, size_t size, struct file_buffer *out)
{
    int r = file_buffer_reserve(out, size);

    if (r < 0 || !size)
        return r;
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
    return 0;
}

/* Append frames of another file, or of this one. */
static int put_frames(const void *frames, size_t size, const uint8_t file_uuid[16],
                      struct file_buffer *out)
{
    size_t begin = out->size;
    int r = put_bytes(frames, size, out);

    if (r == 0)
        r = file_retarget(out->data + begin, size, file_uuid);
    return r == -EBADMSG ? -EINVAL : r;
}

int file_index_repeat(const struct file_index *index, const uint8_t file_uuid[16],
                      struct file_buffer *out)
{
    return put_frames(index->repeated.data, index->repeated.size, file_uuid, out);
}

/* The dictionary once more: an entry damaged where it stood first is still known. */
static int put_repeated(const struct file_index *index, const uint8_t file_uuid[16],
                        struct file_buffer *out)
{
    int r = file_index_repeat(index, file_uuid, out);

    if (r == 0)
        r = put_frames(index->clock, index->clocks * sizeof(index->clock[0]), file_uuid, out);
    return r;
}

static int put_trailer(const uint8_t file_uuid[16], struct frame_trailer *frame,
                       struct file_buffer *out)
{
    int r = file_buffer_reserve(out, sizeof(*frame));

    if (r < 0)
        return r;
    file_frame_head(&frame->head, FILE_KIND_TRAILER, sizeof(*frame), file_uuid);
    memcpy(out->data + out->size, frame, sizeof(*frame));
    file_frame_seal(out->data + out->size, sizeof(*frame));
    out->size += sizeof(*frame);
    return 0;
}

int file_put_seal(struct file_encoder *encoder, const struct file_identity *identity,
                  const struct file_ledger_entry *ledger, size_t rings,
                  const struct file_index *index, uint64_t offset, bool bad, uint64_t sealed_ns,
                  struct file_buffer *out)
{
    size_t begin = out->size;
    struct frame_trailer trailer = {
        .ledger_offset = offset,
        .sealed_ns = sealed_ns,
        .flags = bad ? FILE_SEAL_BAD : 0,
    };
    int r =
        file_put_ledger(identity, ledger, rings, FILE_KIND_LEDGER, trailer.flags, sealed_ns, out);

    if (r == 0 && index)
        r = put_repeated(index, identity->file_uuid, out);
    if (r == 0 && index && !index->overflowed) {
        size_t at = out->size;

        r = put_index(encoder, identity->file_uuid, index, out);
        if (r == 0 && out->size > at)
            trailer.index_offset = offset + (at - begin);
    }
    if (r == 0) {
        trailer.file_size = offset + (out->size - begin) + sizeof(trailer);
        r = put_trailer(identity->file_uuid, &trailer, out);
    }
    if (r < 0)
        out->size = begin;
    return r;
}

/* ---- Reading ---- */

bool file_index_valid(const struct frame_index *frame)
{
    return frame->entries <= FILE_INDEX_ENTRIES_MAX && frame->stored_size <= FILE_STORED_MAX &&
           frame->raw_size <= (uint64_t)frame->entries * FILE_INDEX_ENTRY_MAX + FILE_INDEX_BASE;
}

static int get_table(struct bytes_in *in, const struct index_table *table,
                     struct index_entry *entries, size_t entry_count, size_t count, uint64_t *value,
                     uint64_t *scratch)
{
    for (unsigned c = 0; c < table->columns; c++) {
        const struct index_column *column = &table->column[c];
        size_t from = 0;
        int r = file_columns_get(in, count, column->width, value, scratch);

        if (r < 0)
            return r;
        for (size_t i = 0; i < entry_count; i++) {
            if (!table->kind || entries[i].kind == table->kind)
                memcpy((uint8_t *)&entries[i] + column->offset, &value[from++], column->width);
        }
    }
    return 0;
}

static int get_tables(const uint8_t *content, size_t size, struct index_entry *entries,
                      size_t count, uint64_t *value, uint64_t *scratch)
{
    struct bytes_in in = {content, content + size, false};

    for (unsigned t = 0; t < TABLES; t++) {
        size_t of_kind = 0;
        int r;

        for (size_t i = 0; i < count; i++)
            of_kind += !tables[t].kind || entries[i].kind == tables[t].kind;
        r = get_table(&in, &tables[t], entries, count, of_kind, value, scratch);
        if (r < 0)
            return r;
    }
    return in.at == in.end ? 0 : -EBADMSG;
}

static bool without_holes(const struct index_entry *entries, size_t count, uint64_t begin,
                          uint64_t end)
{
    if (begin > end)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].offset != begin || !entries[i].size || entries[i].size > end - begin)
            return false;
        begin += entries[i].size;
    }
    return begin == end;
}

int file_index_decode(const uint8_t *content, size_t size, size_t entries, uint64_t begin,
                      uint64_t end, struct index_entry **ret_entries)
{
    struct index_entry *entry = calloc(entries + 1, sizeof(*entry));
    uint64_t *value = malloc((entries + 1) * sizeof(*value));
    uint64_t *scratch = malloc((entries + 1) * sizeof(*scratch));
    int r = entry && value && scratch ? 0 : -ENOMEM;

    if (r == 0)
        r = get_tables(content, size, entry, entries, value, scratch);
    if (r == 0 && !without_holes(entry, entries, begin, end))
        r = -EBADMSG;
    free(value);
    free(scratch);
    if (r < 0) {
        free(entry);
        return r;
    }
    *ret_entries = entry;
    return 0;
}
