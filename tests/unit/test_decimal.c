/* SPDX-License-Identifier: MIT
 *
 * Decimals are what printf makes of the same doubles, to the byte.
 */
#include "reader/decimal.h"

#include "tests/unit/file_kit.h"

#include <math.h>

static double power_of_ten(unsigned n)
{
    double power = 1;

    while (n--)
        power *= 10;
    return power;
}

static struct text out;

/* True if decimal_put() took it. */
static bool check(double value, unsigned places)
{
    char want[512];
    int size = snprintf(want, sizeof(want), "%.*f", (int)places, value);

    text_clear(&out);
    if (!decimal_put(&out, value, places)) {
        cr_assert_eq(out.size, 0);
        return false;
    }
    cr_assert(out.size == (size_t)size && !memcmp(out.data, want, out.size),
              "%a with %u places: '%.*s', not '%s'", value, places, (int)out.size, out.data, want);
    return true;
}

Test(decimal, edges)
{
    static const double values[] = {
        0,
        -0.0,
        0.5,
        1.5,
        2.5,
        0.125,
        0.375,
        0.005,
        0.015,
        0.025,
        1.005,
        0.995,
        9.995,
        99.995,
        0.1,
        1e15,
        1e16,
        1e17,
        1e18,
        4503599627370497.5,
        9007199254740993.0,
        64000.01,
        0.000001,
        0.0000005,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        1e-30,
        9.9999999995,
        999999999.9999999,
        922337203685477.58,
        0.49999999999999994,
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        for (unsigned places = 0; places <= DECIMAL_PLACES_MAX; places++) {
            check(values[i], places);
            check(-values[i], places);
        }
    cr_assert_not(check(INFINITY, 2));
    cr_assert_not(check(-INFINITY, 2));
    cr_assert_not(check(NAN, 2));
    cr_assert(check(64000.01, 2));
    cr_assert(check(-0.0, 2));
}

Test(decimal, by_chance)
{
    unsigned taken = 0;

    rng_seed(1);
    for (unsigned i = 0; i < 400000; i++) {
        const unsigned places = (unsigned)(rng() % (DECIMAL_PLACES_MAX + 1));
        uint64_t bits = rng();
        double value;

        memcpy(&value, &bits, sizeof(value)); /* any bits */
        taken += check(value, places);
        value = (double)(int64_t)rng() / power_of_ten((unsigned)(rng() % 20)); /* near decimals */
        taken += check(value, places);
        value = (double)(int64_t)(rng() >> (rng() % 60)) / (double)(UINT64_C(1) << rng() % 40);
        taken += check(value, places); /* ties */
    }
    cr_assert_gt(taken, 300000);
}
