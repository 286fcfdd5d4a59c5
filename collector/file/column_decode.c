/* SPDX-License-Identifier: MIT
 *
 * Columns taken apart: codec, bases, dictionary, and where the codes are. The bytes are a file's,
 * so hostile: nothing is noted that is beyond `in`.
 */
#include "collector/file/column_reader.h"

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
    if (!reader->decimal)
        return get_integers(in, head, count, width, &reader->plain);
    if (width != 4 && width != 8)
        return -EBADMSG;
    r = get_integers(in, bytes_u8(in), count, 8, &reader->scaled);
    if (r == 0)
        r = get_integers(in, bytes_u8(in), count, 8, &reader->plain);
    return r;
}

int file_columns_get(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                     uint64_t *scratch)
{
    struct column_reader reader;
    int r = column_reader_open(&reader, in, count, width);

    return r < 0 ? r : column_reader_take(&reader, count, ret_v, scratch);
}
