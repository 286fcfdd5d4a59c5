/* SPDX-License-Identifier: MIT
 *
 * Clock pairs and conversion: exact where it can be, sane where the wall clock was set, and never
 * undefined on pairs that a stranger wrote.
 */
#include "tests/unit/segment_kit.h"

#include "shm/clock.h"

#include <inttypes.h>
#include <time.h>

#define HZ UINT64_C(2000000000)
#define T0 UINT64_C(1000000000000)
#define REAL0 UINT64_C(1700000000000000000)

static struct shmlog_clock_pair pair(uint64_t ticks, uint64_t realtime_ns)
{
    struct shmlog_clock_pair p = {.ticks = ticks, .realtime_ns = realtime_ns, .error_ns = 20};

    return p;
}

static void expect(const struct shmlog_clock_pair *pairs, size_t count, uint64_t ticks,
                   uint64_t realtime_ns, uint64_t error_ns)
{
    uint64_t error = 0;
    int64_t ns = shm_clock_to_ns(pairs, count, HZ, ticks, &error);

    cr_assert_eq(ns, (int64_t)realtime_ns, "%" PRId64 ", not %" PRId64, ns, (int64_t)realtime_ns);
    cr_assert_eq(error, error_ns, "error %" PRIu64 ", not %" PRIu64, error, error_ns);
}

Test(clock, no_pair_and_one_pair)
{
    struct shmlog_clock_pair one = pair(T0, REAL0);

    cr_assert_eq(shm_clock_to_ns(NULL, 0, HZ, T0, NULL), 0);
    expect(&one, 1, T0, REAL0, 20);
    expect(&one, 1, T0 + HZ, REAL0 + 1000000000, 20);
    expect(&one, 1, T0 - HZ, REAL0 - 1000000000, 20);
    cr_assert_eq(shm_clock_to_ns(&one, 1, 0, T0 + 5, NULL), (int64_t)REAL0, "no rate known");
}

Test(clock, what_happened_between_two_pairs)
{
    const struct shmlog_clock_pair a = pair(T0, REAL0), same = pair(T0, REAL0 + 1000),
                                   back = pair(T0 - 7, REAL0 + 1000000000),
                                   ran = pair(T0 + HZ, REAL0 + 1000000000),
                                   slewed = pair(T0 + HZ, REAL0 + 1000500000),
                                   forward = pair(T0 + HZ, REAL0 + 3601000000000),
                                   backward = pair(T0 + HZ, REAL0 - 9000000000);
    int64_t by;

    cr_assert_eq(shm_clock_between(&a, &ran, HZ, &by), SHM_CLOCK_RAN);
    cr_assert_eq(by, 0);
    cr_assert_eq(shm_clock_between(&a, &slewed, HZ, &by), SHM_CLOCK_RAN, "0.05 percent is slewing");
    cr_assert_eq(shm_clock_between(&a, &forward, HZ, &by), SHM_CLOCK_SET);
    cr_assert_eq(by, 3600000000000);
    cr_assert_eq(shm_clock_between(&a, &backward, HZ, &by), SHM_CLOCK_SET);
    cr_assert_eq(by, -10000000000);
    cr_assert_eq(shm_clock_between(&a, &back, HZ, &by), SHM_CLOCK_BACK);
    cr_assert_eq(by, -7);
    cr_assert_eq(shm_clock_between(&a, &same, HZ, &by), SHM_CLOCK_BACK);
}

Test(clock, interpolates_and_extrapolates)
{
    /* 100 ppm faster than nominal, then 100 ppm slower */
    struct shmlog_clock_pair pairs[3] = {
        pair(T0, REAL0),
        pair(T0 + HZ, REAL0 + 1000100000),
        pair(T0 + 2 * HZ, REAL0 + 2000000000),
    };

    expect(pairs, 3, T0 + HZ / 2, REAL0 + 500050000, 20);
    expect(pairs, 3, T0 + HZ, REAL0 + 1000100000, 20);
    expect(pairs, 3, T0 + HZ * 3 / 2, REAL0 + 1500050000, 20);
    expect(pairs, 3, T0 - HZ, REAL0 - 1000100000, 20);
    expect(pairs, 3, T0 + 3 * HZ, REAL0 + 2999900000, 20);
}

/* Two pairs close together do not tell a rate: their brackets are too wide for that. */
Test(clock, pairs_close_together)
{
    struct shmlog_clock_pair pairs[] = {pair(T0, REAL0), pair(T0 + HZ, REAL0 + 1000000000),
                                        pair(T0 + HZ + 2000, REAL0 + 1000001020)};

    /* the last two: by the first one's line to the last, 20 ns more over a second */
    expect(pairs, 3, T0 + 2 * HZ + 2000, REAL0 + 2000001039, 20);
    /* nothing but two close ones: by the nominal rate from the outermost */
    expect(pairs + 1, 2, T0 + 2 * HZ + 2000, REAL0 + 2000001020, 20);
    expect(pairs + 1, 2, T0, REAL0, 20);
}

Test(clock, wall_clock_set)
{
    /* set back by an hour between the second and the third */
    struct shmlog_clock_pair pairs[4] = {
        pair(T0, REAL0),
        pair(T0 + HZ, REAL0 + 1000000000),
        pair(T0 + 2 * HZ, REAL0 + 2000000000 - 3600000000000),
        pair(T0 + 3 * HZ, REAL0 + 3000000000 - 3600000000000),
    };

    expect(pairs, 4, T0 + HZ / 2, REAL0 + 500000000, 20);
    /* nobody knows when: by the nearer pair, and the error says so */
    expect(pairs, 4, T0 + HZ + HZ / 4, REAL0 + 1250000000, 3600000000000);
    expect(pairs, 4, T0 + 2 * HZ - HZ / 4, REAL0 + 1750000000 - 3600000000000, 3600000000000);
    /* beyond the ends by the nominal rate, if the last two are no line */
    expect(pairs, 3, T0 + 3 * HZ, REAL0 + 3000000000 - 3600000000000, 20);
    expect(pairs + 1, 2, T0, REAL0, 20);
}

Test(clock, hostile_pairs)
{
    static const uint64_t odd[] = {0,          1,
                                   INT64_MAX,  UINT64_C(1) << 63,
                                   UINT64_MAX, UINT64_MAX - 1,
                                   1000000000};
    enum { N = sizeof(odd) / sizeof(odd[0]) };
    uint64_t error;

    for (size_t i = 0; i < N * N * N; i++) {
        for (size_t j = 0; j < N * N; j++) {
            struct shmlog_clock_pair pairs[2] = {
                pair(odd[i % N], odd[i / N % N]),
                pair(odd[j % N], odd[j / N % N]),
            };

            pairs[0].error_ns = pairs[1].error_ns = odd[(i + j) % N];
            for (size_t k = 0; k < N; k++) {
                (void)shm_clock_to_ns(pairs, 2, odd[k], odd[i / N / N], &error);
                (void)shm_clock_to_ns(pairs, 1, odd[k], odd[i / N / N], NULL);
            }
        }
    }
}

/* Whatever the pairs are: where a line is given, it says what the conversion says. */
Test(clock, line)
{
    const struct shmlog_clock_pair pairs[] = {
        {.ticks = T0, .realtime_ns = REAL0, .error_ns = 30},
        {.ticks = T0 + HZ / 2, .realtime_ns = REAL0 + 500000123, .error_ns = 30},
        {.ticks = T0 + HZ, .realtime_ns = REAL0 + 7000000000, .error_ns = 30}, /* set */
        {.ticks = T0 + 3 * HZ, .realtime_ns = REAL0 + 9000000000, .error_ns = 30},
    };
    unsigned lines = 0;

    for (uint64_t ticks = T0 - HZ / 2; ticks < T0 + 4 * HZ; ticks += HZ / 977) {
        struct shm_clock_line line = {0};
        int64_t ns = 0;

        cr_assert_not(shm_clock_on_line(&line, ticks, &ns));
        if (!shm_clock_line(pairs, 4, HZ, ticks, &line))
            continue;
        cr_assert(shm_clock_on_line(&line, ticks, &ns));
        cr_assert_eq(ns, shm_clock_to_ns(pairs, 4, HZ, ticks, NULL));
        cr_assert_not(shm_clock_on_line(&line, line.from - 1, &ns));
        cr_assert_not(shm_clock_on_line(&line, line.from + line.ticks, &ns));
        lines++;
    }
    cr_assert(lines > 2000 && lines < 2600, "%u", lines); /* half a second, and two */
}

Test(clock, published_and_read)
{
    struct shm_params params = kit_params();
    struct shmlog_clock_pair all[3000], p;
    struct shm_segment *s;
    size_t n;

    kit_open();
    s = kit_create(&params);
    cr_assert_eq(shm_clock_read(s, all, 10), 1, "one from creation");
    p = all[0];
    for (uint64_t i = 1; i <= 2500; i++) {
        struct shmlog_clock_pair next = pair(p.ticks + i, p.realtime_ns + i);

        shm_clock_publish(s, &next);
    }
    n = shm_clock_read(s, all, 3000);
    cr_assert_eq(n, s->geometry.clock_pairs);
    cr_assert_eq(all[n - 1].ticks, p.ticks + 2500);
    cr_assert_eq(all[0].ticks, p.ticks + 2500 - n + 1);
    cr_assert_eq(shm_clock_read(s, all, 2), 2);
    cr_assert_eq(all[1].ticks, p.ticks + 2500, "the newest ones");
    /* torn, of another lap, and running backwards */
    shm_clock_pairs(s)[(2500 - 3) % n].seq |= 1;
    shm_clock_pairs(s)[(2500 - 4) % n].seq -= 2;
    shm_clock_pairs(s)[(2500 - 5) % n].ticks = 1;
    cr_assert_eq(shm_clock_read(s, all, 3000), n - 3);
    for (size_t i = 1; i < n - 3; i++)
        cr_assert_gt(all[i].ticks, all[i - 1].ticks);
    s->control->clock_count = UINT64_MAX;
    cr_assert_eq(shm_clock_read(s, all, 3000), 0);
    shm_segment_close(s);
    kit_close();
}

Test(clock, sampled_and_converted_back)
{
    uint32_t clock = shm_clock_tsc_usable() ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    uint64_t hz = shm_clock_hz(clock), error;
    struct shmlog_clock_pair p;
    struct timespec before, after, pause = {0, 20000000};
    int64_t ns;

    printf("%s at %" PRIu64 " Hz\n", clock == SHMLOG_CLOCK_TSC ? "TSC" : "CLOCK_MONOTONIC", hz);
    shm_clock_sample(clock, &p);
    cr_assert_leq(p.error_ns, 100000);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_REALTIME, &before);
    ns = shm_clock_to_ns(&p, 1, hz, shm_clock_now(clock), &error);
    clock_gettime(CLOCK_REALTIME, &after);
    /* 100 us for the rate, measured over 10 ms, applied to 20 */
    cr_assert_geq(ns, before.tv_sec * 1000000000 + before.tv_nsec - 100000);
    cr_assert_leq(ns, after.tv_sec * 1000000000 + after.tv_nsec + 100000);
    cr_assert_eq(shm_clock_hz(SHMLOG_CLOCK_MONOTONIC), 1000000000);
}
