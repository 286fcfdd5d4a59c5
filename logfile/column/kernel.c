/* SPDX-License-Identifier: MIT
 *
 * The inner loops, portably.
 */
#include "logfile/column/kernel.h"
#include "logfile/block/record.h"

static void spread(const struct shmlog_slot *slots, const uint32_t *order, size_t count,
                   unsigned words, uint64_t *const ret_word[KERNEL_SLOT_WORDS])
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = (const uint8_t *)(slots + order[i]);

        for (unsigned w = 0; w < words; w++)
            ret_word[w][i] = load64(from + 8 * w);
    }
}

static bool is_sequence(const uint64_t *v, size_t count, uint64_t step, uint64_t mask)
{
    uint64_t off = 0, expected = v[0];

    for (size_t i = 0; i < count; i++, expected += step)
        off |= v[i] ^ expected;
    return !(off & mask);
}

static void extract(uint64_t *to, const uint64_t *words, size_t count, unsigned shift,
                    unsigned bits, bool is_signed)
{
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    const uint64_t sign = is_signed ? UINT64_C(1) << (bits - 1) : 0;

    for (size_t i = 0; i < count; i++)
        to[i] = ((words[i] >> shift & mask) ^ sign) - sign;
}

static struct column_range range(const uint64_t *v, size_t count)
{
    struct column_range r = {(int64_t)v[0], (int64_t)v[0], INT64_MAX, INT64_MIN};

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

static void plane(uint8_t *to, const uint64_t *v, size_t count, uint64_t base, unsigned shift)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)((v[i] - base) >> shift);
}

static void step_plane(uint8_t *to, const uint64_t *v, size_t count, uint64_t base, unsigned shift)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)((v[i + 1] - v[i] - base) >> shift);
}

static uint64_t decimal(const uint64_t *v, size_t count, unsigned codec, unsigned exponent,
                        uint64_t *ret_k, uint64_t *ret_r)
{
    uint64_t off = 0;

    for (size_t i = 0; i < count; i++) {
        double d;
        int64_t k;

        memcpy(&d, &v[i], sizeof(d));
        k = kernel_nearest(d * column_power[exponent]);
        ret_k[i] = (uint64_t)k;
        ret_r[i] = v[i] - file_column_decimal(k, codec, exponent, 8);
        off |= ret_r[i];
    }
    return off;
}

const struct file_kernels file_kernels_portable = {
    spread, is_sequence, extract, range, plane, step_plane, decimal,
};
