/* SPDX-License-Identifier: MIT
 *
 * The ladder of page sizes for one file; see place.h.
 *
 * Order within a rung, so that shortage shows as an error here: size, map, bind to the node,
 * fallocate (takes the pages: by the policy just set, on a hugetlbfs by the thread's), populate the
 * page tables, verify. Opening and removing what was placed is in place_file.c.
 */
#include "shm/node.h"
#include "shm/pages.h"
#include "shm/place.h"
#include "shm/rungs.h"

#include "producer/shmlog/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define PMD_KIB UINT64_C(2048)

static uint64_t round_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static int set_access(int fd, const struct shm_place_params *params)
{
    if (params->group >= 0 && fchown(fd, (uid_t)-1, (gid_t)params->group) < 0)
        return -errno;
    return fchmod(fd, (mode_t)params->mode) < 0 ? -errno : 0;
}

static int allocate(int fd, uint64_t size)
{
    int r;

    do {
        r = fallocate(fd, 0, 0, (off_t)size);
    } while (r < 0 && errno == EINTR);
    /* A filesystem without it: populating below tells of a shortage as well. */
    return r < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

/* Huge pages, on the node. */
static int allocate_huge(int fd, uint64_t size, int node)
{
    struct shm_node_policy before;
    int r;

    if (node < 0 || shm_node_bind_thread(node, &before) < 0)
        return allocate(fd, size);
    r = allocate(fd, size);
    shm_node_restore_thread(&before);
    return r;
}

static int populate(void *memory, uint64_t size)
{
    volatile char *bytes = memory;
    uint64_t step = shm_small_page_kib() * KIB;

#ifdef MADV_POPULATE_WRITE
    int r;

    do {
        r = madvise(memory, size, MADV_POPULATE_WRITE);
    } while (r < 0 && (errno == EINTR || errno == EAGAIN));
    if (r == 0)
        return 0;
    if (errno != EINVAL)
        return errno == EFAULT ? -ENOSPC : -errno; /* EFAULT: it would have been a SIGBUS */
#endif
    for (uint64_t at = 0; at < size; at += step) /* an old kernel; allocated above */
        bytes[at] = bytes[at];
    return 0;
}

/* Map at an address aligned like the pages that are hoped for. */
static int map_aligned(int fd, uint64_t size, uint64_t align, void **ret_memory)
{
    uint64_t room = size + align;
    uint8_t *base, *at;

    base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return -errno;
    at = (uint8_t *)round_up((uintptr_t)base, align);
    if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int error = errno;

        munmap(base, room);
        return -error;
    }
    if (at > base)
        munmap(base, (size_t)(at - base));
    if (at + size < base + room)
        munmap(at + size, (size_t)(base + room - (at + size)));
    *ret_memory = at;
    return 0;
}

/* Size, map, bind and fill an open file. `align_kib`: of the pages hoped for. */
static int fill(int fd, const struct shm_place_params *params, uint64_t align_kib, bool strict,
                struct shm_placed *placed)
{
    uint64_t size = round_up(params->size, align_kib * KIB);
    void *memory = NULL;
    int r;

    if (ftruncate(fd, (off_t)size) < 0)
        return -errno;
    r = map_aligned(fd, size, align_kib * KIB, &memory);
    if (r < 0)
        return r;
    if (params->node >= 0 && shm_node_bind(memory, size, params->node, strict) < 0 &&
        shm_node_count() > 1)
        placed->rungs |= SHMLOG_RUNG_NO_NUMA;
    if (!strict && align_kib == PMD_KIB)
        madvise(memory, size, MADV_HUGEPAGE); /* a wish; what came of it is looked at below */
    r = strict ? allocate_huge(fd, size, params->node) : allocate(fd, size);
    if (r == 0)
        r = populate(memory, size);
    if (r < 0) {
        munmap(memory, size);
        return r;
    }
    placed->memory = memory;
    placed->size = size;
    return 0;
}

static void verify_node(const struct shm_place_params *params, struct shm_placed *placed)
{
    bool other;

    placed->node = shm_node_of_memory(placed->memory, placed->size, placed->page_kib * KIB,
                                      params->node, &other);
    if (other)
        placed->rungs |= SHMLOG_RUNG_WRONG_NODE;
}

/* ---- hugetlbfs ---- */

static int place_on_mount(const char *mount, const char *link,
                          const struct shm_place_params *params, uint64_t page_kib,
                          struct shm_placed *placed)
{
    char target[PATH_MAX];
    int fd, r, n;

    n = snprintf(target, sizeof(target), "%s/%s", mount, params->unique);
    if (n < 0 || (size_t)n >= sizeof(target))
        return -ENAMETOOLONG;
    if (symlink(target, link) < 0)
        return -errno;
    fd = open(target, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        r = -errno;
        unlink(link);
        return r;
    }
    r = set_access(fd, params);
    if (r == 0)
        r = fill(fd, params, page_kib, true, placed);
    close(fd);
    if (r < 0) {
        unlink(target);
        unlink(link);
        return r;
    }
    placed->page_kib = (uint32_t)page_kib;
    placed->transparent = false;
    return 0;
}

static int place_huge(const char *link, const struct shm_place_params *params, uint64_t page_kib,
                      struct shm_placed *placed)
{
    char mount[PATH_MAX];
    struct shm_pages pages;
    int r = -ENOENT;

    for (unsigned nth = 0; shm_hugetlbfs_mount(page_kib, nth, mount, sizeof(mount)) == 0; nth++) {
        r = place_on_mount(mount, link, params, page_kib, placed);
        if (r == 0 || r == -EEXIST)
            break;
    }
    if (r == 0 && shm_pages_of(placed->memory, &pages) == 0)
        placed->page_kib = (uint32_t)pages.kernel_kib; /* what the kernel says counts */
    return r;
}

/* Why there was no room on a hugetlbfs, or no such mount. */
static uint32_t why_not_huge(const struct shm_place_params *params, uint64_t page_kib, int error)
{
    const long need = (long)((params->size + page_kib * KIB - 1) / (page_kib * KIB));
    long all, here;

    if (error == -ENOENT)
        return SHMLOG_PAGES_NO_MOUNT;
    if (error == -EACCES || error == -EPERM || error == -EROFS)
        return SHMLOG_PAGES_NO_ACCESS;
    if (error != -ENOMEM && error != -ENOSPC)
        return SHMLOG_PAGES_FAILED;
    all = shm_free_huge_pages(page_kib, -1);
    here = params->node >= 0 ? shm_free_huge_pages(page_kib, params->node) : -1;
    if (all <= 0)
        return all < 0 ? SHMLOG_PAGES_FAILED : SHMLOG_PAGES_NONE_FREE;
    if (all < need)
        return SHMLOG_PAGES_TOO_FEW;
    return here >= 0 && here < need ? SHMLOG_PAGES_OTHER_NODE : SHMLOG_PAGES_LIMIT;
}

/* ---- the directory's own filesystem ---- */

/* Give back what rounding up to a huge page took beyond the size asked for. */
static int trim(int fd, const struct shm_place_params *params, struct shm_placed *placed)
{
    uint64_t size = round_up(params->size, shm_small_page_kib() * KIB);

    if (size == placed->size)
        return 0;
    if (munmap((uint8_t *)placed->memory + size, placed->size - size) < 0)
        return -errno;
    placed->size = size;
    return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static bool is_transparent_huge(const struct shm_placed *placed)
{
    struct shm_pages pages;

    return shm_pages_of(placed->memory, &pages) == 0 && pages.pmd_kib * KIB >= placed->size;
}

static int fill_plain(int fd, const struct shm_place_params *params, struct shm_placed *placed)
{
    int r;

    placed->transparent = false;
    placed->page_kib = (uint32_t)shm_small_page_kib();
    if (params->page_kib >= PMD_KIB) {
        r = fill(fd, params, PMD_KIB, false, placed);
        if (r == 0 && is_transparent_huge(placed)) {
            placed->transparent = true;
            placed->page_kib = (uint32_t)PMD_KIB;
            return 0;
        }
        placed->rungs |= SHMLOG_RUNG_NO_THP;
        if (r == 0) {
            r = trim(fd, params, placed);
            if (r < 0)
                munmap(placed->memory, placed->size);
            return r;
        }
    }
    return fill(fd, params, shm_small_page_kib(), false, placed);
}

static int place_plain(const char *path, const struct shm_place_params *params,
                       struct shm_placed *placed)
{
    int fd, r;

    /* A tmpfs may promise more than the machine has; then populating it would not fail but call the
     * out-of-memory killer. */
    if (params->size > shm_memory_available())
        return -ENOMEM;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = set_access(fd, params);
    if (r == 0)
        r = fill_plain(fd, params, placed);
    close(fd);
    if (r < 0)
        unlink(path);
    return r;
}

int shm_place(const struct shm_place_params *params, struct shm_placed *ret_placed)
{
    static const struct {
        uint64_t page_kib;
        uint64_t rung;
        unsigned shift; /* of the reason in why_small */
    } huge[] = {{1048576, SHMLOG_RUNG_NO_1G, 4}, {PMD_KIB, SHMLOG_RUNG_NO_2M, 0}};
    struct shm_placed placed = {.node = -1};
    char path[PATH_MAX];
    int n, r = -ENOENT;

    n = snprintf(path, sizeof(path), "%s/%s", params->directory, params->file);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    if (params->size == 0 || params->size > (uint64_t)1 << 46)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]) && r != 0; i++) {
        uint64_t before = placed.rungs;

        if (params->page_kib < huge[i].page_kib)
            continue;
        r = place_huge(path, params, huge[i].page_kib, &placed);
        if (r == -EEXIST)
            return r;
        if (r < 0) {
            placed.rungs = before | huge[i].rung;
            placed.why_small |= why_not_huge(params, huge[i].page_kib, r) << huge[i].shift;
        }
    }
    if (r != 0)
        r = place_plain(path, params, &placed);
    if (r < 0)
        return r;
    verify_node(params, &placed);
    *ret_placed = placed;
    return 0;
}
