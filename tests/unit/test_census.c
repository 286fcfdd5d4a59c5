/* SPDX-License-Identifier: MIT
 *
 * The census: who is gone gives back its entry when its records are in the journal and overwritten,
 * or when the table is short; who lives keeps it.
 */
#include "tests/kit/shared_rings.h"

#include "collector/census.h"
#include "tests/unit/agents_kit.h"

#define SPARE 3u /* the ring after those of the kit's cores */
#define CAPACITY (agents.segment->geometry.ring_slots)

static struct agents agents;
static struct census *census;

/* The kit's, with a ring for the core that this process and its children are pinned to. */
static struct shm_params census_params(void)
{
    static uint32_t cpus[3];
    struct shm_params params = kit_params();
    cpu_set_t set;

    cpus[0] = (uint32_t)sched_getcpu();
    cpus[1] = (cpus[0] + 1) % SHMLOG_CPUS_MAX;
    cpus[2] = (cpus[0] + 2) % SHMLOG_CPUS_MAX;
    CPU_ZERO(&set);
    CPU_SET(cpus[0], &set);
    cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
    params.cpus = cpus;
    params.spare_rings = 1;
    return params;
}

static void begin(void)
{
    struct shm_params params;

    kit_open();
    params = census_params();
    agents_open(&agents, &params);
    cr_assert_eq(census_open(agents.segment, agents.outbox, &census), 0);
}

static void end(void)
{
    census_close(census);
    agents_die(&agents);
    kit_close();
}

TestSuite(census, .init = begin, .fini = end, .timeout = 120);

/* A process that attaches, logs and dies; into the shared ring, or into those of its core. */
static void live_and_die(bool shared, unsigned records, bool close)
{
    const pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct shmlog *log;

        if (shmlog_open(&log, kit_path, NULL) < 0)
            _exit(1);
        if (shared)
            kit_share(log);
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

/* Its records are read, and the entry is kept for those who look at them in the rings. */
static bool is_kept(uint32_t index)
{
    const uint64_t state = entry(index).claim & SHMLOG_PRODUCER_STATE;

    return state == SHMLOG_PRODUCER_DEAD || state == SHMLOG_PRODUCER_LEFT;
}

static bool name_is_known(uint32_t id)
{
    struct shmlog_producer producer;

    return shm_producer_copy(agents.segment, id, &producer) == 0 && producer.pid != 0;
}

/* One more record like the newest one of a ring, of this producer. */
static void log_again(uint32_t ring, uint32_t producer)
{
    struct shmlog_ring *const header = agents.segment->rings[ring].header;
    struct shmlog_slot *const slots = agents.segment->rings[ring].slots;
    struct shmlog_slot slot = slots[(header->head - 1) % CAPACITY];

    cr_assert_eq(slot.site >> SHMLOG_SITE_SLOTS_SHIFT, 1);
    slot.seq++;
    memcpy(slot.payload + SHMLOG_PAYLOAD_PRODUCER, &producer, sizeof(producer));
    slots[header->head % CAPACITY] = slot;
    shmlog_store_release_(&header->head, header->head + 1);
}

/* Every ring that has records is written over, but for `left` slots of it, and read. */
static void go_round(uint64_t left)
{
    for (uint32_t i = 0; i < agents.segment->geometry.rings; i++)
        for (uint64_t n = left; agents.segment->rings[i].header->head && n < CAPACITY; n++) {
            log_again(i, 0);
            if (n % 256 == 0)
                drain_all();
        }
    drain_all();
}

Test(census, kept_until_overwritten)
{
    uint32_t id;

    live_and_die(true, 100, false);
    id = entry(0).id;
    cr_assert_neq(id, 0);
    cr_assert_eq(some_steps(), 0);
    cr_assert_not(is_kept(0), "before its records were read");
    drain_all();
    for (unsigned minute = 0; minute < 100; minute++)
        cr_assert_eq(some_steps(), 0, "freed while its records are in the ring");
    cr_assert(is_kept(0));
    cr_assert(name_is_known(id));
    go_round(1);
    cr_assert_eq(some_steps(), 0, "freed while its last record is in the ring");
    log_again(SPARE, 0);
    drain_all();
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    /* the entry's next use has another id */
    live_and_die(true, 1, false);
    cr_assert_neq(entry(0).id, id);
    cr_assert_eq(entry(0).id & 0xffff, id & 0xffff);
}

/* A ring that nobody ever wrote to keeps nobody. */
Test(census, nothing_logged)
{
    live_and_die(false, 0, false);
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
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
    cr_assert_eq(entry(0).claim & SHMLOG_PRODUCER_STATE, SHMLOG_PRODUCER_LIVE);
    outbox_release(agents.outbox, outbox_head(agents.outbox));
    drain_all();
    cr_assert_eq(some_steps(), 0);
    cr_assert(is_kept(0));
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
    cr_assert_eq(census_work(census), 0);
    cr_assert(is_kept(0));
    cr_assert_not(is_kept(1));
    cr_assert_eq(some_steps(), 0);
    cr_assert_not(is_kept(2), "its records were not read");
    drain_all();
    cr_assert_eq(some_steps(), 0);
    cr_assert(is_kept(1) && is_kept(2));
    /* overwritten: the first at once, the others, noted later, a round later */
    go_round(0);
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    go_round(0);
    cr_assert_eq(some_steps(), 2);
}

/* An attachment of this process, which logs into the shared ring. */
static struct shmlog *attach(void)
{
    struct shmlog *log;

    cr_assert_eq(shmlog_open(&log, kit_path, NULL), 0);
    kit_share(log);
    return log;
}

Test(census, detached)
{
    struct shmlog *const log = attach();
    uint32_t id;

    shmlog_info(log, "n %lu", 1ul);
    id = entry(0).id;
    shmlog_close(log); /* but the process lives */
    cr_assert_eq(some_steps(), 0);
    drain_all();
    cr_assert_eq(some_steps(), 0);
    cr_assert(is_kept(0));
    cr_assert(name_is_known(id));
    go_round(0);
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
}

Test(census, the_living_stay)
{
    struct shmlog *const log = attach();
    uint32_t id;

    id = entry(0).id;
    live_and_die(false, 20, false);
    live_and_die(false, 20, true);
    shmlog_info(log, "n %lu", 1ul);
    drain_all();
    cr_assert_eq(some_steps(), 0);
    go_round(0);
    cr_assert_eq(some_steps(), 2);
    cr_assert_eq(entry(0).id, id);
    cr_assert_eq((uint32_t)entry(0).claim, SHMLOG_PRODUCER_LIVE);
    shmlog_close(log);
}

/* As many as one likes log into the ring in turn, and nothing of their records is lost. */
Test(census, one_after_the_other)
{
    struct tally *t;

    for (unsigned i = 0; i < 20; i++) {
        live_and_die(true, 100, i % 2);
        drain_all();
        some_steps();
    }
    agents_stop(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->ring[SPARE].written, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        cr_assert_eq(t->ring[SPARE].record[i].value, i % 100);
        cr_assert(t->ring[SPARE].record[i].producer_known);
    }
    tally_balances(t);
    tally_close(t);
}

/* The next collector begins its waiting anew, and knows the dead by the table alone. */
Test(census, a_successor_keeps_them)
{
    uint32_t id;

    live_and_die(true, 100, false);
    drain_all();
    id = entry(0).id;
    cr_assert_eq(some_steps(), 0);
    go_round(500);
    census_close(census);
    cr_assert_eq(census_open(agents.segment, agents.outbox, &census), 0);
    cr_assert_eq(some_steps(), 0);
    go_round(500);
    cr_assert_eq(some_steps(), 0, "it cannot know when that one died");
    cr_assert(name_is_known(id));
    go_round(0);
    cr_assert_eq(some_steps(), 1);
}

/* ---- A short table ---- */

/* Entry `index` as of a thread that died, and its last record in a ring. */
static uint32_t put_dead(uint32_t index, uint32_t use, uint64_t start, bool logged)
{
    const struct shmlog_producer p = {
        .claim = (uint64_t)(1000 + index) << 32 | SHMLOG_PRODUCER_DEAD,
        .id = use << 16 | (index + 1),
        .pid = 1000 + index,
        .tid = 1000 + index,
        .start_time = start,
        .pid_ns = shm_pid_ns(),
        .process = "dead",
    };

    shm_producers(agents.segment)[index] = p;
    if (agents.segment->control->producers_used <= index)
        agents.segment->control->producers_used = index + 1;
    if (logged)
        log_again(SPARE, p.id);
    return p.id;
}

static uint32_t taken(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < agents.segment->geometry.producers_max; i++)
        n += entry(i).claim != 0;
    return n;
}

/* Entries that no record names go first; then the oldest; and only as many as it takes. */
Test(census, short_table)
{
    const uint32_t max = agents.segment->geometry.producers_max;
    uint32_t id[64];

    cr_assert_eq(max, 64);
    live_and_die(true, 1, false);
    drain_all();
    some_steps();
    for (uint32_t i = 1; i < max - max / 4; i++) /* every third has a record */
        id[i] = put_dead(i, 7, 5000 - i, i % 3 == 0);
    drain_all();
    census_work(census);
    for (uint32_t i = 1; i < max - max / 4; i++)
        cr_assert_eq(name_is_known(id[i]), i % 3 == 0, "entry %u", i);
    /* full to the last entry, all with records: started last, gone last */
    for (uint32_t i = 1; i < max; i++)
        id[i] = put_dead(i, 8, 5000 + (i * 13) % 64, true);
    drain_all();
    census_work(census);
    cr_assert_eq(taken(), max - max / 8 - 1);
    for (uint32_t i = 1; i < max; i++)
        cr_assert_eq(name_is_known(id[i]), (i * 13) % 64 > max / 8, "entry %u", i);
}

/* A table of the usual size, and rings with more slots than a step looks at. */
Test(census, search_in_pieces)
{
    struct shm_params params = census_params();
    uint32_t max, taken_by_dead, freed = 0;

    census_close(census);
    agents_die(&agents);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    params.ring_bytes = 4 << 20;
    params.producers_max = 4096;
    agents_open(&agents, &params);
    cr_assert_eq(census_open(agents.segment, agents.outbox, &census), 0);
    max = params.producers_max;
    taken_by_dead = max - max / 4;
    live_and_die(true, 1, false);
    for (uint64_t n = 0; n < 2 * CAPACITY; n++) {
        log_again(SPARE, n < CAPACITY ? 0 : 1 << 16 | (uint32_t)(n % taken_by_dead / 2 * 2 + 1));
        if (n % 4096 == 0)
            drain_all();
    }
    drain_all();
    for (uint32_t i = 0; i < taken_by_dead; i++)
        put_dead(i, 1, i, false);
    for (unsigned step = 0; step < CAPACITY / 16384; step++) {
        cr_assert_eq(freed, 0, "step %u: before all rings were looked at", step);
        freed = (uint32_t)census_work(census);
    }
    if (!freed) /* the slots of the other rings */
        freed = (uint32_t)census_work(census);
    cr_assert_eq(freed, taken_by_dead / 2);
    for (uint32_t i = 0; i < taken_by_dead; i++)
        cr_assert_eq(name_is_known(1 << 16 | (i + 1)), i % 2 == 0, "entry %u", i);
}

/* Records that are nowhere but in the ring keep their names, however short the table is. */
Test(census, short_table_unread)
{
    const uint32_t max = agents.segment->geometry.producers_max;

    for (uint32_t i = 0; i < max; i++) {
        live_and_die(false, 1, false);
        cr_assert_eq(entry(i).claim & SHMLOG_PRODUCER_STATE, SHMLOG_PRODUCER_LIVE);
    }
    cr_assert_eq(some_steps(), 0);
    cr_assert_eq(taken(), max);
    drain_all();
    cr_assert_eq(some_steps(), (int)(max / 8 + 1));
    /* a loop of crashes never finds the table full */
    for (uint32_t i = 0; i < 3 * max; i++) {
        live_and_die(false, 1, false);
        drain_all();
        some_steps();
        cr_assert_leq(taken(), max - max / 8 - 1);
    }
    for (uint32_t i = 0; i < max; i++)
        if (entry(i).claim)
            cr_assert(name_is_known(entry(i).id));
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
    some_steps();
    cr_assert(is_kept(0));
    shm_producers(agents.segment)[0].claim =
        SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)pid, shm_pid_ns());
    cr_assert_eq(some_steps(), 1);
    cr_assert_eq(entry(0).claim, 0);
    shm_producers(agents.segment)[0].claim =
        SHMLOG_PRODUCER_FILLING_CLAIM((uint32_t)getpid(), shm_pid_ns());
    cr_assert_eq(some_steps(), 0, "still at it");
    shm_producers(agents.segment)[0].claim = 0;
}
