/* SPDX-License-Identifier: MIT
 *
 * What the loops with AVX2 share. Functions that use it carry AVX2 and are called only where the
 * processor has it.
 */
#ifndef LOGFILE_COLUMN_AVX2_H
#define LOGFILE_COLUMN_AVX2_H

#ifdef __x86_64__

#include <immintrin.h>
#include <stdint.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load(const uint64_t *from)
{
    return _mm256_loadu_si256((const __m256i_u *)(const void *)from);
}

AVX2 static inline void store(void *to, __m256i v)
{
    _mm256_storeu_si256((__m256i_u *)to, v);
}

AVX2 static inline __m256i splat(uint64_t v)
{
    return _mm256_set1_epi64x((long long)v);
}

#endif
#endif
