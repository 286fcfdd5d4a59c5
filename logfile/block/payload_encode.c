/* SPDX-License-Identifier: MIT
 *
 * The sizes, values and bytes of a group's records, from their slots into columns and runs of
 * bytes.
 */
#include "logfile/block/encoder.h"
#include "logfile/block/record.h"

#define SLOT_WORDS (SHMLOG_SLOT_PAYLOAD / 8) /* of payload; a slot's header is one more before */

/* Values that lie across words: byte by byte. */
static void gather_bytes(struct encode *e, const struct encode_group *group, uint32_t offset,
                         unsigned width, bool is_signed)
{
    uint64_t *value = e->encoder->value;
    unsigned shift = 64 - 8 * width;

    for (size_t i = 0; i < group->count; i++) {
        uint8_t bytes[8] = {0};

        copy_payload(bytes, e->slots + group->order[i], offset, width);
        value[i] = load64(bytes);
        if (is_signed)
            value[i] = (uint64_t)((int64_t)(value[i] << shift) >> shift);
    }
}

/* Words of a slot from its front on that hold something, where one of them is `word` of the
 * payload.
 */
static unsigned words_used(const struct encode_group *group, uint32_t word)
{
    const uint32_t end = (SHMLOG_PAYLOAD_ARGS + group->site->fixed_size + 7) / 8;
    const uint32_t used = 1 + end - word / SLOT_WORDS * SLOT_WORDS;

    return used > KERNEL_SLOT_WORDS ? KERNEL_SLOT_WORDS : used < 4 ? 4 : used;
}

/* A value of each record of a group, widened to 64 bits. */
static const uint64_t *gather(struct encode *e, const struct encode_group *group, uint32_t offset,
                              unsigned width, bool is_signed)
{
    struct file_encoder *encoder = e->encoder;
    const uint32_t word = offset / 8, within = offset % 8;
    const uint64_t *words = encoder->word[1 + word % SLOT_WORDS];

    if (within + width > 8) {
        gather_bytes(e, group, offset, width, is_signed);
        return encoder->value;
    }
    file_encode_spread(e, group->order, group->count, word / SLOT_WORDS, words_used(group, word));
    if (width == 8)
        return words;
    encoder->columns.kernels->extract(encoder->value, words, group->count, 8 * within, 8 * width,
                                      is_signed);
    return encoder->value;
}

static int put_integers(struct encode *e, const uint64_t *value, size_t count)
{
    return file_columns_put(&e->encoder->columns, value, count, &e->encoder->content);
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
    const uint32_t *order = group->order;
    int r;

    for (size_t i = 0; i < group->count; i++)
        e->encoder->value[i] = record_slots(e->slots + order[i]);
    r = file_encode_column(e, group->count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < group->count; i++)
        e->encoder->value[i] = opaque_size(e->slots + order[i]);
    return file_encode_column(e, group->count);
}

/* The strings of a group: by a dictionary each, or the column of their length words. */
static int put_strings(struct encode *e, struct encode_group *group, const struct file_shape *shape)
{
    unsigned argument = 0;
    int r = 0;

    file_encode_strings_start(e, group, shape->end);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        const uint32_t offset = shape->field[f].offset;

        if (!shape_is_string(&shape->field[f]))
            continue;
        r = file_encode_string_dict(e, group, argument, f, offset);
        if (r == 0)
            r = put_integers(e, gather(e, group, offset, 4, false), group->count);
        else if (r > 0)
            r = 0;
        if (++argument < shape->strings)
            file_encode_strings_step(e, group, offset);
    }
    return r;
}

/* Slots beyond those that a record needs, which is one at least. */
static int put_extra_slots(struct encode *e, const struct encode_group *group)
{
    if (group->slots == group->count)
        return file_columns_put_const(0, &e->encoder->content);
    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + group->order[i];

        e->encoder->value[i] =
            record_slots(first) - (group->strings ? file_encode_needed(group, first) : group->fit);
    }
    return file_encode_column(e, group->count);
}

int file_encode_sizes(struct encode *e, struct encode_group *group, const struct file_shape *shape)
{
    int r;

    if (shape->kind == SHAPE_OPAQUE)
        return put_opaque_sizes(e, group);
    r = put_extra_slots(e, group);
    if (r == 0 && shape->strings)
        r = put_strings(e, group, shape);
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
    const uint32_t *order = group->order;

    for (uint32_t at = 0; at < field->size; at += 8) {
        int r;

        for (size_t i = 0; i < group->count; i++) {
            uint8_t bytes[SHAPE_TEXT_SHORT] = {0};
            bool ended = false;
            uint64_t low;

            copy_payload(bytes, e->slots + order[i], field->offset, field->size);
            low = cut_text(load64(bytes), &ended);
            e->encoder->value[i] = at ? cut_text(load64(bytes + 8), &ended) : low;
        }
        r = file_encode_column(e, group->count);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Argument number `argument` of the group's site. */
static int put_field(struct encode *e, const struct encode_group *group, unsigned argument,
                     const struct file_shape_field *field)
{
    const uint64_t *value;
    int r;

    if (shape_is_string(field) || shape_is_long_text(field))
        return 0;
    if (field->type == SHMLOG_TYPE_TEXT)
        return put_text(e, group, field);
    value = gather(e, group, field->offset, field->size, is_signed(field->type));
    if (shape_is_float(field)) {
        r = file_columns_put_float(&e->encoder->columns, value, group->count, field->size,
                                   &e->encoder->content);
        if (r == 0)
            file_encode_note_reals(e, group, argument, value, field->size);
        return r;
    }
    r = put_integers(e, value, group->count);
    if (r == 0)
        file_encode_note_integers(e, group, argument, is_signed(field->type));
    return r;
}

int file_encode_fields(struct encode *e, struct encode_group *group, const struct file_shape *shape)
{
    struct file_encoder *encoder = e->encoder;
    const uint8_t *keys =
        group->key_count > 1 ? encoder->key + (group->order - encoder->order) : NULL;
    int r = 0;

    file_columns_begin_group(&encoder->columns, keys, group->key_count, group->key_argument);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++)
        r = put_field(e, group, f, &shape->field[f]);
    file_columns_end_group(&encoder->columns);
    return r;
}

/* ---- Bytes ---- */

static int put_opaque_bytes(struct encode *e, const struct encode_group *group)
{
    const uint32_t *order = group->order;
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

/* Bytes of the string where the encoder is, of each record. */
static int put_string(struct encode *e, const struct encode_group *group,
                      const struct file_shape_field *field)
{
    const uint32_t *order = group->order;
    struct file_buffer *out = &e->encoder->content;

    for (size_t i = 0; i < group->count; i++) {
        const struct shmlog_slot *first = e->slots + order[i];
        const uint32_t size = string_size(load32(payload_at(first, field->offset)));
        int r = file_buffer_reserve(out, size);

        if (r < 0)
            return r;
        copy_payload(out->data + out->size, first, e->encoder->string_at[i], size);
        out->size += size;
    }
    return 0;
}

/* The bytes of the strings that are not in dictionaries. */
static int put_string_bytes(struct encode *e, const struct encode_group *group,
                            const struct file_shape *shape)
{
    unsigned argument = 0;
    int r = 0;

    if (group->dicts == (UINT32_C(1) << shape->strings) - 1)
        return 0;
    file_encode_strings_start(e, group, shape->end);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        const struct file_shape_field *field = &shape->field[f];

        if (!shape_is_string(field))
            continue;
        if (!(group->dicts >> argument & 1))
            r = put_string(e, group, field);
        if (++argument < shape->strings)
            file_encode_strings_step(e, group, field->offset);
    }
    return r;
}

static int put_long_text(struct encode *e, const struct encode_group *group,
                         const struct file_shape_field *field)
{
    const uint32_t *order = group->order;
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

int file_encode_bytes(struct encode *e, struct encode_group *group, const struct file_shape *shape)
{
    int r = 0;

    if (shape->kind == SHAPE_OPAQUE)
        return put_opaque_bytes(e, group);
    if (shape->strings) /* arguments, which have no texts */
        return put_string_bytes(e, group, shape);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        if (shape_is_long_text(&shape->field[f]))
            r = put_long_text(e, group, &shape->field[f]);
    }
    return r;
}
