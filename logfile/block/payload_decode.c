/* SPDX-License-Identifier: MIT
 *
 * The values and bytes of a group's records, from the content into their payloads.
 *
 * All sizes were checked before: each record has its place, and its fields and strings fit it.
 */
#include "logfile/block/decoder.h"
#include "logfile/block/record.h"

#include <errno.h>

/* The next column of a group's values, which may be predicted from others of the group. */
static int get_column(struct decode *d, size_t count, unsigned width)
{
    return file_columns_get_related(&d->in, count, width, d->decoder->value, d->decoder->scratch,
                                    &d->relatives);
}

static int get_text(struct decode *d, const struct decode_group *group,
                    const struct file_shape_field *field)
{
    int r = 0;

    for (uint32_t at = 0; r == 0 && at < field->size; at += 8) {
        unsigned width = field->size - at < 8 ? field->size - at : 8;

        r = get_column(d, group->count, width);
        if (r == 0)
            file_decode_scatter(d, group, field->offset + at, width, true);
    }
    return r;
}

int file_decode_fields(struct decode *d, struct decode_group *group, const struct file_shape *shape)
{
    int r = 0;

    d->relatives.has_reference = false;
    memset(d->relatives.keys, 0, sizeof(d->relatives.keys));
    if (shape->strings)
        r = file_decode_put_strings(d, group, shape);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        const struct file_shape_field *field = &shape->field[f];

        if (shape_is_string(field) || shape_is_long_text(field))
            continue;
        if (field->type == SHMLOG_TYPE_TEXT) {
            r = get_text(d, group, field);
            continue;
        }
        r = get_column(d, group->count, field->size);
        if (r == 0)
            file_decode_scatter(d, group, field->offset, field->size, false);
    }
    return r;
}

static int get_opaque_bytes(struct decode *d, const struct decode_group *group)
{
    const uint32_t *order = d->decoder->order + group->first;

    for (size_t i = 0; i < group->count; i++) {
        uint32_t size = d->decoder->fill[order[i]];
        const uint8_t *from = bytes_take(&d->in, size);

        if (!from)
            return -EBADMSG;
        memcpy(decode_payload(d, order[i]) + SHMLOG_PAYLOAD_ARGS, from, size);
    }
    return 0;
}

static int get_string(struct decode *d, const struct decode_group *group,
                      const struct file_shape_field *field, bool dict)
{
    const uint32_t *order = d->decoder->order + group->first;

    for (size_t i = 0; i < group->count; i++) {
        uint8_t *payload = decode_payload(d, order[i]);
        const uint8_t *from;
        uint32_t word;

        /* Put there by file_decode_put_strings(), like the strings of dictionaries: the sum of
         * them was checked. */
        memcpy(&word, payload + field->offset, sizeof(word));
        if (!dict) {
            from = bytes_take(&d->in, string_size(word));
            if (!from)
                return -EBADMSG;
            memcpy(payload + d->decoder->fill[order[i]], from, string_size(word));
        }
        d->decoder->fill[order[i]] += string_size(word);
    }
    return 0;
}

static int get_long_text(struct decode *d, const struct decode_group *group,
                         const struct file_shape_field *field)
{
    const uint32_t *order = d->decoder->order + group->first;

    for (size_t i = 0; i < group->count; i++) {
        uint8_t *payload = decode_payload(d, order[i]) + field->offset;
        const uint8_t *from = bytes_take(&d->in, field->size);

        if (!from)
            return -EBADMSG;
        for (size_t b = 0; b < field->size && from[b]; b++)
            payload[b] = from[b];
    }
    return 0;
}

int file_decode_bytes(struct decode *d, struct decode_group *group, const struct file_shape *shape)
{
    unsigned argument = 0;
    int r = 0;

    if (shape->kind == SHAPE_OPAQUE)
        return get_opaque_bytes(d, group);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        if (shape_is_string(&shape->field[f]))
            r = get_string(d, group, &shape->field[f], group->dicts >> argument++ & 1);
        else if (shape_is_long_text(&shape->field[f]))
            r = get_long_text(d, group, &shape->field[f]);
    }
    return r;
}
