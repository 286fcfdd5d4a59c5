/* SPDX-License-Identifier: MIT
 *
 * Up to which moment the files of a living segment have all records of all rings.
 *
 * The collector takes the rings in turn, so that the files may have a record before one of another
 * ring that is older. Who reads on while it writes gives out only what is older than the horizon:
 * the moment of a look at the rings, or the last one that the files have of a ring which had more
 * at that look. So records come in the order of time, as those of finished files do.
 */
#ifndef READER_HORIZON_H
#define READER_HORIZON_H

#include "reader/fileset.h"

struct horizon {
    enum fileset_writer writer;
    uint64_t now, hz; /* of the look, in ticks of the segment's clock */
    uint64_t ticks;   /* records up to it may be given out; UINT64_MAX: all, for nobody writes */
    uint64_t *head; /* of each ring: the position behind its newest record; 0: it cannot be read */
    uint32_t rings;
};

/* Look at the rings of the segment that writes to the file, before the file is read. 0, -ENOMEM. */
int horizon_look(struct horizon *horizon, const struct fileset_file *file);
/* The files have a ring up to this position and moment. */
void horizon_narrow(struct horizon *horizon, uint32_t ring, uint64_t position, uint64_t ticks);
void horizon_done(struct horizon *horizon);

/* May a record be given out? A time more than a second ahead is not the clock's, but one that a
 * caller made up: it does not wait. */
static inline bool horizon_passes(const struct horizon *horizon, uint64_t ticks)
{
    return ticks <= horizon->ticks || (ticks > horizon->now && ticks - horizon->now > horizon->hz);
}

#endif
