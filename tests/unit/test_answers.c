/* SPDX-License-Identifier: MIT
 *
 * What answers are made of: quantiles against sorted numbers, pairs against a plain array, the
 * reach of rings.
 */
#include "reader/quantiles.h"
#include "reader/reach.h"
#include "tools/pairs.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double one = *(const double *)a, two = *(const double *)b;

    return one < two ? -1 : one > two;
}

static void check_quantiles(double (*make)(int i), int count)
{
    static const double parts[] = {0, 0.5, 0.9, 0.99, 0.9999, 1};
    double *const number = calloc((size_t)count, sizeof(*number));
    struct quantiles quantiles = {0};
    uint64_t in_buckets = 0;
    double from, to;

    for (int i = 0; i < count; i++) {
        number[i] = make(i);
        cr_assert_eq(quantiles_add(&quantiles, number[i]), 0);
    }
    cr_assert_eq(quantiles_add(&quantiles, NAN), 0);
    qsort(number, (size_t)count, sizeof(*number), compare);
    quantiles_sort(&quantiles);
    quantiles_sort(&quantiles);
    cr_expect_eq(quantiles.count, (uint64_t)count);
    cr_expect_eq(quantiles.min, number[0]);
    cr_expect_eq(quantiles.max, number[count - 1]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const int at = (int)ceil(parts[i] * count) - 1;
        const double want = number[at < 0 ? 0 : at], got = quantiles_at(&quantiles, parts[i]);

        cr_expect_leq(fabs(got - want), fabs(want) / 1024, "%g of %d: %.17g, not %.17g", parts[i],
                      count, got, want);
    }
    for (size_t i = 0; i < quantiles.used; i++) {
        in_buckets += quantiles_bucket(&quantiles, i, &from, &to);
        cr_expect_lt(from, to);
    }
    cr_expect_eq(in_buckets, (uint64_t)count);
    quantiles_done(&quantiles);
    free(number);
}

static double whole(int i)
{
    return i * 37 % 1000;
}
static double wide(int i)
{
    return (i % 2 ? -1 : 1) * ldexp(1 + i % 997 / 997.0, i % 600 - 300);
}
static double alike(int i)
{
    return -0.0;
}

Test(answers, quantiles)
{
    check_quantiles(whole, 1);
    check_quantiles(whole, 1000);
    check_quantiles(wide, 50000);
    check_quantiles(alike, 10);
}

/* Puts and takes of few keys, so that places become free in the middle of others. */
Test(answers, pairs)
{
    int64_t waits[500];
    struct pairs pairs = {0};
    uint32_t random = 1;
    size_t count = 0;

    for (int i = 0; i < 500; i++)
        waits[i] = -1;
    for (int64_t i = 0; i < 200000; i++) {
        const int key = (int)((random = random * 1664525 + 1013904223) >> 16) % 500;
        int64_t moment = -1;
        bool replaced;

        if (random & 0x8000) {
            cr_assert_eq(pairs_put(&pairs, &key, sizeof(key), i, &replaced), 0);
            cr_assert_eq(replaced, waits[key] >= 0);
            count += !replaced;
            waits[key] = i;
        } else {
            cr_assert_eq(pairs_take(&pairs, &key, sizeof(key), &moment), waits[key] >= 0);
            cr_assert_eq(moment, waits[key]);
            count -= waits[key] >= 0;
            waits[key] = -1;
        }
        cr_assert_eq(pairs.count, count);
    }
    pairs_done(&pairs);
}

Test(answers, reach)
{
    struct reach reach = {0};
    uint64_t more;

    cr_expect_eq(reach_end(&reach, 5, &more), 5u);
    cr_expect_eq(more, 5u);
    cr_assert_eq(reach_note(&reach, 20, 30), 0);
    cr_assert_eq(reach_note(&reach, 1, 10), 0);
    cr_assert_eq(reach_note(&reach, 5, 12), 0);
    cr_expect_eq(reach_end(&reach, 1, &more), 12u);
    cr_expect_eq(more, 20u);
    cr_assert_eq(reach_note(&reach, 12, 20), 0);
    cr_expect_eq(reach_end(&reach, 1, &more), 30u);
    cr_expect_eq(more, 30u);
    cr_expect_eq(reach_end(&reach, 40, &more), 40u);
    cr_expect_eq(more, 40u);
    reach_done(&reach);
}
