/* SPDX-License-Identifier: MIT
 *
 * Reading a column piece by piece: where its bytes are, and how far it was read.
 *
 * Opening checks that the bytes are there and takes them; what it notes points into them. Only the
 * codes of a dictionary are checked when values are taken.
 */
#ifndef LOGFILE_COLUMN_READER_H
#define LOGFILE_COLUMN_READER_H

#include "logfile/column/unpack_kernel.h"

enum column_kind {
    COLUMN_OF_VALUES, /* base + code */
    COLUMN_OF_STEPS,  /* each is the one before + base + code */
    COLUMN_OF_CODES,  /* entry of a dictionary */
    COLUMN_OF_BYTES,  /* raw */
};

/* Integers. Codes are `planes` bytes and then `bits` bits each. */
struct column_integers {
    enum column_kind kind;
    unsigned planes, bits;
    size_t count, at;      /* values in all, and taken */
    size_t codes;          /* one less than values for steps */
    const uint8_t *plane;  /* planes of `codes` bytes, or raw values */
    const uint8_t *packed; /* bits, up to packed_end */
    const uint8_t *packed_end;
    uint64_t base;
    uint64_t value;   /* steps: the next one */
    unsigned entries; /* of dict */
    uint64_t dict[COLUMN_DICT_MAX];
};

struct column_reader {
    const struct unpack_kernels *kernels;
    unsigned width;
    uint8_t codec, exponent; /* COLUMN_DECIMAL and _MUL, else not looked at */
    bool decimal;            /* `scaled` has the integers, `plain` corrections */
    struct column_integers plain;
    struct column_integers scaled;
};

/* Take the column from `in`. -EBADMSG; -ENOTSUP for one that is predicted from others of its group.
 */
int column_reader_open(struct column_reader *reader, struct bytes_in *in, size_t count,
                       unsigned width);
/* The next `count` values; what is above the low `width` bytes is undefined. All but the last piece
 * of a column have a multiple of 8. `scratch` has room for as many. -EBADMSG. */
int column_reader_take(struct column_reader *reader, size_t count, uint64_t *ret_v,
                       uint64_t *scratch);

/* Corrections in `v` become the values of a floating-point column with the integers `k`. */
static inline void column_add_decimals(const struct unpack_kernels *kernels, uint64_t *v,
                                       const uint64_t *k, size_t count, unsigned codec,
                                       unsigned exponent, unsigned width)
{
    if (width == 8)
        kernels->add_decimals(v, k, count, codec, exponent);
    for (size_t i = 0; width == 4 && i < count; i++)
        v[i] += file_column_decimal((int64_t)k[i], codec, exponent, 4);
}

/* Is every value, in its low `width` bytes, zero, as the first bytes of the column tell? */
static inline bool column_reader_is_zero(const struct column_reader *reader)
{
    const struct column_integers *plain = &reader->plain;

    return !reader->decimal && plain->kind == COLUMN_OF_VALUES && !plain->planes && !plain->bits &&
           !(plain->base << (64 - 8 * reader->width));
}

#endif
