/* SPDX-License-Identifier: MIT
 *
 * Columns: many values of one kind in a row, each column in the encoding that seems cheapest.
 *
 * Values are handled as 64-bit integers, narrower signed ones sign-extended; all arithmetic is
 * modulo 2^64, and a value of w bytes is the low w bytes of the result. The bytes are in
 * docs/format.md, "Columns".
 */
#ifndef COLLECTOR_FILE_COLUMN_H
#define COLLECTOR_FILE_COLUMN_H

#include "collector/file/bytes.h"
#include "collector/file/writer.h"

/* First byte of a column: codec << 4 | parameter. */
#define COLUMN_CONST 0u   /* one value for all */
#define COLUMN_PLANES 1u  /* parameter: planes, 0..8 */
#define COLUMN_DELTA 2u   /* parameter: planes, 0..8 */
#define COLUMN_DICT 3u    /* parameter: log2 of the bits of an index, 0..3 */
#define COLUMN_DECIMAL 4u /* parameter: exponent; k / 10^exponent, nearest floating-point value */
#define COLUMN_DECIMAL_MUL 5u /* k * nearest(1 / 10^exponent) */
#define COLUMN_RAW 6u
#define COLUMN_CODECS 7u

#define COLUMN_DICT_MAX 256u
#define COLUMN_EXPONENT_MAX 15u

/* Places in the content where the bytes change character: each starts a new zstd block, so that
 * its statistics are its own. */
#define COLUMN_CUTS_MAX 256u
#define COLUMN_CUT_MIN                                                        \
    1024u /* a run shorter than this does not pay for a zstd block of its own \
           */

struct file_columns {
    uint64_t *work; /* floating-point columns: the integers, then the corrections */
    uint64_t *work2;
    size_t room;            /* values in each */
    uint32_t slot_of[1024]; /* of the dictionary's hash: 1 + index */
    uint64_t dict[COLUMN_DICT_MAX];
    uint32_t dict_count;
    uint32_t xlog2[513]; /* n * log2(n) in 1/256 */
    size_t cut[COLUMN_CUTS_MAX];
    size_t cuts;
};

void file_columns_init(struct file_columns *columns);
void file_columns_done(struct file_columns *columns);
/* Room for columns of `count` values; -ENOMEM. */
int file_columns_reserve(struct file_columns *columns, size_t count);
void file_columns_cut(struct file_columns *columns, const struct file_buffer *out);

/* Append a column of integers, of `width` bytes each (1..8). */
int file_columns_put(struct file_columns *columns, const uint64_t *v, size_t count, unsigned width,
                     struct file_buffer *out);
/* Append a column of IEEE 754 values, given as bits, `width` 4 or 8. */
int file_columns_put_float(struct file_columns *columns, const uint64_t *v, size_t count,
                           unsigned width, struct file_buffer *out);
/* Append a column in the encoding asked for; -EINVAL if these values do not go into it. For
 * DECIMAL, `parameter` is the exponent; else it is not looked at. */
int file_columns_put_as(struct file_columns *columns, unsigned codec, unsigned parameter,
                        const uint64_t *v, size_t count, unsigned width, struct file_buffer *out);

/* Take a column of `count` values of `width` bytes (1..8) from `in`. `scratch` has room for `count`
 * values too. -EBADMSG. What is above the low `width` bytes of a value is left undefined. */
int file_columns_get(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                     uint64_t *scratch);

int file_columns_put_decimal(struct file_columns *columns, unsigned codec, unsigned exponent,
                             const uint64_t *v, size_t count, unsigned width,
                             struct file_buffer *out);

/* column_dict.c */

/* Gather the distinct values; false if there are more than `most`. */
bool file_columns_dict_build(struct file_columns *columns, const uint64_t *v, size_t count,
                             uint32_t most);
/* Is a dictionary cheaper than `cost` bits? Then it is built. For values that fit one plane only
 * narrow indices are worth it: the plane itself is as good as a byte-wide index. */
bool file_columns_dict_pays(struct file_columns *columns, const uint64_t *v, size_t count,
                            unsigned planes, uint64_t cost);
/* Append the column by the dictionary that was built of it. `out` has room. */
void file_columns_put_dict(struct file_columns *columns, const uint64_t *v, size_t count,
                           struct file_buffer *out);

/* Into a buffer with room. */
static inline void column_put_head(struct file_buffer *out, unsigned codec, unsigned parameter)
{
    out->data[out->size++] = (uint8_t)(codec << 4 | parameter);
}

static inline void column_put_svarint(struct file_buffer *out, uint64_t v)
{
    out->size = (size_t)(bytes_put_svarint(out->data + out->size, v) - out->data);
}

/* Nearest floating-point value of k scaled, as bits. */
uint64_t file_column_decimal(int64_t k, unsigned codec, unsigned exponent, unsigned width);

#endif
