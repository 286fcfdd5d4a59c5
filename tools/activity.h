/* SPDX-License-Identifier: MIT
 *
 * What goes on in a segment between two looks at it: rates, fill, losses, and by a sample of the
 * newest records, which call sites and threads they come from.
 *
 * A look reads each ring's head once and some of its newest slots. Nothing of the segment is
 * believed: a slot that makes no sense counts for nothing.
 */
#ifndef TOOLS_ACTIVITY_H
#define TOOLS_ACTIVITY_H

#include "tools/health.h"

#define ACTIVITY_SAMPLE 256u /* slots of each ring */

struct activity_ring {
    uint32_t ring, cpu; /* cpu ~0: a shared ring's */
    uint64_t head;      /* slots, at this look */
    double slots_rate;  /* a second */
    double used;        /* 0..1 */
    double oldest_s;
    uint64_t lost; /* since the segment was made */
};

struct activity_row {
    uint32_t id; /* of a site, or a producer */
    double rate; /* records a second, estimated */
};

struct activity {
    const struct shm_segment *segment;
    uint64_t now_ns; /* of this look, CLOCK_MONOTONIC */
    double seconds;  /* since the look before; 0: it is the first */
    struct health health;
    struct shm_losses losses;
    double records_rate, bytes_rate, lost_rate; /* bytes: to files */
    uint64_t stats[64];
    struct activity_ring *ring; /* the busiest first */
    uint32_t rings;
    struct activity_row *site, *producer; /* the busiest first */
    size_t sites, producers;
};

/* The first look. 0, -ENOMEM. The segment stays the caller's. */
int activity_open(const struct shm_segment *segment, struct activity **ret_activity);
/* Look again. 0, -ENOMEM. */
int activity_look(struct activity *activity);
void activity_close(struct activity *activity);

#endif
