/* SPDX-License-Identifier: MIT
 *
 * Inside the outbox: how it lies in its file, which outbox_file.c makes and opens and outbox.c
 * fills and empties.
 */
#ifndef COLLECTOR_OUTBOX_PARTS_H
#define COLLECTOR_OUTBOX_PARTS_H

#include "collector/outbox.h"

struct outbox {
    struct outbox_header *header;
    uint8_t *data;
    uint64_t data_size;
    uint64_t map_size;
    uint32_t rings;
    uint32_t lost; /* the file was cut short */
};

static inline uint64_t outbox_align(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* Which of two copies is valid: the newer one, if its commit was reached. */
static inline unsigned outbox_newer(uint64_t stamp0, uint64_t stamp1, uint64_t head)
{
    if (stamp0 > head)
        return 1;
    if (stamp1 > head)
        return 0;
    return stamp1 > stamp0;
}

uint32_t outbox_checksum(const struct outbox_entry *entry, const uint8_t *bytes);

#endif
