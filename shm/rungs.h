/* SPDX-License-Identifier: MIT
 *
 * Texts for the rungs of degradation: what is missing, and how to mend it.
 */
#ifndef SHM_RUNGS_H
#define SHM_RUNGS_H

#include "shm/segment.h"

#include <stdint.h>

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
