/* SPDX-License-Identifier: MIT
 *
 * String arguments by dictionaries, back into the payloads. Hostile bytes: an index is used only
 * after it was found to be below the number of entries.
 */
#include "logfile/block/decoder.h"
#include "logfile/block/record.h"

#include <errno.h>

static int get_dict(struct bytes_in *in, struct decode_strings *ret_strings)
{
    const uint32_t entries = bytes_u8(in) + 1u;

    for (uint32_t i = 0; i < entries; i++) {
        const uint64_t word = bytes_varint(in);

        if (word > UINT32_MAX)
            return -EBADMSG;
        ret_strings->word[i] = (uint32_t)word;
        ret_strings->bytes[i] = bytes_take(in, string_size((uint32_t)word));
    }
    ret_strings->entries = entries;
    return in->bad ? -EBADMSG : 0;
}

int file_decode_skip_strings(struct decode *d, size_t count, unsigned *ret_entries)
{
    struct column_basis basis;
    unsigned entries = 0;
    int r;

    if (d->in.at != d->in.end && *d->in.at == COLUMN_STRINGS << 4) {
        d->in.at++;
        entries = bytes_u8(&d->in) + 1u;
        for (unsigned i = 0; i < entries; i++) {
            const uint64_t word = bytes_varint(&d->in);

            if (word > UINT32_MAX)
                return -EBADMSG;
            bytes_take(&d->in, string_size((uint32_t)word));
        }
    }
    r = d->in.bad ? -EBADMSG : file_columns_skip(&d->in, count, entries ? 1 : 4, NULL, &basis);
    if (r == 0)
        *ret_entries = entries;
    return r;
}

int file_decode_strings(struct decode *d, size_t count, struct decode_strings *ret_strings)
{
    uint64_t *const value = d->decoder->value;
    int r;

    ret_strings->entries = 0;
    if (d->in.at == d->in.end || *d->in.at != COLUMN_STRINGS << 4)
        return file_columns_get_integers(&d->in, count, 4, value);
    d->in.at++;
    r = get_dict(&d->in, ret_strings);
    if (r == 0)
        r = file_columns_get_integers(&d->in, count, 1, value);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if ((uint8_t)value[i] >= ret_strings->entries)
            r = -EBADMSG;
    }
    return r;
}

/* The strings that the indices in `value` name, to where `fill` says; `value` becomes their length
 * words. */
static void put_dict_strings(struct decode *d, const struct decode_group *group,
                             const struct decode_strings *strings, uint8_t *ret_index)
{
    const uint32_t *order = d->decoder->order + group->first;
    uint64_t *const value = d->decoder->value;

    for (size_t i = 0; i < group->count; i++) {
        const uint8_t index = (uint8_t)value[i];
        const uint32_t size = string_size(strings->word[index]);

        memcpy(decode_payload(d, order[i]) + d->decoder->fill[order[i]], strings->bytes[index],
               size);
        ret_index[i] = index;
        value[i] = strings->word[index];
    }
}

/* From each record's string to its next one. */
static void step_fill(struct decode *d, const struct decode_group *group)
{
    const uint32_t *order = d->decoder->order + group->first;

    for (size_t i = 0; i < group->count; i++)
        d->decoder->fill[order[i]] += string_size((uint32_t)d->decoder->value[i]);
}

static int put_argument(struct decode *d, const struct decode_group *group, unsigned argument,
                        uint32_t field_offset, uint8_t **key)
{
    struct decode_strings strings;
    int r = file_decode_strings(d, group->count, &strings);

    if (r < 0)
        return r;
    if (strings.entries) { /* also without records: columns that name this argument are sound */
        put_dict_strings(d, group, &strings, *key);
        if (argument < COLUMN_KEY_ARGUMENTS) {
            d->relatives.key[argument] = *key;
            d->relatives.keys[argument] = strings.entries;
        }
        *key += group->count;
    }
    file_decode_scatter(d, group, field_offset, 4, false);
    step_fill(d, group);
    return 0;
}

int file_decode_put_strings(struct decode *d, struct decode_group *group,
                            const struct file_shape *shape)
{
    const uint32_t *order = d->decoder->order + group->first;
    const unsigned dicts = (unsigned)__builtin_popcount(group->dicts);
    const struct bytes_in in = d->in;
    unsigned argument = 0;
    uint8_t *key;
    int r = file_decoder_reserve_keys(d->decoder, dicts * (size_t)group->count);

    key = d->decoder->key;
    d->in.at = group->sizes;
    d->in.end = group->sizes_end;
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        if (shape_is_string(&shape->field[f]))
            r = put_argument(d, group, argument++, shape->field[f].offset, &key);
    }
    for (size_t i = 0; i < group->count; i++)
        d->decoder->fill[order[i]] = shape->end;
    d->in = in;
    return r;
}
