/* SPDX-License-Identifier: MIT
 *
 * A folder of its own for each test of segments, parameters to start from, and small tools.
 */
#ifndef TESTS_UNIT_SEGMENT_KIT_H
#define TESTS_UNIT_SEGMENT_KIT_H

#include "shm/segment.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char kit_folder[64];
static char kit_path[128];

__attribute__((unused)) static void kit_open(void)
{
    snprintf(kit_folder, sizeof(kit_folder), "%s/shmlog-test-%ld-unit-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    cr_assert_not_null(mkdtemp(kit_folder));
    snprintf(kit_path, sizeof(kit_path), "%s/segment", kit_folder);
}

static int kit_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

__attribute__((unused)) static void kit_close(void)
{
    nftw(kit_folder, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static const uint32_t kit_cpus[] = {0, 1, 5};

__attribute__((unused)) static struct shm_params kit_params(void)
{
    struct shm_params params = {
        .name = "test",
        .cpus = kit_cpus,
        .cpu_count = 3,
        .spare_rings = 2,
        .ring_bytes = 65536,
        .on_full = SHMLOG_ON_FULL_DROP,
        .level = SHMLOG_INFO,
        .page_kib = 4,
        .sites_max = 256,
        .producers_max = 64,
        .group = -1,
    };

    return params;
}

__attribute__((unused)) static struct shm_segment *kit_create(const struct shm_params *params)
{
    struct shm_segment *segment = NULL;
    char message[512];
    int r = shm_segment_create(kit_path, params, NULL, &segment, message, sizeof(message));

    cr_assert_eq(r, 0, "%d: %s", r, message);
    return segment;
}

/* "file" in the segment's directory, in one of four buffers. */
__attribute__((unused)) static const char *kit_file(const char *name)
{
    static char paths[4][192];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", kit_path, name);
    return path;
}

__attribute__((unused)) static void kit_write_at(const char *file, long offset, const void *bytes,
                                                 size_t size)
{
    FILE *f = fopen(file, "r+e");

    cr_assert_not_null(f, "%s", file);
    cr_assert_eq(fseek(f, offset, SEEK_SET), 0);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

/* A mount namespace of this process's own, gone with it whatever happens; false, with a reason
 * printed, where that is not allowed.
 */
__attribute__((unused)) static bool kit_own_mounts(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        fprintf(stderr, "skipped: needs root and a mount namespace of its own\n");
        return false;
    }
    return true;
}

#endif
