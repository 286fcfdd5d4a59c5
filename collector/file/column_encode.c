/* SPDX-License-Identifier: MIT
 *
 * Integer columns: what would each encoding cost, and writing the cheapest.
 *
 * One pass finds the ranges of the values and of their differences; where more than one encoding
 * stays in the race, the entropy of the bytes in a sample decides, since zstd comes after.
 */
#include "collector/file/column.h"

#include <errno.h>
#include <stdlib.h>

#define SAMPLE 512u

/* log2(n) in 1/256, by repeated squaring. */
static uint32_t log2_256(uint32_t n)
{
    unsigned whole = 31u - (unsigned)__builtin_clz(n);
    uint64_t x = (uint64_t)n << 30 >> whole; /* in [2^30, 2^31) */
    uint32_t fraction = 0;

    for (unsigned i = 0; i < 8; i++) {
        x = x * x >> 30;
        fraction <<= 1;
        if (x >> 31) {
            fraction |= 1;
            x >>= 1;
        }
    }
    return whole * 256 + fraction;
}

void file_columns_init(struct file_columns *columns)
{
    *columns = (struct file_columns){0};
    for (uint32_t n = 1; n <= SAMPLE; n++)
        columns->xlog2[n] = n * log2_256(n);
}

void file_columns_done(struct file_columns *columns)
{
    free(columns->work);
    free(columns->work2);
    columns->work = columns->work2 = NULL;
    columns->room = 0;
}

int file_columns_reserve(struct file_columns *columns, size_t count)
{
    uint64_t *work, *work2;

    if (count <= columns->room)
        return 0;
    work = malloc(count * sizeof(*work));
    work2 = malloc(count * sizeof(*work2));
    if (!work || !work2) {
        free(work);
        free(work2);
        return -ENOMEM;
    }
    file_columns_done(columns);
    columns->work = work;
    columns->work2 = work2;
    columns->room = count;
    return 0;
}

void file_columns_cut(struct file_columns *columns, const struct file_buffer *out)
{
    if (columns->cuts < COLUMN_CUTS_MAX)
        columns->cut[columns->cuts++] = out->size;
}

/* Ranges of a column's values and of their differences, as signed numbers. */
struct range {
    int64_t min, max;
    int64_t step_min, step_max;
};

static struct range find_range(const uint64_t *v, size_t count)
{
    struct range r = {INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN};

    r.min = r.max = (int64_t)v[0];
    for (size_t i = 1; i < count; i++) {
        int64_t value = (int64_t)v[i];
        int64_t step = (int64_t)(v[i] - v[i - 1]);

        r.min = value < r.min ? value : r.min;
        r.max = value > r.max ? value : r.max;
        r.step_min = step < r.step_min ? step : r.step_min;
        r.step_max = step > r.step_max ? step : r.step_max;
    }
    return r;
}

static unsigned planes_for(uint64_t span)
{
    return span ? (71u - (unsigned)__builtin_clzll(span)) / 8 : 0;
}

/* A base for values in [min, max] around `typical`, such that those near it share their upper
 * planes: typical - base ends in 0x80. Falls back to min where that would take another plane. */
static uint64_t choose_base(int64_t min, int64_t max, uint64_t typical)
{
    uint64_t span = (uint64_t)max - (uint64_t)min;
    uint64_t base;

    if (span < 256)
        return (uint64_t)min;
    base = (uint64_t)min - ((0x80 - (typical - (uint64_t)min)) & 0xff);
    if ((uint64_t)max - base < span || planes_for((uint64_t)max - base) > planes_for(span))
        return (uint64_t)min;
    return base;
}

static uint64_t plane_value(const uint64_t *v, size_t i, bool step, uint64_t base)
{
    return (step ? v[i] - v[i - 1] : v[i]) - base;
}

/* Estimated cost in bits of the planes of a column after entropy coding. */
static uint64_t planes_cost(const struct file_columns *columns, const uint64_t *v, size_t count,
                            bool step, uint64_t base, unsigned planes)
{
    size_t first = step ? 1 : 0;
    size_t values = count - first;
    size_t sample = values < SAMPLE ? values : SAMPLE;
    uint64_t cost = 0;

    for (unsigned p = 0; p < planes; p++) {
        uint16_t times[256] = {0};
        uint32_t bits = columns->xlog2[sample];
        unsigned distinct = 0;

        for (size_t i = 0; i < sample; i++) {
            size_t at = first + i * values / sample;

            times[plane_value(v, at, step, base) >> (8 * p) & 0xff]++;
        }
        for (unsigned i = 0; i < 256; i++) {
            bits -= columns->xlog2[times[i]];
            distinct += times[i] != 0;
        }
        /* A sample knows too few values of a wide alphabet: Miller's correction. */
        bits += (distinct - 1) * 185;
        if (bits > sample * 2048)
            bits = (uint32_t)sample * 2048;
        /* Below one bit a value no Huffman code helps, only matches do, at a higher price. */
        if (bits < sample * 256)
            bits = bits < sample * 93 ? bits * 11 / 4 : (uint32_t)sample * 256;
        cost += (uint64_t)bits * values / sample / 256;
    }
    return cost;
}

/* ---- Writing ---- */

/* Room for the widest thing that a column of `count` values can become. */
static int reserve_column(struct file_buffer *out, size_t count)
{
    return file_buffer_reserve(out, 8 * count + (COLUMN_DICT_MAX + 4) * FILE_VARINT_MAX);
}

static void put_planes(struct file_columns *columns, const uint64_t *v, size_t count, bool step,
                       uint64_t base, unsigned planes, struct file_buffer *out)
{
    size_t first = step ? 1 : 0;
    size_t values = count - first;

    for (unsigned p = 0; p < planes; p++) {
        uint8_t *to = out->data + out->size;
        unsigned shift = 8 * p;

        if (values >= COLUMN_CUT_MIN)
            file_columns_cut(columns, out);
        if (step) {
            for (size_t i = 0; i < values; i++)
                to[i] = (uint8_t)((v[i + 1] - v[i] - base) >> shift);
        } else {
            for (size_t i = 0; i < values; i++)
                to[i] = (uint8_t)((v[i] - base) >> shift);
        }
        out->size += values;
    }
    if (planes && values >= COLUMN_CUT_MIN)
        file_columns_cut(columns, out);
}

static void put_const(const uint64_t *v, struct file_buffer *out)
{
    column_put_head(out, COLUMN_CONST, 0);
    column_put_svarint(out, v[0]);
}

static void put_plain(struct file_columns *columns, const uint64_t *v, size_t count, uint64_t base,
                      unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_PLANES, planes);
    column_put_svarint(out, base);
    put_planes(columns, v, count, false, base, planes, out);
}

static void put_delta(struct file_columns *columns, const uint64_t *v, size_t count, uint64_t base,
                      unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_DELTA, planes);
    column_put_svarint(out, v[0]);
    column_put_svarint(out, base);
    put_planes(columns, v, count, true, base, planes, out);
}

static void put_raw(const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    column_put_head(out, COLUMN_RAW, 0);
    for (size_t i = 0; i < count; i++, out->size += width)
        memcpy(out->data + out->size, &v[i], width);
}

int file_columns_put(struct file_columns *columns, const uint64_t *v, size_t count, unsigned width,
                     struct file_buffer *out)
{
    struct range range;
    unsigned plain, delta;
    uint64_t base, step_base, cost, step_cost;
    int r = reserve_column(out, count);

    if (r < 0)
        return r;
    if (!count) {
        put_const(&(uint64_t){0}, out);
        return 0;
    }
    range = find_range(v, count);
    if (range.min == range.max) {
        put_const(v, out);
        return 0;
    }
    if (range.step_min == range.step_max) {
        put_delta(columns, v, count, (uint64_t)range.step_min, 0, out);
        return 0;
    }
    base = choose_base(range.min, range.max, v[count / 2]);
    step_base = choose_base(range.step_min, range.step_max,
                            (uint64_t)((int64_t)(v[count - 1] - v[0]) / (int64_t)(count - 1)));
    plain = planes_for((uint64_t)range.max - base);
    delta = planes_for((uint64_t)range.step_max - step_base);
    cost = planes_cost(columns, v, count, false, base, plain);
    step_cost = planes_cost(columns, v, count, true, step_base, delta);
    if (file_columns_dict_pays(columns, v, count, plain, cost < step_cost ? cost : step_cost))
        file_columns_put_dict(columns, v, count, out);
    else if (step_cost < cost)
        put_delta(columns, v, count, step_base, delta, out);
    else
        put_plain(columns, v, count, base, plain, out);
    (void)width;
    return 0;
}

int file_columns_put_as(struct file_columns *columns, unsigned codec, unsigned parameter,
                        const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    struct range range;
    int r = reserve_column(out, count);

    if (r < 0)
        return r;
    if (!count)
        return -EINVAL;
    range = find_range(v, count);
    switch (codec) {
    case COLUMN_CONST:
        if (range.min != range.max)
            return -EINVAL;
        put_const(v, out);
        return 0;
    case COLUMN_PLANES:
        put_plain(columns, v, count, (uint64_t)range.min,
                  planes_for((uint64_t)range.max - (uint64_t)range.min), out);
        return 0;
    case COLUMN_DELTA:
        if (count == 1)
            range.step_min = range.step_max = 0;
        put_delta(columns, v, count, (uint64_t)range.step_min,
                  planes_for((uint64_t)range.step_max - (uint64_t)range.step_min), out);
        return 0;
    case COLUMN_DICT:
        if (!file_columns_dict_build(columns, v, count, COLUMN_DICT_MAX))
            return -EINVAL;
        file_columns_put_dict(columns, v, count, out);
        return 0;
    case COLUMN_DECIMAL:
    case COLUMN_DECIMAL_MUL:
        return file_columns_put_decimal(columns, codec, parameter, v, count, width, out);
    case COLUMN_RAW:
        put_raw(v, count, width, out);
        return 0;
    default:
        return -EINVAL;
    }
}
