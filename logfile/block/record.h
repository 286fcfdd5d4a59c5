/* SPDX-License-Identifier: MIT
 *
 * A record as it lies in its slots: one after the other, payload in pieces of 56 bytes.
 */
#ifndef LOGFILE_BLOCK_RECORD_H
#define LOGFILE_BLOCK_RECORD_H

#include "producer/shmlog/check.h"

#include <string.h>

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static inline uint32_t load32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static inline unsigned record_slots(const struct shmlog_slot *first)
{
    return first->site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;
}

static inline uint32_t record_producer(const struct shmlog_slot *first)
{
    return load32(first->payload + SHMLOG_PAYLOAD_PRODUCER);
}

/* The byte at a payload offset of the record that starts at `first`. */
static inline const uint8_t *payload_at(const struct shmlog_slot *first, uint32_t offset)
{
    return first[offset / SHMLOG_SLOT_PAYLOAD].payload + offset % SHMLOG_SLOT_PAYLOAD;
}

static inline uint8_t *copy_payload(uint8_t *to, const struct shmlog_slot *first, uint32_t offset,
                                    uint32_t size)
{
    while (size) {
        uint32_t run = SHMLOG_SLOT_PAYLOAD - offset % SHMLOG_SLOT_PAYLOAD;

        run = run < size ? run : size;
        memcpy(to, payload_at(first, offset), run);
        to += run;
        offset += run;
        size -= run;
    }
    return to;
}

static inline uint32_t string_size(uint32_t word)
{
    return word == SHMLOG_LENGTH_NULL ? 0 : word & ~SHMLOG_LENGTH_CUT;
}

#endif
