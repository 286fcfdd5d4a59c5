/* SPDX-License-Identifier: MIT
 *
 * What zstd would make of planes of bytes, from the entropy of the bytes in a sample.
 */
#include "logfile/column/column.h"

#define SAMPLE 256u

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

void file_columns_cost_init(struct file_columns *columns)
{
    for (uint32_t n = 1; n <= SAMPLE; n++)
        columns->xlog2[n] = n * log2_256(n);
    for (uint32_t n = 0; n < SAMPLE; n++)
        columns->rise[n] = (uint16_t)(columns->xlog2[n + 1] - columns->xlog2[n]);
}

unsigned column_planes(uint64_t span)
{
    return span ? (71u - (unsigned)__builtin_clzll(span)) / 8 : 0;
}

/* typical - base ends in 0x80. Falls back to min where that would take another plane. */
uint64_t column_base(int64_t min, int64_t max, uint64_t typical)
{
    uint64_t span = (uint64_t)max - (uint64_t)min;
    uint64_t base;

    if (span < 256)
        return (uint64_t)min;
    base = (uint64_t)min - ((0x80 - (typical - (uint64_t)min)) & 0xff);
    if ((uint64_t)max - base < span || column_planes((uint64_t)max - base) > column_planes(span))
        return (uint64_t)min;
    return base;
}

static uint64_t plane_value(const uint64_t *v, size_t i, bool step, uint64_t base)
{
    return (step ? v[i] - v[i - 1] : v[i]) - base;
}

uint64_t file_columns_planes_cost(const struct file_columns *columns, const uint64_t *v,
                                  size_t count, bool step, uint64_t base, unsigned planes)
{
    size_t first = step ? 1 : 0;
    size_t values = count - first;
    size_t sample = values < SAMPLE ? values : SAMPLE;
    const uint64_t stride = sample ? ((uint64_t)values << 16) / sample : 0;
    uint64_t cost = 0;

    for (unsigned p = 0; p < planes; p++) {
        uint16_t times[256] = {0};
        uint32_t bits = columns->xlog2[sample];
        unsigned distinct = 0;

        for (size_t i = 0; i < sample; i++) {
            const size_t at = first + (i * stride >> 16);
            uint16_t *const n = &times[plane_value(v, at, step, base) >> (8 * p) & 0xff];

            bits -= columns->rise[*n];
            distinct += !*n;
            ++*n;
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
