/* SPDX-License-Identifier: MIT
 *
 * Is a control file one that can be worked with? For all who map one.
 */
#ifndef SHMLOG_CHECK_H
#define SHMLOG_CHECK_H

#include "producer/shmlog/tables.h"

/* Errors of shmlog_open() beside errno's, returned negative; shmlog_strerror() has the texts. */
#define SHMLOG_ERR_FOREIGN 4001
#define SHMLOG_ERR_OLDER 4002
#define SHMLOG_ERR_NEWER 4003
#define SHMLOG_ERR_GEOMETRY 4004
#define SHMLOG_ERR_UNFINISHED 4005
#define SHMLOG_ERR_CLOSED 4007
#define SHMLOG_ERR_NO_RINGS 4008
#define SHMLOG_ERR_RINGS 4010

SHMLOG_STATIC_INLINE_ int shmlog_power_of_two_(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* A table of `count` items of `width` bytes at `offset`: not before *end, within the file; moves
 * *end behind it. No product overflows: counts are 32-bit or bounded, widths small. */
SHMLOG_STATIC_INLINE_ int shmlog_table_fits_(uint64_t offset, uint64_t count, uint64_t width,
                                             uint64_t file_size, uint64_t *end)
{
    if (offset % 64 != 0 || offset < *end || offset > file_size ||
        count * width > file_size - offset)
        return 0;
    *end = offset + count * width;
    return 1;
}

#define SHMLOG_CLOCK_PAIRS_MAX 65536u
#define SHMLOG_RING_ENTRY_SIZE 64u /* bytes; producers do not look at these two tables */
#define SHMLOG_CLOCK_PAIR_SIZE 32u
#define SHMLOG_ARENA_MAX (UINT64_C(8) << 32) /* what the 32 bits of a site word can point to */
#define SHMLOG_CONTROL_MAX (UINT64_C(1) << 36)

/* Is ring `index` for severe records alone? */
SHMLOG_STATIC_INLINE_ int shmlog_ring_is_severe_(const struct shmlog_control *c, uint32_t index)
{
    return c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS && index < c->cpu_rings &&
           index >= c->cpu_rings / 2;
}

/* Check a copy of a control file's header against the size of the file, for all who map one: 0 or a
 * -SHMLOG_ERR_*. After 0 all tables lie within the file, in order, and every count is in bounds. */
SHMLOG_STATIC_INLINE_ int shmlog_check_control_(const struct shmlog_control *c, uint64_t file_size)
{
    uint64_t end = SHMLOG_CONTROL_HEADER;

    if (!c->magic)
        return -SHMLOG_ERR_UNFINISHED;
    if (c->magic != SHMLOG_CONTROL_MAGIC)
        return -SHMLOG_ERR_FOREIGN;
    if (c->version < SHMLOG_LAYOUT_VERSION)
        return -SHMLOG_ERR_OLDER;
    if (c->version > SHMLOG_LAYOUT_VERSION || c->incompatible)
        return -SHMLOG_ERR_NEWER;
    if (c->header_size != SHMLOG_CONTROL_HEADER || c->slot_size != SHMLOG_SLOT_SIZE ||
        c->ring_header != SHMLOG_RING_HEADER || c->file_size != file_size ||
        file_size > SHMLOG_CONTROL_MAX || c->on_full < SHMLOG_ON_FULL_DROP ||
        c->on_full > SHMLOG_ON_FULL_WAIT || c->clock < SHMLOG_CLOCK_TSC ||
        c->clock > SHMLOG_CLOCK_MONOTONIC || !shmlog_power_of_two_(c->ring_slots) ||
        c->ring_slots < SHMLOG_RING_SLOTS_MIN || c->ring_slots > SHMLOG_RING_SLOTS_MAX ||
        c->reserve_slots > c->ring_slots / 2 || !c->rings || c->rings > SHMLOG_RINGS_MAX ||
        c->cpu_rings > c->rings ||
        (c->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS
             ? c->cpu_rings % 2 != 0 || c->cpu_rings > 2 * SHMLOG_CPUS_MAX
             : c->cpu_rings > SHMLOG_CPUS_MAX) ||
        (c->compatible & SHMLOG_COMPATIBLE_SHARED_RING && c->cpu_rings == c->rings) ||
        !shmlog_power_of_two_(c->sites_max) || c->sites_max < 2 ||
        c->sites_max > SHMLOG_SITE_ID_MASK + 1 || !c->producers_max ||
        c->producers_max > SHMLOG_PRODUCERS_MAX || !shmlog_power_of_two_(c->clock_pairs) ||
        c->clock_pairs > SHMLOG_CLOCK_PAIRS_MAX || c->arena_size > SHMLOG_ARENA_MAX ||
        !shmlog_table_fits_(c->rings_offset, c->rings, SHMLOG_RING_ENTRY_SIZE, file_size, &end) ||
        !shmlog_table_fits_(c->clock_offset, c->clock_pairs, SHMLOG_CLOCK_PAIR_SIZE, file_size,
                            &end) ||
        !shmlog_table_fits_(c->producers_offset, c->producers_max, sizeof(struct shmlog_producer),
                            file_size, &end) ||
        !shmlog_table_fits_(c->sites_offset, c->sites_max, sizeof(uint64_t), file_size, &end) ||
        !shmlog_table_fits_(c->arena_offset, c->arena_size, 1, file_size, &end))
        return -SHMLOG_ERR_GEOMETRY;
    return 0;
}

#endif /* SHMLOG_CHECK_H */
