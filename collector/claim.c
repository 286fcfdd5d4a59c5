/* SPDX-License-Identifier: MIT
 *
 * The claim on an output directory: see claim.h.
 */
#include "collector/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ATTEMPTS 16 /* at a file that others remove meanwhile */

static bool path_of(const char *directory, const char *segment, char ret_path[PATH_MAX])
{
    return (size_t)snprintf(ret_path, PATH_MAX, "%s/.%s.lock", directory, segment) < PATH_MAX;
}

static bool is_named(int fd, const char *path)
{
    struct stat open, named;

    return fstat(fd, &open) == 0 && lstat(path, &named) == 0 && open.st_ino == named.st_ino &&
           open.st_dev == named.st_dev;
}

/* The line in the file, without control characters: whoever may write there may have written it. */
static void read_owner(int fd, char *ret_owner, size_t size)
{
    const ssize_t n = pread(fd, ret_owner, size - 1, 0);
    char *end;

    ret_owner[n > 0 ? n : 0] = '\0';
    end = strchr(ret_owner, '\n');
    if (end)
        *end = '\0';
    for (char *p = ret_owner; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (!*ret_owner)
        snprintf(ret_owner, size, "one that is just starting");
}

/* Without its line the claim is as good; the line is for people. */
static void write_owner(int fd, const char *segment_path, pid_t pid)
{
    char line[PATH_MAX + 512];
    struct utsname host;
    int n;

    if (uname(&host) < 0)
        strcpy(host.nodename, "?");
    n = snprintf(line, sizeof(line), "pid %ld on %s, segment %s\n", (long)pid, host.nodename,
                 segment_path);
    if (ftruncate(fd, 0) == 0 && write(fd, line, (size_t)n) != n)
        (void)!ftruncate(fd, 0);
}

int claim_take(const char *directory, const char *segment, const char *segment_path, pid_t pid,
               int *ret_fd, char *ret_owner, size_t owner_size)
{
    char path[PATH_MAX];
    int fd, r = -EAGAIN;

    if (!path_of(directory, segment, path))
        return -ENAMETOOLONG;
    for (unsigned i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            r = errno == EWOULDBLOCK ? -EBUSY : -errno;
            if (r == -EBUSY)
                read_owner(fd, ret_owner, owner_size);
        } else {
            r = is_named(fd, path) ? 0 : -EAGAIN;
        }
        if (r < 0)
            close(fd);
    }
    if (r < 0)
        return r;
    write_owner(fd, segment_path, pid);
    *ret_fd = fd;
    return 0;
}

bool claim_holds(int fd, const char *directory, const char *segment)
{
    char path[PATH_MAX];

    return path_of(directory, segment, path) && is_named(fd, path);
}
