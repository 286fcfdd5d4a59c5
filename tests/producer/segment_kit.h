/* SPDX-License-Identifier: MIT
 *
 * A segment without a collector: the test creates it and reads its rings itself, so that the
 * producer header is tested with nothing but shm/ on the other side.
 */
#ifndef TESTS_PRODUCER_SEGMENT_KIT_H
#define TESTS_PRODUCER_SEGMENT_KIT_H

#include "shm/ring_reader.h"
#include "shm/segment.h"
#include "tests/kit/kit.h"

struct segment_kit {
    struct shm_segment *segment;
    struct shm_ring_reader *reader; /* one for each ring */
    struct shmlog_slot *buffer;
    uint64_t records; /* read so far */
    uint64_t lost;    /* found lost while reading */
};

struct segment_kit_params {
    uint32_t on_full;    /* 0: drop */
    uint64_t ring_bytes; /* 0: 64 KiB */
    uint32_t spare_rings;
    uint32_t reserve; /* percent for warn and above */
    bool shared_ring;
    int only_cpu;           /* 1 + the only CPU with a ring; 0: all CPUs */
    uint64_t wait_ns;       /* wait policy; 0: for ever */
    uint32_t producers_max; /* 0: 4096 */
    uint32_t sites_max;     /* 0: 16384 */
};

/* Create the segment `name` in this test's runtime folder. */
void segment_kit_open(struct segment_kit *kit, const char *name,
                      const struct segment_kit_params *params);
void segment_kit_close(struct segment_kit *kit);

/* Read all that is committed, free its room, and give each record to `record` (may be NULL) as its
 * slots. Returns how many records there were. */
typedef void segment_kit_record(void *arg, uint32_t ring, const struct shmlog_slot *slots);
uint64_t segment_kit_drain(struct segment_kit *kit, segment_kit_record *record, void *arg);

/* Losses that writers counted, all causes, rings and the segment's own. */
uint64_t segment_kit_counted(const struct segment_kit *kit);

/* Fields of a record. */
uint32_t segment_kit_producer(const struct shmlog_slot *slots);
uint64_t segment_kit_u64(const struct shmlog_slot *slots, size_t payload_offset);
uint32_t segment_kit_u32(const struct shmlog_slot *slots, size_t payload_offset);

#endif
