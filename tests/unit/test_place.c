/* SPDX-License-Identifier: MIT
 *
 * Placing memory: each rung of the ladder, links to a hugetlbfs, and what is refused. The rungs
 * that need a mount make one in a namespace of their own, or say why they are skipped.
 */
#include "tests/unit/segment_kit.h"

#include "shm/node.h"
#include "shm/pages.h"
#include "shm/place.h"
#include "shm/rungs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/statfs.h>

static void open_place(void)
{
    kit_open();
    cr_assert_eq(mkdir(kit_path, 0750), 0);
    setenv("SHMLOG_HUGETLBFS", "", 1); /* whatever the machine has: none */
}

TestSuite(place, .init = open_place, .fini = kit_close, .timeout = 120);

static struct shm_place_params params(uint64_t size, uint64_t page_kib)
{
    static char unique[SHM_UNIQUE_NAME_MAX];
    uint8_t uuid[16] = {1, 2, 3, 0xab};
    struct shm_place_params p = {
        .directory = kit_path,
        .file = "ring-007",
        .unique = unique,
        .size = size,
        .page_kib = page_kib,
        .node = -1,
        .mode = 0640,
        .group = -1,
    };

    cr_assert_eq(shm_place_unique(uuid, p.file, unique), 0);
    cr_assert_str_eq(unique, "shmlog-010203ab000000000000000000000000-ring-007");
    return p;
}

static int directory(void)
{
    int fd = open(kit_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    return fd;
}

Test(place, small_pages)
{
    struct shm_place_params p = params(100000, 4);
    struct shm_placed placed;
    struct stat st;

    cr_assert_eq(shm_place(&p, &placed), 0);
    cr_assert_eq(placed.page_kib, shm_small_page_kib());
    cr_assert_eq(placed.rungs, 0, "nothing else was asked for");
    cr_assert_geq(placed.size, 100000);
    cr_assert_eq(placed.size % 4096, 0);
    memset(placed.memory, 0x55, placed.size);
    cr_assert_eq(stat(kit_file("ring-007"), &st), 0);
    cr_assert_eq((uint64_t)st.st_size, placed.size);
    cr_assert_eq(st.st_mode & 07777, 0640);
    cr_assert_eq(shm_place(&p, &placed), -EEXIST, "never over another file");
    munmap(placed.memory, placed.size);
}

Test(place, rungs_are_named)
{
    struct shm_place_params p = params((1 << 20) + 4096, 2048);
    struct shm_placed placed;

    cr_assert_eq(shm_place(&p, &placed), 0);
    cr_assert(placed.rungs & SHMLOG_RUNG_NO_2M);
    cr_assert_not(placed.rungs & SHMLOG_RUNG_NO_1G);
    cr_assert_eq(placed.why_small, SHMLOG_PAGES_NO_MOUNT);
    cr_assert_eq(placed.transparent, !(placed.rungs & SHMLOG_RUNG_NO_THP));
    if (!placed.transparent)
        cr_assert_eq(placed.size, (1 << 20) + 4096, "no room is wasted");
    munmap(placed.memory, placed.size);
}

Test(place, every_rung_has_a_text)
{
    uint64_t all = 0;

    for (const struct shm_rung *rung = shm_rungs; rung->bit; rung++) {
        cr_assert_eq(all & rung->bit, 0);
        all |= rung->bit;
        cr_assert_neq(rung->what[0], '\0');
        cr_assert_neq(rung->fix[0], '\0');
    }
    cr_assert_eq(all, 2 * SHMLOG_RUNG_NO_RSEQ - 1);
}

/* Pages that are free are of no use on a mount that may not be written to: that is the reason then,
 * and not that there are too few. */
Test(place, reason_for_no_huge_pages)
{
    struct shm_place_params p = params(3 << 20, 2048);
    struct shm_placed placed;
    char folder[128], other[PATH_MAX];
    long before, after;

    if (!kit_own_mounts())
        return;
    unsetenv("SHMLOG_HUGETLBFS");
    while (shm_hugetlbfs_mount(2048, 0, other, sizeof(other)) == 0)
        cr_assert_eq(umount2(other, MNT_DETACH), 0, "%s: %s", other, strerror(errno));
    snprintf(folder, sizeof(folder), "%s/huge", kit_folder);
    cr_assert_eq(mkdir(folder, 0755), 0);
    if (mount("none", folder, "hugetlbfs", MS_RDONLY, "pagesize=2M,size=2M") < 0) {
        fprintf(stderr, "skipped: cannot mount a hugetlbfs: %s\n", strerror(errno));
        return;
    }
    cr_assert_eq(shm_place(&p, &placed), 0);
    cr_expect_eq(placed.why_small, SHMLOG_PAGES_NO_ACCESS, "%u", placed.why_small);
    munmap(placed.memory, placed.size);
    cr_assert_eq(umount(folder), 0);
    cr_assert_eq(mount("none", folder, "hugetlbfs", 0, "pagesize=2M,size=2M"), 0);
    p.file = "ring-008";
    before = shm_free_huge_pages(2048, -1);
    cr_assert_eq(shm_place(&p, &placed), 0);
    after = shm_free_huge_pages(2048, -1);
    if (before >= 2 && after >= 2) /* others may take some, or give some back */
        cr_expect_eq(placed.why_small, SHMLOG_PAGES_LIMIT, "%u", placed.why_small);
    else if (before == 0 && after == 0)
        cr_expect_eq(placed.why_small, SHMLOG_PAGES_NONE_FREE, "%u", placed.why_small);
    munmap(placed.memory, placed.size);
    umount(folder);
}

/* What is to be done about a mount names that mount. */
Test(place, fix_names_the_mount)
{
    struct shm_params want = kit_params();
    struct shm_rungs_walk walk = {0};
    char folder[128], other[PATH_MAX];
    struct shm_segment *s;

    cr_assert_eq(rmdir(kit_path), 0);
    s = kit_create(&want);
    for (uint32_t i = 0; i < s->geometry.rings; i++)
        s->rings[i].entry.why_small = SHMLOG_PAGES_NO_ACCESS;
    s->control->rungs = SHMLOG_RUNG_NO_2M;
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_not_null(strstr(walk.fix, "see 'mount -t hugetlbfs'"), "%s", walk.fix);
    if (!kit_own_mounts())
        return;
    unsetenv("SHMLOG_HUGETLBFS");
    while (shm_hugetlbfs_mount(2048, 0, other, sizeof(other)) == 0)
        cr_assert_eq(umount2(other, MNT_DETACH), 0, "%s: %s", other, strerror(errno));
    snprintf(folder, sizeof(folder), "%s/huge", kit_folder);
    cr_assert_eq(mkdir(folder, 0755), 0);
    if (mount("none", folder, "hugetlbfs", 0, "pagesize=2M,size=2M") < 0) {
        fprintf(stderr, "skipped: cannot mount a hugetlbfs: %s\n", strerror(errno));
        return;
    }
    walk = (struct shm_rungs_walk){0};
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_not_null(strstr(walk.fix, folder), "%s", walk.fix);
    cr_expect_null(strstr(walk.fix, "/dev/hugepages"), "%s", walk.fix);
    cr_expect_not(shm_rungs_next(s, &walk));
    umount(folder);
    shm_segment_close(s);
}

/* Each reason comes once, in the place of the general text. */
Test(place, walk_of_rungs)
{
    struct shm_params want = kit_params();
    struct shm_rungs_walk walk = {0};
    struct shm_segment *s;

    cr_assert_eq(rmdir(kit_path), 0);
    s = kit_create(&want);
    cr_assert_geq(s->geometry.rings, 3);
    for (uint32_t i = 0; i < s->geometry.rings; i++)
        s->rings[i].entry.why_small = 0;
    s->control->rungs = SHMLOG_RUNG_NO_1G | SHMLOG_RUNG_NO_2M | SHMLOG_RUNG_NO_PIN;
    s->rings[0].entry.why_small = SHMLOG_PAGES_NONE_FREE;
    s->rings[1].entry.why_small = SHMLOG_PAGES_NO_ACCESS;
    s->rings[2].entry.why_small = SHMLOG_PAGES_NONE_FREE;
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_str_eq(walk.what, shm_rungs[0].what, "of 1 GiB, nothing is known");
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_not_null(strstr(walk.what, "no 2 MiB pages: the hugetlbfs that is mounted may not"));
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_str_eq(walk.what, "no 2 MiB pages: none is free");
    cr_expect_not_null(strstr(walk.fix, "vm.nr_hugepages"));
    cr_assert(shm_rungs_next(s, &walk));
    cr_expect_str_eq(walk.what, "the collector is not pinned to its core");
    cr_expect_not(shm_rungs_next(s, &walk));
    s->rings[0].entry.why_small = UINT32_MAX; /* hostile */
    walk = (struct shm_rungs_walk){0};
    for (unsigned i = 0; shm_rungs_next(s, &walk); i++) {
        cr_assert_lt(i, 30);
        cr_assert_not_null(walk.what);
        cr_assert_not_null(walk.fix);
    }
    shm_segment_close(s);
}

Test(place, transparent_huge_pages)
{
    struct shm_place_params p = params((1 << 20) + 4096, 2048);
    struct shm_placed placed;
    struct shm_pages pages;

    if (!kit_own_mounts() || mount("none", kit_path, "tmpfs", 0, "size=64m,huge=always") < 0) {
        fprintf(stderr, "skipped: no tmpfs with huge=always\n");
        return;
    }
    cr_assert_eq(shm_place(&p, &placed), 0);
    if (placed.transparent) {
        cr_assert_eq(placed.page_kib, 2048);
        cr_assert_eq(placed.size, 2 << 20);
        cr_assert_eq(placed.rungs, SHMLOG_RUNG_NO_2M);
        cr_assert_eq(shm_pages_of(placed.memory, &pages), 0);
        cr_assert_eq(pages.pmd_kib, 2048);
        printf("transparent huge page: yes\n");
    }
    munmap(placed.memory, placed.size);
    umount(kit_path);
}

/* A hugetlbfs at `folder`, and no other, or false with the reason. Its three pages are set aside:
 * what others do with theirs does not matter. */
static bool huge_mount(char *folder, size_t size)
{
    char other[PATH_MAX];

    snprintf(folder, size, "%s/huge pages", kit_folder); /* a space: mountinfo escapes it */
    cr_assert_eq(mkdir(folder, 0755), 0);
    if (!kit_own_mounts())
        return false;
    unsetenv("SHMLOG_HUGETLBFS");
    while (shm_hugetlbfs_mount(2048, 0, other, sizeof(other)) == 0)
        cr_assert_eq(umount2(other, MNT_DETACH), 0, "%s: %s", other, strerror(errno));
    if (mount("none", folder, "hugetlbfs", 0, "pagesize=2M,size=6M,min_size=6M") < 0) {
        fprintf(stderr, "skipped: no hugetlbfs with 3 pages of 2 MiB: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static uint64_t free_pages(const char *folder)
{
    struct statfs fs;

    cr_assert_eq(statfs(folder, &fs), 0);
    return fs.f_bfree;
}

Test(place, huge_pages)
{
    struct shm_place_params p = params((1 << 20) + 4096, 2048);
    char folder[128], target[256];
    struct shm_placed placed, second;
    struct shm_pages pages;
    uint64_t page_kib;
    int dir, fd;

    if (!huge_mount(folder, sizeof(folder)))
        return;
    p.node = shm_node_of_cpu(0);
    cr_assert_eq(shm_place(&p, &placed), 0);
    cr_assert_eq(placed.page_kib, 2048);
    cr_assert_not(placed.transparent);
    cr_assert_eq(placed.rungs, 0, "%llx", (unsigned long long)placed.rungs);
    cr_assert_eq(placed.size, 2 << 20);
    cr_assert_eq(placed.node, p.node);
    cr_assert_eq(shm_pages_of(placed.memory, &pages), 0);
    cr_assert_eq(pages.kernel_kib, 2048);
    snprintf(target, sizeof(target), "%s/%s", folder, p.unique);
    cr_assert_eq(access(target, F_OK), 0);
    ((char *)placed.memory)[5] = 77;

    dir = directory();
    cr_assert_eq(shm_place_open(dir, p.file, p.unique, true, &fd, &page_kib), 0);
    cr_assert_eq(page_kib, 2048);
    close(fd);
    cr_assert_eq(shm_place_open(dir, p.file, "shmlog-other", true, &fd, NULL), -SHM_ERR_FOREIGN);

    /* 4 MiB left on the mount: too little for 5, so small pages, and no remains there. */
    p.file = "ring-008";
    p.unique = "shmlog-00000000000000000000000000000000-ring-008";
    p.size = 5 << 20;
    cr_assert_eq(shm_place(&p, &second), 0);
    cr_assert(second.rungs & SHMLOG_RUNG_NO_2M);
    snprintf(target, sizeof(target), "%s/%s", folder, p.unique);
    cr_assert_neq(access(target, F_OK), 0);
    munmap(second.memory, second.size);

    cr_assert_eq(shm_place_remove(dir, "ring-007", NULL), 0);
    snprintf(target, sizeof(target), "%s/%s", folder,
             "shmlog-010203ab000000000000000000000000-ring-007");
    cr_assert_neq(access(target, F_OK), 0);
    cr_assert_neq(access(kit_file("ring-007"), F_OK), 0);
    cr_assert_eq(shm_place_remove(dir, "ring-007", NULL), 0, "not there is no error");
    close(dir);
    munmap(placed.memory, placed.size);
    umount(folder);
}

Test(place, segment_on_huge_pages)
{
    struct shm_params want = kit_params();
    struct shm_segment *s, *again;
    uint64_t before;
    char folder[128];

    if (!huge_mount(folder, sizeof(folder)))
        return;
    want.cpu_count = 1;
    want.spare_rings = 1;
    want.ring_bytes = 1 << 20;
    want.page_kib = 0;
    want.numa = true;
    before = free_pages(folder);
    cr_assert_eq(rmdir(kit_path), 0);
    s = kit_create(&want);
    cr_assert_eq(s->rings[0].entry.page_kib, 2048);
    cr_assert_eq(s->rings[1].entry.page_kib_wanted, 2048);
    cr_assert_eq(s->control->rungs & (SHMLOG_RUNG_NO_2M | SHMLOG_RUNG_NO_THP), 0);
    cr_assert_eq(shm_segment_open(kit_path, false, &again), 0);
    cr_assert_not_null(again->rings[1].header);
    shm_segment_close(again);
    shm_segment_close(s);
    cr_assert_eq(free_pages(folder), before - 2);
    /* A creator that died before the magic: the pages come back. */
    kit_write_at(kit_file("control"), 0, "\0\0\0\0\0\0\0", 8);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    cr_assert_eq(free_pages(folder), before);
    /* The same without a control file. */
    shm_segment_close(kit_create(&want));
    cr_assert_eq(unlink(kit_file("control")), 0);
    s = kit_create(&want);
    cr_assert(s->created);
    cr_assert_eq(free_pages(folder), before - 2, "the old pages are still taken");
    shm_segment_close(s);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    umount(folder);
}

Test(place, links_are_not_followed)
{
    static const char unique[] = "shmlog-00000000000000000000000000000000-ring-007";
    char victim[128];
    int dir, fd, r;

    snprintf(victim, sizeof(victim), "%s/%s", kit_folder, unique);
    fclose(fopen(victim, "we"));
    cr_assert_eq(symlink(victim, kit_file("ring-007")), 0);
    cr_assert_eq(symlink("relative", kit_file("ring-006")), 0);
    cr_assert_eq(symlink("/", kit_file("ring-005")), 0);
    dir = directory();
    r = shm_place_open(dir, "ring-007", unique, true, &fd, NULL);
    cr_assert_eq(r, -SHM_ERR_FOREIGN, "right name, but no hugetlbfs: %d", r);
    cr_assert_eq(shm_place_open(dir, "ring-006", unique, true, &fd, NULL), -SHM_ERR_FOREIGN);
    cr_assert_eq(shm_place_open(dir, "ring-005", unique, true, &fd, NULL), -SHM_ERR_FOREIGN);
    cr_assert_eq(shm_place_open(dir, "ring-004", unique, true, &fd, NULL), -ENOENT);
    for (int i = 5; i <= 7; i++) {
        char name[32];

        snprintf(name, sizeof(name), "ring-%03d", i);
        cr_assert_eq(shm_place_remove(dir, name, NULL), 0);
        cr_assert_neq(access(kit_file(name), F_OK), 0);
    }
    cr_assert_eq(access(victim, F_OK), 0, "what a link pointed to was removed");
    close(dir);
}

Test(place, too_large_leaves_nothing)
{
    struct shm_place_params p = params(UINT64_C(1) << 45, 4);
    struct shm_placed placed;
    int r = shm_place(&p, &placed);

    cr_assert(r == -ENOMEM || r == -ENOSPC || r == -EFBIG, "%d", r);
    cr_assert_neq(access(kit_file("ring-007"), F_OK), 0);
}

Test(place, too_small_a_filesystem)
{
    struct shm_place_params p = params(2 << 20, 4);
    struct shm_placed placed;

    if (!kit_own_mounts() || mount("none", kit_path, "tmpfs", 0, "size=1m") < 0)
        return;
    cr_assert_eq(shm_place(&p, &placed), -ENOSPC);
    cr_assert_neq(access(kit_file("ring-007"), F_OK), 0);
    p.page_kib = 2048;
    cr_assert_eq(shm_place(&p, &placed), -ENOSPC);
    cr_assert_neq(access(kit_file("ring-007"), F_OK), 0);
    /* More than the machine has is refused before the filesystem is asked: a larger one would
     * promise it. */
    p.page_kib = 4;
    p.size = shm_memory_available();
    if (p.size < UINT64_C(1) << 40) {
        p.size *= 2;
        cr_assert_eq(shm_place(&p, &placed), -ENOMEM);
        cr_assert_neq(access(kit_file("ring-007"), F_OK), 0);
    }
    p.page_kib = 2048;
    /* Too small for a huge page, large enough for what was asked. */
    p.size = 900 << 10;
    cr_assert_eq(shm_place(&p, &placed), 0);
    cr_assert_eq(placed.size, 900 << 10);
    munmap(placed.memory, placed.size);
    umount(kit_path);
}

Test(place, nodes)
{
    cr_assert_geq(shm_node_count(), 1);
    cr_assert_lt(shm_node_of_cpu(0), shm_node_count());
    cr_assert_eq(shm_node_of_cpu(100000), -1);
    cr_assert_eq(shm_free_huge_pages(12345, -1), -1);
}
