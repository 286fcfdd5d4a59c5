/* SPDX-License-Identifier: MIT
 *
 * The inner loops of the decoder, over many values or records at once. As with the encoder's, there
 * is a portable set and one for AVX2, chosen at run time, with the same results. Each writes
 * exactly `count` values and reads nothing beyond what it is given.
 */
#ifndef LOGFILE_COLUMN_UNPACK_KERNEL_H
#define LOGFILE_COLUMN_UNPACK_KERNEL_H

#include "logfile/column/column.h"

#define KERNEL_PAYLOAD_WORDS 7u /* of a record of one slot */

struct unpack_kernels {
    void (*fill)(uint64_t *v, size_t count, uint64_t value);
    /* v[i] += from[i] << shift */
    void (*add_plane)(uint64_t *v, const uint8_t *from, size_t count, unsigned shift);
    /* v[i] += code i << shift, for codes of `bits` (1..7) as column_pack() puts them; `end` is
     * that of the bytes that may be read, at least (count * bits + 7) / 8 after `from`. */
    void (*add_bits)(uint64_t *v, const uint8_t *from, const uint8_t *end, size_t count,
                     unsigned bits, unsigned shift);
    /* v[i] becomes first + v[0] + ... + v[i - 1]; the one that would come next is returned. */
    uint64_t (*sum)(uint64_t *v, size_t count, uint64_t first);
    /* v[i], at most 255, becomes dict[v[i]]; false if any was not below `entries`. */
    bool (*look_up)(uint64_t *v, size_t count, const uint64_t dict[COLUMN_DICT_MAX],
                    unsigned entries);
    /* v[i] += the bits of the double nearest to k[i] scaled, as file_column_decimal() */
    void (*add_decimals)(uint64_t *v, const uint64_t *k, size_t count, unsigned codec,
                         unsigned exponent);
    /* The bits of `mask`, shifted, in word[i] become those of v[i]. */
    void (*insert)(uint64_t *word, const uint64_t *v, size_t count, uint64_t mask, unsigned shift);
    /* word[w][i] becomes word w of payload i; payloads lie one after the other. */
    void (*store_payloads)(uint8_t *to, uint64_t *const word[KERNEL_PAYLOAD_WORDS], size_t count);
};

extern const struct unpack_kernels unpack_kernels_portable;
/* The best set for this machine. */
const struct unpack_kernels *unpack_kernels(void);

#endif
