/* SPDX-License-Identifier: MIT
 *
 * From a block's content back to records.
 *
 * The content is hostile. Memory is bounded by the header's slot count, which was bounded before:
 * a record's payload has at most 56 bytes for each of its slots, and the slots of all records are
 * checked to be as many as the header says before any payload is written.
 */
#include "logfile/block/decoder.h"
#include "logfile/format.h"
#include "logfile/block/record.h"

#include <errno.h>

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

bool file_block_info_valid(const struct file_block_info *info)
{
    return info->ring < SHMLOG_RINGS_MAX && info->records && info->records <= info->slots &&
           info->slots <= FILE_BLOCK_SLOTS_MAX &&
           info->slots <= info->records * (uint64_t)SHMLOG_RECORD_SLOTS &&
           info->time_min <= info->time_max && info->raw_size <= FILE_BLOCK_RAW_MAX &&
           info->stored_size <= FILE_STORED_MAX;
}

int file_decode_column(struct decode *d, size_t count, unsigned width)
{
    return file_columns_get(&d->in, count, width, d->decoder->value, d->decoder->scratch);
}

struct file_shape file_decode_shape(const struct decode *d, const struct decode_group *group)
{
    struct bytes_in in = {group->shape, d->in.end, false};
    struct file_shape shape;

    /* Got once before, with the group table. */
    if (file_shape_get(&in, &shape) < 0)
        shape = (struct file_shape){.kind = SHAPE_OPAQUE};
    return shape;
}

/* ---- The parts of the content, in their order ---- */

int file_decode_group_table(struct decode *d)
{
    struct file_block_decoder *decoder = d->decoder;
    uint64_t count = bytes_varint(&d->in);

    if (!count || count > d->records)
        return -EBADMSG;
    if (file_decoder_reserve_groups(decoder, count) < 0)
        return -ENOMEM;
    decoder->group_count = count;
    for (size_t g = 0; g < count; g++) {
        uint64_t id = bytes_varint(&d->in);
        const uint8_t *at = d->in.at;
        struct file_shape shape;
        int r = file_shape_get(&d->in, &shape);

        if (r < 0)
            return r;
        if (id > SHMLOG_SITE_ID_MASK)
            return -EBADMSG;
        decoder->groups[g] = (struct decode_group){.site_id = (uint32_t)id, .shape = at};
    }
    return 0;
}

int file_decode_groups(struct decode *d)
{
    struct file_block_decoder *decoder = d->decoder;
    uint32_t first = 0;
    int r = file_decode_column(d, d->records, 4);

    if (r < 0)
        return r;
    for (size_t i = 0; i < d->records; i++) {
        uint32_t g = (uint32_t)decoder->value[i];

        if (g >= decoder->group_count)
            return -EBADMSG;
        decoder->group[i] = g;
        decoder->groups[g].count++;
    }
    for (size_t g = 0; g < decoder->group_count; g++) {
        decoder->groups[g].first = first;
        first += decoder->groups[g].count;
    }
    return 0;
}

/* The records of each group, in their order in the block. */
static void put_order(struct decode *d)
{
    struct file_block_decoder *decoder = d->decoder;

    for (size_t g = 0; g < decoder->group_count; g++)
        decoder->groups[g].count = 0;
    for (uint32_t i = 0; i < d->records; i++) {
        struct decode_group *group = &decoder->groups[decoder->group[i]];

        decoder->order[group->first + group->count++] = i;
    }
}

static int get_record_columns(struct decode *d)
{
    struct file_record *record = d->block->record;
    const uint64_t *value = d->decoder->value;
    int r = file_decode_column(d, d->records, 4);

    if (r < 0)
        return r;
    for (size_t i = 0; i < d->records; i++)
        record[i].producer = (uint32_t)value[i];
    r = file_decode_column(d, d->records, 8);
    if (r < 0)
        return r;
    for (size_t i = 0; i < d->records; i++) {
        record[i].time = value[i];
        record[i].seq = d->block->info.first_seq + i;
        record[i].site = d->decoder->groups[d->decoder->group[i]].site_id;
    }
    return 0;
}

/* Give a record of so many slots its place in memory. */
static int place_record(struct decode *d, uint32_t i, uint32_t size, uint64_t slots)
{
    if (slots > SHMLOG_RECORD_SLOTS || size > slots * SHMLOG_SLOT_PAYLOAD ||
        slots > d->block->info.slots - d->slots)
        return -EBADMSG;
    d->block->record[i].slots = (uint32_t)slots;
    d->block->record[i].payload_size = size;
    d->decoder->place[i] = d->slots * SHMLOG_SLOT_PAYLOAD;
    d->slots += (uint32_t)slots;
    return 0;
}

static int get_opaque_sizes(struct decode *d, struct decode_group *group)
{
    const uint32_t *order = d->decoder->order + group->first;
    int r = file_decode_column(d, group->count, 1);

    for (size_t i = 0; r == 0 && i < group->count; i++) {
        uint32_t slots = (uint8_t)d->decoder->value[i];

        r = slots ? place_record(d, order[i], slots * SHMLOG_SLOT_PAYLOAD, slots) : -EBADMSG;
    }
    if (r == 0)
        r = file_decode_column(d, group->count, 2);
    for (size_t i = 0; r == 0 && i < group->count; i++) {
        uint32_t size = (uint16_t)d->decoder->value[i];

        if (size + SHMLOG_PAYLOAD_ARGS > d->block->record[order[i]].payload_size)
            r = -EBADMSG;
        d->decoder->fill[order[i]] = size;
    }
    return r;
}

/* Add the lengths of a string argument to the sizes of its records. */
static int add_lengths(struct decode *d, struct decode_group *group, unsigned argument)
{
    const uint32_t *order = d->decoder->order + group->first;
    struct decode_strings strings;
    int r = file_decode_strings(d, group->count, &strings);

    if (r == 0 && strings.entries)
        group->dicts |= 1u << argument;

    for (size_t i = 0; r == 0 && i < group->count; i++) {
        uint32_t size = string_size(decode_string_word(&strings, d->decoder->value[i]));

        if (size > SHMLOG_RECORD_PAYLOAD - d->decoder->fill[order[i]])
            return -EBADMSG;
        d->decoder->fill[order[i]] += size;
    }
    return r;
}

static int get_sizes(struct decode *d, struct decode_group *group, const struct file_shape *shape)
{
    const uint32_t *order = d->decoder->order + group->first;
    uint32_t *fill = d->decoder->fill;
    int r;

    if (shape->kind == SHAPE_OPAQUE)
        return get_opaque_sizes(d, group);
    r = file_decode_column(d, group->count, 1);
    if (r < 0)
        return r;
    for (size_t i = 0; i < group->count; i++) {
        d->block->record[order[i]].slots = (uint8_t)d->decoder->value[i];
        fill[order[i]] = shape->end;
    }
    group->sizes = d->in.at;
    group->sizes_end = d->in.end;
    for (unsigned f = 0, argument = 0; r == 0 && shape->strings && f < shape->fields; f++) {
        if (shape_is_string(&shape->field[f]))
            r = add_lengths(d, group, argument++);
    }
    for (size_t i = 0; r == 0 && i < group->count; i++) {
        uint32_t size = fill[order[i]];
        uint32_t needed = (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;

        r = place_record(d, order[i], size, needed + d->block->record[order[i]].slots);
        fill[order[i]] = shape->end; /* from now on: where the next string goes */
    }
    return r;
}

/* All sizes are known and fit: payloads begin with time and producer, and zeros after. */
static int begin_payloads(struct decode *d)
{
    if (d->slots != d->block->info.slots)
        return -EBADMSG;
    memset(d->payloads, 0, (size_t)d->slots * SHMLOG_SLOT_PAYLOAD);
    for (uint32_t i = 0; i < d->records; i++) {
        struct file_record *record = &d->block->record[i];
        uint8_t *payload = decode_payload(d, i);

        memcpy(payload + SHMLOG_PAYLOAD_TIME, &record->time, 8);
        memcpy(payload + SHMLOG_PAYLOAD_PRODUCER, &record->producer, 4);
        record->payload = payload;
    }
    return 0;
}

typedef int (*group_part)(struct decode *d, struct decode_group *group,
                          const struct file_shape *shape);

static int get_part(struct decode *d, group_part part)
{
    int r = 0;

    for (size_t g = 0; r == 0 && g < d->decoder->group_count; g++) {
        struct decode_group *group = &d->decoder->groups[g];
        struct file_shape shape = file_decode_shape(d, group);

        r = part(d, group, &shape);
    }
    return r;
}

/* All that comes after the group table. */
static int get_records(struct decode *d)
{
    int r = file_decode_groups(d);

    if (r < 0)
        return r;
    put_order(d);
    r = get_record_columns(d);
    if (r == 0)
        r = get_part(d, get_sizes);
    if (r == 0)
        r = begin_payloads(d);
    if (r == 0)
        r = get_part(d, file_decode_fields);
    if (r == 0)
        r = get_part(d, file_decode_bytes);
    if (r == 0 && d->in.at != d->in.end)
        r = -EBADMSG;
    return r;
}

static int get_content(struct decode *d)
{
    struct file_shape shape;
    int r = file_decode_group_table(d);

    if (r < 0)
        return r;
    shape = file_decode_shape(d, &d->decoder->groups[0]);
    r = file_decode_alike(d, &shape);
    return r == 0 ? get_records(d) : r < 0 ? r : 0;
}

int file_block_decode(struct file_block_decoder *decoder, const struct file_block_info *info,
                      const uint8_t *content, size_t size, struct file_block *ret_block)
{
    struct decode d = {
        .decoder = decoder,
        .block = ret_block,
        .in = {content, content + size, false},
        .records = info->records,
    };
    int r;

    ret_block->records = 0;
    ret_block->info = *info;
    if (info->codec != FILE_CODEC_COLUMNS)
        return -EBADMSG;
    r = file_decoder_reserve(decoder, info->records);
    if (r == 0)
        r = file_decoder_reserve_block(ret_block, info->records,
                                       (size_t)info->slots * SHMLOG_SLOT_PAYLOAD);
    if (r < 0)
        return r;
    d.payloads = ret_block->memory;
    d.relatives.reference = decoder->reference;
    r = get_content(&d);
    if (r == 0)
        ret_block->records = info->records;
    return r;
}
