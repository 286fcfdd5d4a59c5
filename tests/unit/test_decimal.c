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

/* ---- The shortest decimal that reads back ---- */

/* True if decimal_put_shortest() took it. */
static bool check_shortest(double value, bool single)
{
    char want[64];
    int size = 0;

    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        size = snprintf(want, sizeof(want), "%.*g", digits, value);
        if (single ? strtof(want, NULL) == (float)value : strtod(want, NULL) == value)
            break;
    }
    text_clear(&out);
    if (!decimal_put_shortest(&out, value, single)) {
        cr_assert_eq(out.size, 0);
        return false;
    }
    cr_assert(out.size == (size_t)size && !memcmp(out.data, want, out.size),
              "%a%s: '%.*s', not '%s'", value, single ? ", a float" : "", (int)out.size, out.data,
              want);
    return true;
}

/* The number, its neighbours and their negatives, as doubles and as the floats next to them. */
static unsigned check_around(double value)
{
    const float f = (float)value;
    unsigned taken = 0;

    for (int sign = -1; sign <= 1; sign += 2) {
        const double s = sign;

        taken += check_shortest(s * value, false);
        taken += check_shortest(s * nextafter(value, 0), false);
        taken += check_shortest(s * nextafter(value, INFINITY), false);
        taken += check_shortest((double)(s * (double)f), true);
        taken += check_shortest(s * (double)nextafterf(f, 0), true);
        taken += check_shortest(s * (double)nextafterf(f, INFINITY), true);
    }
    return taken;
}

Test(decimal, shortest_at_the_edges)
{
    for (int power = -30; power <= 30; power++) {
        check_around(strtod((char[]){'1', 'e', power < 0 ? '-' : '+', (char)('0' + abs(power) / 10),
                                     (char)('0' + abs(power) % 10), 0},
                            NULL));
        for (unsigned digit = 1; digit < 10; digit++)
            check_around(digit * pow(10, power));
    }
    for (int power = -80; power <= 80; power++) /* steps change there */
        check_around(ldexp(1, power));
    cr_assert(check_shortest(0, false));
    cr_assert(check_shortest(-0.0, true));
    cr_assert(check_shortest(57.25, false));
    cr_assert(check_shortest(0.001, false));
    cr_assert(check_shortest(0.1 + 0.2, false));
    cr_assert(check_shortest(999999999999999.9, false));
    cr_assert_not(check_shortest(1e15, false));
    cr_assert_not(check_shortest(1e6, true));
    cr_assert_not(check_shortest(5e-324, false));
    cr_assert_not(check_shortest(INFINITY, false));
    cr_assert_not(check_shortest(-INFINITY, false));
    cr_assert_not(check_shortest(NAN, false));
}

Test(decimal, shortest_by_chance)
{
    unsigned taken = 0;

    rng_seed(2);
    for (unsigned i = 0; i < 30000; i++) {
        uint64_t bits = rng();
        double value;

        memcpy(&value, &bits, sizeof(value)); /* any bits */
        check_shortest(value, false);
        if (fabs(value) < 3e38)
            check_shortest((double)(float)value, true);
        bits = bits >> 12 | (1013 + rng_below(60)) << 52; /* any mantissa, from 2^-10 to 2^50 */
        memcpy(&value, &bits, sizeof(value));
        taken += check_around(value);
        value = (double)rng_below(1000000000) / power_of_ten((unsigned)rng_below(8)); /* prices */
        taken += check_around(value);
        value = (double)(rng() >> (rng() % 60)) / (double)(UINT64_C(1) << rng() % 40); /* ties */
        taken += check_around(value);
    }
    cr_assert_gt(taken, 600000);
}
