/* SPDX-License-Identifier: MIT
 *
 * From slots to a block: records are sorted into groups of one site, and the values of each group
 * into columns.
 *
 * Slots come from shared memory by way of a copy that is the caller's own and holds still. What is
 * in them is not trusted: records that do not fit their site are kept as opaque bytes.
 */
#include "collector/file/encoder.h"
#include "collector/file/record.h"
#include "collector/file/shape.h"

#include <errno.h>

#define CONTENT_FIXED 64 /* room for the group count */

/* ---- Columns ---- */

struct encode {
    struct file_encoder *encoder;
    const struct shmlog_slot *slots;
    size_t records;
};

static int put_values(struct encode *e, size_t count, unsigned width)
{
    return file_columns_put(&e->encoder->columns, e->encoder->value, count, width,
                            &e->encoder->content);
}

static int put_record_columns(struct encode *e, uint64_t *ret_min, uint64_t *ret_max)
{
    struct file_encoder *encoder = e->encoder;
    uint64_t *value = encoder->value;
    uint64_t min = UINT64_MAX, max = 0;
    int r;

    for (size_t i = 0; i < e->records; i++)
        value[i] = encoder->group[i];
    r = put_values(e, e->records, 4);
    if (r < 0)
        return r;
    for (size_t i = 0; i < e->records; i++)
        value[i] = load32(e->slots[encoder->start[i]].payload + SHMLOG_PAYLOAD_PRODUCER);
    r = put_values(e, e->records, 4);
    if (r < 0)
        return r;
    for (size_t i = 0; i < e->records; i++) {
        value[i] = load64(e->slots[encoder->start[i]].payload + SHMLOG_PAYLOAD_TIME);
        min = value[i] < min ? value[i] : min;
        max = value[i] > max ? value[i] : max;
    }
    *ret_min = min;
    *ret_max = max;
    return put_values(e, e->records, 8);
}

/* Gather a value of each record of a group, widened to 64 bits. */
static void gather(const struct encode *e, const struct encode_group *group, uint32_t offset,
                   unsigned width, bool is_signed)
{
    const uint32_t *order = e->encoder->order + group->first;
    const struct shmlog_slot *slots = e->slots + offset / SHMLOG_SLOT_PAYLOAD;
    uint32_t within = offset % SHMLOG_SLOT_PAYLOAD;
    uint64_t *value = e->encoder->value;
    unsigned shift = is_signed ? 64 - 8 * width : 0;

    if (within + width > SHMLOG_SLOT_PAYLOAD || (width & (width - 1))) {
        for (size_t i = 0; i < group->count; i++) {
            uint8_t bytes[8] = {0};

            copy_payload(bytes, e->slots + order[i], offset, width);
            value[i] = load64(bytes);
        }
    } else if (width == 8) {
        for (size_t i = 0; i < group->count; i++)
            value[i] = load64(slots[order[i]].payload + within);
    } else if (width == 4) {
        for (size_t i = 0; i < group->count; i++)
            value[i] = load32(slots[order[i]].payload + within);
    } else if (width == 2) {
        for (size_t i = 0; i < group->count; i++)
            value[i] = load16(slots[order[i]].payload + within);
    } else {
        for (size_t i = 0; i < group->count; i++)
            value[i] = slots[order[i]].payload[within];
    }
    if (shift) {
        for (size_t i = 0; i < group->count; i++)
            value[i] = (uint64_t)((int64_t)(value[i] << shift) >> shift);
    }
}

/* Payload bytes of an opaque record from the arguments on, without the zeros at its end. */
static uint32_t opaque_size(const struct shmlog_slot *first)
{
    uint32_t size = record_slots(first) * SHMLOG_SLOT_PAYLOAD;

    while (size > SHMLOG_PAYLOAD_ARGS && !*payload_at(first, size - 1))
        size--;
    return size - SHMLOG_PAYLOAD_ARGS;
}

static int put_opaque_sizes(struct encode *e, const struct encode_group *group)
{
    const uint32_t *order = e->encoder->order + group->first;
    int r;

    for (size_t i = 0; i < group->count; i++)
        e->encoder->value[i] = record_slots(e->slots + order[i]);
    r = put_values(e, group->count, 1);
    if (r < 0)
        return r;
    for (size_t i = 0; i < group->count; i++)
        e->encoder->value[i] = opaque_size(e->slots + order[i]);
    return put_values(e, group->count, 2);
}

/* Slots beyond those that a record needs, then the length words of its strings. */
static int put_sizes(struct encode *e, const struct encode_group *group,
                     const struct file_shape *shape)
{
    const uint32_t *order = e->encoder->order + group->first;
    int r;

    if (shape->kind == SHAPE_OPAQUE)
        return put_opaque_sizes(e, group);
    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + order[i];
        unsigned slots = record_slots(first);
        uint32_t size = file_encode_meaningful(group->site, first, slots);

        e->encoder->value[i] = slots - (size + SHMLOG_SLOT_PAYLOAD - 1) / SHMLOG_SLOT_PAYLOAD;
    }
    r = put_values(e, group->count, 1);
    for (unsigned f = 0; r == 0 && shape->strings && f < shape->fields; f++) {
        if (!shape_is_string(&shape->field[f]))
            continue;
        gather(e, group, shape->field[f].offset, 4, false);
        r = put_values(e, group->count, 4);
    }
    return r;
}

static bool is_signed(unsigned type)
{
    return type == SHMLOG_TYPE_CHAR || type == SHMLOG_TYPE_I8 || type == SHMLOG_TYPE_I16 ||
           type == SHMLOG_TYPE_I32 || type == SHMLOG_TYPE_I64;
}

/* Zero the bytes after the first NUL of a short text. */
static uint64_t cut_text(uint64_t bytes, bool *ended)
{
    for (unsigned i = 0; i < 8; i++) {
        *ended |= !(bytes >> (8 * i) & 0xff);
        if (*ended)
            bytes &= ~(UINT64_C(0xff) << (8 * i));
    }
    return bytes;
}

/* A short TEXT: columns of up to 8 bytes each. */
static int put_text(struct encode *e, const struct encode_group *group,
                    const struct file_shape_field *field)
{
    const uint32_t *order = e->encoder->order + group->first;

    for (uint32_t at = 0; at < field->size; at += 8) {
        unsigned width = field->size - at < 8 ? field->size - at : 8;
        int r;

        for (size_t i = 0; i < group->count; i++) {
            uint8_t bytes[SHAPE_TEXT_SHORT] = {0};
            bool ended = false;
            uint64_t low;

            copy_payload(bytes, e->slots + order[i], field->offset, field->size);
            low = cut_text(load64(bytes), &ended);
            e->encoder->value[i] = at ? cut_text(load64(bytes + 8), &ended) : low;
        }
        r = put_values(e, group->count, width);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_fields(struct encode *e, const struct encode_group *group,
                      const struct file_shape *shape)
{
    for (unsigned f = 0; f < shape->fields; f++) {
        const struct file_shape_field *field = &shape->field[f];
        int r;

        if (shape_is_string(field) || shape_is_long_text(field))
            continue;
        if (field->type == SHMLOG_TYPE_TEXT) {
            r = put_text(e, group, field);
        } else {
            gather(e, group, field->offset, field->size, is_signed(field->type));
            if (shape_is_float(field))
                r = file_columns_put_float(&e->encoder->columns, e->encoder->value, group->count,
                                           field->size, &e->encoder->content);
            else
                r = put_values(e, group->count, field->size);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Bytes ---- */

static int put_opaque_bytes(struct encode *e, const struct encode_group *group)
{
    const uint32_t *order = e->encoder->order + group->first;
    struct file_buffer *out = &e->encoder->content;

    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + order[i];
        uint32_t size = opaque_size(first);
        int r = file_buffer_reserve(out, size);

        if (r < 0)
            return r;
        copy_payload(out->data + out->size, first, SHMLOG_PAYLOAD_ARGS, size);
        out->size += size;
    }
    return 0;
}

/* Bytes of string number `which` of each record. */
static int put_string(struct encode *e, const struct encode_group *group,
                      const struct file_shape *shape, unsigned which)
{
    const uint32_t *order = e->encoder->order + group->first;
    struct file_buffer *out = &e->encoder->content;

    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + order[i];
        uint32_t offset = shape->end;
        uint32_t size = string_size(load32(payload_at(first, shape->field[which].offset)));
        int r = file_buffer_reserve(out, size);

        if (r < 0)
            return r;
        for (unsigned f = 0; f < which; f++) {
            if (shape_is_string(&shape->field[f]))
                offset += string_size(load32(payload_at(first, shape->field[f].offset)));
        }
        copy_payload(out->data + out->size, first, offset, size);
        out->size += size;
    }
    return 0;
}

static int put_long_text(struct encode *e, const struct encode_group *group,
                         const struct file_shape_field *field)
{
    const uint32_t *order = e->encoder->order + group->first;
    struct file_buffer *out = &e->encoder->content;

    for (size_t i = 0; i < group->count; i++) {
        int r = file_buffer_reserve(out, field->size);
        size_t used;
        uint8_t *to;

        if (r < 0)
            return r;
        to = out->data + out->size;
        copy_payload(to, e->slots + order[i], field->offset, field->size);
        used = strnlen((const char *)to, field->size);
        memset(to + used, 0, field->size - used);
        out->size += field->size;
    }
    return 0;
}

static int put_bytes(struct encode *e, const struct encode_group *group,
                     const struct file_shape *shape)
{
    if (shape->kind == SHAPE_OPAQUE)
        return put_opaque_bytes(e, group);
    for (unsigned f = 0; f < shape->fields; f++) {
        int r = 0;

        if (shape_is_string(&shape->field[f]))
            r = put_string(e, group, shape, f);
        else if (shape_is_long_text(&shape->field[f]))
            r = put_long_text(e, group, &shape->field[f]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- The block ---- */

static int put_group_table(struct encode *e)
{
    struct file_encoder *encoder = e->encoder;
    struct file_buffer *out = &encoder->content;
    int r = file_buffer_reserve(out, CONTENT_FIXED +
                                         encoder->group_count * (FILE_VARINT_MAX + SHAPE_SIZE_MAX));
    uint8_t *to;

    if (r < 0)
        return r;
    to = bytes_put_varint(out->data + out->size, encoder->group_count);
    for (size_t g = 0; g < encoder->group_count; g++) {
        struct file_shape shape;

        file_shape_of_site(encoder->groups[g].site, &shape);
        to = bytes_put_varint(to, encoder->groups[g].site_id);
        to = file_shape_put(to, &shape);
    }
    out->size = (size_t)(to - out->data);
    return 0;
}

typedef int (*group_part)(struct encode *e, const struct encode_group *group,
                          const struct file_shape *shape);

static int put_content(struct encode *e, uint64_t *ret_min, uint64_t *ret_max)
{
    static const group_part parts[] = {put_sizes, put_fields, put_bytes};
    struct file_encoder *encoder = e->encoder;
    int r = put_group_table(e);

    if (r == 0)
        r = put_record_columns(e, ret_min, ret_max);
    for (unsigned p = 0; r == 0 && p < 3; p++) {
        if (parts[p] == put_bytes)
            file_columns_cut(&encoder->columns, &encoder->content);
        for (size_t g = 0; r == 0 && g < encoder->group_count; g++) {
            struct file_shape shape;

            file_shape_of_site(encoder->groups[g].site, &shape);
            r = parts[p](e, &encoder->groups[g], &shape);
        }
    }
    if (r == 0 && encoder->content.size > FILE_BLOCK_RAW_MAX)
        r = -EINVAL;
    return r;
}

static uint64_t site_bits(const struct file_encoder *encoder, uint8_t *ret_levels)
{
    uint64_t sites = 0;
    unsigned levels = 0;

    for (size_t g = 0; g < encoder->group_count; g++) {
        const struct encode_group *group = &encoder->groups[g];

        sites |= UINT64_C(1) << (group->site_id % 64);
        levels |= group->site ? 1u << group->site->level : FILE_LEVELS_ALL;
    }
    *ret_levels = (uint8_t)levels;
    return sites;
}

static int put_block(struct encode *e, const struct file_block_params *params,
                     struct file_buffer *out, struct file_block_summary *summary)
{
    size_t begin = out->size;
    size_t data = begin + sizeof(struct frame_block);
    struct frame_block frame = {
        .first_seq = params->first_seq,
        .first_pos = params->first_pos,
        .ring = params->ring,
        .records = (uint32_t)params->records,
        .slots = (uint32_t)params->slot_count,
        .codec = FILE_CODEC_COLUMNS,
    };
    int r = put_content(e, &frame.time_min, &frame.time_max);

    if (r == 0)
        r = file_buffer_reserve(out, sizeof(frame));
    if (r < 0)
        return r;
    frame.raw_size = (uint32_t)e->encoder->content.size;
    out->size = data;
    r = file_encoder_compress(e->encoder, out);
    if (r < 0) {
        out->size = begin;
        return r;
    }
    frame.sites = site_bits(e->encoder, &frame.levels);
    frame.stored_size = (uint32_t)(out->size - data);
    frame.data_hash = XXH64(out->data + data, frame.stored_size, 0);
    file_frame_head(&frame.head, FILE_KIND_BLOCK, sizeof(frame), params->file_uuid);
    memcpy(out->data + begin, &frame, sizeof(frame));
    file_frame_seal(out->data + begin, sizeof(frame));
    *summary = (struct file_block_summary){frame.time_min, frame.time_max, out->size - begin};
    return 0;
}

int file_put_block(struct file_encoder *encoder, const struct file_block_params *params,
                   struct file_buffer *out, struct file_block_summary *ret_summary)
{
    struct encode e = {encoder, params->slots, params->records};
    struct file_block_summary summary;
    int r;

    if (!params->records || params->records > params->slot_count ||
        params->slot_count > FILE_BLOCK_SLOTS_MAX)
        return -EINVAL;
    encoder->content.size = 0;
    encoder->columns.cuts = 0;
    r = file_encode_reserve(encoder, params->records);
    if (r == 0)
        r = file_encode_find_records(encoder, params);
    if (r == 0) {
        file_encode_sort_groups(encoder, params->records);
        r = put_block(&e, params, out, &summary);
    }
    file_encode_forget_groups(encoder);
    if (r == 0 && ret_summary)
        *ret_summary = summary;
    return r;
}
