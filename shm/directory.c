/* SPDX-License-Identifier: MIT
 *
 * A segment's directory; see directory.h.
 *
 * The control file is the first file made and the last one removed: whatever moment a creator or
 * remover is killed at, the next one finds it, locks it, and knows what it is looking at.
 */
#include "shm/directory.h"
#include "shm/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void shm_ring_file(uint32_t index, char ret_name[SHM_RING_FILE_MAX])
{
    snprintf(ret_name, SHM_RING_FILE_MAX, "ring-%03u", index % 10000);
}

bool shm_is_ring_file(const char *name)
{
    size_t digits;

    if (strncmp(name, "ring-", 5) != 0)
        return false;
    digits = strspn(name + 5, "0123456789");
    return digits >= 3 && digits <= 4 && name[5 + digits] == '\0';
}

static bool is_segment_file(const char *name)
{
    return shm_is_ring_file(name) || strcmp(name, SHM_CONTROL_FILE) == 0 ||
           strcmp(name, SHM_OUTBOX_FILE) == 0 || strcmp(name, SHM_OUTBOX_NEXT_FILE) == 0;
}

/* A stream of its own on the directory; closing it leaves `directory` open. */
static DIR *open_stream(int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

    if (!stream && fd >= 0)
        close(fd);
    return stream;
}

int shm_directory_next(DIR *stream, const struct dirent **ret_entry)
{
    errno = 0;
    *ret_entry = readdir(stream);
    return *ret_entry ? 1 : -errno;
}

int shm_directory_uuid(int directory, uint8_t ret_uuid[16])
{
    const int fd = openat(directory, SHM_CONTROL_FILE,
                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    uint8_t uuid[16];
    ssize_t n;
    int r = 0;

    if (fd < 0)
        return errno == ELOOP || errno == ENXIO ? -ENOENT : -errno;
    n = pread(fd, uuid, sizeof(uuid), offsetof(struct shmlog_control, uuid));
    if (n != (ssize_t)sizeof(uuid))
        r = n < 0 && errno != EISDIR ? -errno : -ENOENT;
    close(fd);
    if (r == 0)
        memcpy(ret_uuid, uuid, sizeof(uuid));
    return r;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Did no segment make this file, although it has the name of one of its files? Those begin alike,
 * or with zeros as long as they are unfinished. A link's target is looked at before it is removed.
 */
static bool is_strangers(int directory, const char *name)
{
    static const char none[8];
    const int fd =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char head[8] = "";
    ssize_t n;

    if (fd < 0)
        return errno != ELOOP && errno != ENOENT;
    n = pread(fd, head, sizeof(head), 0);
    close(fd);
    return n < 0 || (memcmp(head, "SHLM", 4) != 0 && memcmp(head, none, sizeof(none)) != 0);
}

int shm_directory_look(int directory)
{
    /* With a control file it is a segment's directory, and so is what is in it. */
    const bool alone =
        faccessat(directory, SHM_CONTROL_FILE, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
    DIR *stream = open_stream(directory);
    const struct dirent *entry;
    int holds = 0, r;

    if (!stream)
        return -errno;
    while ((r = shm_directory_next(stream, &entry)) > 0) {
        if (is_dot(entry->d_name))
            continue;
        if (strcmp(entry->d_name, SHM_CONTROL_FILE) == 0)
            holds |= SHM_HAS_CONTROL;
        else
            holds |=
                is_segment_file(entry->d_name) && !(alone && is_strangers(directory, entry->d_name))
                    ? SHM_HAS_PARTS
                    : SHM_HAS_OTHERS;
    }
    closedir(stream);
    return r < 0 ? r : holds;
}

static int remove_part(int directory, const char *name, const uint8_t *uuid)
{
    char unique[SHM_UNIQUE_NAME_MAX];
    int r = 0;

    if (!is_segment_file(name) || strcmp(name, SHM_CONTROL_FILE) == 0)
        return 0;
    if (uuid)
        r = shm_place_unique(uuid, name, unique);
    return r < 0 ? r : shm_place_remove(directory, name, uuid ? unique : NULL);
}

int shm_directory_clear_parts(int directory, const uint8_t *uuid)
{
    DIR *stream = open_stream(directory);
    const struct dirent *entry;
    int r;

    if (!stream)
        return -errno;
    while ((r = shm_directory_next(stream, &entry)) > 0) {
        r = remove_part(directory, entry->d_name, uuid);
        if (r < 0)
            break;
    }
    closedir(stream);
    return r;
}

int shm_directory_clear(int directory, const uint8_t *uuid)
{
    int r = shm_directory_clear_parts(directory, uuid);

    if (r == 0 && unlinkat(directory, SHM_CONTROL_FILE, 0) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}
