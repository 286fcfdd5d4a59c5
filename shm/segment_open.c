/* SPDX-License-Identifier: MIT
 *
 * Opening a segment that is there: examine, then map; see segment.h.
 *
 * The header is read with pread() and checked before anything is mapped, so that a short or foreign
 * file is an error and not a SIGBUS. A ring is checked against the control file on its own: what is
 * wrong with one ring keeps nobody from the others.
 */
#include "shm/directory.h"
#include "shm/geometry.h"
#include "shm/place.h"
#include "shm/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int shm_control_open(int directory, bool writable, int *ret_fd)
{
    int flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, SHM_CONTROL_FILE, flags);
    struct stat st;
    int holds;

    if (fd < 0 && errno == ENOENT) {
        holds = shm_directory_look(directory);
        if (holds < 0)
            return holds;
        return holds & SHM_HAS_OTHERS ? -SHM_ERR_FOREIGN : -SHM_ERR_UNFINISHED;
    }
    if (fd < 0)
        return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -SHM_ERR_FOREIGN : -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -SHM_ERR_FOREIGN;
    }
    *ret_fd = fd;
    return 0;
}

int shm_control_examine(int fd, struct shmlog_control *ret_copy)
{
    struct stat st;
    uint64_t magic = 0;
    ssize_t n;
    int r;

    memset(ret_copy, 0, sizeof(*ret_copy));
    if (fstat(fd, &st) < 0)
        return -errno;
    /* The magic is stored last; read by itself first, it vouches for what is read after it. */
    n = pread(fd, &magic, sizeof(magic), 0);
    if (n < 0)
        return -errno;
    n = pread(fd, ret_copy, sizeof(*ret_copy), 0);
    if (n < 0)
        return -errno;
    ret_copy->magic = magic;
    if ((size_t)n < sizeof(*ret_copy))
        return magic == 0                      ? -SHM_ERR_UNFINISHED
               : magic == SHMLOG_CONTROL_MAGIC ? -SHM_ERR_GEOMETRY
                                               : -SHM_ERR_FOREIGN;
    r = shmlog_check_control_(ret_copy, (uint64_t)st.st_size);
    if (r == -SHM_ERR_OLDER || r == -SHM_ERR_NEWER)
        shm_refused_version(ret_copy->version);
    if (r == 0 && ret_copy->state == SHMLOG_SEGMENT_CLOSED)
        r = -SHM_ERR_CLOSED;
    return r;
}

int shm_control_lock(int directory, int fd)
{
    struct stat mine, there;
    int r;

    do {
        r = flock(fd, LOCK_EX | LOCK_NB);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EWOULDBLOCK ? -SHM_ERR_BUSY : -errno;
    if (fstat(fd, &mine) < 0)
        return -errno;
    if (fstatat(directory, SHM_CONTROL_FILE, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? -EAGAIN : -errno;
    return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino ? 0 : -EAGAIN;
}

static int check_ring_header(const struct shm_segment *segment, uint32_t index,
                             const struct shm_ring *ring)
{
    const struct shmlog_control *geometry = &segment->geometry;
    struct shmlog_ring copy;

    /* pairs with the release store of the magic at the end of creation */
    if (shmlog_load_acquire_(&ring->header->magic) != SHMLOG_RING_MAGIC)
        return -SHM_ERR_FOREIGN;
    memcpy(&copy, ring->header, offsetof(struct shmlog_ring, head));
    if (copy.version != SHMLOG_LAYOUT_VERSION) {
        shm_refused_version(copy.version);
        return copy.version < SHMLOG_LAYOUT_VERSION ? -SHM_ERR_OLDER : -SHM_ERR_NEWER;
    }
    if (memcmp(copy.segment_uuid, geometry->uuid, sizeof(copy.segment_uuid)) != 0)
        return -SHM_ERR_FOREIGN;
    if (copy.header_size != SHMLOG_RING_HEADER || copy.index != index ||
        copy.kind != ring->entry.kind || copy.cpu != ring->entry.cpu ||
        copy.slots != geometry->ring_slots || copy.file_size != ring->map_size)
        return -SHM_ERR_GEOMETRY;
    return 0;
}

static int map_ring_file(struct shm_segment *segment, int fd, uint64_t page_kib,
                         struct shm_ring *ring)
{
    int protection = PROT_READ | (segment->writable ? PROT_WRITE : 0);
    struct stat st;
    void *memory;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != segment->owner)
        return -SHM_ERR_FOREIGN;
    if ((uint64_t)st.st_size != ring->entry.file_size ||
        ring->entry.file_size % (page_kib * 1024) != 0)
        return -SHM_ERR_GEOMETRY;
    memory = mmap(NULL, ring->entry.file_size, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    return shm_ring_use(ring, memory, ring->entry.file_size, page_kib, segment->writable);
}

static int map_ring(struct shm_segment *segment, int directory, uint32_t index)
{
    struct shm_ring *ring = &segment->rings[index];
    char name[SHM_RING_FILE_MAX], unique[SHM_UNIQUE_NAME_MAX];
    uint64_t page_kib;
    int fd, r;

    memcpy(&ring->entry, &shm_ring_entries(segment)[index], sizeof(ring->entry));
    r = shm_geometry_check_ring(&segment->geometry, index, &ring->entry);
    if (r < 0)
        return r;
    shm_ring_file(index, name);
    r = shm_place_unique(segment->geometry.uuid, name, unique);
    if (r < 0)
        return r;
    r = shm_place_open(directory, name, unique, segment->writable, &fd, &page_kib);
    if (r < 0)
        return r;
    r = map_ring_file(segment, fd, page_kib, ring);
    close(fd);
    if (r < 0)
        return r;
    r = check_ring_header(segment, index, ring);
    if (r < 0)
        shm_ring_unmap(ring);
    return r;
}

int shm_segment_map(const char *path, int directory, int control_fd,
                    const struct shmlog_control *copy, bool writable,
                    struct shm_segment **ret_segment)
{
    struct shm_segment *segment;
    struct stat st;
    void *memory;
    int r;

    if (fstat(control_fd, &st) < 0)
        return -errno;
    r = shm_segment_alloc(path, copy, writable, &segment);
    if (r < 0)
        return r;
    segment->owner = st.st_uid;
    memory = mmap(NULL, copy->file_size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
                  control_fd, 0);
    r = memory == MAP_FAILED ? -errno : shm_control_use(segment, memory, copy->file_size, writable);
    if (r < 0) {
        shm_segment_close(segment);
        return r;
    }
    for (uint32_t i = 0; i < copy->rings; i++)
        segment->rings[i].error = map_ring(segment, directory, i);
    *ret_segment = segment;
    return 0;
}

int shm_segment_open(const char *path, bool writable, struct shm_segment **ret_segment)
{
    struct shmlog_control copy;
    int directory, fd = -1, r;

    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOTDIR ? -SHM_ERR_FOREIGN : -errno;
    r = shm_control_open(directory, writable, &fd);
    if (r == 0)
        r = shm_control_examine(fd, &copy);
    if (r == 0)
        r = shm_segment_map(path, directory, fd, &copy, writable, ret_segment);
    if (fd >= 0)
        close(fd);
    close(directory);
    return r;
}
