/* SPDX-License-Identifier: MIT
 *
 * Segments as files: made, opened, adopted, refused, removed; half-made ones at every step.
 */
#include "tests/unit/segment_kit.h"

#include "shm/tables.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <time.h>

TestSuite(segment, .init = kit_open, .fini = kit_close, .timeout = 30);

static int create(const struct shm_params *params, struct shm_segment **ret_segment)
{
    char message[512] = "";
    int r = shm_segment_create(kit_path, params, NULL, ret_segment, message, sizeof(message));

    if (r < 0)
        cr_assert_neq(message[0], '\0', "no message for %d", r);
    return r;
}

static void make_and_leave(void)
{
    struct shm_params params = kit_params();

    shm_segment_close(kit_create(&params));
}

static int open_result(bool writable)
{
    struct shm_segment *segment = NULL;
    int r = shm_segment_open(kit_path, writable, &segment);

    cr_assert((r == 0) == (segment != NULL));
    shm_segment_close(segment);
    return r;
}

static void set_control(size_t offset, const void *value, size_t size)
{
    kit_write_at(kit_file("control"), (long)offset, value, size);
}
#define SET_CONTROL(field, value)                                             \
    do {                                                                      \
        __typeof__(((struct shmlog_control *)0)->field) v_ = (value);         \
        set_control(offsetof(struct shmlog_control, field), &v_, sizeof(v_)); \
    } while (0)

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

Test(segment, bad_parameters)
{
    static const uint32_t twice[] = {1, 1}, high[] = {1024};
    struct shm_params good = kit_params();
    struct shm_params bad[12];
    struct shm_segment *s = NULL;

    for (size_t i = 0; i < 12; i++)
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
    for (size_t i = 0; i < 12; i++)
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

/* Refused by openers and creators alike, and left as it is. */
static void expect_refused(int error)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    struct stat before, after;

    cr_assert_eq(open_result(false), error, "%d", open_result(false));
    cr_assert_eq(stat(kit_file("control"), &before), 0);
    cr_assert_eq(create(&params, &s), error);
    cr_assert_eq(stat(kit_file("control"), &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino);
    cr_assert_eq(before.st_size, after.st_size);
    cr_assert_str_neq(shm_strerror(error), "unknown error");
}

Test(segment, foreign_older_newer)
{
    make_and_leave();
    SET_CONTROL(magic, 0x1122334455667788);
    expect_refused(-SHM_ERR_FOREIGN);
    cr_assert_eq(shm_segment_destroy(kit_path), -SHM_ERR_FOREIGN);
    SET_CONTROL(magic, SHMLOG_CONTROL_MAGIC);
    SET_CONTROL(version, SHMLOG_LAYOUT_VERSION - 1);
    expect_refused(-SHM_ERR_OLDER);
    SET_CONTROL(version, SHMLOG_LAYOUT_VERSION + 1);
    expect_refused(-SHM_ERR_NEWER);
    cr_assert_eq(shm_segment_destroy(kit_path), -SHM_ERR_NEWER);
    SET_CONTROL(version, SHMLOG_LAYOUT_VERSION);
    SET_CONTROL(incompatible, 4);
    expect_refused(-SHM_ERR_NEWER);
    SET_CONTROL(incompatible, 0);
    SET_CONTROL(compatible, UINT64_MAX);
    cr_assert_eq(open_result(false), 0, "unknown compatible bits do not matter");
}

#define REFUSED(field, value)                                                          \
    do {                                                                               \
        SET_CONTROL(field, value);                                                     \
        cr_assert_eq(open_result(true), -SHM_ERR_GEOMETRY, "%s = %s", #field, #value); \
        set_control(0, &good, sizeof(good));                                           \
    } while (0)

Test(segment, damaged_geometry)
{
    struct shm_params params = kit_params();
    struct shm_segment *s = kit_create(&params);
    struct shmlog_control good = *s->control;

    shm_segment_close(s);
    REFUSED(header_size, 2048);
    REFUSED(slot_size, 128);
    REFUSED(ring_header, 8192);
    REFUSED(file_size, good.file_size + 4096);
    REFUSED(file_size, 0);
    REFUSED(on_full, 0);
    REFUSED(on_full, 4);
    REFUSED(clock, 3);
    REFUSED(ring_slots, 1000);
    REFUSED(ring_slots, 512);
    REFUSED(ring_slots, UINT64_C(1) << 31);
    REFUSED(rings, 0);
    REFUSED(rings, 2);
    REFUSED(rings, UINT32_MAX);
    REFUSED(cpu_rings, 6);
    REFUSED(sites_max, 0);
    REFUSED(sites_max, 1u << 21);
    REFUSED(sites_max, 100);
    REFUSED(producers_max, 0);
    REFUSED(producers_max, 65536);
    REFUSED(clock_pairs, 3);
    REFUSED(clock_pairs, 1u << 20);
    REFUSED(rings_offset, 0);
    REFUSED(rings_offset, 4097);
    REFUSED(clock_offset, 64);
    REFUSED(clock_offset, UINT64_MAX - 63);
    REFUSED(producers_offset, good.clock_offset);
    REFUSED(sites_offset, good.file_size);
    REFUSED(arena_offset, good.file_size + 64);
    REFUSED(arena_size, good.arena_size + 4096);
    REFUSED(arena_size, UINT64_MAX);
    cr_assert_eq(open_result(true), 0);
    cr_assert_eq(truncate(kit_file("control"), (off_t)good.file_size - 4096), 0);
    expect_refused(-SHM_ERR_GEOMETRY);
    cr_assert_eq(truncate(kit_file("control"), 1000), 0);
    cr_assert_eq(open_result(false), -SHM_ERR_GEOMETRY);
    cr_assert_eq(shm_segment_destroy(kit_path), 0, "damaged, but a segment");
}

Test(segment, random_control_files_are_refused_or_bounded)
{
    struct shm_params params = kit_params();
    struct shm_segment *s = kit_create(&params);
    struct shmlog_control good = *s->control;
    unsigned seed = 5, opened = 0;

    shm_segment_close(s);
    printf("seed %u\n", seed);
    srandom(seed);
    for (int i = 0; i < 3000; i++) {
        struct shmlog_control bad = good;

        for (int j = 0; j < 1 + i % 3; j++)
            ((uint8_t *)&bad)[8 + random() % 248] = (uint8_t)random();
        set_control(0, &bad, sizeof(bad));
        if (shm_segment_open(kit_path, true, &s) < 0)
            continue;
        opened++;
        (void)shm_ring_entries(s)[s->geometry.rings - 1].kind;
        (void)shm_clock_pairs(s)[s->geometry.clock_pairs - 1].seq;
        (void)shm_producers(s)[s->geometry.producers_max - 1].claim;
        (void)shm_site_words(s)[s->geometry.sites_max - 1];
        if (s->geometry.arena_size)
            (void)*(volatile uint8_t *)&shm_arena(s)[s->geometry.arena_size - 1];
        for (uint32_t k = 0; k < s->geometry.rings; k++) {
            if (s->rings[k].header)
                (void)*(volatile uint32_t *)&s->rings[k].slots[s->slot_mask].seq;
        }
        shm_segment_close(s);
    }
    cr_assert_gt(opened, 10);
}

Test(segment, not_a_segment_at_all)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    FILE *file;

    cr_assert_eq(open_result(false), -ENOENT);
    cr_assert_eq(shm_segment_destroy(kit_path), -ENOENT);
    /* a file */
    file = fopen(kit_path, "we");
    fclose(file);
    cr_assert_eq(open_result(false), -SHM_ERR_FOREIGN);
    cr_assert_eq(create(&params, &s), -SHM_ERR_FOREIGN);
    cr_assert_eq(unlink(kit_path), 0);
    /* somebody's directory */
    cr_assert_eq(mkdir(kit_path, 0755), 0);
    fclose(fopen(kit_file("precious"), "we"));
    cr_assert_eq(open_result(false), -SHM_ERR_FOREIGN);
    cr_assert_eq(create(&params, &s), -SHM_ERR_FOREIGN);
    cr_assert_eq(shm_segment_destroy(kit_path), -SHM_ERR_FOREIGN);
    cr_assert_eq(access(kit_file("control"), F_OK), -1);
    /* with something odd for a control file */
    cr_assert_eq(mkfifo(kit_file("control"), 0600), 0);
    cr_assert_eq(open_result(false), -SHM_ERR_FOREIGN);
    cr_assert_eq(unlink(kit_file("control")), 0);
    cr_assert_eq(symlink("/etc/passwd", kit_file("control")), 0);
    cr_assert_eq(open_result(false), -SHM_ERR_FOREIGN);
    cr_assert_lt(create(&params, &s), 0);
    cr_assert_eq(access(kit_file("precious"), F_OK), 0);
    cr_assert_eq(access("/etc/passwd", F_OK), 0);
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

/* In a child, as user nobody with this group alone: 0 if `act` says so. */
static int as_nobody(gid_t group, int (*act)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        if (setgroups(0, NULL) < 0 || setgid(group) < 0 || setuid(65534) < 0)
            _exit(99);
        _exit(act());
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int stranger(void)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    if (open_result(false) != -EACCES)
        return 1;
    if (shm_segment_destroy(kit_path) != -EACCES)
        return 2;
    if (create(&params, &s) != -EACCES)
        return 3;
    snprintf(kit_path, sizeof(kit_path), "%s/other", kit_folder);
    return create(&params, &s) == -EACCES ? 0 : 4;
}

static int member(void)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    if (open_result(true) != 0)
        return 1;
    if (create(&params, &s) != -EPERM) /* another's segment is not taken over */
        return 2;
    if (shm_segment_destroy(kit_path) != -EACCES)
        return 3;
    return open_result(true) == 0 ? 0 : 4; /* not even marked as closed */
}

Test(segment, permission_denied)
{
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root\n");
        return;
    }
    make_and_leave();
    cr_assert_eq(chmod(kit_folder, 0755), 0);
    cr_assert_eq(as_nobody(65534, stranger), 0);
    cr_assert_eq(open_result(false), 0);
}

Test(segment, group_may_attach)
{
    struct shm_params params = kit_params();
    struct stat st;

    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root\n");
        return;
    }
    params.group = 1234;
    shm_segment_close(kit_create(&params));
    cr_assert_eq(stat(kit_path, &st), 0);
    cr_assert_eq(st.st_gid, 1234);
    cr_assert_eq(stat(kit_file("control"), &st), 0);
    cr_assert_eq(st.st_gid, 1234);
    cr_assert_eq(st.st_mode & 07777, 0660);
    cr_assert_eq(stat(kit_file("ring-000"), &st), 0);
    cr_assert_eq(st.st_gid, 1234);
    cr_assert_eq(chmod(kit_folder, 0755), 0);
    cr_assert_eq(as_nobody(1234, member), 0);
    cr_assert_eq(as_nobody(65534, stranger), 0);
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
    cr_assert_neq(access(kit_path, F_OK), 0, "left something");
    umount(kit_folder);
}
