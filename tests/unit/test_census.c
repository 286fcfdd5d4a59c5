/* SPDX-License-Identifier: MIT
 *
 * The census: who is gone gives back entry and ring, but not before its records are in the journal;
 * who lives keeps them.
 */
#include "producer/shmlog.h"

#include "collector/census.h"
#include "tests/unit/agents_kit.h"

#define OWNED 3u /* the first ring after those of the kit's cores */

static struct agents agents;
static struct census *census;

static void begin(void)
{
    struct shm_params params;

    kit_open();
    params = kit_params();
    agents_open(&agents, &params);
    cr_assert_eq(census_open(agents.segment, agents.outbox, &census), 0);
}

static void end(void)
{
    census_close(census);
    agents_die(&agents);
    kit_close();
}

TestSuite(census, .init = begin, .fini = end, .timeout = 60);

/* A process that attaches, takes a ring if asked, logs and dies. */
static void live_and_die(bool own, unsigned records, bool close)
{
    const pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct shmlog *log;

        if (shmlog_open(&log, kit_path, NULL) < 0 || (own && shmlog_own_ring(log) < 0))
            _exit(1);
        for (unsigned i = 0; i < records; i++)
            shmlog_info(log, "n %lu", (unsigned long)i);
        if (close)
            shmlog_close(log);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct shmlog_producer entry(uint32_t index)
{
    struct shmlog_producer producer = {0};

    cr_assert_eq(shm_producer_at(agents.segment, index, &producer), 0);
    return producer;
}

static uint32_t owner(uint32_t ring)
{
    return agents.segment->rings[ring].header->owner;
}

/* Some steps of the census, as the collector's seconds pass. Entries freed. */
static int some_steps(void)
{
    int freed = 0;

    for (unsigned i = 0; i < 4; i++)
        freed += census_work(census);
    return freed;
}

static void drain_all(void)
{
    for (unsigned i = 0; agents_drain(&agents) > 0; i++)
        cr_assert_lt(i, 1000);
}

Test(census, dead_when_drained)
{
    uint32_t id;

    live_and_die(true, 100, false);
    id = entry(0).id;
    cr_assert_neq(id, 0);
    cr_assert_eq(owner(OWNED), id);
    cr_assert_eq(some_steps(), 0);
    cr_assert_neq(entry(0).claim, 0, "freed before its records were read");
    cr_assert_eq(owner(OWNED), id);
    drain_all();
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    cr_assert_eq(owner(OWNED), 0);
    cr_assert_eq(some_steps(), 0);
    /* the entry's next use has another id */
    live_and_die(true, 1, false);
    cr_assert_neq(entry(0).id, id);
    cr_assert_eq(entry(0).id & 0xffff, id & 0xffff);
    cr_assert_eq(owner(OWNED), entry(0).id);
}

/* Read from the ring is not enough: it must be in the journal. */
Test(census, not_while_the_outbox_is_full)
{
    const struct outbox_entry filler = {.kind = OUTBOX_ENTRY_DATA, .size = 500000};
    uint8_t *const bytes = calloc(1, filler.size);

    live_and_die(true, 100, false);
    while (outbox_has_room(agents.outbox, filler.size))
        outbox_commit(agents.outbox, &filler, bytes, 0, NULL, outbox_file(agents.outbox));
    while (outbox_has_room(agents.outbox, 500))
        outbox_commit(agents.outbox, &(struct outbox_entry){.kind = OUTBOX_ENTRY_DATA, .size = 500},
                      bytes, 0, NULL, outbox_file(agents.outbox));
    drain_all();
    cr_assert_eq(some_steps(), 0);
    cr_assert_neq(entry(0).claim, 0);
    outbox_release(agents.outbox, outbox_head(agents.outbox));
    drain_all();
    cr_assert_eq(some_steps(), 1);
    free(bytes);
}

/* Who comes to be known as gone meanwhile waits for the next turn: its records may be newer. */
Test(census, later_ones_wait)
{
    live_and_die(true, 10, false);
    cr_assert_eq(census_work(census), 0); /* noted */
    live_and_die(true, 10, false);
    drain_all();
    live_and_die(false, 10, false);
    cr_assert_eq(census_work(census), 1);
    cr_assert_eq(entry(0).claim, 0);
    cr_assert_neq(entry(1).claim, 0);
    cr_assert_eq(some_steps(), 0);
    drain_all();
    cr_assert_eq(some_steps(), 2);
    cr_assert_eq(entry(1).claim, 0);
    cr_assert_eq(entry(2).claim, 0);
}

Test(census, detached)
{
    struct shmlog *log;

    cr_assert_eq(shmlog_open(&log, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(log), 0);
    shmlog_info(log, "n %lu", 1ul);
    shmlog_close(log); /* but the process lives */
    cr_assert_eq(some_steps(), 0);
    drain_all();
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    cr_assert_eq(owner(OWNED), 0);
}

Test(census, the_living_stay)
{
    struct shmlog *log;
    uint32_t id;

    cr_assert_eq(shmlog_open(&log, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(log), 0);
    id = entry(0).id;
    live_and_die(true, 20, false);
    live_and_die(false, 20, true);
    shmlog_info(log, "n %lu", 1ul);
    drain_all();
    cr_assert_eq(some_steps(), 2);
    cr_assert_eq(entry(0).id, id);
    cr_assert_eq((uint32_t)entry(0).claim, SHMLOG_PRODUCER_LIVE);
    cr_assert_eq(owner(OWNED), id);
    cr_assert_eq(owner(OWNED + 1), 0);
    shmlog_close(log);
}

/* Rings given back are used again, as often as one likes, and nothing of their records is lost. */
Test(census, spare_rings_go_round)
{
    struct tally *t;

    for (unsigned i = 0; i < 20; i++) {
        live_and_die(true, 100, i % 2);
        drain_all();
        cr_assert_eq(some_steps(), 1);
    }
    cr_assert_eq(shm_producers_used(agents.segment), 1);
    agents_stop(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->ring[OWNED].written, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        cr_assert_eq(t->ring[OWNED].record[i].value, i % 100);
        cr_assert(t->ring[OWNED].record[i].producer_known);
        cr_assert_eq(t->ring[OWNED].record[i].producer >> 16, 1 + i / 100);
    }
    tally_balances(t);
    tally_close(t);
}

/* Who died while filling in its entry leaves no more than the claim; the id is still the last
 * use's. */
Test(census, died_registering)
{
    const pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    live_and_die(true, 10, false);
    drain_all();
    cr_assert_eq(some_steps(), 1);
    shm_producers(agents.segment)[0].claim =
        SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)pid, shm_pid_ns());
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    shm_producers(agents.segment)[0].claim =
        SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)getpid(), shm_pid_ns());
    cr_assert_eq(some_steps(), 0, "still at it");
    shm_producers(agents.segment)[0].claim = 0;
}

/* An entry that says another's id does not cost the other its ring. */
Test(census, a_wrong_id_frees_nothing)
{
    struct shmlog *log;

    cr_assert_eq(shmlog_open(&log, kit_path, NULL), 0);
    cr_assert_eq(shmlog_own_ring(log), 0);
    live_and_die(false, 0, false);
    shm_producers(agents.segment)[1].id = entry(0).id;
    drain_all();
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(owner(OWNED), entry(0).id);
    shmlog_close(log);
}
