/* SPDX-License-Identifier: MIT
 *
 * Calls that are not logged each time: whose turn it is, and how many were skipped before it.
 */
#include "tests/unit/producer_kit.h"

#include <limits.h>
#include <pthread.h>

static void open_all(void)
{
    struct shm_params params = kit_producer_params();

    kit_attach(&params);
}

TestSuite(producer_turns, .init = open_all, .fini = kit_detach, .timeout = 120);

static unsigned evaluated;

static unsigned evaluate(unsigned i)
{
    evaluated++;
    return i;
}

/* The next record is that of call `i`, and says so many skipped. */
static void expect_turn(unsigned i, unsigned skipped)
{
    cr_assert(kit_take(), "call %u", i);
    cr_assert_eq(kit_site.args, 2);
    cr_assert_str_eq(kit_site.name[1], "skipped");
    expect_number(0, i);
    expect(1, SHMLOG_TYPE_U64, skipped);
}

/* ---- Every n-th ---- */

static void call_every(unsigned n, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++)
        shmlog_every_n(logger, n, SHMLOG_INFO, "call %u", evaluate(i));
}

Test(producer_turns, every_n)
{
    call_every(4, 10);
    cr_assert_eq(evaluated, 3, "arguments of those that are skipped are not evaluated");
    expect_turn(0, 0);
    cr_assert_str_eq(kit_site.format, "call %u (%lu skipped)");
    cr_assert_str_eq(kit_site.name[0], "evaluate");
    expect_turn(4, 3);
    expect_turn(8, 3);
    cr_assert_not(kit_take());
}

Test(producer_turns, every_single_one)
{
    for (unsigned i = 0; i < 3; i++)
        shmlog_every_n(logger, 1, SHMLOG_ERROR, "call %u", i);
    for (unsigned i = 0; i < 3; i++)
        shmlog_every_n(logger, 0, SHMLOG_ERROR, "call %u", i);
    for (unsigned i = 0; i < 6; i++)
        expect_turn(i % 3, 0);
}

/* Sites count by themselves, with n as it is at the moment, and only calls whose level is on. */
Test(producer_turns, every_n_of_what)
{
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(shmlog_set_level(logger, i == 2 ? SHMLOG_WARN : SHMLOG_INFO), 0);
        shmlog_every_n(logger, 2, SHMLOG_INFO, "call %u", i);
        shmlog_every_n(logger, 3, SHMLOG_WARN, "call %u", i);
    }
    expect_turn(0, 0);
    expect_turn(0, 0);
    expect_turn(3, 1); /* the third whose level was on */
    expect_turn(3, 2);
    cr_assert_not(kit_take());
}

static void call_once(unsigned i)
{
    shmlog_once(logger, SHMLOG_WARN, "call %u", i);
}

Test(producer_turns, once)
{
    for (unsigned i = 0; i < 1000; i++)
        call_once(i);
    expect_turn(0, 0);
    cr_assert_not(kit_take());
}

/* Without arguments of its own; and where there is no log, each call counts as one without a
 * segment and none as a turn. */
Test(producer_turns, no_log)
{
    const uint64_t before = shmlog_lost(NULL);

    for (unsigned i = 0; i < 3; i++)
        shmlog_every_n(i < 2 ? NULL : logger, 2, SHMLOG_INFO, "nothing");
    cr_assert_eq(shmlog_lost(NULL), before + 2);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.args, 1);
    expect(0, SHMLOG_TYPE_U64, 0);
}

#define THREADS 4u
#define CALLS 30001u

static void in_threads(void *(*call)(void *))
{
    pthread_t thread[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, call, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void *call_every_n(void *arg)
{
    for (unsigned i = 0; i < CALLS; i++)
        shmlog_every_n(logger, 1000, SHMLOG_INFO, "call %u", i);
    return arg;
}

/* Threads take turns at one site: as many records as if one had made all calls. */
Test(producer_turns, every_n_of_threads)
{
    const unsigned turns = (THREADS * CALLS + 999) / 1000;
    uint64_t skipped = 0;
    unsigned first = 0;

    in_threads(call_every_n);
    for (unsigned i = 0; i < turns; i++) {
        cr_assert(kit_take());
        first += kit_value[1].u == 0;
        skipped += kit_value[1].u;
    }
    cr_assert_not(kit_take());
    cr_assert_eq(first, 1);
    cr_assert_eq(skipped, (turns - 1) * 999);
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* ---- At most one in some time ---- */

/* No test takes so long. */
#define DAY_MS 86400000u

Test(producer_turns, every_ms)
{
    for (unsigned i = 0; i < 100; i++)
        shmlog_every_ms(logger, DAY_MS, SHMLOG_INFO, "call %u", evaluate(i));
    cr_assert_eq(evaluated, 1);
    for (unsigned i = 0; i < 3; i++)
        shmlog_every_ms(logger, 0, SHMLOG_INFO, "call %u", i);
    expect_turn(0, 0);
    for (unsigned i = 0; i < 3; i++)
        expect_turn(i, 0);
    cr_assert_not(kit_take());
}

/* So long a time that it wraps is as good as for ever. */
Test(producer_turns, every_ms_for_ever)
{
    static const uint64_t ms[] = {INT_MAX, UINT64_MAX / 1000000, UINT64_MAX / 1000000 + 1,
                                  UINT64_MAX / 2, UINT64_MAX};

    for (unsigned k = 0; k < sizeof(ms) / sizeof(ms[0]); k++) {
        uint64_t state[2] = {0, 0};
        unsigned long skipped = 9;

        cr_assert_eq(shmlog_due_(state, ms[k], &skipped), 1);
        cr_assert_eq(skipped, 0);
        for (unsigned i = 0; i < 10; i++)
            cr_assert_eq(shmlog_due_(state, ms[k], &skipped), 0, "%lx ms", (unsigned long)ms[k]);
    }
}

/* When its time has come, a call says how many came too early. */
Test(producer_turns, every_ms_again)
{
    uint64_t state[2] = {0, 0};
    unsigned long skipped;

    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(shmlog_due_(state, DAY_MS, &skipped), 1);
        cr_assert_eq(skipped, round ? 4 + round : 0);
        for (unsigned i = 0; i < 5 + round; i++)
            cr_assert_eq(shmlog_due_(state, DAY_MS, &skipped), 0);
        state[1] = shmlog_monotonic_ns_(); /* now */
    }
}

static uint64_t state_of_all[2];
static unsigned turns_of_all;

static void *call_due(void *arg)
{
    unsigned long skipped;

    for (unsigned i = 0; i < CALLS; i++)
        __atomic_fetch_add(&turns_of_all, shmlog_due_(state_of_all, DAY_MS, &skipped),
                           __ATOMIC_RELAXED);
    return arg;
}

/* One of the threads has the turn; whoever comes too late for it is skipped. */
Test(producer_turns, every_ms_of_threads)
{
    unsigned long skipped = 0;

    in_threads(call_due);
    cr_assert_eq(turns_of_all, 1);
    state_of_all[1] = 0;
    cr_assert_eq(shmlog_due_(state_of_all, DAY_MS, &skipped), 1);
    cr_assert_eq(skipped, THREADS * CALLS - 1);
}
