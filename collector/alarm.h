/* SPDX-License-Identifier: MIT
 *
 * The alarm: tells those who do not ask that records are being lost, and what leads to that: rings
 * that fill, and tables that are nearly full. A line when it begins, one every ten seconds while it
 * goes on (for a table, which may stay so for days: none), and one when it is over, with the total.
 */
#ifndef COLLECTOR_ALARM_H
#define COLLECTOR_ALARM_H

#include "shm/losses.h"

#include <stdbool.h>

#define ALARM_AGAIN_NS UINT64_C(10000000000) /* between two lines about the same */

/* Something that begins, goes on and ends. It has ended when it was not seen for ALARM_AGAIN_NS. */
struct alarm_episode {
    bool on;
    uint64_t seen_ns, said_ns;
};

struct alarm {
    const struct shm_segment *segment;
    void (*say)(const char *line);
    uint64_t lost; /* as it was at the last look; at first, as it was known before */

    /* zero at first */
    struct alarm_episode losing, filling, producers, sites;
};

/* A look; call it about twice a second. `losses`: of the whole segment, as they are now. Cost: some
 * loads for each ring and table entry. */
void alarm_work(struct alarm *alarm, const struct shm_losses *losses, uint64_t now_ns);

#endif
