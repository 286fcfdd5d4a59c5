/* SPDX-License-Identifier: MIT
 *
 * Choosing records by columns: see choice.h.
 *
 * Columns lie one behind the other, so all of a group are stepped over, which needs their heads
 * only; values are taken of those that are asked for. The content is hostile: each step is bounded
 * as in decoding. A block that cannot be stepped through is decoded, which says what is wrong.
 */
#include "logfile/block/choice.h"
#include "logfile/block/decoder.h"
#include "logfile/block/record.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Steps ---- */

static int skip_integers(struct decode *d, size_t count, unsigned width)
{
    struct column_basis basis;

    return file_columns_skip(&d->in, count, width, NULL, &basis);
}

static int skip_sizes(struct decode *d, struct decode_group *group, const struct file_shape *shape)
{
    unsigned entries;
    int r = skip_integers(d, group->count, 1);

    if (r == 0 && shape->kind == SHAPE_OPAQUE)
        r = skip_integers(d, group->count, 2);
    group->sizes = d->in.at;
    group->sizes_end = d->in.end;
    for (unsigned f = 0; r == 0 && shape->strings && f < shape->fields; f++)
        if (shape_is_string(&shape->field[f]))
            r = file_decode_skip_strings(d, group->count, &entries);
    return r;
}

/* Where the strings' columns begin, and how many entries their dictionaries have. */
static int find_strings(struct decode *d, const struct decode_group *of, struct file_group *group)
{
    const struct bytes_in in = d->in;
    unsigned argument = 0;
    int r = 0;

    d->in.at = of->sizes;
    d->in.end = of->sizes_end;
    for (unsigned f = 0; r == 0 && group->shape.strings && f < group->shape.fields; f++) {
        if (!shape_is_string(&group->shape.field[f]))
            continue;
        group->column[f] = d->in;
        r = file_decode_skip_strings(d, group->count, &group->entries[f]);
        if (argument < COLUMN_KEY_ARGUMENTS)
            d->relatives.keys[argument++] = group->entries[f];
    }
    d->in = in;
    return r;
}

static int skip_text(struct decode *d, size_t count, unsigned size)
{
    struct column_basis basis;
    int r = 0;

    for (unsigned at = 0; r == 0 && at < size; at += 8)
        r = file_columns_skip(&d->in, count, size - at < 8 ? size - at : 8, &d->relatives, &basis);
    return r;
}

/* Where all columns of the group begin, and past them. */
static int find_columns(struct decode *d, const struct decode_group *of, struct file_group *group)
{
    int r;

    memset(d->relatives.keys, 0, sizeof(d->relatives.keys));
    r = find_strings(d, of, group);
    for (unsigned f = 0; r == 0 && f < group->shape.fields; f++) {
        const struct file_shape_field *const field = &group->shape.field[f];
        struct column_basis basis;

        if (shape_is_string(field) || shape_is_long_text(field))
            continue;
        group->column[f] = d->in;
        if (field->type == SHMLOG_TYPE_TEXT)
            r = skip_text(d, group->count, field->size);
        else
            r = file_columns_skip(&d->in, group->count, field->size, &d->relatives, &basis);
    }
    return r;
}

/* ---- Values ---- */

/* Room for the values of a field; NULL: no memory. */
static uint64_t *room_of(struct file_choosing *choosing, unsigned field, size_t count)
{
    const size_t room = (count + FILE_GROUP_PIECE - 1) / FILE_GROUP_PIECE * FILE_GROUP_PIECE;

    if (room > choosing->room[field]) {
        free(choosing->value[field]);
        choosing->room[field] = 0;
        choosing->value[field] = malloc(room * sizeof(uint64_t));
        if (!choosing->value[field])
            return NULL;
        choosing->room[field] = room;
    }
    memset(choosing->value[field] + count, 0, (room - count) * sizeof(uint64_t));
    return choosing->value[field];
}

/* From the low bytes of a value to what struct file_value has. */
static void widen(uint64_t *v, size_t count, const struct file_shape_field *field)
{
    const unsigned shift = 64 - 8u * field->size;

    switch (field->type) {
    case SHMLOG_TYPE_F32:
        for (size_t i = 0; i < count; i++) {
            const uint32_t low = (uint32_t)v[i];
            float single;
            double wide;

            memcpy(&single, &low, sizeof(single));
            wide = (double)single;
            memcpy(&v[i], &wide, sizeof(wide));
        }
        break;
    case SHMLOG_TYPE_CHAR:
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
        for (size_t i = 0; i < count; i++)
            v[i] = (uint64_t)((int64_t)(v[i] << shift) >> shift);
        break;
    default:
        for (size_t i = 0; shift && i < count; i++)
            v[i] = v[i] << shift >> shift;
    }
}

static int take_numbers(struct decode *d, struct file_group *group, unsigned f)
{
    const struct file_shape_field *const field = &group->shape.field[f];
    uint64_t *const to = room_of(d->decoder->choosing, f, group->count);
    int r;

    if (!to)
        return -ENOMEM;
    d->in = group->column[f];
    r = file_columns_get_related(&d->in, group->count, field->size, to, d->decoder->scratch,
                                 &d->relatives);
    if (r == 0)
        widen(to, group->count, field);
    group->value[f] = to;
    return r;
}

/* `argument`: its number among the strings. */
static int take_strings(struct decode *d, struct file_group *group, unsigned f, unsigned argument)
{
    struct file_choosing *const choosing = d->decoder->choosing;
    uint8_t *to;
    int r;

    if (!group->entries[f])
        return -ENOTSUP;
    to = (uint8_t *)room_of(choosing, f, group->count);
    if (!to)
        return -ENOMEM;
    d->in = group->column[f];
    r = file_decode_strings(d, group->count, &choosing->strings[f]);
    if (r < 0)
        return r;
    for (size_t i = 0; i < group->count; i++)
        to[i] = (uint8_t)d->decoder->value[i];
    memset(to + group->count, 0, choosing->room[f] * sizeof(uint64_t) - group->count);
    group->index[f] = to;
    if (argument < COLUMN_KEY_ARGUMENTS)
        d->relatives.key[argument] = to;
    return 0;
}

/* Which columns have to be taken so that these can be. A column is predicted from strings, and from
 * the last floating-point column before it. */
static int with_basis(struct decode *d, const struct file_group *group, uint32_t fields,
                      uint32_t *ret_fields)
{
    uint32_t keys = 0;
    bool reference = false;
    int r = 0;

    for (unsigned f = group->shape.fields; r == 0 && f-- > 0;) {
        const struct file_shape_field *const field = &group->shape.field[f];
        struct column_basis basis;

        if (field->type == SHMLOG_TYPE_TEXT && reference)
            return -ENOTSUP; /* it may be the basis */
        if (shape_is_string(field) || field->type == SHMLOG_TYPE_TEXT)
            continue;
        d->in = group->column[f];
        r = file_columns_skip(&d->in, group->count, field->size, &d->relatives, &basis);
        if (r == 0 && reference && basis.is_reference) {
            fields |= UINT32_C(1) << f;
            reference = false;
        }
        if (r < 0 || !(fields >> f & 1))
            continue;
        keys |= basis.keyed ? 1u << basis.argument : 0;
        reference = reference || basis.related;
    }
    for (unsigned f = 0, argument = 0; r == 0 && f < group->shape.fields; f++)
        if (shape_is_string(&group->shape.field[f]) && argument < COLUMN_KEY_ARGUMENTS &&
            keys >> argument++ & 1)
            fields |= UINT32_C(1) << f;
    *ret_fields = fields;
    return r;
}

static int take(struct decode *d, struct file_group *group, uint32_t fields)
{
    int r = with_basis(d, group, fields, &fields);

    d->relatives.has_reference = false;
    for (unsigned f = 0, argument = 0; r == 0 && f < group->shape.fields; f++) {
        const struct file_shape_field *const field = &group->shape.field[f];

        if (!shape_is_string(field))
            continue;
        if (fields >> f & 1)
            r = take_strings(d, group, f, argument);
        argument++;
    }
    for (unsigned f = 0; r == 0 && f < group->shape.fields; f++) {
        const struct file_shape_field *const field = &group->shape.field[f];

        if (!(fields >> f & 1) || shape_is_string(field))
            continue;
        r = field->type == SHMLOG_TYPE_TEXT ? -ENOTSUP : take_numbers(d, group, f);
    }
    return r;
}

int file_group_take(struct file_group *group, uint32_t fields)
{
    struct decode *const d = group->decode;
    const struct bytes_in in = d->in;
    const int r = take(d, group, fields);

    d->in = in;
    return r;
}

void file_group_entry(const struct file_group *group, unsigned field, unsigned entry,
                      struct file_value *ret_value)
{
    const struct decode_strings *const strings = &group->decode->decoder->choosing->strings[field];
    const uint32_t word = strings->word[entry];

    *ret_value = (struct file_value){.type = group->shape.field[field].type,
                                     .is_null = word == SHMLOG_LENGTH_NULL};
    if (ret_value->is_null)
        return;
    ret_value->cut = (word & SHMLOG_LENGTH_CUT) != 0;
    ret_value->data = strings->bytes[entry];
    ret_value->size = string_size(word);
}

/* ---- Blocks ---- */

static int reserve(struct file_block_decoder *decoder, size_t records)
{
    struct file_choosing *choosing = decoder->choosing;

    if (!choosing)
        choosing = decoder->choosing = calloc(1, sizeof(*choosing));
    if (!choosing)
        return -ENOMEM;
    if (records > choosing->records) {
        free(choosing->wanted);
        free(choosing->chosen);
        choosing->records = 0;
        choosing->wanted = malloc(records);
        choosing->chosen = malloc(records);
        if (!choosing->wanted || !choosing->chosen)
            return -ENOMEM;
        choosing->records = records;
    }
    memset(choosing->wanted, 0, records);
    return file_decoder_reserve(decoder, records);
}

/* Go to the first group's values. */
static int find_groups(struct decode *d)
{
    int r = file_decode_group_table(d);

    if (r == 0)
        r = file_decode_groups(d);
    if (r == 0)
        r = skip_integers(d, d->records, 4); /* producers */
    if (r == 0)
        r = skip_integers(d, d->records, 8); /* times */
    for (size_t g = 0; r == 0 && g < d->decoder->group_count; g++) {
        struct decode_group *const group = &d->decoder->groups[g];
        const struct file_shape shape = file_decode_shape(d, group);

        r = skip_sizes(d, group, &shape);
    }
    return r;
}

static int choose_group(struct decode *d, const struct decode_group *of,
                        const struct file_choice *choice, enum file_chosen *ret_chosen)
{
    uint8_t *const wanted = d->decoder->choosing->wanted + of->first;
    struct file_group group = {
        .site = of->site_id,
        .count = of->count,
        .shape = file_decode_shape(d, of),
        .decode = d,
    };
    const int r = find_columns(d, of, &group);

    if (r < 0)
        return r;
    *ret_chosen = of->count ? choice->choose(choice->arg, &group, wanted) : FILE_CHOSEN_NONE;
    if (*ret_chosen == FILE_CHOSEN_ALL)
        memset(wanted, 1, of->count);
    return 0;
}

/* From bytes in the order of the groups to bytes in that of the records. */
static void put_chosen(struct decode *d)
{
    struct file_choosing *const choosing = d->decoder->choosing;

    for (uint32_t i = 0; i < d->records; i++)
        choosing->chosen[i] = choosing->wanted[d->decoder->groups[d->decoder->group[i]].first++];
}

/* Which records, as bytes in `chosen` where it is some of them. -EBADMSG, -ENOMEM. */
static int choose(struct decode *d, const struct file_choice *choice, enum file_chosen *ret_chosen)
{
    bool all = true, none = true;
    int r = reserve(d->decoder, d->records);

    d->relatives.reference = d->decoder->reference;
    if (r == 0)
        r = find_groups(d);
    for (size_t g = 0; r == 0 && g < d->decoder->group_count; g++) {
        const struct decode_group *const group = &d->decoder->groups[g];
        enum file_chosen chosen;

        r = choose_group(d, group, choice, &chosen);
        if (r < 0)
            return r;
        all = all && (!group->count || chosen == FILE_CHOSEN_ALL);
        none = none && chosen == FILE_CHOSEN_NONE;
    }
    if (r < 0)
        return r;
    *ret_chosen = none ? FILE_CHOSEN_NONE : all ? FILE_CHOSEN_ALL : FILE_CHOSEN_SOME;
    if (*ret_chosen == FILE_CHOSEN_SOME)
        put_chosen(d);
    return 0;
}

static void keep_chosen(struct file_block *block, const uint8_t *chosen)
{
    size_t kept = 0;

    for (size_t i = 0; i < block->records; i++)
        if (chosen[i])
            block->record[kept++] = block->record[i];
    block->records = kept;
}

int file_block_decode_chosen(struct file_block_decoder *decoder, const struct file_block_info *info,
                             const uint8_t *content, size_t size, const struct file_choice *choice,
                             struct file_block *ret_block)
{
    struct decode d = {
        .decoder = decoder,
        .in = {content, content + size, false},
        .records = info->records,
    };
    enum file_chosen chosen = FILE_CHOSEN_ALL;
    int r = 0;

    ret_block->records = 0;
    ret_block->info = *info;
    if (info->codec == FILE_CODEC_COLUMNS) {
        d.block = ret_block;
        r = choose(&d, choice, &chosen);
    }
    if (r == -ENOMEM || (r == 0 && chosen == FILE_CHOSEN_NONE))
        return r;
    r = file_block_decode(decoder, info, content, size, ret_block);
    if (r == 0 && chosen == FILE_CHOSEN_SOME)
        keep_chosen(ret_block, decoder->choosing->chosen);
    return r;
}
