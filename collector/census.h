/* SPDX-License-Identifier: MIT
 *
 * The census: finds producers that are dead or have detached.
 *
 * Once all that they can have logged is in the journal, their table entries stay, with the state
 * SHMLOG_PRODUCER_DEAD or _LEFT: as long as a record of theirs can still be in a ring, readers look
 * up its process there. An entry goes when each ring has been written once around since. A ring
 * that nobody writes to keeps them all, until at most a quarter of the table is free: then the
 * slots of the rings are looked through, a piece in each step, and entries that no record names go.
 * When at most an eighth is free, the oldest dead go, whatever the rings hold. Records that are not
 * in the journal yet keep their entries in any case.
 *
 * Of a thread in another pid namespace, collector/foreign.h tells whether it is dead for certain.
 *
 * What it knows beyond the table is its own and lost with the process: the next collector's census
 * begins its waiting anew, so entries may stay longer than they have to, not shorter.
 */
#ifndef COLLECTOR_CENSUS_H
#define COLLECTOR_CENSUS_H

#include "collector/outbox.h"
#include "shm/segment.h"

struct census;

/* Returns 0; -ENOMEM. */
int census_open(const struct shm_segment *segment, const struct outbox *outbox,
                struct census **ret_census);
void census_close(struct census *census);

/* One step; call it about every second. Asks /proc about at most 256 threads and, if there are
 * producers of other pid namespaces, 128 processes, and looks at 16,384 slots at most. Returns the
 * number of entries freed. */
int census_work(struct census *census);

#endif
