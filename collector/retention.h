/* SPDX-License-Identifier: MIT
 *
 * Retention: removes the oldest sealed files of a segment when there are too many, too much, or too
 * old. The file being written is never touched, nor are files of other names.
 */
#ifndef COLLECTOR_RETENTION_H
#define COLLECTOR_RETENTION_H

#include <stdint.h>

struct retention {
    const char *directory;
    const char *segment;
    uint64_t count; /* files to keep at most, 0: any */
    uint64_t bytes; /* 0: any */
    uint64_t age_s; /* by time of sealing; 0: any */
    uint64_t seen;  /* the newest number seen so far: as from retention_newest() at first */
};

/* Removes what is to go. `now_ns` is the time as from steady_clock_ns(). A file's age goes by its
 * modification time; a file that was finished since the last call is given `now_ns` for that, if
 * its own says otherwise because the wall clock was set meanwhile.
 *
 * Returns the number of files removed; -errno, with nothing removed, if the directory cannot be
 * listed whole. Cost: a directory listing. */
int retention_work(struct retention *retention, uint64_t now_ns);

/* Stores the highest number of the segment's files in the directory, sealed or not; 0 if there is
 * none. Returns 0, or -errno with *ret_number untouched. Numbers go on from there, also when the
 * segment is made anew: names are not used twice, and the order of numbers is that of age, by which
 * retention removes. A number too low would have the newest file removed as the oldest. */
int retention_newest(const char *directory, const char *segment, uint64_t *ret_number);

#endif
