/* SPDX-License-Identifier: MIT
 *
 * What a creator does with a segment that is there: what is adopted, and what is made anew.
 */
#include "tests/unit/segment_kit.h"

#include "shm/tables.h"

#include <errno.h>

static struct shm_segment *s;

static void open_segment(void)
{
    struct shm_params params = kit_params();

    kit_open();
    s = kit_create(&params);
}

static void close_segment(void)
{
    shm_segment_close(s);
    kit_close();
}

TestSuite(adopt, .init = open_segment, .fini = close_segment, .timeout = 120);

static struct shm_segment *again(const struct shm_params *params)
{
    shm_segment_close(s);
    s = NULL;
    s = kit_create(params);
    return s;
}

Test(adopt, drained_segment_is_made_anew_for_another_geometry)
{
    struct shm_params params = kit_params();

    cr_assert_not(again(&params)->created);
    params.ring_bytes *= 2;
    cr_assert(again(&params)->created);
    cr_assert_eq(s->geometry.ring_slots, 2048);
    params.on_full = SHMLOG_ON_FULL_OVERWRITE;
    cr_assert(again(&params)->created);
    params.cpu_count = 2;
    cr_assert(again(&params)->created);
    params.level = SHMLOG_TRACE;
    cr_assert_not(again(&params)->created, "the level is not geometry");
    cr_assert_eq(s->control->level, SHMLOG_INFO, "and stays as it was set");
}

/* A segment of an older version, whose readers work out no names, is kept as it is while it is
 * used.
 */
Test(adopt, older_segment_without_texts)
{
    struct shm_params params = kit_params();

    cr_assert(s->control->compatible & SHMLOG_COMPATIBLE_TEXT);
    s->control->compatible &= ~SHMLOG_COMPATIBLE_TEXT;
    s->rings[1].header->head = 3;
    cr_assert_not(again(&params)->created);
    cr_assert_not(s->control->compatible & SHMLOG_COMPATIBLE_TEXT);
    s->rings[1].header->tail = 3;
    cr_assert(again(&params)->created);
    cr_assert(s->control->compatible & SHMLOG_COMPATIBLE_TEXT);
}

Test(adopt, unread_records_and_live_producers_keep_a_segment)
{
    struct shm_params params = kit_params();
    uint8_t uuid[16];
    struct shmlog_producer self = {
        .claim = (uint64_t)getpid() << 32 | SHMLOG_PRODUCER_LIVE,
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)getpid(),
        .start_time = shm_thread_start((uint32_t)getpid(), (uint32_t)getpid()),
        .pid_ns = shm_pid_ns(),
    };

    params.ring_bytes *= 2;
    memcpy(uuid, s->geometry.uuid, 16);
    s->rings[1].header->head = 3;
    cr_assert_not(shm_segment_drained(s));
    cr_assert_not(again(&params)->created);
    cr_assert_eq(s->geometry.ring_slots, 1024);
    cr_assert_eq(memcmp(uuid, s->geometry.uuid, 16), 0);
    s->rings[1].header->tail = 3;
    cr_assert(shm_segment_drained(s));
    shm_producers(s)[0] = self;
    s->control->producers_used = 1;
    cr_assert_not(again(&params)->created);
    shm_producers(s)[0].start_time++;
    cr_assert(again(&params)->created);
}

static bool outbox_full(const char *path)
{
    cr_assert_str_eq(path, kit_path);
    return false;
}

Test(adopt, a_full_outbox_keeps_a_segment)
{
    struct shm_params params = kit_params();

    params.ring_bytes *= 2;
    shm_segment_close(s);
    cr_assert_eq(shm_segment_create(kit_path, &params, outbox_full, &s, NULL, 0), 0);
    cr_assert_not(s->created);
}

Test(adopt, a_refused_ring_does_not_cost_the_others)
{
    struct shm_params params = kit_params();

    shm_segment_close(s);
    kit_write_at(kit_file("ring-001"), offsetof(struct shmlog_ring, segment_uuid), "wrong", 5);
    cr_assert_eq(unlink(kit_file("ring-002")), 0);
    cr_assert_eq(truncate(kit_file("ring-003"), 8192), 0);
    cr_assert_eq(shm_segment_open(kit_path, false, &s), 0);
    cr_assert_not_null(s->rings[0].header);
    cr_assert_null(s->rings[1].header);
    cr_assert_null(s->rings[2].header);
    cr_assert_eq(s->rings[2].error, -ENOENT);
    cr_assert_null(s->rings[3].header);
    cr_assert_eq(s->rings[3].error, -SHM_ERR_GEOMETRY);
    cr_assert_not_null(s->rings[4].header);
    shm_segment_close(s);
    s = kit_create(&params);
    cr_assert_not(s->created);
    params.ring_bytes *= 2;
    cr_assert_not(again(&params)->created, "a refused ring may hold records");
    shm_segment_close(s);
    for (int i = 0; i < 5; i++) {
        char name[32];

        snprintf(name, sizeof(name), "ring-%03d", i);
        unlink(kit_file(name));
    }
    params = kit_params();
    s = kit_create(&params);
    cr_assert(s->created, "nothing was left");
}

Test(adopt, rings_refused_wholesale_are_an_error)
{
    struct shm_params params = kit_params();

    shm_segment_close(s);
    s = NULL;
    for (int i = 0; i < 5; i++) {
        char name[32];

        snprintf(name, sizeof(name), "ring-%03d", i);
        cr_assert_eq(truncate(kit_file(name), 4096), 0);
    }
    cr_assert_eq(shm_segment_create(kit_path, &params, NULL, &s, NULL, 0), -SHM_ERR_GEOMETRY);
}

/* Its collector was killed between closing it and removing it. */
Test(adopt, a_closed_segment_that_is_needed_is_opened_again)
{
    struct shm_params params = kit_params();

    s->rings[1].header->head = 3;
    s->control->state = SHMLOG_SEGMENT_CLOSED;
    cr_assert_not(again(&params)->created);
    cr_assert_eq(s->control->state, SHMLOG_SEGMENT_LIVE);
    cr_assert_eq(s->rings[1].header->head, 3);
    s->rings[1].header->tail = 3;
    s->control->state = SHMLOG_SEGMENT_CLOSED;
    cr_assert(again(&params)->created, "nothing is in it: made anew");
}
