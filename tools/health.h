/* SPDX-License-Identifier: MIT
 *
 * How a segment does, for people and scripts: what shm/health.h decides, with the backlog of all
 * rings and the losses so far, put into words. --health and --info print it.
 */
#ifndef TOOLS_HEALTH_H
#define TOOLS_HEALTH_H

#include "shm/health.h"
#include "reader/text.h"

struct health {
    struct shm_health segment;
    struct shm_backlog behind; /* slots and records of all rings, the oldest of them */
    uint32_t ring;             /* that has the oldest; UINT32_MAX: none is known */
    bool recorder;             /* overwrite policy: of use without a collector, too */
};

/* Ask everything once: /proc, and each ring's header and up to 128 of its slots. */
void health_look(const struct shm_segment *segment, struct health *ret_health);

/* Exit status of --health: 0 working, 1 stalled or losing, 2 gone. */
int health_status(const struct health *health);

/* "collector pid 7 has made no round for 12.3 s: ...". */
void health_put_reason(const struct health *health, struct text *out);

/* "NAME: STATE: REASON; behind ...; lost ...", and a newline. */
void health_put_line(const struct health *health, const char *name, struct text *out);

/* "12 full, 3 no-ring" or "0". */
void health_put_losses(const uint64_t lost[SHMLOG_LOST_CAUSES], struct text *out);

/* "0.087 s", "12.3 s", "?". */
void health_put_age(uint64_t ns, struct text *out);

#endif
