/* SPDX-License-Identifier: MIT
 *
 * Columns back to values, piece by piece, once column_decode.c has found their bytes.
 */
#include "logfile/column/reader.h"

#include <errno.h>

/* base + code */
static void take_codes(const struct unpack_kernels *kernels, const struct column_integers *c,
                       size_t count, uint64_t *v)
{
    const size_t codes = c->codes - c->at < count ? c->codes - c->at : count;

    kernels->fill(v, count, c->base);
    for (unsigned p = 0; p < c->planes; p++)
        kernels->add_plane(v, c->plane + p * c->codes + c->at, codes, 8 * p);
    if (c->bits)
        kernels->add_bits(v, c->packed + c->at * c->bits / 8, c->packed_end, codes, c->bits,
                          8 * c->planes);
}

static void take_bytes(const struct column_integers *c, size_t count, unsigned width, uint64_t *v)
{
    const uint8_t *from = c->plane + c->at * width;

    for (size_t i = 0; i < count; i++, from += width) {
        v[i] = 0;
        memcpy(&v[i], from, width);
    }
}

static int take(const struct unpack_kernels *kernels, struct column_integers *c, size_t count,
                unsigned width, uint64_t *v)
{
    int r = 0;

    if (c->kind == COLUMN_OF_BYTES)
        take_bytes(c, count, width, v);
    else
        take_codes(kernels, c, count, v);
    if (c->kind == COLUMN_OF_STEPS)
        c->value = kernels->sum(v, count, c->value);
    if (c->kind == COLUMN_OF_CODES && !kernels->look_up(v, count, c->dict, c->entries))
        r = -EBADMSG;
    c->at += count;
    return r;
}

int column_reader_take(struct column_reader *reader, size_t count, uint64_t *ret_v,
                       uint64_t *scratch)
{
    /* corrections are numbers of 8 bytes, whatever the width of the values is */
    int r =
        take(reader->kernels, &reader->plain, count, reader->decimal ? 8 : reader->width, ret_v);

    if (r < 0 || !reader->decimal)
        return r;
    r = take(reader->kernels, &reader->scaled, count, 8, scratch);
    if (r == 0)
        column_add_decimals(reader->kernels, ret_v, scratch, count, reader->codec, reader->exponent,
                            reader->width);
    return r;
}
