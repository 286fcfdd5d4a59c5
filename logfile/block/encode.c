/* SPDX-License-Identifier: MIT
 *
 * From slots to a block: records are sorted into groups of one site, and the values of each group
 * into columns.
 *
 * Slots come from shared memory by way of a copy that is the caller's own and holds still. What is
 * in them is not trusted: records that do not fit their site are kept as opaque bytes.
 */
#include "logfile/block/encoder.h"
#include "logfile/block/record.h"

#include <errno.h>

#define CONTENT_FIXED 64 /* room for the group count */

/* Smallest and largest of a column, as unsigned numbers. */
static void unsigned_range(const struct column_range *range, const uint64_t *v, size_t count,
                           uint64_t *ret_min, uint64_t *ret_max)
{
    uint64_t min = (uint64_t)range->min, max = (uint64_t)range->max;

    if ((range->min < 0) != (range->max < 0)) {
        min = UINT64_MAX;
        max = 0;
        for (size_t i = 0; i < count; i++) {
            min = v[i] < min ? v[i] : min;
            max = v[i] > max ? v[i] : max;
        }
    }
    *ret_min = min;
    *ret_max = max;
}

static int put_groups(struct encode *e)
{
    if (e->encoder->group_count == 1)
        return file_columns_put_const(0, &e->encoder->content);
    for (size_t i = 0; i < e->records; i++)
        e->encoder->value[i] = e->encoder->group[i];
    return file_encode_column(e, e->records);
}

static int put_producers(struct encode *e)
{
    struct file_encoder *encoder = e->encoder;
    const struct file_kernels *kernels = encoder->columns.kernels;
    const uint64_t *words = encoder->word[1 + SHMLOG_PAYLOAD_PRODUCER / 8];

    if (kernels->is_sequence(words, e->records, 0, UINT32_MAX))
        return file_columns_put_const((uint32_t)words[0], &encoder->content);
    kernels->extract(encoder->value, words, e->records, 0, 32, false);
    return file_encode_column(e, e->records);
}

static int put_record_columns(struct encode *e, uint64_t *ret_min, uint64_t *ret_max)
{
    struct file_encoder *encoder = e->encoder;
    const uint64_t *time = encoder->word[1 + SHMLOG_PAYLOAD_TIME / 8];
    struct column_range range;
    int r = put_groups(e);

    if (r == 0) {
        file_encode_spread(e, e->start, e->records, 0, 4);
        r = put_producers(e);
    }
    if (r < 0)
        return r;
    range = encoder->columns.kernels->range(time, e->records);
    unsigned_range(&range, time, e->records, ret_min, ret_max);
    return file_columns_put_ranged(&encoder->columns, time, e->records, &range, &encoder->content);
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

typedef int (*group_part)(struct encode *e, struct encode_group *group,
                          const struct file_shape *shape);

/* `ret_columns`, `ret_soft`: where the columns end, and what is to be compressed. */
static int put_content(struct encode *e, uint64_t *ret_min, uint64_t *ret_max, size_t *ret_columns,
                       size_t *ret_soft)
{
    static const group_part parts[] = {file_encode_sizes, file_encode_fields, file_encode_bytes};
    struct file_encoder *encoder = e->encoder;
    int r = put_group_table(e);

    if (r == 0)
        r = put_record_columns(e, ret_min, ret_max);
    for (unsigned p = 0; r == 0 && p < 3; p++) {
        if (parts[p] == file_encode_bytes) {
            file_columns_cut(&encoder->columns, &encoder->content);
            *ret_columns = encoder->content.size;
        }
        for (size_t g = 0; r == 0 && g < encoder->group_count; g++) {
            struct file_shape shape;

            file_shape_of_site(encoder->groups[g].site, &shape);
            r = parts[p](e, &encoder->groups[g], &shape);
        }
    }
    *ret_soft = encoder->content.size;
    if (r == 0)
        r = file_columns_put_tail(&encoder->columns, &encoder->content);
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
    size_t columns = 0, soft = 0;
    int r = put_content(e, &frame.time_min, &frame.time_max, &columns, &soft);

    if (r == 0)
        r = file_buffer_reserve(out, sizeof(frame));
    if (r < 0)
        return r;
    frame.raw_size = (uint32_t)e->encoder->content.size;
    out->size = data;
    r = file_encoder_compress(e->encoder, soft, columns >= soft - soft / 16, out);
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
    r = file_encode_put_ranges(e, params, out->size - begin, out);
    if (r < 0) {
        out->size = begin;
        return r;
    }
    *summary = (struct file_block_summary){frame.time_min, frame.time_max, out->size - begin};
    return 0;
}

int file_put_block(struct file_encoder *encoder, const struct file_block_params *params,
                   struct file_buffer *out, struct file_block_summary *ret_summary)
{
    struct encode e = {
        .encoder = encoder,
        .slots = params->slots,
        .slot_count = params->slot_count,
        .records = params->records,
    };
    struct file_block_summary summary;
    int r;

    if (!params->records || params->records > params->slot_count ||
        params->slot_count > FILE_BLOCK_SLOTS_MAX)
        return -EINVAL;
    encoder->content.size = encoder->ranges.size = encoder->range_count = 0;
    encoder->ranges_failed = false;
    file_columns_begin(&encoder->columns);
    encoder->columns.slack = encoder->zstd_level <= 2 ? COLUMN_SLACK_FAST : COLUMN_SLACK_THRIFTY;
    r = file_encode_reserve(encoder, params->records);
    if (r == 0)
        r = file_encode_find_records(&e, params);
    if (r == 0)
        r = put_block(&e, params, out, &summary);
    file_encode_forget_groups(encoder);
    if (r == 0 && ret_summary)
        *ret_summary = summary;
    return r;
}
