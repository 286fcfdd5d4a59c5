/* SPDX-License-Identifier: MIT
 *
 * Columns taken apart: codec, bases, dictionary, and where the codes are. The bytes are a file's,
 * so hostile: nothing is noted that is beyond `in`.
 */
#include "logfile/column/reader.h"

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

/* Find the codes: at the front, or the end of what is left. */
static void get_codes(struct bytes_in *in, unsigned bits, bool at_end, struct column_integers *c)
{
    uint64_t size;

    c->planes = bits / 8;
    c->bits = bits % 8;
    size = (uint64_t)c->planes * c->codes + ((uint64_t)c->codes * c->bits + 7) / 8;
    c->plane = at_end ? take_last(in, size) : bytes_take(in, size);
    if (c->plane) {
        c->packed = c->plane + (size_t)c->planes * c->codes;
        c->packed_end = c->plane + size;
    }
}

static void get_values(struct bytes_in *in, unsigned bits, bool at_end, struct column_integers *c)
{
    c->kind = COLUMN_OF_VALUES;
    c->base = bytes_svarint(in);
    get_codes(in, bits, at_end, c);
}

static void get_steps(struct bytes_in *in, unsigned bits, bool at_end, struct column_integers *c)
{
    c->kind = COLUMN_OF_STEPS;
    c->value = bytes_svarint(in);
    c->base = bytes_svarint(in);
    c->codes = c->count ? c->count - 1 : 0;
    get_codes(in, bits, at_end, c);
}

static void get_dict(struct bytes_in *in, unsigned bits, bool at_end, struct column_integers *c)
{
    c->kind = COLUMN_OF_CODES;
    c->entries = bytes_u8(in) + 1u;
    for (unsigned i = 0; i < c->entries; i++)
        c->dict[i] = bytes_svarint(in);
    /* What a code beyond them finds, until it is known that there was one. */
    memset(c->dict + c->entries, 0, (COLUMN_DICT_MAX - c->entries) * sizeof(c->dict[0]));
    get_codes(in, bits, at_end, c);
}

static int get_packed(struct bytes_in *in, unsigned mode, struct column_integers *c)
{
    unsigned bits = bytes_u8(in);

    if (bits > 64 || (mode == COLUMN_PACKED_DICT && bits > 8))
        return -EBADMSG;
    if (mode == COLUMN_PACKED_VALUES)
        get_values(in, bits, true, c);
    else if (mode == COLUMN_PACKED_STEPS)
        get_steps(in, bits, true, c);
    else if (mode == COLUMN_PACKED_DICT)
        get_dict(in, bits, true, c);
    else
        return -EBADMSG;
    return 0;
}

/* A column of integers: any codec but DECIMAL, which is made of two of these. */
static int get_integers(struct bytes_in *in, uint8_t head, size_t count, unsigned width,
                        struct column_integers *c)
{
    static const uint8_t most[COLUMN_CODECS] = {
        [COLUMN_PLANES] = 8, [COLUMN_DELTA] = 8, [COLUMN_DICT] = 3, [COLUMN_PACKED] = 2};
    const unsigned codec = head >> 4, parameter = head & 15;
    int r = 0;

    if (codec >= COLUMN_CODECS || parameter > most[codec])
        return -EBADMSG;
    c->count = c->codes = count;
    c->at = 0;
    c->base = 0;
    switch (codec) {
    case COLUMN_CONST:
    case COLUMN_PLANES:
        get_values(in, 8 * parameter, false, c);
        break;
    case COLUMN_DELTA:
        get_steps(in, 8 * parameter, false, c);
        break;
    case COLUMN_DICT:
        get_dict(in, 1u << parameter, false, c);
        break;
    case COLUMN_RAW:
        c->kind = COLUMN_OF_BYTES;
        c->planes = c->bits = 0;
        c->plane = bytes_take(in, (uint64_t)count * width);
        break;
    case COLUMN_PACKED:
        r = get_packed(in, parameter, c);
        break;
    default: /* DECIMAL within DECIMAL */
        return -EBADMSG;
    }
    return in->bad ? -EBADMSG : r;
}

/* The codec of the column that comes next; none, at the end. */
static unsigned next_codec(const struct bytes_in *in)
{
    return in->at == in->end ? 0 : *in->at >> 4;
}

int column_reader_open(struct column_reader *reader, struct bytes_in *in, size_t count,
                       unsigned width)
{
    const uint8_t head = bytes_u8(in);
    int r;

    reader->kernels = unpack_kernels();
    reader->width = width;
    reader->codec = head >> 4;
    reader->exponent = head & 15;
    reader->decimal = reader->codec == COLUMN_DECIMAL || reader->codec == COLUMN_DECIMAL_MUL;
    if (reader->codec == COLUMN_KEYED)
        return -ENOTSUP;
    if (!reader->decimal)
        return get_integers(in, head, count, width, &reader->plain);
    if (width != 4 && width != 8)
        return -EBADMSG;
    if (next_codec(in) == COLUMN_KEYED || next_codec(in) == COLUMN_RELATED)
        return -ENOTSUP;
    r = get_integers(in, bytes_u8(in), count, 8, &reader->scaled);
    if (r == 0)
        r = get_integers(in, bytes_u8(in), count, 8, &reader->plain);
    return r;
}

int file_columns_get_integers(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v)
{
    struct column_reader reader;
    int r;

    reader.kernels = unpack_kernels();
    reader.width = width;
    reader.decimal = false;
    r = get_integers(in, bytes_u8(in), count, width, &reader.plain);
    return r < 0 ? r : column_reader_take(&reader, count, ret_v, NULL);
}

/* ---- Columns predicted from others of their group ----
 *
 * The indices in `relatives` have been checked. */

static int get_keyed(struct bytes_in *in, unsigned argument, size_t count, uint64_t *ret_v,
                     const struct column_relatives *relatives)
{
    uint64_t last[COLUMN_DICT_MAX];
    const uint8_t *key;
    int r;

    if (!relatives || argument >= COLUMN_KEY_ARGUMENTS || !relatives->keys[argument])
        return -EBADMSG;
    key = relatives->key[argument];
    for (uint32_t k = 0; k < relatives->keys[argument]; k++)
        last[k] = bytes_svarint(in);
    r = file_columns_get_integers(in, count, 8, ret_v);
    for (size_t i = 0; r == 0 && i < count; i++)
        ret_v[i] = last[key[i]] += ret_v[i];
    return r;
}

static int get_reference(struct bytes_in *in, size_t count, uint64_t *ret_v,
                         const struct column_relatives *relatives)
{
    int r;

    if (!relatives || !relatives->has_reference)
        return -EBADMSG;
    r = file_columns_get_integers(in, count, 8, ret_v);
    for (size_t i = 0; r == 0 && i < count; i++)
        ret_v[i] += relatives->reference[i];
    return r;
}

/* The integers of a floating-point column, for columns after it that are predicted from them. */
static int get_scaled(struct bytes_in *in, size_t count, uint64_t *ret_k,
                      struct column_relatives *relatives)
{
    int r;

    if (next_codec(in) == COLUMN_KEYED)
        r = get_keyed(in, bytes_u8(in) & 15, count, ret_k, relatives);
    else if (next_codec(in) != COLUMN_RELATED)
        r = file_columns_get_integers(in, count, 8, ret_k);
    else if (bytes_u8(in) & 15)
        r = -EBADMSG;
    else
        r = get_reference(in, count, ret_k, relatives);
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
        return get_keyed(in, parameter, count, ret_v, relatives);
    if (width != 4 && width != 8)
        return -EBADMSG;
    r = get_scaled(in, count, scratch, relatives);
    if (r == 0)
        r = file_columns_get_integers(in, count, 8, ret_v);
    if (r == 0)
        column_add_decimals(unpack_kernels(), ret_v, scratch, count, codec, parameter, width);
    return r;
}

int file_columns_get(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                     uint64_t *scratch)
{
    return file_columns_get_related(in, count, width, ret_v, scratch, NULL);
}

/* ---- Stepping over columns ---- */

/* A head of integers, KEYED and RELATED included, which precede other ones. */
static int skip_integers(struct bytes_in *in, size_t count, unsigned width,
                         const struct column_relatives *relatives, struct column_basis *basis)
{
    struct column_integers integers;

    if (next_codec(in) == COLUMN_KEYED) {
        const unsigned argument = bytes_u8(in) & 15;

        if (!relatives || !relatives->keys[argument])
            return -EBADMSG;
        for (uint32_t k = 0; k < relatives->keys[argument]; k++)
            bytes_svarint(in);
        basis->keyed = true;
        basis->argument = argument;
        width = 8;
    } else if (next_codec(in) == COLUMN_RELATED) {
        if (!basis->is_reference || bytes_u8(in) & 15)
            return -EBADMSG;
        basis->related = true;
    }
    return get_integers(in, bytes_u8(in), count, width, &integers);
}

int file_columns_skip(struct bytes_in *in, size_t count, unsigned width,
                      const struct column_relatives *relatives, struct column_basis *ret_basis)
{
    const unsigned codec = next_codec(in);
    struct column_integers corrections;
    int r;

    *ret_basis = (struct column_basis){.is_reference =
                                           codec == COLUMN_DECIMAL || codec == COLUMN_DECIMAL_MUL};
    if (!ret_basis->is_reference)
        return skip_integers(in, count, width, relatives, ret_basis);
    bytes_u8(in);
    if (width != 4 && width != 8)
        return -EBADMSG;
    r = skip_integers(in, count, 8, relatives, ret_basis);
    return r < 0 ? r : get_integers(in, bytes_u8(in), count, 8, &corrections);
}
