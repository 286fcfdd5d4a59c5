/* SPDX-License-Identifier: MIT
 *
 * Columns of floating-point values. Prices are decimals: k / 10^e for an integer k. A column is
 * then the integers k, and what is left between the bits of each value and those of the nearest
 * floating-point value of k / 10^e: zero nearly everywhere, so that NaN, infinities, -0.0 and the
 * results of sloppy arithmetic fit in and come back bit for bit.
 */
#include "logfile/column/kernel.h"

#include <errno.h>

static double value_of(uint64_t bits, unsigned width)
{
    double d;

    if (width == 4) {
        uint32_t low = (uint32_t)bits;
        float f;

        memcpy(&f, &low, sizeof(f));
        return (double)f;
    }
    memcpy(&d, &bits, sizeof(d));
    return d;
}

struct choice {
    unsigned codec;
    unsigned exponent;
};

/* How far off values may be, in units in the last place, and how large their integers: an integer
 * of nearly as many bits as a double comes close to any value, and wins nothing. */
struct slack {
    uint64_t units;
    int64_t most;
};
static const struct slack slacks[] = {
    {0, INT64_C(1) << 44},
    {1, INT64_C(1) << 42},
    {4096, INT64_C(1) << 31},
};

/* How many values of a sample fit this codec and exponent. */
static unsigned score(const uint64_t *v, size_t count, size_t sample, struct choice choice,
                      unsigned width, const struct slack *slack)
{
    unsigned fit = 0;

    for (size_t i = 0; i < sample; i++) {
        uint64_t bits = v[i * count / sample];
        int64_t k = kernel_nearest(value_of(bits, width) * column_power[choice.exponent]);
        uint64_t off = bits - file_column_decimal(k, choice.codec, choice.exponent, width);

        fit += off + slack->units <= 2 * slack->units && k < slack->most && k > -slack->most;
    }
    return fit;
}

/* The smallest exponent with which 9 of 10 values of a sample are decimals. Sums of decimals are
 * some units in the last place off. */
static bool choose(const uint64_t *v, size_t count, unsigned width, struct choice *ret_choice)
{
    size_t sample = count < 64 ? count : 64;
    size_t few = sample < 8 ? sample : 8; /* most choices fail at the first values */
    unsigned exponents = width == 4 ? 7 : COLUMN_EXPONENT_MAX - 2;
    unsigned kinds = width == 4 ? 2 : 3; /* a float has no bits to spare */

    for (unsigned s = 0; s < kinds; s++) {
        for (unsigned i = 0; i < 2 * exponents; i++) {
            struct choice choice = {i & 1 ? COLUMN_DECIMAL_MUL : COLUMN_DECIMAL, i / 2};

            if (score(v, count, few, choice, width, &slacks[s]) < few / 2 ||
                score(v, count, sample, choice, width, &slacks[s]) * 10 < sample * 9)
                continue;
            *ret_choice = choice;
            return true;
        }
    }
    return false;
}

/* Floats to integers and corrections. Returns all corrections or'ed. */
static uint64_t split_floats(struct file_columns *columns, unsigned codec, unsigned exponent,
                             const uint64_t *v, size_t count)
{
    uint64_t off = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t k = kernel_nearest(value_of(v[i], 4) * column_power[exponent]);

        columns->work[i] = (uint64_t)k;
        columns->work2[i] = v[i] - file_column_decimal(k, codec, exponent, 4);
        off |= columns->work2[i];
    }
    return off;
}

int file_columns_put_decimal(struct file_columns *columns, unsigned codec, unsigned exponent,
                             const uint64_t *v, size_t count, unsigned width,
                             struct file_buffer *out)
{
    struct column_group *const group = &columns->group;
    const unsigned relate = (group->keys ? COLUMN_RELATE_KEYED : 0) |
                            (group->has_reference ? COLUMN_RELATE_REFERENCE : 0);
    int r = file_columns_reserve(columns, count);
    uint64_t off, *k;

    if (exponent > COLUMN_EXPONENT_MAX || (width != 4 && width != 8))
        return -EINVAL;
    if (r == 0)
        r = file_buffer_reserve(out, 1);
    if (r < 0)
        return r;
    off = width == 8
              ? columns->kernels->decimal(v, count, codec, exponent, columns->work, columns->work2)
              : split_floats(columns, codec, exponent, v, count);
    out->data[out->size++] = (uint8_t)(codec << 4 | exponent);
    r = file_columns_put_predicted(columns, columns->work, count, relate, out);
    if (!off && columns->min <= columns->max) {
        columns->least = value_of(file_column_decimal(columns->min, codec, exponent, width), width);
        columns->most = value_of(file_column_decimal(columns->max, codec, exponent, width), width);
    }
    if (r == 0)
        r = off ? file_columns_put_predicted(columns, columns->work2, count, 0, out)
                : file_columns_put_const(0, out);
    if (group->open) {
        k = columns->work;
        columns->work = group->reference;
        group->reference = k;
        group->has_reference = true;
    }
    return r;
}

static bool all_equal(const uint64_t *v, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (v[i] != v[0])
            return false;
    }
    return true;
}

int file_columns_put_float(struct file_columns *columns, const uint64_t *v, size_t count,
                           unsigned width, struct file_buffer *out)
{
    struct choice choice;

    columns->least = 1;
    columns->most = 0;
    if (count < 4 || all_equal(v, count) || !choose(v, count, width, &choice))
        return file_columns_put(columns, v, count, out);
    return file_columns_put_decimal(columns, choice.codec, choice.exponent, v, count, width, out);
}
