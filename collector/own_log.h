/* SPDX-License-Identifier: MIT
 *
 * The collector's own log: what it says unasked, as records of category "shmlog" in its own
 * segment, so that the files tell the story where it happened.
 *
 * Housekeeping logs like any program, with shmlog.h, and does so on these terms: it never waits,
 * and no record of its own is ever lost or keeps another one from its place. It attaches for the
 * lines that are to be logged, and detaches at once, so that it does not count among the users of
 * the segment. It logs into its core's ring when that is at most half full, where it cannot into a
 * spare ring if more than one is free and has room, and else it tries again later. It takes no
 * producer entry that is kept for a name, and not the last room for call sites. Lines that are not
 * logged are on stderr all the same.
 */
#ifndef COLLECTOR_OWN_LOG_H
#define COLLECTOR_OWN_LOG_H

#include "shm/segment.h"

#define OWN_LOG_LINES 16u /* that wait */
#define OWN_LOG_LINE 768u

struct own_log {
    const struct shm_segment *segment;
    uint32_t *attached; /* shared with the drain: see housekeeping_silence() */
    const uint32_t *silent;
    bool off;

    /* zero at first */
    struct {
        unsigned level;
        char text[OWN_LOG_LINE];
    } line[OWN_LOG_LINES];
    unsigned first, lines;
    bool sites_registered;
    uint64_t later_ns; /* not to be tried before */
};

/* A line that is to be a record. `level`: SHMLOG_WARN or SHMLOG_INFO. */
void own_log_put(struct own_log *log, unsigned level, const char *line);
/* Log what waits, as far as it can be now. Returns how many lines that was. */
unsigned own_log_work(struct own_log *log, uint64_t now_ns);

#endif
