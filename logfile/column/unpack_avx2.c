/* SPDX-License-Identifier: MIT
 *
 * The decoder's inner loops with AVX2. What is left over at the end goes the portable way.
 */
#include "logfile/column/avx2.h"
#include "logfile/column/unpack_kernel.h"

#ifdef __x86_64__

AVX2 static void fill(uint64_t *v, size_t count, uint64_t value)
{
    const __m256i all = splat(value);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        store(v + i, all);
        store(v + i + 4, all);
    }
    unpack_kernels_portable.fill(v + i, count - i, value);
}

/* Four bytes to four numbers. */
AVX2 static inline __m256i widen(const uint8_t *from)
{
    int four;

    memcpy(&four, from, sizeof(four));
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
}

AVX2 static void add_plane(uint64_t *v, const uint8_t *from, size_t count, unsigned shift)
{
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        const __m256i a = _mm256_sll_epi64(widen(from + i), by);
        const __m256i b = _mm256_sll_epi64(widen(from + i + 4), by);

        store(v + i, _mm256_add_epi64(load(v + i), a));
        store(v + i + 4, _mm256_add_epi64(load(v + i + 4), b));
    }
    unpack_kernels_portable.add_plane(v + i, from + i, count - i, shift);
}

/* Eight codes are in `bits` bytes; eight bytes are read for them. */
AVX2 static void add_bits(uint64_t *v, const uint8_t *from, const uint8_t *end, size_t count,
                          unsigned bits, unsigned shift)
{
    const __m256i mask = splat((UINT64_C(1) << bits) - 1);
    const __m256i low = _mm256_set_epi64x(3 * (int)bits, 2 * (int)bits, (int)bits, 0);
    const __m256i high = _mm256_add_epi64(low, splat(4 * bits));
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 8 <= count && end - from >= 8; i += 8, from += bits) {
        uint64_t codes;
        __m256i all, a, b;

        memcpy(&codes, from, sizeof(codes));
        all = splat(codes);
        a = _mm256_and_si256(_mm256_srlv_epi64(all, low), mask);
        b = _mm256_and_si256(_mm256_srlv_epi64(all, high), mask);
        store(v + i, _mm256_add_epi64(load(v + i), _mm256_sll_epi64(a, by)));
        store(v + i + 4, _mm256_add_epi64(load(v + i + 4), _mm256_sll_epi64(b, by)));
    }
    unpack_kernels_portable.add_bits(v + i, from, end, count - i, bits, shift);
}

AVX2 static uint64_t sum(uint64_t *v, size_t count, uint64_t first)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i before = splat(first);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const __m256i step = load(v + i);
        /* 0, a, 0, c; then a + b in both upper lanes */
        const __m256i pair = _mm256_slli_si256(step, 8);
        const __m256i in_pair = _mm256_add_epi64(step, pair);
        const __m256i low = _mm256_blend_epi32(zero, _mm256_permute4x64_epi64(in_pair, 0x55), 0xf0);
        const __m256i all = _mm256_add_epi64(in_pair, low); /* inclusive */

        store(v + i, _mm256_add_epi64(before, _mm256_sub_epi64(all, step)));
        before = _mm256_add_epi64(before, _mm256_permute4x64_epi64(all, 0xff));
    }
    first = (uint64_t)_mm256_extract_epi64(before, 0);
    return unpack_kernels_portable.sum(v + i, count - i, first);
}

AVX2 static bool look_up(uint64_t *v, size_t count, const uint64_t dict[COLUMN_DICT_MAX],
                         unsigned entries)
{
    const __m256i last = splat(entries - 1);
    __m256i beyond = _mm256_setzero_si256();
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        beyond = _mm256_or_si256(beyond, _mm256_cmpgt_epi64(load(v + i), last));
        for (unsigned k = 0; k < 4; k++)
            v[i + k] = dict[(uint8_t)v[i + k]];
    }
    return unpack_kernels_portable.look_up(v + i, count - i, dict, entries) &&
           _mm256_testz_si256(beyond, beyond);
}

/* Integers below 2^51, which are nearly all, become doubles by an addition to 1.5 * 2^52. */
AVX2 static void add_decimals(uint64_t *v, const uint64_t *k, size_t count, unsigned codec,
                              unsigned exponent)
{
    const __m256d power = _mm256_set1_pd(column_power[exponent]);
    const __m256d fraction = _mm256_set1_pd(column_fraction[exponent]);
    const __m256d magic = _mm256_set1_pd(6755399441055744.0);
    const __m256i half = splat(UINT64_C(1) << 51), bound = splat(~((UINT64_C(1) << 52) - 1));
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const __m256i integer = load(k + i);
        __m256d d;

        if (!_mm256_testz_si256(_mm256_add_epi64(integer, half), bound)) {
            unpack_kernels_portable.add_decimals(v + i, k + i, 4, codec, exponent);
            continue;
        }
        d = _mm256_castsi256_pd(_mm256_add_epi64(integer, _mm256_castpd_si256(magic)));
        d = _mm256_sub_pd(d, magic);
        d = codec == COLUMN_DECIMAL ? _mm256_div_pd(d, power) : _mm256_mul_pd(d, fraction);
        store(v + i, _mm256_add_epi64(load(v + i), _mm256_castpd_si256(d)));
    }
    unpack_kernels_portable.add_decimals(v + i, k + i, count - i, codec, exponent);
}

AVX2 static void insert(uint64_t *word, const uint64_t *v, size_t count, uint64_t mask,
                        unsigned shift)
{
    const __m256i bits = splat(mask), hole = splat(mask << shift);
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const __m256i put = _mm256_sll_epi64(_mm256_and_si256(load(v + i), bits), by);

        store(word + i, _mm256_or_si256(_mm256_andnot_si256(hole, load(word + i)), put));
    }
    unpack_kernels_portable.insert(word + i, v + i, count - i, mask, shift);
}

/* Four words of four payloads, transposed; `at` of the first one. */
AVX2 static inline __attribute__((always_inline)) void store4(uint8_t *at, uint64_t *const *word,
                                                              size_t i)
{
    const __m256i a = load(word[0] + i), b = load(word[1] + i);
    const __m256i c = load(word[2] + i), d = load(word[3] + i);
    const __m256i ab_even = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b);
    const __m256i cd_even = _mm256_unpacklo_epi64(c, d), cd_odd = _mm256_unpackhi_epi64(c, d);
    const size_t size = 8 * KERNEL_PAYLOAD_WORDS;

    store(at, _mm256_permute2x128_si256(ab_even, cd_even, 0x20));
    store(at + size, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20));
    store(at + 2 * size, _mm256_permute2x128_si256(ab_even, cd_even, 0x31));
    store(at + 3 * size, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31));
}

/* Words 0..3 and 3..6: two vectors are the seven words of a payload. */
AVX2 static void store_payloads(uint8_t *to, uint64_t *const word[KERNEL_PAYLOAD_WORDS],
                                size_t count)
{
    uint64_t *rest[KERNEL_PAYLOAD_WORDS];
    size_t i = 0;

    for (; i + 4 <= count; i += 4, to += 4 * 8 * KERNEL_PAYLOAD_WORDS) {
        store4(to, word, i);
        store4(to + 24, word + 3, i);
    }
    for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++)
        rest[w] = word[w] + i;
    unpack_kernels_portable.store_payloads(to, rest, count - i);
}

const struct unpack_kernels *unpack_kernels(void)
{
    static const struct unpack_kernels kernels = {
        fill, add_plane, add_bits, sum, look_up, add_decimals, insert, store_payloads,
    };

    return __builtin_cpu_supports("avx2") ? &kernels : &unpack_kernels_portable;
}

#else

const struct unpack_kernels *unpack_kernels(void)
{
    return &unpack_kernels_portable;
}

#endif
