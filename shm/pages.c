/* SPDX-License-Identifier: MIT
 *
 * Page sizes, from /proc and /sys; see pages.h. Any of these files may be missing.
 */
#include "shm/pages.h"
#include "shm/place.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

int shm_pages_of(const void *memory, struct shm_pages *ret_pages)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    struct shm_pages pages = {0, 0};
    uintptr_t address = (uintptr_t)memory;
    bool inside = false;
    char *line = NULL;
    size_t room = 0;

    if (!smaps)
        return -ENOENT;
    while (getline(&line, &room, smaps) > 0) {
        uintptr_t start, end;
        uint64_t kib;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
            if (inside)
                break;
            inside = address >= start && address < end;
        } else if (inside) {
            if (sscanf(line, "KernelPageSize: %" SCNu64, &kib) == 1)
                pages.kernel_kib = kib;
            if (sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib) == 1 ||
                sscanf(line, "FilePmdMapped: %" SCNu64, &kib) == 1)
                pages.pmd_kib += kib;
        }
    }
    free(line);
    fclose(smaps);
    if (pages.kernel_kib == 0)
        return -ENOENT;
    *ret_pages = pages;
    return 0;
}

uint64_t shm_small_page_kib(void)
{
    long size = sysconf(_SC_PAGESIZE);

    return size > 1024 ? (uint64_t)size / 1024 : 4;
}

long shm_free_huge_pages(uint64_t page_kib, int node)
{
    char path[128];
    FILE *file;
    long count;

    if (node >= 0)
        snprintf(path, sizeof(path),
                 "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB/free_hugepages",
                 node, page_kib);
    else
        snprintf(path, sizeof(path),
                 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", page_kib);
    file = fopen(path, "re");
    if (!file)
        return -1;
    if (fscanf(file, "%ld", &count) != 1)
        count = -1;
    fclose(file);
    return count;
}

static bool is_hugetlbfs(const char *path, uint64_t page_kib)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == (__typeof__(fs.f_type))SHM_HUGETLBFS_MAGIC &&
           (uint64_t)fs.f_bsize == page_kib * 1024;
}

/* Undo mountinfo's octal escapes (\040 for a space), in place. */
static void unescape(char *path)
{
    char *out = path;

    for (const char *in = path; *in != '\0';) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
            in[3] >= '0' && in[3] <= '7') {
            *out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
            in += 4;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

/* The mount point of a line of mountinfo that is of type hugetlbfs, else NULL. Cuts the line:
 * id parent major:minor root MOUNT-POINT options [tags ...] - TYPE source options */
static char *mount_point(char *line)
{
    char *type = strstr(line, " - ");
    char *field, *save = NULL;

    if (!type || strncmp(type + 3, "hugetlbfs ", 10) != 0)
        return NULL;
    field = strtok_r(line, " ", &save);
    for (int i = 0; i < 4 && field; i++)
        field = strtok_r(NULL, " ", &save);
    if (field)
        unescape(field);
    return field;
}

static int take(const char *path, char *ret_path, size_t size)
{
    if (strlen(path) >= size)
        return -ENAMETOOLONG;
    strcpy(ret_path, path);
    return 0;
}

int shm_hugetlbfs_mount(uint64_t page_kib, unsigned nth, char *ret_path, size_t size)
{
    const char *named = getenv("SHMLOG_HUGETLBFS");
    FILE *mountinfo;
    char *line = NULL;
    size_t room = 0;
    int r = -ENOENT;

    if (named && named[0] == '\0')
        return -ENOENT;
    if (named && named[0] == '/' && is_hugetlbfs(named, page_kib) && nth-- == 0)
        return take(named, ret_path, size);
    mountinfo = fopen("/proc/self/mountinfo", "re");
    if (!mountinfo)
        return -ENOENT;
    while (r == -ENOENT && getline(&line, &room, mountinfo) > 0) {
        const char *path = mount_point(line);

        if (path && is_hugetlbfs(path, page_kib) && nth-- == 0)
            r = take(path, ret_path, size);
    }
    free(line);
    fclose(mountinfo);
    return r;
}
