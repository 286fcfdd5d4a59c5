/* SPDX-License-Identifier: MIT
 *
 * Creating a segment: the directory, the lock, and what to do with what is there; see segment.h.
 * The building itself is in segment_build.c.
 *
 * Killed at any point, a creator leaves something that the next one recognises and removes. The
 * order: directory; control file, locked; its uuid, from which the names of files on a hugetlbfs
 * derive; each ring, its magic last; the control file's magic. Until that is there the segment is
 * unfinished, and nobody but the holder of the lock touches it.
 */
#include "shm/clock.h"
#include "shm/directory.h"
#include "shm/geometry.h"
#include "shm/segment_build.h"
#include "shm/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 16 /* at a directory that others create and remove meanwhile */
#define DIRECTORY_MODE 0750

/* ---- directory and control file ---- */

static int set_directory_access(const char *path, int directory, const struct shm_params *params,
                                const struct shm_message *message)
{
    const int r = shm_set_access(directory, DIRECTORY_MODE, params->group);

    return r == -EPERM && params->group >= 0
               ? shm_message(message, r,
                             "cannot give %s to group %d, as --group asks: only root, or a member "
                             "of that group, can",
                             path, params->group)
               : r;
}

/* The directory: made, or one that is there, ours, and holds nothing but a segment. */
static int open_directory(const char *path, const struct shm_params *params,
                          const struct shm_message *message, int *ret_directory)
{
    bool made = mkdir(path, 0700) == 0;
    struct stat st;
    int directory, r = 0;

    if (!made && errno != EEXIST)
        return shm_message(message, -errno, "cannot make the directory %s", path);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOENT    ? -EAGAIN
               : errno == ENOTDIR ? shm_message(message, -SHM_ERR_FOREIGN, "%s", path)
                                  : shm_message(message, -errno, "cannot open %s", path);
    if (fstat(directory, &st) < 0) {
        r = -errno;
    } else if (st.st_uid != geteuid()) {
        r = shm_message(message, -EPERM, "%s belongs to user %lu", path, (unsigned long)st.st_uid);
    } else {
        r = shm_directory_look(directory);
        if (r > 0 && (r & SHM_HAS_OTHERS) && !(r & SHM_HAS_CONTROL))
            r = shm_message(message, -SHM_ERR_FOREIGN, "%s holds other files", path);
        else if (r == 0)
            r = set_directory_access(path, directory, params, message);
        else if (r > 0)
            r = 0;
    }
    if (r < 0) {
        close(directory);
        return shm_message(message, r, "cannot use the directory %s", path);
    }
    *ret_directory = directory;
    return 0;
}

static int open_control(const char *path, int directory, const struct shm_message *message,
                        int *ret_fd)
{
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, SHM_CONTROL_FILE, flags, 0600);
    struct stat st;
    int r;

    if (fd < 0)
        return errno == ENOENT
                   ? -EAGAIN
                   : shm_message(message, -errno, "cannot open %s/" SHM_CONTROL_FILE, path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return shm_message(message, -SHM_ERR_FOREIGN, "%s/" SHM_CONTROL_FILE, path);
    }
    r = shm_control_lock(directory, fd);
    if (r < 0) {
        close(fd);
        return r == -EAGAIN ? r : shm_message(message, r, "%s", path);
    }
    *ret_fd = fd;
    return 0;
}

/* ---- one attempt ---- */

static bool is_new(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_size == 0;
}

/* With the lock held: build, adopt, or remove the remains of something and say -EAGAIN. */
static int take(const char *path, int directory, int fd, const struct shm_params *params,
                struct shmlog_control *plan, bool (*outbox_empty)(const char *path),
                const struct shm_message *message, struct shm_segment **ret_segment)
{
    struct shmlog_control copy;
    int r;

    if (is_new(fd)) {
        /* Parts beside an empty control file are those of a segment that lost its own. */
        r = shm_directory_look(directory);
        if (r > 0 && (r & SHM_HAS_OTHERS))
            r = -SHM_ERR_FOREIGN;
        if (r >= 0)
            r = shm_directory_clear_parts(directory, NULL);
        if (r < 0)
            return shm_message(message, r, "%s cannot be used", path);
        return shm_segment_build(path, directory, fd, params, plan, message, ret_segment);
    }
    r = shm_control_examine(fd, &copy);
    if (r == -SHM_ERR_UNFINISHED) {
        r = shm_segment_clear(directory, fd, &copy);
        return r < 0 ? shm_message(message, r, "cannot remove the remains in %s", path) : -EAGAIN;
    }
    if (r == 0 || r == -SHM_ERR_CLOSED)
        r = shm_segment_adopt(path, directory, fd, plan, params, outbox_empty, ret_segment);
    return r < 0 && r != -EAGAIN ? shm_message(message, r, "%s cannot be adopted", path) : r;
}

static int attempt(const char *path, const struct shm_params *params, struct shmlog_control *plan,
                   bool (*outbox_empty)(const char *path), const struct shm_message *message,
                   struct shm_segment **ret_segment)
{
    int directory = -1, fd = -1, r;

    r = open_directory(path, params, message, &directory);
    if (r < 0)
        return r;
    r = open_control(path, directory, message, &fd);
    if (r == 0) {
        r = take(path, directory, fd, params, plan, outbox_empty, message, ret_segment);
        if (r < 0)
            close(fd);
    }
    close(directory);
    return r;
}

int shm_segment_create(const char *path, const struct shm_params *params,
                       bool (*outbox_empty)(const char *path), struct shm_segment **ret_segment,
                       char *ret_message, size_t message_size)
{
    struct shm_message message = {ret_message, message_size};
    const char *reason = NULL;
    struct shmlog_control plan;
    int r;

    if (ret_message && message_size > 0)
        ret_message[0] = '\0';
    r = shm_geometry_plan(params, &plan, &reason);
    if (r < 0)
        return shm_message(&message, r, "%s", reason);
    if (strlen(path) >= PATH_MAX)
        return shm_message(&message, -ENAMETOOLONG, "the segment's path");
    plan.clock = shm_clock_tsc_usable() ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    plan.clock_hz = shm_clock_hz(plan.clock);
    r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++)
        r = attempt(path, params, &plan, outbox_empty, &message, ret_segment);
    if (r == -EAGAIN)
        r = shm_message(&message, -SHM_ERR_BUSY, "%s is being created and removed by others", path);
    return r;
}
