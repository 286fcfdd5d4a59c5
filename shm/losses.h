/* SPDX-License-Identifier: MIT
 *
 * Records lost so far, by cause: the one place that says how many.
 *
 * Read from the rings themselves, so it is true at every moment: while the disk is full, and while
 * the collector stands still or there is none. Writers count what they drop at once. What was
 * overwritten before it was read is the collector's count of what it found gone, plus what has gone
 * since. Damage shows only to the collector that reads. A ring whose file was cut short counts as
 * the collector's ledger has it, once that has left the ring out.
 */
#ifndef SHM_LOSSES_H
#define SHM_LOSSES_H

#include "shm/segment.h"

struct shm_losses {
    uint64_t cause[SHMLOG_LOST_CAUSES];
};

/* Of ring `index`: a few loads; under the overwrite policy, where the collector is more than a ring
 * behind, it also looks at some slots to number the oldest record that is left. */
void shm_losses_of_ring(const struct shm_segment *segment, uint32_t index,
                        struct shm_losses *ret_losses);

/* Of records that never got to a ring. */
void shm_losses_before_rings(const struct shm_segment *segment, struct shm_losses *ret_losses);

/* Of the whole segment, with rings that were left out. */
void shm_losses_of_segment(const struct shm_segment *segment, struct shm_losses *ret_losses);

/* The cause's name for people and scripts, as in shmlog(7): "full" ...; "?". */
const char *shm_losses_name(unsigned cause);

uint64_t shm_losses_sum(const struct shm_losses *losses);

/* For people: "12 full, 3 no-ring"; "" if there are none. */
#define SHM_LOSSES_TEXT 256
void shm_losses_text(const struct shm_losses *losses, char *ret_text, size_t size);

/* The collector's word to all others: before record number `seq` it found so many of this ring
 * overwritten and damaged, since the segment was made. To be called before the ring's tail is
 * released up to there. */
void shm_losses_publish(struct shmlog_ring *ring, uint64_t seq, uint64_t overwritten,
                        uint64_t damaged);

#endif
