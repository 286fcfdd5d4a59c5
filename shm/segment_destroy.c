/* SPDX-License-Identifier: MIT
 *
 * Removing a segment; see segment.h.
 *
 * Marked closed first, so that nobody attaches to what is going away; control file last, so that a
 * remover that is killed can be followed by another.
 */
#include "shm/directory.h"
#include "shm/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Producers that are attached see this, too; a mapping, since they read it in memory. */
static int mark_closed(int control_fd)
{
    struct shmlog_control *control =
        mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, control_fd, 0);

    if (control == MAP_FAILED)
        return -errno;
    shmlog_store_release_(&control->state, SHMLOG_SEGMENT_CLOSED);
    munmap(control, sizeof(*control));
    return 0;
}

static bool has_uuid(const struct shmlog_control *copy)
{
    static const uint8_t none[16];

    return memcmp(copy->uuid, none, sizeof(none)) != 0;
}

int shm_segment_clear(int directory, int control_fd, const struct shmlog_control *copy)
{
    int r = 0;

    /* A file cut short has no page to be marked in; nobody can attach to it anyway. */
    if (copy->magic == SHMLOG_CONTROL_MAGIC && copy->file_size != 0 &&
        lseek(control_fd, 0, SEEK_END) >= (off_t)sizeof(*copy))
        r = mark_closed(control_fd);
    if (r == 0)
        r = shm_directory_clear(directory, has_uuid(copy) ? copy->uuid : NULL);
    return r;
}

static int destroy_files(int directory)
{
    int holds = shm_directory_look(directory);
    struct shmlog_control copy;
    int fd, r;

    if (holds < 0)
        return holds;
    if (holds == 0)
        return -ENOENT;
    /* Or else the control file would be marked, and then nothing removed. */
    if (faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return -errno;
    if (holds == SHM_HAS_PARTS)
        return shm_directory_clear(directory, NULL);
    r = shm_control_open(directory, true, &fd);
    if (r < 0)
        return r;
    r = shm_control_examine(fd, &copy);
    if (r == -SHM_ERR_UNFINISHED || r == -SHM_ERR_CLOSED || r == -SHM_ERR_GEOMETRY)
        r = 0; /* a segment, or what is left of one */
    if (r == 0 && (holds & SHM_HAS_OTHERS))
        r = -ENOTEMPTY;
    if (r == 0)
        r = shm_control_lock(directory, fd);
    if (r == 0)
        r = shm_segment_clear(directory, fd, &copy);
    close(fd);
    return r;
}

int shm_segment_destroy(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (directory < 0)
        return errno == ENOTDIR ? -SHM_ERR_FOREIGN : -errno;
    r = destroy_files(directory);
    close(directory);
    if (r < 0)
        return r;
    return rmdir(path) < 0 ? -errno : 0;
}
