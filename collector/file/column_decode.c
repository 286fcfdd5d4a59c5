/* SPDX-License-Identifier: MIT
 *
 * Columns back to values. The bytes are a file's, so hostile: nothing is read beyond `in`, and
 * whatever they say, exactly `count` values are written.
 */
#include "collector/file/column.h"

#include <errno.h>

static void fill(uint64_t *v, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        v[i] = value;
}

static int get_planes(struct bytes_in *in, size_t count, unsigned planes, uint64_t *v)
{
    for (unsigned p = 0; p < planes; p++) {
        const uint8_t *from = bytes_take(in, count);

        if (!from)
            return -EBADMSG;
        for (size_t i = 0; i < count; i++)
            v[i] += (uint64_t)from[i] << (8 * p);
    }
    return 0;
}

static int get_plain(struct bytes_in *in, size_t count, unsigned planes, uint64_t *v)
{
    fill(v, count, bytes_svarint(in));
    return get_planes(in, count, planes, v);
}

static int get_delta(struct bytes_in *in, size_t count, unsigned planes, uint64_t *v)
{
    uint64_t value = bytes_svarint(in);
    uint64_t base = bytes_svarint(in);
    int r;

    if (!count)
        return 0;
    fill(v, count, base);
    v[0] = value;
    r = get_planes(in, count - 1, planes, v + 1);
    for (size_t i = 1; i < count; i++)
        v[i] += v[i - 1];
    return r;
}

static int get_dict(struct bytes_in *in, size_t count, unsigned log2_bits, uint64_t *v)
{
    uint64_t dict[COLUMN_DICT_MAX];
    unsigned bits = 1u << log2_bits;
    unsigned mask = (1u << bits) - 1;
    unsigned entries = bytes_u8(in) + 1u;
    const uint8_t *from;

    for (unsigned i = 0; i < entries; i++)
        dict[i] = bytes_svarint(in);
    from = bytes_take(in, (count * bits + 7) / 8);
    if (!from)
        return -EBADMSG;
    for (size_t i = 0; i < count; i++) {
        size_t bit = i * bits;
        unsigned index = from[bit / 8] >> (bit % 8) & mask;

        if (index >= entries)
            return -EBADMSG;
        v[i] = dict[index];
    }
    return 0;
}

static int get_raw(struct bytes_in *in, size_t count, unsigned width, uint64_t *v)
{
    const uint8_t *from = bytes_take(in, (uint64_t)count * width);

    if (!from)
        return -EBADMSG;
    for (size_t i = 0; i < count; i++, from += width) {
        v[i] = 0;
        memcpy(&v[i], from, width);
    }
    return 0;
}

int file_columns_get_integers(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v)
{
    const uint8_t head = bytes_u8(in);
    const unsigned parameter = head & 15;
    int r = -EBADMSG;

    switch (head >> 4) {
    case COLUMN_CONST:
        if (parameter == 0)
            r = get_plain(in, count, 0, ret_v);
        break;
    case COLUMN_PLANES:
        if (parameter <= 8)
            r = get_plain(in, count, parameter, ret_v);
        break;
    case COLUMN_DELTA:
        if (parameter <= 8)
            r = get_delta(in, count, parameter, ret_v);
        break;
    case COLUMN_DICT:
        if (parameter <= 3)
            r = get_dict(in, count, parameter, ret_v);
        break;
    case COLUMN_RAW:
        if (parameter == 0)
            r = get_raw(in, count, width, ret_v);
        break;
    case COLUMN_PACKED:
        r = file_columns_get_packed(in, parameter, count, ret_v);
        break;
    }
    return in->bad ? -EBADMSG : r;
}

/* The codec of the column that comes next; none, at the end. */
static unsigned next_codec(const struct bytes_in *in)
{
    return in->at == in->end ? 0 : *in->at >> 4;
}

/* The integers of a floating-point column, into what columns after it may be told from. */
static int get_scaled(struct bytes_in *in, size_t count, uint64_t *ret_k,
                      struct column_relatives *relatives)
{
    int r;

    if (next_codec(in) == COLUMN_KEYED)
        r = file_columns_get_keyed(in, bytes_u8(in) & 15, count, ret_k, relatives);
    else if (next_codec(in) != COLUMN_RELATED)
        r = file_columns_get_integers(in, count, 8, ret_k);
    else if (bytes_u8(in) & 15)
        r = -EBADMSG;
    else
        r = file_columns_get_reference(in, count, ret_k, relatives);
    if (r == 0 && relatives) {
        memcpy(relatives->reference, ret_k, count * sizeof(*ret_k));
        relatives->has_reference = true;
    }
    return r;
}

int file_columns_get_related(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                             uint64_t *scratch, struct column_relatives *relatives)
{
    const unsigned codec = next_codec(in);
    unsigned parameter;
    int r;

    if (codec != COLUMN_DECIMAL && codec != COLUMN_DECIMAL_MUL && codec != COLUMN_KEYED)
        return file_columns_get_integers(in, count, width, ret_v);
    parameter = bytes_u8(in) & 15;
    if (codec == COLUMN_KEYED)
        return file_columns_get_keyed(in, parameter, count, ret_v, relatives);
    if (width != 4 && width != 8)
        return -EBADMSG;
    r = get_scaled(in, count, scratch, relatives);
    if (r == 0)
        r = file_columns_get_integers(in, count, 8, ret_v);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        ret_v[i] += file_column_decimal((int64_t)scratch[i], codec, parameter, width);
    return 0;
}

int file_columns_get(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                     uint64_t *scratch)
{
    return file_columns_get_related(in, count, width, ret_v, scratch, NULL);
}
