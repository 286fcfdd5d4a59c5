/* SPDX-License-Identifier: MIT
 *
 * Texts for the rungs of degradation: what is missing, and how to mend it.
 */
#ifndef SHM_RUNGS_H
#define SHM_RUNGS_H

#include "shm/segment.h"

#include <stdint.h>

/* Rungs of degradation, bits of control.rungs. The texts are in rungs.c. */
#define SHMLOG_RUNG_NO_1G (UINT64_C(1) << 0)
#define SHMLOG_RUNG_NO_2M (UINT64_C(1) << 1)
#define SHMLOG_RUNG_NO_THP (UINT64_C(1) << 2)
#define SHMLOG_RUNG_NO_NUMA (UINT64_C(1) << 3)
#define SHMLOG_RUNG_WRONG_NODE (UINT64_C(1) << 4)
#define SHMLOG_RUNG_NO_URING (UINT64_C(1) << 5)
#define SHMLOG_RUNG_NO_FIXED_BUFFERS (UINT64_C(1) << 6)
#define SHMLOG_RUNG_NO_REALTIME (UINT64_C(1) << 7)
#define SHMLOG_RUNG_NO_MLOCK (UINT64_C(1) << 8)
#define SHMLOG_RUNG_NO_PIN (UINT64_C(1) << 9)
#define SHMLOG_RUNG_NO_TSC (UINT64_C(1) << 10)
#define SHMLOG_RUNG_NO_RSEQ (UINT64_C(1) << 11)

/* Why a ring's pages are no larger: struct shmlog_ring_entry.why_small. */
#define SHMLOG_PAGES_NO_MOUNT 1u   /* no hugetlbfs of the size is mounted */
#define SHMLOG_PAGES_NO_ACCESS 2u  /* none where the creator may make files */
#define SHMLOG_PAGES_NONE_FREE 3u  /* no page of the size is free */
#define SHMLOG_PAGES_TOO_FEW 4u    /* some are free, but fewer than the ring needs */
#define SHMLOG_PAGES_OTHER_NODE 5u /* enough are free, but not on the ring's node */
#define SHMLOG_PAGES_LIMIT 6u      /* enough are free, but a mount or cgroup gives no more */
#define SHMLOG_PAGES_FAILED 7u     /* something else */
#define SHMLOG_PAGES_REASONS 8u

struct shm_rung {
    uint64_t bit; /* SHMLOG_RUNG_* */
    const char *what;
    const char *fix;
};

/* Take note of what a segment does without, or of that it has it again. Two processes of the
 * collector may do so at one time. */
void shm_rung_set(const struct shm_segment *segment, uint64_t rung, bool missing);

/* All rungs, ended by an entry with bit 0. */
extern const struct shm_rung shm_rungs[];

/* Step through what a segment does without; zeroed at first. A shortage of huge pages comes once
 * for each reason that rings of the segment have for it, with the way to mend that. */
struct shm_rungs_walk {
    const char *what;
    const char *fix;
    /* its own */
    unsigned rung, reason;
    char text[512]; /* a `fix` that names what this machine has */
};
bool shm_rungs_next(const struct shm_segment *segment, struct shm_rungs_walk *walk);

#endif
