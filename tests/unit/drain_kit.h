/* SPDX-License-Identifier: MIT
 *
 * A segment, its agents, and a producer that writes numbers to the shared ring.
 */
#ifndef TESTS_UNIT_DRAIN_KIT_H
#define TESTS_UNIT_DRAIN_KIT_H

#include "tests/kit/shared_rings.h"

#include "tests/unit/agents_kit.h"

#define CAPACITY 1024u /* slots of a ring of the kit's size */
#define SHARED 3u      /* the ring after those of the kit's cores */

static struct agents agents;
static struct shmlog *log_handle;

/* Threads of this process log as those that cannot use sequences: into the shared ring. */
__attribute__((unused)) static void attach(void)
{
    cr_assert_eq(shmlog_open(&log_handle, kit_path, NULL), 0);
    kit_share(log_handle);
}

static struct shm_params drain_params(void)
{
    struct shm_params params = kit_params();

    params.spare_rings = 1;
    return params;
}

/* A segment and a producer that writes to the shared ring. */
__attribute__((unused)) static void start(uint32_t on_full)
{
    struct shm_params params = drain_params();

    params.on_full = on_full;
    params.wait_ns = 1000000;
    agents_open(&agents, &params);
    attach();
}

__attribute__((unused)) static struct shmlog_ring *ring(void)
{
    return agents.segment->rings[SHARED].header;
}

__attribute__((unused)) static void put(uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++)
        shmlog_info(log_handle, "n %lu", (unsigned long)i);
}

__attribute__((unused)) static struct tally *finish(void)
{
    struct tally *t;

    agents_stop(&agents);
    cr_assert(drain_is_complete(agents.drain));
    t = tally_open(agents.out);
    cr_assert_eq(t->files, t->sealed);
    tally_balances(t);
    shmlog_close(log_handle);
    agents_die(&agents);
    return t;
}

__attribute__((unused)) static void die_and_start(void)
{
    struct shm_params params = drain_params();

    params.on_full = agents.segment->geometry.on_full;
    params.wait_ns = agents.segment->geometry.wait_ns;
    agents_die(&agents);
    agents_open(&agents, &params);
    cr_assert(!agents.segment->created);
    agents_recover(&agents);
}

/* Records of the shared ring are from, from + 1, ... */
__attribute__((unused)) static void check_values(const struct tally *t, uint64_t first,
                                                 uint64_t from, uint64_t count)
{
    cr_assert_leq(first + count, t->ring[SHARED].written);
    for (uint64_t i = 0; i < count; i++)
        cr_assert_eq(t->ring[SHARED].record[first + i].value, from + i,
                     "record %llu: %llu instead of %llu", (unsigned long long)(first + i),
                     (unsigned long long)t->ring[SHARED].record[first + i].value,
                     (unsigned long long)(from + i));
}

#endif
