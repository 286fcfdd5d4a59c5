/* SPDX-License-Identifier: MIT
 *
 * Texts for the rungs of degradation: what is missing, and how to mend it.
 */
#ifndef SHM_RUNGS_H
#define SHM_RUNGS_H

#include <stdint.h>

struct shm_rung {
    uint64_t bit; /* SHMLOG_RUNG_* */
    const char *what;
    const char *fix;
};

/* All rungs, ended by an entry with bit 0. */
extern const struct shm_rung shm_rungs[];

#endif
