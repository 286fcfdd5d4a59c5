/* SPDX-License-Identifier: MIT
 *
 * The wall clock without its steps.
 */
#include "collector/steady_clock.h"

#include <criterion/criterion.h>

#define S INT64_C(1000000000)
#define DAY (86400 * S)

static struct steady_clock steady;
static int64_t boot = 100 * S;
static const int64_t epoch = INT64_C(1700000000) * S; /* CLOCK_REALTIME when boot is 0 */

/* `seconds` later, with the wall clock wrong by `wrong`: how far off the steady one is. */
static int64_t off_after(int64_t seconds, int64_t wrong)
{
    boot += seconds * S;
    return (int64_t)steady_clock_ns(&steady, (uint64_t)(epoch + boot + wrong), (uint64_t)boot) -
           (epoch + boot);
}

Test(steady_clock, as_it_is)
{
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(off_after(1, 0), 0);
}

Test(steady_clock, slews)
{
    int64_t wrong = 0;

    for (unsigned i = 0; i < 100000; i++) {
        wrong += S / 2000;
        cr_assert_eq(off_after(1, wrong), wrong);
    }
}

Test(steady_clock, a_jump_and_back)
{
    cr_assert_eq(off_after(1, 0), 0);
    for (unsigned i = 0; i < 500; i++)
        cr_assert_eq(off_after(1, 8 * DAY), 0);
    cr_assert_eq(off_after(1, 0), 0);
    for (unsigned i = 0; i < 500; i++) /* counted anew */
        cr_assert_eq(off_after(1, -8 * DAY), 0);
    cr_assert_eq(off_after(1, S / 2), S / 2);
}

Test(steady_clock, a_step_that_stays)
{
    cr_assert_eq(off_after(1, 0), 0);
    for (unsigned i = 0; i < 600; i++)
        cr_assert_eq(off_after(1, -3600 * S), 0, "%u s after the step", i);
    cr_assert_eq(off_after(1, -3600 * S), -3600 * S);
    cr_assert_eq(off_after(1, -3600 * S), -3600 * S);
}

Test(steady_clock, steps_without_end)
{
    cr_assert_eq(off_after(1, 0), 0);
    for (int64_t i = 1; i < 2000; i++)
        cr_assert_eq(off_after(1, i * DAY), 0);
}
