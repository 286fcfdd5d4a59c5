/* SPDX-License-Identifier: MIT
 *
 * The collector's round while each call that can fail does: it goes on, or it ends and the next
 * collector takes over; either way every record comes out once, and every loss is counted.
 */
#include "tests/kit/shared_rings.h"

#include "tests/unit/agents_kit.h"
#include "tests/unit/trouble.h"

#define SHARED 3u /* the ring after those of the kit's cores */
#define RECORDS 5000u

TestSuite(drain_trouble, .init = kit_open, .fini = kit_close, .timeout = 120);

static struct agents agents;
static struct shmlog *log_handle;

static void start(void)
{
    struct shm_params params = kit_params();

    params.spare_rings = 1;
    agents_open(&agents, &params);
}

static void start_again(void)
{
    agents_die(&agents);
    start();
    cr_assert(!agents.segment->created);
    agents_recover(&agents);
}

/* Rounds over the rings, and the outbox to the disk, without the kit's asserts. */
static int64_t rounds(void)
{
    int64_t r = 0;

    for (unsigned i = 0; r >= 0 && i < 4; i++) {
        r = agents_drain(&agents);
        for (unsigned k = 0; r >= 0 && k < 8; k++)
            r = writeback_work(agents.writeback, agents.now++);
    }
    return r;
}

/* One life with the n-th call failing. True if there was one. */
static bool live(uint64_t n)
{
    struct tally *t;
    uint64_t put = 0;
    bool failed;
    int64_t r;

    start();
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    kit_share(log_handle);
    for (; put < 700; put++)
        shmlog_info(log_handle, "n %lu text %s", (unsigned long)put, "abc");
    trouble_arm(n);
    r = rounds();
    failed = trouble_disarm();
    agents.now += UINT64_C(60000000000); /* whatever waits to be tried again is due */
    if (r < 0) {
        cr_assert(failed);
        start_again();
    }
    for (; put < RECORDS; put++) {
        shmlog_info(log_handle, "n %lu text %s", (unsigned long)put, "abc");
        if (put % 200 == 0)
            cr_assert_geq(rounds(), 0);
    }
    agents_stop(&agents);
    cr_assert(drain_is_complete(agents.drain));
    t = tally_open(agents.out);
    tally_balances(t);
    cr_assert_eq(t->ring[SHARED].written, RECORDS, "call %llu, %s: %llu records",
                 (unsigned long long)n, trouble_call(),
                 (unsigned long long)t->ring[SHARED].written);
    for (uint64_t i = 0; i < RECORDS; i++)
        cr_assert_eq(t->ring[SHARED].record[i].value, i);
    tally_close(t);
    shmlog_close(log_handle);
    agents_die(&agents);
    return failed;
}

Test(drain_trouble, every_call)
{
    uint64_t n = 0;

    do {
        cr_assert_lt(++n, TROUBLE_MOST);
        kit_close();
        kit_open();
    } while (live(n));
    fprintf(stderr, "%llu calls failed in turn\n", (unsigned long long)n - 1);
    cr_assert_gt(n, 10);
}

/* ---- Opening ---- */

static int open_parts(struct journal **ret_journal, struct drain **ret_drain)
{
    struct journal_params journal = {
        .segment_name = "t",
        .zstd_level = 1,
        .outbox = agents.outbox,
        .segment = agents.segment,
        .stats = agents.segment->control->stats,
    };
    struct drain_params drain = {.flush_ns = AGENTS_FLUSH_NS,
                                 .outbox = agents.outbox,
                                 .segment = agents.segment};
    int r = journal_open(&journal, ret_journal);

    if (r < 0)
        return r;
    drain.journal = *ret_journal;
    r = drain_open(&drain, ret_drain);
    if (r < 0)
        journal_close(*ret_journal);
    return r;
}

Test(drain_trouble, opening)
{
    bool failed = true;

    start();
    for (uint64_t n = 1; failed; n++) {
        struct journal *journal;
        struct drain *drain;
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = open_parts(&journal, &drain);
        failed = trouble_disarm();
        cr_assert(failed || r == 0);
        if (r == 0) {
            drain_close(drain);
            journal_close(journal);
        }
    }
    agents_die(&agents);
}
