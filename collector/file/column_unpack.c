/* SPDX-License-Identifier: MIT
 *
 * Packed columns back to values. Their bits are taken from the end of what is left of the content.
 * Hostile bytes, as in column_decode.c.
 */
#include "collector/file/column.h"

#include <errno.h>

/* The last `size` bytes, which are then no longer there; NULL (and bad) if there are not as many.
 */
static const uint8_t *take_last(struct bytes_in *in, uint64_t size)
{
    if (in->bad || size > (uint64_t)(in->end - in->at)) {
        in->bad = true;
        return NULL;
    }
    in->end -= size;
    return in->end;
}

/* Add the codes to what is in `v`. */
static int add_codes(struct bytes_in *in, size_t count, unsigned bits, uint64_t *v)
{
    const unsigned whole = bits / 8, part = bits % 8;
    const uint8_t *from = take_last(in, (uint64_t)whole * count + ((uint64_t)count * part + 7) / 8);

    if (!from)
        return -EBADMSG;
    for (unsigned p = 0; p < whole; p++, from += count) {
        for (size_t i = 0; i < count; i++)
            v[i] += (uint64_t)from[i] << (8 * p);
    }
    for (size_t i = 0, bit = 0; part && i < count; i++, bit += part) {
        unsigned code = from[bit / 8] >> (bit % 8);

        if (bit % 8 + part > 8)
            code |= (unsigned)from[bit / 8 + 1] << (8 - bit % 8);
        v[i] += (uint64_t)(code & ((1u << part) - 1)) << (8 * whole);
    }
    return 0;
}

static void fill(uint64_t *v, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        v[i] = value;
}

static int get_steps(struct bytes_in *in, unsigned bits, size_t count, uint64_t *v)
{
    uint64_t value = bytes_svarint(in);
    int r;

    fill(v, count, bytes_svarint(in));
    if (!count)
        return 0;
    v[0] = value;
    r = add_codes(in, count - 1, bits, v + 1);
    for (size_t i = 1; i < count; i++)
        v[i] += v[i - 1];
    return r;
}

static int get_dict(struct bytes_in *in, unsigned bits, size_t count, uint64_t *v)
{
    uint64_t dict[COLUMN_DICT_MAX];
    unsigned entries = bytes_u8(in) + 1u;
    int r;

    for (unsigned i = 0; i < entries; i++)
        dict[i] = bytes_svarint(in);
    fill(v, count, 0);
    r = bits <= 8 ? add_codes(in, count, bits, v) : -EBADMSG;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (v[i] >= entries)
            return -EBADMSG;
        v[i] = dict[v[i]];
    }
    return r;
}

int file_columns_get_packed(struct bytes_in *in, unsigned mode, size_t count, uint64_t *ret_v)
{
    unsigned bits = bytes_u8(in);

    if (bits > 64)
        return -EBADMSG;
    switch (mode) {
    case COLUMN_PACKED_VALUES:
        fill(ret_v, count, bytes_svarint(in));
        return add_codes(in, count, bits, ret_v);
    case COLUMN_PACKED_STEPS:
        return get_steps(in, bits, count, ret_v);
    case COLUMN_PACKED_DICT:
        return get_dict(in, bits, count, ret_v);
    default:
        return -EBADMSG;
    }
}
