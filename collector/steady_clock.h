/* SPDX-License-Identifier: MIT
 *
 * The wall clock without its steps, for ages of files: a clock that is set wrong for a moment must
 * not make yesterday's files last month's.
 *
 * The difference between CLOCK_REALTIME and CLOCK_BOOTTIME at the first call is believed. It is
 * followed while it changes slowly (NTP slews by 0.05 % at most). A step is believed once it has
 * lasted for ten minutes.
 */
#ifndef COLLECTOR_STEADY_CLOCK_H
#define COLLECTOR_STEADY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define STEADY_CLOCK_STEP_NS INT64_C(1000000000) /* more than this between two calls is a step */
#define STEADY_CLOCK_TRUST_NS UINT64_C(600000000000) /* how long a step has to last */

struct steady_clock { /* zero at first */
    bool running;
    int64_t offset_ns;      /* CLOCK_REALTIME - CLOCK_BOOTTIME, as believed */
    int64_t step_ns;        /* the same as it is seen since the last step */
    uint64_t stepped_at_ns; /* CLOCK_BOOTTIME; 0: no step is being waited out */
};

/* Returns the time in ns since the epoch. Call it at least once a minute: less often, and slewing
 * looks like a step. */
uint64_t steady_clock_ns(struct steady_clock *clock, uint64_t realtime_ns, uint64_t boottime_ns);

#endif
