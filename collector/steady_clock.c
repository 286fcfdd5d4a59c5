/* SPDX-License-Identifier: MIT
 *
 * The wall clock without its steps: see steady_clock.h.
 */
#include "collector/steady_clock.h"

static bool is_near(int64_t a, int64_t b)
{
    const uint64_t distance = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;

    return distance <= (uint64_t)STEADY_CLOCK_STEP_NS;
}

uint64_t steady_clock_ns(struct steady_clock *clock, uint64_t realtime_ns, uint64_t boottime_ns)
{
    const int64_t offset = (int64_t)(realtime_ns - boottime_ns);

    if (!clock->running) {
        clock->running = true;
        clock->offset_ns = offset;
    }
    if (is_near(offset, clock->offset_ns)) {
        clock->offset_ns = offset;
        clock->stepped_at_ns = 0;
    } else if (!clock->stepped_at_ns || !is_near(offset, clock->step_ns)) {
        clock->step_ns = offset;
        clock->stepped_at_ns = boottime_ns ? boottime_ns : 1;
    } else {
        clock->step_ns = offset;
        if (boottime_ns - clock->stepped_at_ns >= STEADY_CLOCK_TRUST_NS) {
            clock->offset_ns = offset;
            clock->stepped_at_ns = 0;
        }
    }
    return boottime_ns + (uint64_t)clock->offset_ns;
}
