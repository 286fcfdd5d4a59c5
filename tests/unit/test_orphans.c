/* SPDX-License-Identifier: MIT
 *
 * Ring files whose segment is gone: which are removed, and above all which are not. Most of it with
 * a folder that stands for a hugetlbfs; with a real one where there is one.
 */
#include "tests/unit/segment_kit.h"

#include "shm/directory.h"
#include "shm/orphans.h"
#include "shm/pages.h"
#include "shm/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statfs.h>

#define RINGS 5u /* of the kit's segment */

static char huge[128]; /* the folder that stands for a mount */
static struct shm_orphan_list list;

static void open_orphans(void)
{
    kit_open();
    snprintf(huge, sizeof(huge), "%s/huge", kit_folder);
    cr_assert_eq(mkdir(huge, 0755), 0);
    list = (struct shm_orphan_list){0};
}

static void close_orphans(void)
{
    shm_orphans_done(&list);
    kit_close();
}

TestSuite(orphans, .init = open_orphans, .fini = close_orphans, .timeout = 120);

/* A file's name in the folder. */
static const char *unique_of(const struct shm_segment *s, uint32_t ring)
{
    static char path[256];
    char name[SHM_RING_FILE_MAX], unique[SHM_UNIQUE_NAME_MAX];

    shm_ring_file(ring, name);
    cr_assert_eq(shm_place_unique(s->geometry.uuid, name, unique), 0);
    snprintf(path, sizeof(path), "%s/%s", huge, unique);
    return path;
}

static void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *const f = fopen(path, "we");

    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
}

/* A segment at kit_path, and its rings' headers as files of the folder, as on huge pages. */
static struct shm_segment *make(uint32_t rings)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;

    params.spare_rings = rings - params.cpu_count;
    s = kit_create(&params);
    for (uint32_t i = 0; i < rings; i++)
        put_file(unique_of(s, i), s->rings[i].header, sizeof(*s->rings[i].header));
    return s;
}

static void remove_all(const char *path)
{
    nftw(path, kit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cr_assert_neq(access(path, F_OK), 0);
}

static unsigned files(void)
{
    DIR *const stream = opendir(huge);
    unsigned n = 0;

    while (readdir(stream))
        n++;
    closedir(stream);
    return n - 2;
}

static void look(uint32_t removed, uint32_t kept)
{
    uint32_t r = 0, k = 0;

    shm_orphans_done(&list);
    cr_assert_eq(shm_orphans_remove_in(huge, &list), 0);
    for (size_t i = 0; i < list.count; i++) {
        r += list.group[i].removed;
        k += list.group[i].kept;
    }
    cr_assert_eq(r, removed, "%u removed", r);
    cr_assert_eq(k, kept, "%u kept", k);
}

Test(orphans, directory_removed)
{
    struct shm_segment *const s = make(RINGS);

    look(0, 0); /* all is in use */
    remove_all(kit_path);
    look(RINGS, 0);
    cr_assert_eq(files(), 0);
    cr_assert_eq(list.count, 1);
    cr_assert_eq(list.group[0].removed_bytes, RINGS * 4096);
    cr_assert_str_eq(list.group[0].segment, kit_path);
    cr_assert_not_null(strstr(list.group[0].files, "-ring-*"));
    cr_assert_eq(s->rings[0].header->magic, SHMLOG_RING_MAGIC, "who has it mapped keeps it");
    look(0, 0);
    shm_segment_close(s);
}

/* Its folder is gone as well. */
Test(orphans, folder_removed)
{
    char folder[128], path[192];
    struct shm_params params = kit_params();
    struct shm_segment *s;
    char message[512];

    snprintf(folder, sizeof(folder), "%s/runtime", kit_folder);
    snprintf(path, sizeof(path), "%s/trading", folder);
    cr_assert_eq(mkdir(folder, 0755), 0);
    cr_assert_eq(shm_segment_create(path, &params, NULL, &s, message, sizeof(message)), 0);
    put_file(unique_of(s, 0), s->rings[0].header, 4096);
    look(0, 0);
    remove_all(folder);
    look(1, 0);
    shm_segment_close(s);
}

/* A new segment in the same place has other rings. */
Test(orphans, made_anew)
{
    struct shm_segment *s = make(RINGS), *next;

    remove_all(kit_path);
    next = make(RINGS);
    cr_assert_eq(files(), 2 * RINGS);
    look(RINGS, 0);
    cr_assert_eq(access(unique_of(next, 0), F_OK), 0);
    look(0, 0);
    shm_segment_close(next);
    shm_segment_close(s);
}

/* Renamed to be looked at later, moved elsewhere on the filesystem, deep. */
Test(orphans, moved_away)
{
    struct shm_segment *s = make(RINGS);
    char to[192], kept[192];

    shm_segment_close(s);
    snprintf(kept, sizeof(kept), "%s.kept", kit_path);
    cr_assert_eq(rename(kit_path, kept), 0);
    look(0, 0);
    snprintf(to, sizeof(to), "%s/a", kit_folder);
    cr_assert_eq(mkdir(to, 0700), 0);
    strcat(to, "/b");
    cr_assert_eq(mkdir(to, 0700), 0);
    strcat(to, "/segment");
    cr_assert_eq(rename(kept, to), 0);
    look(0, 0);
    snprintf(kept, sizeof(kept), "%s-elsewhere", kit_folder);
    cr_assert_eq(rename(to, kept), 0);
    look(0, 0);
    remove_all(kept);
    look(RINGS, 0);
}

/* As deep as a path gets, it is looked for where it was. */
Test(orphans, deep)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    char path[512], message[512];

    snprintf(path, sizeof(path), "%s", kit_folder);
    for (unsigned i = 0; i < 12; i++) {
        strcat(path, "/deep");
        cr_assert_eq(mkdir(path, 0755), 0);
    }
    strcat(path, "/segment");
    cr_assert_eq(shm_segment_create(path, &params, NULL, &s, message, sizeof(message)), 0);
    put_file(unique_of(s, 0), s->rings[0].header, 4096);
    look(0, 0);
    shm_segment_close(s);
    strcpy(message, path);
    strcat(message, ".kept");
    cr_assert_eq(rename(path, message), 0);
    look(0, 0);
    remove_all(message);
    look(1, 0);
}

/* Their segment may exist: reported, not removed. */
Test(orphans, unknown)
{
    struct shm_segment *const s = make(RINGS);
    struct shmlog_ring header;

    memcpy(&header, s->rings[0].header, sizeof(header));
    remove_all(kit_path);
    header.segment_device++; /* a container's filesystem */
    put_file(unique_of(s, 0), &header, sizeof(header));
    memcpy(&header, s->rings[1].header, sizeof(header));
    header.segment_device = 0; /* an earlier version */
    memset(header.segment_path, 0, sizeof(header.segment_path));
    put_file(unique_of(s, 1), &header, sizeof(header));
    put_file(unique_of(s, 2), "", 0); /* its creator was killed over it */
    memcpy(&header, s->rings[3].header, sizeof(header));
    header.segment_uuid[3]++; /* of another name */
    put_file(unique_of(s, 3), &header, sizeof(header));
    memcpy(&header, s->rings[4].header, sizeof(header));
    memset(header.segment_path, '/', sizeof(header.segment_path)); /* without an end */
    put_file(unique_of(s, 4), &header, sizeof(header));
    look(0, RINGS);
    cr_assert_eq(files(), RINGS);
    cr_assert_eq(list.count, 1);
    cr_assert_eq(list.group[0].error, 0);
    shm_segment_close(s);
}

/* Files of other names, links, directories are not touched or followed. */
Test(orphans, others)
{
    static const char *const names[] = {
        "shmlog-0123456789abcdef0123456789abcdef-ring-00",
        "shmlog-0123456789abcdef0123456789abcdef-ring-00000",
        "shmlog-0123456789abcdef0123456789abcdef-ring-001.old",
        "shmlog-0123456789abcdef0123456789abcde-ring-001",
        "shmlog-0123456789ABCDEF0123456789abcdef-ring-001",
        "shmlog-0123456789abcdef0123456789abcdef-outbox",
        "somebody-elses",
    };
    struct shm_segment *const s = make(RINGS);
    char target[192], path[256];

    snprintf(target, sizeof(target), "%s/precious", kit_folder);
    put_file(target, s->rings[0].header, 4096);
    remove_all(kit_path);
    for (uint32_t i = 0; i < RINGS; i++)
        cr_assert_eq(unlink(unique_of(s, i)), 0);
    cr_assert_eq(symlink(target, unique_of(s, 0)), 0);
    cr_assert_eq(mkdir(unique_of(s, 1), 0700), 0);
    cr_assert_eq(mkfifo(unique_of(s, 2), 0600), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", huge, names[i]);
        put_file(path, s->rings[0].header, 4096);
    }
    look(0, 0);
    cr_assert_eq(files(), 3 + sizeof(names) / sizeof(names[0]));
    cr_assert_eq(access(target, F_OK), 0);
    shm_segment_close(s);
}

Test(orphans, cannot_be_removed)
{
    struct shm_segment *const s = make(RINGS);

    if (geteuid() == 0) {
        fprintf(stderr, "skipped: root may remove everything\n");
        shm_segment_close(s);
        return;
    }
    remove_all(kit_path);
    cr_assert_eq(chmod(huge, 0500), 0);
    look(0, RINGS);
    cr_assert_eq(list.group[0].error, -EACCES);
    cr_assert_eq(chmod(huge, 0700), 0);
    look(RINGS, 0);
    shm_segment_close(s);
}

Test(orphans, many)
{
    static const uint32_t counts[] = {3, 11, 101, 1025};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct shm_segment *const s = make(counts[i]);

        look(0, 0);
        remove_all(kit_path);
        look(counts[i], 0);
        cr_assert_eq(list.count, 1);
        cr_assert_eq(files(), 0);
        shm_segment_close(s);
    }
}

/* Pages of the mount that are free, whatever others do with theirs. */
static uint64_t free_pages(void)
{
    struct statfs fs;

    cr_assert_eq(statfs(huge, &fs), 0);
    return fs.f_bfree;
}

/* On real huge pages, which are free again. The mount has its pages set aside from the start. */
Test(orphans, huge_pages)
{
    struct shm_params params = kit_params();
    struct shm_segment *s;
    uint64_t before;

    if (!kit_own_mounts() ||
        mount("none", huge, "hugetlbfs", 0, "pagesize=2M,size=16M,min_size=16M") < 0) {
        fprintf(stderr, "skipped: no hugetlbfs with 8 pages of 2 MiB: %s\n", strerror(errno));
        return;
    }
    setenv("SHMLOG_HUGETLBFS", huge, 1);
    before = free_pages();
    params.page_kib = 2048;
    params.ring_bytes = 1 << 20;
    s = kit_create(&params);
    cr_assert_eq(s->rings[0].entry.page_kib, 2048);
    cr_assert_eq(files(), RINGS);
    shm_segment_close(s);
    cr_assert_eq(shm_orphans_remove(&list), 0);
    cr_assert_eq(files(), RINGS);
    cr_assert_eq(free_pages(), before - RINGS);
    remove_all(kit_path);
    shm_orphans_done(&list);
    cr_assert_eq(shm_orphans_remove(&list), 0);
    cr_assert_eq(files(), 0);
    cr_assert_eq(free_pages(), before);
    umount2(huge, MNT_DETACH);
}
