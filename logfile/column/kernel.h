/* SPDX-License-Identifier: MIT
 *
 * The inner loops of the encoder, over many records or values at once. There is a portable set, and
 * one for AVX2 that is chosen at run time; both give the same results, bit for bit.
 */
#ifndef LOGFILE_COLUMN_KERNEL_H
#define LOGFILE_COLUMN_KERNEL_H

#include "logfile/column/column.h"

struct shmlog_slot;

#define KERNEL_SLOT_WORDS 8u /* a slot in words of 8 bytes; the first is its header */

/* Ranges of a column's values and of their differences, as signed numbers. Without differences
 * (one value) step_min > step_max. */
struct column_range {
    int64_t min, max;
    int64_t step_min, step_max;
};

struct file_kernels {
    /* Word w of slots[order[i]] becomes ret_word[w][i], for all w below `words` (4..8). */
    void (*spread)(const struct shmlog_slot *slots, const uint32_t *order, size_t count,
                   unsigned words, uint64_t *const ret_word[KERNEL_SLOT_WORDS]);
    /* Is v[i] = v[0] + i * step, but for the bits that `mask` has not? */
    bool (*is_sequence)(const uint64_t *v, size_t count, uint64_t step, uint64_t mask);
    /* The `bits` (1..63) of each word from bit `shift` on, at most up to bit 63; with their sign.
     */
    void (*extract)(uint64_t *to, const uint64_t *words, size_t count, unsigned shift,
                    unsigned bits, bool is_signed);
    struct column_range (*range)(const uint64_t *v, size_t count); /* count >= 1 */
    /* to[i] = the byte at bit `shift` of v[i] - base */
    void (*plane)(uint8_t *to, const uint64_t *v, size_t count, uint64_t base, unsigned shift);
    /* to[i] = that of v[i + 1] - v[i] - base; `count` differences */
    void (*step_plane)(uint8_t *to, const uint64_t *v, size_t count, uint64_t base, unsigned shift);
    /* Doubles to integers k and corrections r, as COLUMN_DECIMAL and _MUL have them. Returns all r
     * or'ed. */
    uint64_t (*decimal)(const uint64_t *v, size_t count, unsigned codec, unsigned exponent,
                        uint64_t *ret_k, uint64_t *ret_r);
};

extern const struct file_kernels file_kernels_portable;
/* The best set for this machine. */
const struct file_kernels *file_kernels(void);

/* The integer nearest to d, as ties to even; 0 where |d| is 2^51 or more, or no number. */
static inline int64_t kernel_nearest(double d)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: below it the unit in last place is 1 */
    double sum = d + magic;
    uint64_t bits, zero;

    if (!(d > -2251799813685248.0 && d < 2251799813685248.0))
        return 0;
    memcpy(&bits, &sum, sizeof(bits));
    memcpy(&zero, &magic, sizeof(zero));
    return (int64_t)(bits - zero);
}

#endif
