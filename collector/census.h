/* SPDX-License-Identifier: MIT
 *
 * The census: finds producers that are dead or have detached, and frees their table entries and
 * owned rings once all that they can have logged is in the journal. Until then their ids stay
 * theirs.
 */
#ifndef COLLECTOR_CENSUS_H
#define COLLECTOR_CENSUS_H

#include "collector/outbox.h"
#include "shm/segment.h"

struct census;

int census_open(const struct shm_segment *segment, const struct outbox *outbox,
                struct census **ret_census);
void census_close(struct census *census);

/* One step; call it about every second. Returns the entries freed. */
int census_work(struct census *census);

#endif
