/* SPDX-License-Identifier: MIT
 *
 * Retention: removes the oldest sealed files of a segment when there are too many, too much, too
 * old, or when too little of the filesystem is free. Unfinished ones that nobody will finish any
 * more go like sealed ones. The file being written is never touched, nor are files of other names,
 * nor such as have the right name and are something else.
 */
#ifndef COLLECTOR_RETENTION_H
#define COLLECTOR_RETENTION_H

#include "collector/old_files.h"
#include "collector/outbox.h"

struct retention {
    const char *directory;
    const char *segment; /* that the names of its files begin with */
    const char *name;    /* of the segment, as it stands in them; NULL: any */
    const uint8_t *uuid; /* see struct old_files_place */
    uint64_t present;    /* the same: to be set before each round, by retention_present() */

    uint64_t count; /* files to keep at most, 0: any */
    uint64_t bytes; /* 0: any */
    uint64_t age_s; /* by time of sealing; 0: any */
    uint64_t min;   /* files to keep at least, the newest, whatever the others say */
    uint64_t seen;  /* the newest number seen so far: as from old_files_newest() at first */

    uint64_t free_bytes, free_percent; /* of the filesystem, to be free; both 0: any */
    void (*say)(const char *line);     /* messages for people; with one of these */

    /* zero at first */
    struct old_files files;
    uint64_t waits_ns; /* since when what was removed is waited for to be free; 0: it is not */
    bool short_of_room;
    bool said_foreign;
};

/* Removes what is to go. `now_ns` is the time as from steady_clock_ns(). A file's age goes by its
 * modification time; a file that was finished since the last call is given `now_ns` for that, if
 * its own says otherwise because the wall clock was set meanwhile.
 *
 * Returns the number of files removed; -errno, with nothing removed, if the directory cannot be
 * listed whole. Cost: see old_files.h. */
int retention_work(struct retention *retention, uint64_t now_ns);

/* The lowest number of the files that what is in the outbox goes to, and of the one that is open;
 * if there are none, that of the next one. 0: it cannot be told. */
uint64_t retention_present(const struct outbox *outbox);
void retention_done(struct retention *retention);

#endif
