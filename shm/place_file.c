/* SPDX-License-Identifier: MIT
 *
 * Placed files by name: the name they have on a hugetlbfs, opening and removing them again.
 *
 * A link in a segment's directory is hostile: it is followed only to a file of the name that this
 * segment would have given it, on a hugetlbfs; so neither opening nor removing can be led
 * elsewhere.
 */
#include "shm/pages.h"
#include "shm/place.h"
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define UNIQUE_PREFIX "shmlog-"
#define UUID_DIGITS 32

int shm_place_unique(const uint8_t uuid[16], const char *file, char ret_unique[SHM_UNIQUE_NAME_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char hex[UUID_DIGITS + 1];

    if (strlen(UNIQUE_PREFIX) + UUID_DIGITS + 1 + strlen(file) >= SHM_UNIQUE_NAME_MAX)
        return -ENAMETOOLONG;
    for (int i = 0; i < 16; i++) {
        hex[2 * i] = digits[uuid[i] >> 4];
        hex[2 * i + 1] = digits[uuid[i] & 15];
    }
    hex[UUID_DIGITS] = '\0';
    snprintf(ret_unique, SHM_UNIQUE_NAME_MAX, UNIQUE_PREFIX "%s-%s", hex, file);
    return 0;
}

/* Is it "shmlog-<32 hex digits>-<file>"? */
static bool name_fits(const char *name, const char *file)
{
    size_t prefix = strlen(UNIQUE_PREFIX);

    if (strncmp(name, UNIQUE_PREFIX, prefix) != 0)
        return false;
    name += prefix;
    if (strspn(name, "0123456789abcdef") != UUID_DIGITS || name[UUID_DIGITS] != '-')
        return false;
    return strcmp(name + UUID_DIGITS + 1, file) == 0;
}

/* Where the link points, cut in two: the folder, and the name in it. -EINVAL: no link;
 * -SHM_ERR_FOREIGN: a link, but not one of ours. */
static int read_link(int directory, const char *file, const char *unique, char ret_folder[PATH_MAX],
                     char ret_name[SHM_UNIQUE_NAME_MAX])
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, file, target, sizeof(target));
    char *slash;

    if (length < 0)
        return -errno;
    if (length == 0 || (size_t)length >= sizeof(target))
        return -SHM_ERR_FOREIGN;
    target[length] = '\0';
    slash = strrchr(target, '/');
    if (target[0] != '/' || slash == target || strlen(slash + 1) >= SHM_UNIQUE_NAME_MAX)
        return -SHM_ERR_FOREIGN;
    if (unique ? strcmp(slash + 1, unique) != 0 : !name_fits(slash + 1, file))
        return -SHM_ERR_FOREIGN;
    *slash = '\0';
    strcpy(ret_name, slash + 1);
    strcpy(ret_folder, target);
    return 0;
}

static bool on_hugetlbfs(int fd, uint64_t *ret_page_kib)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0 || fs.f_type != (__typeof__(fs.f_type))SHM_HUGETLBFS_MAGIC)
        return false;
    *ret_page_kib = (uint64_t)fs.f_bsize / 1024;
    return true;
}

/* The folder of a link's target, if it is on a hugetlbfs. */
static int open_folder(const char *folder, int *ret_fd)
{
    uint64_t page_kib;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (!on_hugetlbfs(fd, &page_kib)) {
        close(fd);
        return -SHM_ERR_FOREIGN;
    }
    *ret_fd = fd;
    return 0;
}

static int open_regular(int directory, const char *name, bool writable, int *ret_fd)
{
    int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, name, flags);
    struct stat st;

    if (fd < 0)
        return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -SHM_ERR_FOREIGN : -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -SHM_ERR_FOREIGN;
    }
    *ret_fd = fd;
    return 0;
}

int shm_place_open(int directory, const char *file, const char *unique, bool writable, int *ret_fd,
                   uint64_t *ret_page_kib)
{
    char folder[PATH_MAX], name[SHM_UNIQUE_NAME_MAX];
    uint64_t page_kib = shm_small_page_kib();
    int folder_fd = -1, fd = -1;
    int r = read_link(directory, file, unique, folder, name);

    if (r == -EINVAL) {
        r = open_regular(directory, file, writable, &fd);
    } else if (r == 0) {
        r = open_folder(folder, &folder_fd);
        if (r < 0)
            return r;
        r = open_regular(folder_fd, name, writable, &fd);
        close(folder_fd);
        if (r == 0 && !on_hugetlbfs(fd, &page_kib)) {
            close(fd);
            r = -SHM_ERR_FOREIGN;
        }
    }
    if (r < 0)
        return r;
    *ret_fd = fd;
    if (ret_page_kib)
        *ret_page_kib = page_kib;
    return 0;
}

int shm_place_remove(int directory, const char *file, const char *unique)
{
    char folder[PATH_MAX], name[SHM_UNIQUE_NAME_MAX];
    int folder_fd = -1;
    int r = read_link(directory, file, unique, folder, name);

    if (r == 0 && open_folder(folder, &folder_fd) == 0) {
        if (unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT)
            r = -errno;
        close(folder_fd);
        if (r < 0)
            return r;
    }
    if (unlinkat(directory, file, 0) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}
