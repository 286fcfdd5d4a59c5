/* SPDX-License-Identifier: MIT
 *
 * Columns: many values of one kind in a row, each column in the encoding that seems cheapest.
 *
 * Values are handled as 64-bit integers, narrower signed ones sign-extended; all arithmetic is
 * modulo 2^64, and a value of w bytes is the low w bytes of the result. The bytes are in
 * docs/format.md, "Columns".
 */
#ifndef LOGFILE_COLUMN_COLUMN_H
#define LOGFILE_COLUMN_COLUMN_H

#include "logfile/bytes.h"
#include "logfile/writer.h"

/* First byte of a column: codec << 4 | parameter. */
#define COLUMN_CONST 0u   /* one value for all */
#define COLUMN_PLANES 1u  /* parameter: planes, 0..8 */
#define COLUMN_DELTA 2u   /* parameter: planes, 0..8 */
#define COLUMN_DICT 3u    /* parameter: log2 of the bits of an index, 0..3 */
#define COLUMN_DECIMAL 4u /* parameter: exponent; k / 10^exponent, nearest floating-point value */
#define COLUMN_DECIMAL_MUL 5u /* k * nearest(1 / 10^exponent) */
#define COLUMN_RAW 6u
#define COLUMN_PACKED 7u   /* parameter: COLUMN_PACKED_*; the bits are at the content's end */
#define COLUMN_STRINGS 8u  /* the lengths of a string argument only: strings and indices */
#define COLUMN_KEYED 9u    /* differences from the last value with the same string */
#define COLUMN_RELATED 10u /* differences from the integers of the floating-point column before */
#define COLUMN_CODECS 11u

#define COLUMN_PACKED_VALUES 0u
#define COLUMN_PACKED_STEPS 1u
#define COLUMN_PACKED_DICT 2u

#define COLUMN_DICT_MAX 256u
#define COLUMN_KEY_ARGUMENTS 16u /* string arguments of a group that KEYED can name */
#define COLUMN_EXPONENT_MAX 15u

/* Places in the content where the bytes change character: each starts a new zstd block, so that
 * its statistics are its own. */
#define COLUMN_CUTS_MAX 256u
#define COLUMN_CUT_MIN                                                        \
    1024u /* a run shorter than this does not pay for a zstd block of its own \
           */

/* How much larger than its estimated entropy a packed column may be, in 1/16: packing costs next to
 * nothing, where zstd costs most of all that a record does. */
#define COLUMN_SLACK_FAST 21u    /* to be fast */
#define COLUMN_SLACK_THRIFTY 17u /* to be small */
#define COLUMN_SLACK_NONE 0u     /* pack nothing */

struct file_kernels;
struct column_range;

/* What columns of one group may be predicted from, while these are written. */
struct column_group {
    bool open;
    const uint8_t *keys; /* of each record: the index of its string in the dictionary; or NULL */
    uint32_t key_count;
    unsigned key_argument; /* which string argument of the group that is */
    uint64_t *reference;   /* the integers of the last floating-point column, */
    bool has_reference;    /* if there was one */
};
#define COLUMN_RELATE_KEYED 1u
#define COLUMN_RELATE_REFERENCE 2u

struct file_columns {
    const struct file_kernels *kernels;
    uint64_t *work; /* floating-point columns: the integers, then the corrections */
    uint64_t *work2;
    uint64_t *work3; /* differences from related values */
    struct column_group group;
    uint8_t *codes; /* one for each value: the index in the dictionary, or what is packed */
    size_t room;    /* values in each */
    /* Bits of packed columns, the last column first, at the end of the room for them. */
    uint8_t *tail;
    size_t tail_size, tail_room;
    unsigned slack;         /* COLUMN_SLACK_* */
    uint16_t slot_of[1024]; /* of the dictionary's hash: 1 + index */
    uint64_t dict[COLUMN_DICT_MAX];
    uint32_t dict_count;
    uint32_t xlog2[257]; /* n * log2(n) in 1/256, */
    uint16_t rise[256];  /* and from n to n + 1 */
    /* Of the integers, and of the floating-point values, that were put last; not known if the first
     * of two is the larger one. */
    int64_t min, max;
    double least, most;
    size_t cut[COLUMN_CUTS_MAX];
    size_t cuts;
};

void file_columns_init(struct file_columns *columns);
void file_columns_done(struct file_columns *columns);
/* Begin a content: no cuts, no bits. */
void file_columns_begin(struct file_columns *columns);
/* Room for columns of `count` values; -ENOMEM. */
int file_columns_reserve(struct file_columns *columns, size_t count);
void file_columns_cut(struct file_columns *columns, const struct file_buffer *out);

/* Append a column of integers. */
int file_columns_put(struct file_columns *columns, const uint64_t *v, size_t count,
                     struct file_buffer *out);
/* The same; `relate`: what it may be predicted from, COLUMN_RELATE_*. */
int file_columns_put_predicted(struct file_columns *columns, const uint64_t *v, size_t count,
                               unsigned relate, struct file_buffer *out);
/* The same for at least one value, whose range is known; it is predicted from nothing. */
int file_columns_put_ranged(struct file_columns *columns, const uint64_t *v, size_t count,
                            const struct column_range *range, struct file_buffer *out);
/* Append a column of IEEE 754 values, given as bits, `width` 4 or 8. */
int file_columns_put_float(struct file_columns *columns, const uint64_t *v, size_t count,
                           unsigned width, struct file_buffer *out);
/* Append a column in the encoding asked for; -EINVAL if these values do not go into it. For
 * DECIMAL, `parameter` is the exponent; else it is not looked at. */
int file_columns_put_as(struct file_columns *columns, unsigned codec, unsigned parameter,
                        const uint64_t *v, size_t count, unsigned width, struct file_buffer *out);

/* The columns from here on are of a group, until _end_group(). `keys`, with an index below
 * `key_count` (at most COLUMN_DICT_MAX) for each record, stays the caller's; NULL: there are none.
 */
void file_columns_begin_group(struct file_columns *columns, const uint8_t *keys, uint32_t key_count,
                              unsigned key_argument);
void file_columns_end_group(struct file_columns *columns);

/* Take a column of `count` values of `width` bytes (1..8) from `in`. `scratch` has room for `count`
 * values too. -EBADMSG. What is above the low `width` bytes of a value is left undefined. */
int file_columns_get(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                     uint64_t *scratch);

/* What columns of one group may be predicted from, while these are read. */
struct column_relatives {
    const uint8_t
        *key[COLUMN_KEY_ARGUMENTS];      /* of each string argument with a dictionary: indices */
    uint32_t keys[COLUMN_KEY_ARGUMENTS]; /* how many there are; 0: no dictionary */
    uint64_t *reference;                 /* room for the integers of a floating-point column */
    bool has_reference;
};
/* The same for a column of a group. */
int file_columns_get_related(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v,
                             uint64_t *scratch, struct column_relatives *relatives);

/* What a column is predicted from, and what for. */
struct column_basis {
    bool keyed; /* from string argument `argument` */
    unsigned argument;
    bool related;      /* from the integers of the floating-point column before it */
    bool is_reference; /* it has such */
};
/* Step over a column. Of `relatives` only `keys` is used; NULL: it is none of a group. -EBADMSG. */
int file_columns_skip(struct bytes_in *in, size_t count, unsigned width,
                      const struct column_relatives *relatives, struct column_basis *ret_basis);

int file_columns_put_decimal(struct file_columns *columns, unsigned codec, unsigned exponent,
                             const uint64_t *v, size_t count, unsigned width,
                             struct file_buffer *out);

/* column_put.c */

/* Append CONST. */
int file_columns_put_const(uint64_t value, struct file_buffer *out);
/* Room for the widest thing that a column of `count` values can become, which those below take. */
int column_reserve(struct file_buffer *out, size_t count);
void column_put_const(struct file_buffer *out, uint64_t value);
void file_columns_put_plain(struct file_columns *columns, const uint64_t *v, size_t count,
                            uint64_t base, unsigned planes, struct file_buffer *out);
void file_columns_put_delta(struct file_columns *columns, const uint64_t *v, size_t count,
                            uint64_t base, unsigned planes, struct file_buffer *out);
void column_put_raw(const uint64_t *v, size_t count, unsigned width, struct file_buffer *out);

/* column_cost.c */

void file_columns_cost_init(struct file_columns *columns);
unsigned column_planes(uint64_t span);
/* A base for values in [min, max] around `typical`, such that those near it share their upper
 * planes. */
uint64_t column_base(int64_t min, int64_t max, uint64_t typical);
/* Estimated cost in bits of the planes of a column, or of its steps, after entropy coding. */
uint64_t file_columns_planes_cost(const struct file_columns *columns, const uint64_t *v,
                                  size_t count, bool step, uint64_t base, unsigned planes);

/* column_relate.c: if the differences from related values are cheaper than `cost` bits, append the
 * head of such a column, with the differences in columns->work3 and their range; they are to be
 * appended next. `out` has room for the column as it would have been. */
bool file_columns_relate(struct file_columns *columns, unsigned relate, const uint64_t *v,
                         size_t count, uint64_t cost, struct file_buffer *out,
                         struct column_range *ret_range);

/* column_decode.c: a column of codec CONST to DICT, RAW or PACKED. */
int file_columns_get_integers(struct bytes_in *in, size_t count, unsigned width, uint64_t *ret_v);

/* column_dict.c */

/* Gather the distinct values, all within `span` of `min`, and the code of each value; false if
 * there are more than `most`. */
bool file_columns_dict_build(struct file_columns *columns, const uint64_t *v, size_t count,
                             uint64_t min, uint64_t span, uint32_t most);
/* Do few enough distinct values in a sample make a dictionary likely? Then it is built. */
bool file_columns_dict_try(struct file_columns *columns, const uint64_t *v, size_t count,
                           uint64_t min, uint64_t span, uint32_t most);
/* Estimated cost in bits of the codes of the dictionary that was built; `cost` is that of the
 * values by the best other way. */
uint64_t file_columns_dict_cost(const struct file_columns *columns, size_t count, uint64_t cost);
/* Append the column by the dictionary that was built of it. `out` has room. */
void file_columns_put_dict(struct file_columns *columns, size_t count, struct file_buffer *out);

/* column_pack.c */

/* Codes of `bits` (1..7) each, side by side from the low bits of each byte on. */
void column_pack(uint8_t *to, const uint8_t *codes, size_t count, unsigned bits);

/* A way to pack a column: what is left of each value, or difference, over a base. */
struct column_packing {
    unsigned mode; /* COLUMN_PACKED_* */
    unsigned bits;
    uint64_t base;
};
/* Append a column packed; for DICT by the dictionary that was built of it. `out` has room for the
 * head. -ENOMEM. */
int file_columns_put_packed(struct file_columns *columns, const struct column_packing *packing,
                            const uint64_t *v, size_t count, struct file_buffer *out);
/* Append the bits of all packed columns: the end of the content. -ENOMEM. */
int file_columns_put_tail(struct file_columns *columns, struct file_buffer *out);

static inline unsigned column_bits(uint64_t span)
{
    return span ? 64u - (unsigned)__builtin_clzll(span) : 0;
}

/* Into a buffer with room. */
static inline void column_put_head(struct file_buffer *out, unsigned codec, unsigned parameter)
{
    out->data[out->size++] = (uint8_t)(codec << 4 | parameter);
}

static inline void column_put_svarint(struct file_buffer *out, uint64_t v)
{
    out->size = (size_t)(bytes_put_svarint(out->data + out->size, v) - out->data);
}

extern const double column_power[COLUMN_EXPONENT_MAX + 1];    /* 10^e */
extern const double column_fraction[COLUMN_EXPONENT_MAX + 1]; /* 10^-e, rounded */

/* Nearest floating-point value of k scaled, as bits. */
uint64_t file_column_decimal(int64_t k, unsigned codec, unsigned exponent, unsigned width);

#endif
