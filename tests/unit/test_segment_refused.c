/* SPDX-License-Identifier: MIT
 *
 * Segments that are refused, and left as they are: others' files, other versions, damaged ones, and
 * those that one may not open.
 */
#include "tests/unit/segment_file_kit.h"

#include "shm/tables.h"

#include <errno.h>
#include <grp.h>

TestSuite(segment, .init = kit_open, .fini = kit_close, .timeout = 120);

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
    SET_CONTROL(compatible, ~(SHMLOG_COMPATIBLE_SEVERE_RINGS | SHMLOG_COMPATIBLE_SHARED_RING |
                              SHMLOG_COMPATIBLE_TEXT));
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
    REFUSED(compatible, SHMLOG_COMPATIBLE_SEVERE_RINGS); /* of three, which halves have no rings */
    REFUSED(reserve_slots, (uint32_t)good.ring_slots / 2 + 1);
    REFUSED(reserve_slots, UINT32_MAX);
    good.compatible = SHMLOG_COMPATIBLE_SHARED_RING; /* of cores only, none of which it can be */
    SET_CONTROL(compatible, SHMLOG_COMPATIBLE_SHARED_RING);
    REFUSED(cpu_rings, good.rings);
    SET_CONTROL(compatible, 0);
    good.compatible = 0;
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

/* Somebody's files that happen to have the names of a segment's. */
Test(segment, names_are_not_enough)
{
    static const char *const names[] = {"outbox", "outbox.next", "ring-000", "ring-1024"};
    struct shm_params params = kit_params();
    struct shm_segment *s;

    cr_assert_eq(mkdir(kit_path, 0755), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        FILE *const file = fopen(kit_file(names[i]), "we");

        cr_assert_geq(fputs("Dear all", file), 0);
        cr_assert_eq(fclose(file), 0);
        cr_assert_eq(create(&params, &s), -SHM_ERR_FOREIGN, "%s", names[i]);
        cr_assert_eq(shm_segment_destroy(kit_path), -SHM_ERR_FOREIGN, "%s", names[i]);
        cr_assert_eq(access(kit_file("control"), F_OK), -1);
        cr_assert_eq(unlink(kit_file(names[i])), 0, "%s is gone", names[i]);
    }
    cr_assert_eq(mkdir(kit_file("outbox"), 0700), 0);
    cr_assert_eq(create(&params, &s), -SHM_ERR_FOREIGN);
    cr_assert_eq(access(kit_file("control"), F_OK), -1);
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
