/* SPDX-License-Identifier: MIT
 *
 * The layout of a segment, continued: the tables in its control file that programs which log never
 * look at. Log files hold their entries as they are.
 */
#ifndef SHMLOG_SEGMENT_TABLES_H
#define SHMLOG_SEGMENT_TABLES_H

#include "producer/shmlog/check.h"

/* One entry of the ring table: what was wanted and what was got at creation. */
struct shmlog_ring_entry {
    uint32_t kind;
    uint32_t cpu;
    uint32_t page_kib;        /* page size got, in KiB */
    uint32_t page_kib_wanted; /* page size asked for, in KiB */
    int32_t node;             /* NUMA node got, -1 unknown */
    int32_t node_wanted;      /* -1 none */
    uint32_t flags;           /* SHMLOG_RING_ENTRY_* */
    uint32_t why_small;       /* why pages are no larger: SHMLOG_PAGES_*, of 2 MiB pages in bits
                                 0-3, of 1 GiB pages in bits 4-7; 0 not tried, or unknown */
    uint64_t file_size;
    uint8_t reserved1[24];
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_ring_entry) == SHMLOG_RING_ENTRY_SIZE, "ring entry");
#define SHMLOG_RING_ENTRY_THP 1u /* page_kib is that of a transparent huge page */
/* The clock at one moment: ticks <-> CLOCK_REALTIME, with half the width of the bracket in which
 * the two were read. Guarded by seq: odd while being written. */
struct shmlog_clock_pair {
    uint64_t seq;
    uint64_t ticks;
    uint64_t realtime_ns;
    uint64_t error_ns;
};
SHMLOG_STATIC_ASSERT_(sizeof(struct shmlog_clock_pair) == SHMLOG_CLOCK_PAIR_SIZE, "clock pair");

#endif
