/* SPDX-License-Identifier: MIT
 *
 * The inner loops with AVX2, and the choice of a set. What is left over at the end of a column goes
 * the portable way.
 */
#include "logfile/column/avx2.h"
#include "logfile/column/kernel.h"

#ifdef __x86_64__

#include "producer/shmlog/check.h"

/* ---- Slots to words ---- */

/* Four words of each of four slots: transposed, and the first `words` of them stored. */
AVX2 static inline __attribute__((always_inline)) void spread4(const struct shmlog_slot *slots,
                                                               const uint32_t *order, unsigned half,
                                                               unsigned words,
                                                               uint64_t *const *ret_word, size_t i)
{
    const __m256i a = load((const uint64_t *)(const void *)(slots + order[0]) + 4 * half);
    const __m256i b = load((const uint64_t *)(const void *)(slots + order[1]) + 4 * half);
    const __m256i c = load((const uint64_t *)(const void *)(slots + order[2]) + 4 * half);
    const __m256i d = load((const uint64_t *)(const void *)(slots + order[3]) + 4 * half);
    const __m256i ab_even = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b);
    const __m256i cd_even = _mm256_unpacklo_epi64(c, d), cd_odd = _mm256_unpackhi_epi64(c, d);

    store(ret_word[4 * half] + i, _mm256_permute2x128_si256(ab_even, cd_even, 0x20));
    if (words > 1)
        store(ret_word[4 * half + 1] + i, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20));
    if (words > 2)
        store(ret_word[4 * half + 2] + i, _mm256_permute2x128_si256(ab_even, cd_even, 0x31));
    if (words > 3)
        store(ret_word[4 * half + 3] + i, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31));
}

AVX2 static void spread(const struct shmlog_slot *slots, const uint32_t *order, size_t count,
                        unsigned words, uint64_t *const ret_word[KERNEL_SLOT_WORDS])
{
    uint64_t *rest[KERNEL_SLOT_WORDS];
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        spread4(slots, order + i, 0, 4, ret_word, i);
        if (words > 4)
            spread4(slots, order + i, 1, words - 4, ret_word, i);
    }
    for (unsigned w = 0; w < words; w++)
        rest[w] = ret_word[w] + i;
    file_kernels_portable.spread(slots, order + i, count - i, words, rest);
}

AVX2 static bool is_sequence(const uint64_t *v, size_t count, uint64_t step, uint64_t mask)
{
    const __m256i four = splat(4 * step);
    __m256i off = _mm256_setzero_si256();
    __m256i expected =
        _mm256_add_epi64(splat(v[0]), _mm256_set_epi64x((long long)(3 * step),
                                                        (long long)(2 * step), (long long)step, 0));
    uint64_t rest = 0;
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        off = _mm256_or_si256(off, _mm256_xor_si256(load(v + i), expected));
        expected = _mm256_add_epi64(expected, four);
    }
    for (; i < count; i++)
        rest |= v[i] ^ (v[0] + i * step);
    return !(rest & mask) && _mm256_testz_si256(off, splat(mask));
}

AVX2 static void extract(uint64_t *to, const uint64_t *words, size_t count, unsigned shift,
                         unsigned bits, bool is_signed)
{
    const __m256i mask = splat((UINT64_C(1) << bits) - 1);
    const __m256i sign = splat(is_signed ? UINT64_C(1) << (bits - 1) : 0);
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        __m256i v = _mm256_and_si256(_mm256_srl_epi64(load(words + i), by), mask);

        store(to + i, _mm256_sub_epi64(_mm256_xor_si256(v, sign), sign));
    }
    file_kernels_portable.extract(to + i, words + i, count - i, shift, bits, is_signed);
}

/* ---- Ranges ---- */

AVX2 static inline __m256i smaller(__m256i a, __m256i b)
{
    return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b));
}

AVX2 static inline __m256i larger(__m256i a, __m256i b)
{
    return _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi64(a, b));
}

AVX2 static int64_t smallest(__m256i v)
{
    int64_t lane[4];

    store(lane, v);
    for (unsigned i = 1; i < 4; i++)
        lane[0] = lane[i] < lane[0] ? lane[i] : lane[0];
    return lane[0];
}

AVX2 static int64_t largest(__m256i v)
{
    int64_t lane[4];

    store(lane, v);
    for (unsigned i = 1; i < 4; i++)
        lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    return lane[0];
}

/* Of eight signed numbers of 32 bits, the first and the last four as of 64. */
AVX2 static inline __m256i first_four(__m256i v)
{
    return _mm256_cvtepi32_epi64(_mm256_castsi256_si128(v));
}

AVX2 static inline __m256i last_four(__m256i v)
{
    return _mm256_cvtepi32_epi64(_mm256_extracti128_si256(v, 1));
}

AVX2 static int64_t smallest32(__m256i v)
{
    return smallest(smaller(first_four(v), last_four(v)));
}

AVX2 static int64_t largest32(__m256i v)
{
    return largest(larger(first_four(v), last_four(v)));
}

/* The lower half of each of eight numbers, not in order. */
AVX2 static inline __m256i low_halves(__m256i a, __m256i b)
{
    return _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
}

struct ranges4 {
    __m256i min, max, step_min, step_max;
};

AVX2 static inline __attribute__((always_inline)) void widen(struct ranges4 *r, const uint64_t *v)
{
    const __m256i value = load(v), step = _mm256_sub_epi64(value, load(v - 1));

    r->min = smaller(r->min, value);
    r->max = larger(r->max, value);
    r->step_min = smaller(r->step_min, step);
    r->step_max = larger(r->step_max, step);
}

/* Eight values, by what they differ from the first one of all, and the steps to them. */
struct narrow_ranges8 {
    __m256i min, max, step_min, step_max, high;
};

AVX2 static inline __attribute__((always_inline)) void
narrow_widen(struct narrow_ranges8 *r, const uint64_t *v, __m256i first, __m256i half)
{
    const __m256i a = load(v), b = load(v + 4);
    const __m256i a_off = _mm256_sub_epi64(a, first), b_off = _mm256_sub_epi64(b, first);
    const __m256i off = low_halves(a_off, b_off);
    const __m256i step =
        low_halves(_mm256_sub_epi64(a, load(v - 1)), _mm256_sub_epi64(b, load(v + 3)));

    r->min = _mm256_min_epi32(r->min, off);
    r->max = _mm256_max_epi32(r->max, off);
    r->step_min = _mm256_min_epi32(r->step_min, step);
    r->step_max = _mm256_max_epi32(r->step_max, step);
    r->high = _mm256_or_si256(r->high, _mm256_or_si256(_mm256_add_epi64(a_off, half),
                                                       _mm256_add_epi64(b_off, half)));
}

/* The range of more than 8 values that differ from the first one by 31 bits, and so from each other
 * by 32: most columns' do, and those have minima and maxima in one step. False: they do not. */
AVX2 static bool narrow_range(const uint64_t *v, size_t count, struct column_range *ret_range)
{
    const __m256i first = splat(v[0]), half = splat(UINT64_C(1) << 30);
    const uint64_t *const last = v + count - 8;
    struct narrow_ranges8 r;

    r.min = r.max = r.high = _mm256_setzero_si256();
    r.step_min = _mm256_set1_epi32(INT32_MAX);
    r.step_max = _mm256_set1_epi32(INT32_MIN);
    for (const uint64_t *from = v + 1; from < last; from += 8)
        narrow_widen(&r, from, first, half);
    narrow_widen(&r, last, first, half); /* some of them a second time */
    ret_range->min = (int64_t)(v[0] + (uint64_t)smallest32(r.min));
    ret_range->max = (int64_t)(v[0] + (uint64_t)largest32(r.max));
    ret_range->step_min = smallest32(r.step_min);
    ret_range->step_max = largest32(r.step_max);
    /* around the end of the numbers, the order by difference is another one */
    return _mm256_testz_si256(r.high, splat(~UINT64_C(0x7fffffff))) &&
           ret_range->min <= (int64_t)v[0] && (int64_t)v[0] <= ret_range->max;
}

/* Four values, and the differences before them, at a time; the last four may take some a second
 * time. */
AVX2 static struct column_range range(const uint64_t *v, size_t count)
{
    struct column_range narrow;
    struct ranges4 r;
    size_t i = 4;

    if (count < 5)
        return file_kernels_portable.range(v, count);
    if (count > 8 && narrow_range(v, count, &narrow))
        return narrow;
    r.min = r.max = load(v);
    r.step_min = r.step_max = _mm256_sub_epi64(load(v + 1), r.min);
    for (; i + 8 <= count; i += 8) {
        widen(&r, v + i);
        widen(&r, v + i + 4);
    }
    for (; i < count; i += 4)
        widen(&r, v + (i < count - 4 ? i : count - 4));
    return (struct column_range){smallest(r.min), largest(r.max), smallest(r.step_min),
                                 largest(r.step_max)};
}

/* ---- Byte planes ---- */

/* 32 numbers, in eight vectors, to one byte each: gathered byte by byte into each lane, then put in
 * order. */
AVX2 static inline void put_bytes(uint8_t *to, const __m256i v[8], __m256i base, __m128i by)
{
    const __m256i pairs = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0,
                                           8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m256i byte = splat(0xff);
    __m256i all = _mm256_setzero_si256();
    __m128i low, high;

    for (int k = 7; k >= 0; k--) {
        const __m256i one = _mm256_srl_epi64(_mm256_sub_epi64(v[k], base), by);

        all = _mm256_or_si256(_mm256_slli_epi64(all, 8), _mm256_and_si256(one, byte));
    }
    all = _mm256_shuffle_epi8(all, pairs);
    low = _mm256_castsi256_si128(all);
    high = _mm256_extracti128_si256(all, 1);
    _mm_storeu_si128((__m128i_u *)(void *)to, _mm_unpacklo_epi16(low, high));
    _mm_storeu_si128((__m128i_u *)(void *)(to + 16), _mm_unpackhi_epi16(low, high));
}

AVX2 static void plane(uint8_t *to, const uint64_t *v, size_t count, uint64_t base, unsigned shift)
{
    const __m256i bases = splat(base);
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        __m256i value[8];

        for (unsigned k = 0; k < 8; k++)
            value[k] = load(v + i + 4 * k);
        put_bytes(to + i, value, bases, by);
    }
    file_kernels_portable.plane(to + i, v + i, count - i, base, shift);
}

AVX2 static void step_plane(uint8_t *to, const uint64_t *v, size_t count, uint64_t base,
                            unsigned shift)
{
    const __m256i bases = splat(base);
    const __m128i by = _mm_cvtsi32_si128((int)shift);
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        __m256i step[8];

        for (unsigned k = 0; k < 8; k++)
            step[k] = _mm256_sub_epi64(load(v + i + 4 * k + 1), load(v + i + 4 * k));
        put_bytes(to + i, step, bases, by);
    }
    file_kernels_portable.step_plane(to + i, v + i, count - i, base, shift);
}

/* ---- Decimals ---- */

AVX2 static uint64_t decimal(const uint64_t *v, size_t count, unsigned codec, unsigned exponent,
                             uint64_t *ret_k, uint64_t *ret_r)
{
    const __m256d power = _mm256_set1_pd(column_power[exponent]);
    const __m256d fraction = _mm256_set1_pd(column_fraction[exponent]);
    const __m256d magic = _mm256_set1_pd(6755399441055744.0); /* as in kernel_nearest() */
    const __m256d limit = _mm256_set1_pd(2251799813685248.0);
    const __m256d absolute = _mm256_castsi256_pd(splat(INT64_MAX));
    __m256i off = _mm256_setzero_si256();
    uint64_t rest, lane[4];
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const __m256i bits = load(v + i);
        const __m256d d = _mm256_mul_pd(_mm256_castsi256_pd(bits), power);
        const __m256d fits = _mm256_cmp_pd(_mm256_and_pd(d, absolute), limit, _CMP_LT_OQ);
        /* what does not fit becomes 0 */
        const __m256d sum = _mm256_add_pd(_mm256_and_pd(d, fits), magic);
        const __m256i k = _mm256_sub_epi64(_mm256_castpd_si256(sum), _mm256_castpd_si256(magic));
        const __m256d whole = _mm256_sub_pd(sum, magic);
        const __m256d back =
            codec == COLUMN_DECIMAL ? _mm256_div_pd(whole, power) : _mm256_mul_pd(whole, fraction);
        const __m256i r = _mm256_sub_epi64(bits, _mm256_castpd_si256(back));

        store(ret_k + i, k);
        store(ret_r + i, r);
        off = _mm256_or_si256(off, r);
    }
    rest = file_kernels_portable.decimal(v + i, count - i, codec, exponent, ret_k + i, ret_r + i);
    store(lane, off);
    return rest | lane[0] | lane[1] | lane[2] | lane[3];
}

const struct file_kernels *file_kernels(void)
{
    static const struct file_kernels kernels = {
        spread, is_sequence, extract, range, plane, step_plane, decimal,
    };

    return __builtin_cpu_supports("avx2") ? &kernels : &file_kernels_portable;
}

#else

const struct file_kernels *file_kernels(void)
{
    return &file_kernels_portable;
}

#endif
