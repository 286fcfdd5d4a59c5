/* SPDX-License-Identifier: MIT
 *
 * Segments as files: made, opened, adopted, removed; half-made ones at every step.
 */
#include "tests/unit/segment_file_kit.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

TestSuite(segment, .init = kit_open, .fini = kit_close, .timeout = 120);

Test(segment, created_as_asked)
{
    struct shm_params params = kit_params();
    struct shm_segment *s = kit_create(&params);
    struct stat st;

    cr_assert(s->created);
    cr_assert_eq(s->control->magic, SHMLOG_CONTROL_MAGIC);
    cr_assert_eq(s->control->state, SHMLOG_SEGMENT_LIVE);
    cr_assert_eq(s->control->level, SHMLOG_INFO);
    cr_assert_str_eq(s->control->name, "test");
    cr_assert_eq(s->geometry.rings, 5);
    cr_assert_eq(s->geometry.ring_slots, 1024);
    cr_assert_eq(s->slot_mask, 1023);
    cr_assert_eq(s->control->clock_count, 1);
    cr_assert_gt(s->control->clock_hz, 1000000);
    for (uint32_t i = 0; i < 5; i++) {
        const struct shmlog_ring *ring = s->rings[i].header;

        cr_assert_eq(ring->magic, SHMLOG_RING_MAGIC);
        cr_assert_eq(ring->index, i);
        cr_assert_eq(ring->kind, i < 3 ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED);
        cr_assert_eq(ring->cpu, i < 3 ? kit_cpus[i] : UINT32_MAX);
        cr_assert_eq(ring->head, 0);
        cr_assert_eq(ring->limit, 1024);
        cr_assert_eq(ring->tail_seq, 1);
        cr_assert_eq(ring->gave_up_tail, UINT64_MAX);
    }
    cr_assert_eq(stat(kit_path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0750);
    cr_assert_eq(stat(kit_file("ring-004"), &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0660);
    cr_assert_eq(st.st_blocks * 512, st.st_size, "not allocated");
    shm_segment_close(s);
}

Test(segment, reserved_bytes_are_zero)
{
    struct shm_params params = kit_params();
    struct shm_segment *s = kit_create(&params);
    uint8_t zero[4096] = {0};

    cr_assert_eq(memcmp(s->control->reserved1, zero, sizeof(s->control->reserved1)), 0);
    cr_assert_eq(memcmp(s->control->reserved5, zero, sizeof(s->control->reserved5)), 0);
    cr_assert_eq(memcmp(s->rings[0].header->reserved6, zero, sizeof(s->rings[0].header->reserved6)),
                 0);
    shm_segment_close(s);
}

Test(segment, opened_by_others_and_read_only)
{
    struct shm_params params = kit_params();
    struct shm_segment *made = kit_create(&params), *s;

    cr_assert_eq(shm_segment_open(kit_path, false, &s), 0);
    cr_assert_not(s->created);
    made->rings[2].slots[7].seq = 99;
    cr_assert_eq(s->rings[2].slots[7].seq, 99);
    cr_assert_eq(shm_ring_entries(s)[2].cpu, 5);
    cr_assert_eq(s->geometry.level, 0, "what changes is not part of the geometry");
    shm_segment_close(s);
    cr_assert_eq(shm_segment_open(kit_path, true, &s), 0);
    s->control->level = SHMLOG_ERROR;
    cr_assert_eq(made->control->level, SHMLOG_ERROR);
    shm_segment_close(s);
    shm_segment_close(made);
    shm_segment_close(NULL);
}

Test(segment, overwrite_and_wait_are_set_up)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    params.on_full = SHMLOG_ON_FULL_OVERWRITE;
    s = kit_create(&params);
    cr_assert_eq(s->rings[0].header->limit, UINT64_MAX);
    shm_segment_close(s);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    params.on_full = SHMLOG_ON_FULL_WAIT;
    params.wait_ns = 12345;
    s = kit_create(&params);
    cr_assert_eq(s->rings[0].header->limit, 1024);
    cr_assert_eq(s->geometry.wait_ns, 12345);
    shm_segment_close(s);
}

Test(segment, rings_for_severe_records_and_to_share)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    params.on_full = SHMLOG_ON_FULL_OVERWRITE;
    params.reserve = 12;
    params.shared_ring = true;
    s = kit_create(&params);
    cr_assert_eq(s->geometry.cpu_rings, 6);
    cr_assert_eq(s->geometry.rings, 9);
    cr_assert_eq(shm_spare_rings(&s->geometry), 2);
    for (uint32_t i = 0; i < 9; i++) {
        cr_assert_eq(s->rings[i].entry.kind, i < 6 ? SHMLOG_RING_CPU : SHMLOG_RING_OWNED);
        cr_assert_eq(s->rings[i].entry.cpu, i < 6 ? kit_cpus[i % 3] : UINT32_MAX);
        cr_assert_eq(shmlog_ring_is_severe_(&s->geometry, i), i >= 3 && i < 6);
        cr_assert_eq(s->rings[i].header->owner, i >= 6 ? SHMLOG_OWNER_SHARED : 0);
    }
    shm_segment_close(s);
    params.reserve = 0; /* another geometry, and nothing in it: made anew */
    s = kit_create(&params);
    cr_assert(s->created);
    cr_assert_eq(s->geometry.rings, 6);
    shm_segment_close(s);
}

Test(segment, bad_parameters)
{
    static const uint32_t twice[] = {1, 1}, high[] = {1024};
    struct shm_params good = kit_params();
    struct shm_params bad[14];
    struct shm_segment *s = NULL;

    for (size_t i = 0; i < 14; i++)
        bad[i] = good;
    bad[0].ring_bytes = 65535;
    bad[1].ring_bytes = 32768;
    bad[2].ring_bytes = UINT64_C(1) << 40;
    bad[3].on_full = 0;
    bad[4].level = 7;
    bad[5].page_kib = 64;
    bad[6].sites_max = 100;
    bad[7].producers_max = 65536;
    bad[8].cpus = twice;
    bad[8].cpu_count = 2;
    bad[9].cpus = high;
    bad[9].cpu_count = 1;
    bad[10].cpu_count = bad[10].spare_rings = 0;
    bad[11].spare_rings = 3000;
    bad[12].reserve = 51;
    bad[13].on_full = SHMLOG_ON_FULL_OVERWRITE; /* 2,046 rings, and 3 more for severe records */
    bad[13].spare_rings = SHMLOG_RINGS_MAX - 5;
    bad[13].reserve = 1;
    for (size_t i = 0; i < 14; i++)
        cr_assert_eq(create(&bad[i], &s), -EINVAL, "%zu", i);
    cr_assert_neq(access(kit_path, F_OK), 0);
}

Test(segment, second_creator_is_told)
{
    struct shm_params params = kit_params();
    struct shm_segment *first = kit_create(&params), *second;

    cr_assert_eq(create(&params, &second), -SHM_ERR_BUSY);
    cr_assert_eq(shm_segment_destroy(kit_path), -SHM_ERR_BUSY);
    shm_segment_close(first);
    cr_assert_eq(create(&params, &second), 0);
    cr_assert_not(second->created);
    shm_segment_close(second);
}

Test(segment, lock_is_gone_with_a_killed_creator)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    int ready[2], status;
    char byte;
    pid_t child;

    cr_assert_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (shm_segment_create(kit_path, &params, NULL, &s, NULL, 0) == 0 &&
            write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(create(&params, &s), -SHM_ERR_BUSY);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    cr_assert_eq(create(&params, &s), 0);
    cr_assert_not(s->created);
    shm_segment_close(s);
}

/* Killed at any moment of creation: whatever is there then, it is unfinished for openers, and the
 * next creator makes it anew. */
Test(segment, killed_creator_leaves_nothing_that_hurts)
{
    struct shm_params params = kit_params();
    int unfinished = 0, whole = 0;
    struct shm_segment *s;
    char leftover[256];

    params.ring_bytes = 1 << 20;
    for (int i = 0; i < 60; i++) {
        struct timespec delay = {0, 10500000 + i * 100000};
        int status, r;
        pid_t child = fork();

        if (child == 0) {
            r = shm_segment_create(kit_path, &params, NULL, &s, NULL, 0);
            raise(SIGSTOP);
            _exit(r == 0 ? 0 : 1);
        }
        nanosleep(&delay, NULL); /* not a wait for something: the moment of the kill */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        r = open_result(false);
        cr_assert(r == 0 || r == -ENOENT || r == -SHM_ERR_UNFINISHED, "%d", r);
        unfinished += r == -SHM_ERR_UNFINISHED;
        whole += r == 0;
        cr_assert_eq(create(&params, &s), 0);
        cr_assert_eq(s->created, r != 0);
        cr_assert_not_null(s->rings[4].header);
        shm_segment_close(s);
        cr_assert_eq(shm_segment_destroy(kit_path), 0);
        snprintf(leftover, sizeof(leftover), "%s", kit_path);
        cr_assert_neq(access(leftover, F_OK), 0);
    }
    printf("killed: %d unfinished, %d whole of 60\n", unfinished, whole);
}

static void expect_made_anew(void)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    cr_assert_eq(open_result(false), -SHM_ERR_UNFINISHED);
    cr_assert_eq(create(&params, &s), 0);
    cr_assert(s->created);
    cr_assert_not_null(s->rings[4].header);
    shm_segment_close(s);
    cr_assert_eq(open_result(true), 0);
}

Test(segment, half_made_empty_directory)
{
    cr_assert_eq(mkdir(kit_path, 0750), 0);
    cr_assert_eq(shm_segment_destroy(kit_path), -ENOENT, "an empty directory is not a segment");
    expect_made_anew();
}

Test(segment, half_made_empty_control)
{
    make_and_leave();
    cr_assert_eq(truncate(kit_file("control"), 0), 0);
    expect_made_anew();
}

Test(segment, half_made_no_magic)
{
    make_and_leave();
    SET_CONTROL(magic, 0);
    cr_assert_eq(unlink(kit_file("ring-004")), 0);
    expect_made_anew();
}

Test(segment, half_made_no_control)
{
    make_and_leave();
    cr_assert_eq(unlink(kit_file("control")), 0);
    expect_made_anew();
}

Test(segment, half_made_is_destroyed_too)
{
    make_and_leave();
    SET_CONTROL(magic, 0);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    make_and_leave();
    cr_assert_eq(unlink(kit_file("control")), 0);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    cr_assert_neq(access(kit_path, F_OK), 0);
}

Test(segment, half_destroyed)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    make_and_leave();
    SET_CONTROL(state, SHMLOG_SEGMENT_CLOSED);
    cr_assert_eq(unlink(kit_file("ring-000")), 0);
    cr_assert_eq(open_result(false), -SHM_ERR_CLOSED);
    cr_assert_eq(create(&params, &s), 0);
    cr_assert(s->created);
    shm_segment_close(s);
}

Test(segment, destroy_keeps_what_is_not_its_own)
{
    struct stat st;

    make_and_leave();
    fclose(fopen(kit_file("notes"), "we"));
    cr_assert_eq(shm_segment_destroy(kit_path), -ENOTEMPTY);
    cr_assert_eq(open_result(false), 0, "untouched");
    cr_assert_eq(unlink(kit_file("notes")), 0);
    fclose(fopen(kit_file("outbox"), "we"));
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    cr_assert_neq(stat(kit_path, &st), 0);
}

Test(segment, attached_see_that_it_is_closed)
{
    struct shm_segment *s;

    make_and_leave();
    cr_assert_eq(shm_segment_open(kit_path, true, &s), 0);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    cr_assert_eq(s->control->state, SHMLOG_SEGMENT_CLOSED);
    shm_segment_close(s);
}

Test(segment, cycles_leave_nothing_behind)
{
    for (int i = 0; i < 20; i++) {
        make_and_leave();
        make_and_leave();
        cr_assert_eq(shm_segment_destroy(kit_path), 0);
    }
    cr_assert_eq(rmdir(kit_folder), 0, "left something");
    cr_assert_eq(mkdir(kit_folder, 0700), 0);
}

Test(segment, too_small_a_filesystem)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    char message[512];
    int r;

    if (!kit_own_mounts() || mount("none", kit_folder, "tmpfs", 0, "size=1m") < 0)
        return;
    params.ring_bytes = 1 << 18;
    r = shm_segment_create(kit_path, &params, NULL, &s, message, sizeof(message));
    cr_assert_eq(r, -ENOSPC, "%d %s", r, message);
    cr_assert_not_null(strstr(message, "ring 3 of 5"), "%s", message);
    cr_assert_neq(access(kit_path, F_OK), 0, "left something");
    params.ring_bytes = 1 << 16;
    params.sites_max = 16384;
    r = shm_segment_create(kit_path, &params, NULL, &s, message, sizeof(message));
    cr_assert_eq(r, -ENOSPC, "%d %s", r, message);
    cr_assert_null(strstr(message, "ring"), "the control file itself: %s", message);
    cr_assert_neq(access(kit_path, F_OK), 0, "left something");
    umount(kit_folder);
}
