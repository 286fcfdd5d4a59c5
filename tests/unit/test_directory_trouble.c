/* SPDX-License-Identifier: MIT
 *
 * Directories read while each call that reads them fails: an error comes back and nothing is
 * removed. A directory that could not be read to its end is not one that ends there.
 */
#include "collector/retention.h"
#include "shm/directory.h"
#include "shm/orphans.h"
#include "shm/place.h"
#include "tests/unit/segment_kit.h"
#include "tests/unit/trouble.h"

#include <errno.h>
#include <fcntl.h>

#define FILES 5u

TestSuite(directory_trouble, .init = kit_open, .fini = kit_close, .timeout = 120);

static const char *path_of(unsigned number)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/t-20240101T000000-%06u.shmlog", kit_folder, number);
    return path;
}

static unsigned files(void)
{
    unsigned count = 0;

    for (unsigned i = 1; i <= FILES; i++)
        count += access(path_of(i), F_OK) == 0;
    return count;
}

static void make_files(void)
{
    for (unsigned i = 1; i <= FILES; i++) {
        const int fd = open(path_of(i), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        cr_assert_geq(fd, 0);
        close(fd);
    }
}

static int newest(void)
{
    uint64_t number = 99;
    const int r = old_files_newest(kit_folder, "t", &number);

    cr_assert_eq(number, r < 0 ? 99 : FILES, "%d, %llu", r, (unsigned long long)number);
    return r;
}

static int retain(void)
{
    struct retention retention = {.directory = kit_folder, .segment = "t", .count = 2};
    const int r = retention_work(&retention, 0);

    retention_done(&retention);
    cr_assert_eq(files(), r < 0 ? FILES : 2, "%d", r);
    return r;
}

static int look(void)
{
    const int fd = open(kit_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = shm_directory_look(fd);
    close(fd);
    cr_assert(r < 0 || r == SHM_HAS_OTHERS, "%d", r);
    return r;
}

/* Each call fails once; each time the error comes back, and no file stays open. */
static void try_each(int (*work)(void))
{
    const unsigned open_files = trouble_open_files();
    bool failed = true;

    make_files();
    for (uint64_t n = 1; failed; n++) {
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = work();
        failed = trouble_disarm();
        cr_assert_eq(r < 0, failed, "call %llu, %s: %d", (unsigned long long)n, trouble_call(), r);
        cr_assert_eq(trouble_open_files(), open_files);
    }
}

Test(directory_trouble, newest)
{
    try_each(newest);
}

Test(directory_trouble, retain)
{
    try_each(retain);
}

Test(directory_trouble, look)
{
    try_each(look);
}

/* A ring's file in a folder that stands for a hugetlbfs; its segment is gone, another one is there.
 */
static void make_orphan(const char *folder, char ret_path[512])
{
    struct shm_params params = kit_params();
    char name[SHM_RING_FILE_MAX], unique[SHM_UNIQUE_NAME_MAX];
    struct shm_segment *const s = kit_create(&params);
    FILE *f;

    shm_ring_file(0, name);
    cr_assert_eq(shm_place_unique(s->geometry.uuid, name, unique), 0);
    cr_assert_eq(mkdir(folder, 0700), 0);
    snprintf(ret_path, 512, "%s/%s", folder, unique);
    f = fopen(ret_path, "we");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(s->rings[0].header, 4096, 1, f), 1);
    cr_assert_eq(fclose(f), 0);
    shm_segment_close(s);
    nftw(kit_path, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    shm_segment_close(kit_create(&params));
}

/* Whichever call fails: the error comes back, or the file is still there, and reported. Not every
 * call: how many there are depends on what others have on the filesystem. */
Test(directory_trouble, orphans)
{
    char folder[128], path[512];
    bool failed = true;

    snprintf(folder, sizeof(folder), "%s/huge", kit_folder);
    make_orphan(folder, path);
    for (uint64_t n = 1; failed && access(path, F_OK) == 0; n += 1 + n / 32) {
        struct shm_orphan_list list = {0};
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = shm_orphans_remove_in(folder, &list);
        failed = trouble_disarm();
        cr_assert(!failed || r < 0 || (list.count == 1 && list.group[0].kept == 1),
                  "call %llu, %s: %d", (unsigned long long)n, trouble_call(), r);
        cr_assert(failed || r == 0, "%d", r);
        shm_orphans_done(&list);
    }
    cr_assert_neq(access(path, F_OK), 0);
}
