/* SPDX-License-Identifier: MIT
 *
 * The wrapped calls. See trouble.h.
 */
#include "tests/unit/trouble.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t countdown;
static const char *failed;

void trouble_arm(uint64_t n)
{
    countdown = n;
    failed = NULL;
}

bool trouble_disarm(void)
{
    countdown = 0;
    return failed != NULL;
}

const char *trouble_call(void)
{
    return failed ? failed : "none";
}

unsigned trouble_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static bool now(const char *call, int error)
{
    if (!countdown || --countdown)
        return false;
    failed = call;
    errno = error;
    return true;
}

/* A call, its arguments, what it returns when it fails and with which error. */
#define WRAP(type, name, params, args, failure, error) \
    type __real_##name params;                         \
    type __wrap_##name params;                         \
    type __wrap_##name params                          \
    {                                                  \
        if (now(#name, error))                         \
            return failure;                            \
        return __real_##name args;                     \
    }

WRAP(void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(void *, realloc, (void *old, size_t size), (old, size), NULL, ENOMEM)
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size), NULL, ENOMEM)
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL, ENOMEM)
WRAP(char *, strdup, (const char *text), (text), NULL, ENOMEM)
WRAP(void *, mmap64, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), -1, EIO)
WRAP(int, stat64, (const char *path, struct stat *st), (path, st), -1, EIO)
WRAP(int, ftruncate64, (int fd, off_t size), (fd, size), -1, EIO)
WRAP(int, fallocate64, (int fd, int mode, off_t from, off_t size), (fd, mode, from, size), -1,
     ENOSPC)
WRAP(int, posix_fallocate64, (int fd, off_t from, off_t size), (fd, from, size), ENOSPC, ENOSPC)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, EROFS)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1, EPERM)
WRAP(ssize_t, pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), -1, EIO)
WRAP(ssize_t, pwrite64, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), -1,
     EIO)
WRAP(ssize_t, getrandom, (void *to, size_t size, unsigned flags), (to, size, flags), -1, ENOSYS)
WRAP(DIR *, opendir, (const char *path), (path), NULL, EMFILE)
WRAP(struct dirent *, readdir64, (DIR * stream), (stream), NULL, EIO)
WRAP(int, scandir64,
     (const char *path, struct dirent ***list, int (*pick)(const struct dirent *),
      int (*order)(const struct dirent **, const struct dirent **)),
     (path, list, pick, order), -1, ENOMEM)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL, EMFILE)

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return now("open64", EMFILE) ? -1 : __real_open64(path, flags, mode);
}

int __real_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return now("openat64", EMFILE) ? -1 : __real_openat64(directory, path, flags, mode);
}
