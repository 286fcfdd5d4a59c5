/* SPDX-License-Identifier: MIT
 *
 * How a segment does: is its collector at work, since when not, how far is it behind, and are
 * records being lost? The one place that decides, from what the collector leaves in the control
 * file and from /proc.
 *
 * The collector's draining thread itself stores the beat, twenty times a second, between two rounds
 * over the rings; so it says that draining goes on, not that some thread lives. It also notes when
 * something was last written, and when it last saw the count of losses grow.
 */
#ifndef SHM_HEALTH_H
#define SHM_HEALTH_H

#include "shm/losses.h"

enum shm_health_state {
    SHM_HEALTH_WORKING,
    SHM_HEALTH_LOSING,   /* at work, but records were lost within SHM_HEALTH_LOSING_NS */
    SHM_HEALTH_STARTING, /* has the segment, but does not drain yet */
    SHM_HEALTH_FAILING,  /* drains, but nothing gets to its files */
    SHM_HEALTH_STALLED,  /* lives, but has made no round for SHM_HEALTH_LATE_NS */
    SHM_HEALTH_SILENT,   /* the same, of a process that cannot be seen from here */
    SHM_HEALTH_DIED,     /* its process is gone */
    SHM_HEALTH_ENDED,    /* ended in order, and the segment stayed */
    SHM_HEALTH_NONE,     /* there never was one at work */
};

#define SHM_HEALTH_LATE_NS UINT64_C(2000000000)
#define SHM_HEALTH_WRITE_LATE_NS                                     \
    UINT64_C(5000000000) /* nothing written, with something to write \
                          */
#define SHM_HEALTH_LOSING_NS UINT64_C(10000000000)
#define SHM_HEALTH_UNKNOWN UINT64_MAX /* of a time */

/* What was committed and the collector has not taken yet. */
struct shm_backlog {
    uint64_t slots, records;
    uint64_t oldest_ns; /* age of the oldest by its own timestamp, SHM_HEALTH_UNKNOWN */
};

struct shm_health {
    enum shm_health_state state;
    uint32_t pid;        /* of the collector that is there or was last; 0 none, or it ended */
    uint64_t beat_ns;    /* since its last round, SHM_HEALTH_UNKNOWN */
    uint64_t written_ns; /* since something was written or there was nothing to write */
    uint64_t lost_ns;    /* since more records were lost than before, by the collector's looks */
    struct shm_losses lost;
};

/* Cost: /proc is asked once; some loads for each ring. */
void shm_health_of(const struct shm_segment *segment, struct shm_health *ret_health);

/* "working", "losing", "starting", "stalled" or "gone": for scripts. */
const char *shm_health_word(enum shm_health_state state);

/* Does a collector hold the segment, as far as can be known? */
bool shm_health_has_collector(enum shm_health_state state);

/* Of one ring, all 0 where it cannot be read. Copies at most 128 slots. */
void shm_backlog_of_ring(const struct shm_segment *segment, uint32_t index,
                         struct shm_backlog *ret_backlog);

#endif
