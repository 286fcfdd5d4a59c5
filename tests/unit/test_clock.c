/* SPDX-License-Identifier: MIT
 *
 * Clock pairs and conversion: exact where it can be, sane where the wall clock was set, and never
 * undefined on pairs that a stranger wrote.
 */
#include "tests/unit/ring_writer.h"
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

/* The example of docs/format.md. */
Test(clock, by_pairs_before)
{
    const struct shmlog_clock_pair pairs[3] = {
        pair(T0, REAL0),
        pair(T0 + HZ / 2, REAL0 + 500000100),
        pair(T0 + HZ, REAL0 + 1000000100),
    };

    expect(pairs, 3, T0 - HZ, REAL0 - 1000000000, 20); /* before the first: by the nominal rate */
    expect(pairs, 3, T0, REAL0, 20);
    /* the second does not count before a tenth of a second */
    expect(pairs, 3, T0 + HZ * 6 / 10 - 1, REAL0 + 599999999, 20);
    expect(pairs, 3, T0 + HZ * 6 / 10, REAL0 + 600000120, 20 + 40 / 5);
    expect(pairs, 3, T0 + HZ * 11 / 10 - 1, REAL0 + 1100000219, 20 + 47);
    /* the third's line is 120 ns behind: time stands still until it is as far */
    expect(pairs, 3, T0 + HZ * 11 / 10, REAL0 + 1100000220, 20 + 8 + 120);
    expect(pairs, 3, T0 + HZ * 11 / 10 + 200, REAL0 + 1100000220, 20 + 8 + 20);
    expect(pairs, 3, T0 + HZ * 11 / 10 + 240, REAL0 + 1100000220, 20 + 8);
    expect(pairs, 3, T0 + HZ * 11 / 10 + 1000, REAL0 + 1100000600, 20 + 8);
    expect(pairs, 3, T0 + 4 * HZ, REAL0 + 4000000100, 20 + 40 * 6);
}

/* Two pairs close together do not tell a rate: their brackets are too wide for that. */
Test(clock, pairs_close_together)
{
    const struct shmlog_clock_pair pairs[] = {pair(T0, REAL0),
                                              pair(T0 + HZ / 10 - 1, REAL0 + 100000100),
                                              pair(T0 + HZ * 2 / 10 - 1, REAL0 + 200000300)};

    expect(pairs, 2, T0 + HZ, REAL0 + 1000000100, 20);
    expect(pairs, 3, T0 + HZ * 4 / 10 - 1, REAL0 + 400000700, 20 + 80);
}

/* Where it was set, time jumps, when the pair after it counts; the rate is the nominal one. */
Test(clock, wall_clock_set)
{
    const uint64_t hour = 3600000000000;
    const struct shmlog_clock_pair pairs[] = {
        pair(T0, REAL0),
        pair(T0 + HZ, REAL0 + 1000100000),
        pair(T0 + 2 * HZ, REAL0 + 2000000000 - hour),
        pair(T0 + 3 * HZ, REAL0 + 3000100000 - hour),
    };

    expect(pairs, 4, T0 + HZ * 21 / 10 - 2, REAL0 + 2100209998, 20 + 43);
    expect(pairs, 4, T0 + HZ * 21 / 10, REAL0 + 2100000000 - hour, 20);
    expect(pairs, 4, T0 + 4 * HZ, REAL0 + 4000200000 - hour, 20 + 40);
}

/* A jump back is held up to 50 ms: beyond that it is one, although a minute may go wrong by 60. */
Test(clock, held)
{
    struct shmlog_clock_pair pairs[] = {
        pair(T0, REAL0),
        pair(T0 + 60 * HZ, REAL0 + 60000000000),
        pair(T0 + 120 * HZ, REAL0 + 120000000000 - 49900000),
    };
    const uint64_t ticks = T0 + 120 * HZ + HZ / 10, before = REAL0 + 120100000000;

    expect(pairs, 3, ticks - 2, before - 1, 20 + 40);
    expect(pairs, 3, ticks, before, 20 + 49983167); /* by its own rate it is 83,167 ns behind */
    pairs[2].realtime_ns -= 100000;
    expect(pairs, 3, ticks, before - 50000000 - 83334, 20);
}

#define MANY 300u

static uint64_t random_state;

static uint64_t below(uint64_t end)
{
    return ring_random(&random_state) % end;
}

/* Pairs of a wall clock that is slewed, and read inexactly; `set`: and set, and some are close. */
static void random_pairs(struct shmlog_clock_pair *pairs, bool set)
{
    uint64_t ticks = T0, real = REAL0;

    for (unsigned i = 0; i < MANY; i++) {
        const uint64_t far = below(20) ? HZ : 200 * HZ;
        const uint64_t step = HZ / 10 + below(far);

        pairs[i] = pair(ticks, real + below(41) - 20);
        ticks += set && below(5) == 0 ? 1 + below(HZ / 10) : step;
        real = REAL0 + (ticks - T0) / 2 + (set ? below(UINT64_C(1) << below(34)) : 0);
        if (!set)
            real += below(2) ? 1000 : 0;
    }
}

/* A moment near one at which a pair counts, or anywhere. */
static uint64_t random_moment(const struct shmlog_clock_pair *pairs)
{
    const uint64_t ticks = pairs[below(MANY)].ticks + HZ / 10;

    return below(2) ? ticks + below(5000) - 1000 : ticks + below(HZ) - HZ / 5;
}

static void seed(void)
{
    const char *const number = getenv("SHMLOG_TEST_SEED");

    random_state = (number ? strtoull(number, NULL, 0) : 1) | 1;
    printf("seed %" PRIu64 "\n", random_state);
}

/* A clock that was not set gives times that do not go back. */
Test(clock, order)
{
    struct shmlog_clock_pair pairs[MANY];
    unsigned held = 0;

    seed();
    random_pairs(pairs, false);
    for (unsigned i = 1; i < MANY; i++) {
        const uint64_t counts = pairs[i].ticks + HZ / 10;
        int64_t last = INT64_MIN;

        for (uint64_t ticks = counts - 20; ticks < counts + 20; ticks++) {
            const int64_t ns = shm_clock_to_ns(pairs, MANY, HZ, ticks, NULL);

            cr_assert_geq(ns, last, "pair %u", i);
            held += ticks > counts + 2 && ns == last && ticks % 2 == 0;
            last = ns;
        }
        cr_assert_geq(shm_clock_to_ns(pairs, MANY, HZ, counts + HZ / 1000, NULL), last);
    }
    cr_assert_gt(held, 0);
}

/* Later pairs change nothing, and those that are said to be needed are enough. */
Test(clock, later_and_fewer_pairs)
{
    struct shmlog_clock_pair pairs[MANY];

    seed();
    random_pairs(pairs, true);
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t a = random_moment(pairs), b = random_moment(pairs);
        const uint64_t first = a < b ? a : b, last = a < b ? b : a;
        const int64_t first_ns = shm_clock_to_ns(pairs, MANY, HZ, first, NULL);
        size_t begin, end, published = 1;

        while (published < MANY && pairs[published].ticks + HZ / 10 <= first)
            published++;
        cr_assert_eq(shm_clock_to_ns(pairs, published, HZ, first, NULL), first_ns);
        shm_clock_needed(pairs, MANY, HZ, first, last, &begin, &end);
        cr_assert_eq(shm_clock_to_ns(pairs + begin, end - begin, HZ, first, NULL), first_ns);
        cr_assert_eq(shm_clock_to_ns(pairs + begin, end - begin, HZ, last, NULL),
                     shm_clock_to_ns(pairs, MANY, HZ, last, NULL));
        shm_clock_needed(pairs, MANY, HZ, first, first, &begin, &end);
        cr_assert_leq(end - begin, 3);
    }
}

/* Whatever the pairs are: where a line is given, it says what the conversion says. */
Test(clock, line)
{
    struct shmlog_clock_pair pairs[MANY];

    seed();
    random_pairs(pairs, true);
    for (unsigned i = 0; i < 20000; i++) {
        struct shm_clock_line line = {0};
        const uint64_t ticks = random_moment(pairs);
        uint64_t moment[4];
        int64_t ns = 0;

        cr_assert_not(shm_clock_on_line(&line, ticks, &ns));
        if (ticks < T0)
            continue;
        cr_assert(shm_clock_line(pairs, MANY, HZ, ticks, &line));
        moment[0] = ticks;
        moment[1] = line.from;
        moment[2] = line.from + line.ticks - 1;
        moment[3] = line.from + below(line.ticks);
        for (unsigned k = 0; k < 4; k++) {
            cr_assert(shm_clock_on_line(&line, moment[k], &ns));
            cr_assert_eq(ns, shm_clock_to_ns(pairs, MANY, HZ, moment[k], NULL));
        }
        cr_assert_not(shm_clock_on_line(&line, line.from - 1, &ns));
        cr_assert_not(shm_clock_on_line(&line, line.from + line.ticks, &ns));
    }
    cr_assert_not(shm_clock_line(pairs, MANY, HZ, T0 - 1, &(struct shm_clock_line){0}));
}

Test(clock, hostile_pairs)
{
    static const uint64_t odd[] = {0,          1,
                                   INT64_MAX,  UINT64_C(1) << 63,
                                   UINT64_MAX, UINT64_MAX - 1,
                                   1000000000};
    enum { N = sizeof(odd) / sizeof(odd[0]) };

    seed();
    for (unsigned i = 0; i < 200000; i++) {
        struct shmlog_clock_pair pairs[3];
        const uint64_t hz = odd[below(N)], ticks = odd[below(N)];
        const size_t count = 1 + below(3);
        struct shm_clock_line line = {0};
        uint64_t error;
        int64_t ns, by_line;

        for (unsigned k = 0; k < 3; k++) {
            pairs[k] = pair(odd[below(N)], odd[below(N)]);
            pairs[k].error_ns = odd[below(N)];
        }
        ns = shm_clock_to_ns(pairs, count, hz, ticks, &error);
        if (shm_clock_line(pairs, count, hz, ticks, &line) &&
            shm_clock_on_line(&line, ticks, &by_line) && pairs[0].ticks < pairs[1].ticks &&
            pairs[1].ticks < pairs[2].ticks)
            cr_assert_eq(ns, by_line);
    }
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

/* A pair is published unless it comes too soon after the one before, or took too long. */
Test(clock, calibrated)
{
    struct shm_params params = kit_params();
    struct shmlog_clock_pair before, after;
    struct shm_segment *s;
    unsigned published = 0;

    kit_open();
    s = kit_create(&params);
    while (published < 3) {
        const uint64_t count = s->control->clock_count;

        cr_assert(shm_clock_newest(s, &before));
        if (shm_clock_calibrate(s)) {
            cr_assert_eq(s->control->clock_count, count + 1);
            cr_assert(shm_clock_newest(s, &after));
            cr_assert_geq(after.ticks - before.ticks, s->geometry.clock_hz / 10);
            published++;
        } else {
            cr_assert_eq(s->control->clock_count, count);
        }
    }
    s->geometry.clock_hz = 10; /* so that it has one tick's time */
    cr_assert_not(shm_clock_calibrate(s));
    cr_assert_eq(s->control->clock_count, 4);
    cr_assert(shm_clock_newest(s, &before));
    cr_assert_eq(before.ticks, after.ticks, "it was taken back");
    shm_segment_close(s);
    kit_close();
}

Test(clock, sampled_and_converted_back)
{
    uint32_t clock = shm_clock_tsc_usable() ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    uint64_t hz = shm_clock_hz(clock), error;
    struct shmlog_clock_pair p;
    struct timespec before, after, pause = {0, 20000000};
    int64_t ns, off;

    printf("%s at %" PRIu64 " Hz\n", clock == SHMLOG_CLOCK_TSC ? "TSC" : "CLOCK_MONOTONIC", hz);
    shm_clock_sample(clock, &p);
    cr_assert_leq(p.error_ns, 100000);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_REALTIME, &before);
    ns = shm_clock_to_ns(&p, 1, hz, shm_clock_now(clock), &error);
    clock_gettime(CLOCK_REALTIME, &after);
    /* the rate was measured over 10 ms: to 1 in 200 */
    off = (int64_t)error + (ns - (int64_t)p.realtime_ns) / 200;
    cr_assert_geq(ns, before.tv_sec * 1000000000 + before.tv_nsec - off);
    cr_assert_leq(ns, after.tv_sec * 1000000000 + after.tv_nsec + off);
    cr_assert_eq(shm_clock_hz(SHMLOG_CLOCK_MONOTONIC), 1000000000);
}
