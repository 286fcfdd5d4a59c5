/* SPDX-License-Identifier: MIT
 *
 * The decoder's inner loops, portably, and the choice of a set.
 */
#include "logfile/column/unpack_kernel.h"

static void fill(uint64_t *v, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        v[i] = value;
}

static void add_plane(uint64_t *v, const uint8_t *from, size_t count, unsigned shift)
{
    for (size_t i = 0; i < count; i++)
        v[i] += (uint64_t)from[i] << shift;
}

static void add_bits(uint64_t *v, const uint8_t *from, const uint8_t *end, size_t count,
                     unsigned bits, unsigned shift)
{
    const unsigned mask = (1u << bits) - 1;

    (void)end; /* it reads byte by byte */
    for (size_t i = 0, bit = 0; i < count; i++, bit += bits) {
        unsigned code = from[bit / 8] >> (bit % 8);

        if (bit % 8 + bits > 8)
            code |= (unsigned)from[bit / 8 + 1] << (8 - bit % 8);
        v[i] += (uint64_t)(code & mask) << shift;
    }
}

static uint64_t sum(uint64_t *v, size_t count, uint64_t first)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t step = v[i];

        v[i] = first;
        first += step;
    }
    return first;
}

static bool look_up(uint64_t *v, size_t count, const uint64_t dict[COLUMN_DICT_MAX],
                    unsigned entries)
{
    bool beyond = false;

    for (size_t i = 0; i < count; i++) {
        beyond |= v[i] >= entries;
        v[i] = dict[v[i] & (COLUMN_DICT_MAX - 1)];
    }
    return !beyond;
}

static void add_decimals(uint64_t *v, const uint64_t *k, size_t count, unsigned codec,
                         unsigned exponent)
{
    for (size_t i = 0; i < count; i++)
        v[i] += file_column_decimal((int64_t)k[i], codec, exponent, 8);
}

static void insert(uint64_t *word, const uint64_t *v, size_t count, uint64_t mask, unsigned shift)
{
    for (size_t i = 0; i < count; i++)
        word[i] = (word[i] & ~(mask << shift)) | (v[i] & mask) << shift;
}

static void store_payloads(uint8_t *to, uint64_t *const word[KERNEL_PAYLOAD_WORDS], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++, to += 8)
            memcpy(to, &word[w][i], 8);
    }
}

const struct unpack_kernels unpack_kernels_portable = {
    fill, add_plane, add_bits, sum, look_up, add_decimals, insert, store_payloads,
};
