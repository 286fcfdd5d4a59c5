/* SPDX-License-Identifier: MIT
 *
 * What values the records of a block have, as a frame behind the block: whoever asks for one value
 * need not decode blocks that cannot have it. docs/format.md, "RANGES".
 */
#ifndef LOGFILE_RANGES_H
#define LOGFILE_RANGES_H

#include "logfile/format.h"

enum file_range_kind {
    FILE_RANGE_SIGNED,   /* min, max */
    FILE_RANGE_UNSIGNED, /* the same without a sign */
    FILE_RANGE_REAL,     /* least, most; no value is NaN */
    FILE_RANGE_STRINGS,  /* bit file_string_bit() of each string is set */
    FILE_RANGE_KINDS
};

struct file_range {
    uint32_t site;
    uint8_t argument; /* its number in the site */
    uint8_t kind;
    union {
        struct {
            uint64_t min, max;
        };
        struct {
            float least, most; /* rounded outwards */
        };
        uint64_t strings;
    };
};

#define FILE_RANGE_SITES_MAX 4096u
#define FILE_RANGES_MAX 16384u

struct file_ranges {
    uint32_t ring;
    uint64_t first_seq; /* of the block */
    size_t sites, count;
    uint32_t *site; /* all that the block has records of */
    struct file_range *range;
};

/* From a whole RANGES frame. -EBADMSG, -ENOMEM. */
int file_ranges_get(const uint8_t *frame, size_t size, struct file_ranges *ret_ranges);
void file_ranges_done(struct file_ranges *ranges);

static inline uint64_t file_string_bit(const void *string, size_t size)
{
    return UINT64_C(1) << (XXH64(string, size, 0) % 64);
}

#endif
