/* SPDX-License-Identifier: MIT
 *
 * Creating a segment; see segment.h.
 *
 * Killed at any point, a creator leaves something that the next one recognises and removes. The
 * order: directory; control file, locked; its uuid, from which the names of files on a hugetlbfs
 * derive; each ring, its magic last; the control file's magic. Until that is there the segment is
 * unfinished, and nobody but the holder of the lock touches it.
 */
#include "shm/clock.h"
#include "shm/directory.h"
#include "shm/geometry.h"
#include "shm/node.h"
#include "shm/place.h"
#include "shm/segment_file.h"
#include "shm/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 16 /* at a directory that others create and remove meanwhile */
#define FILE_MODE 0660
#define DIRECTORY_MODE 0750

/* Where the one line of explanation goes. The first one said is the one that counts. */
struct message {
    char *text;
    size_t size;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct message *message, int error,
                                                      const char *format, ...)
{
    va_list args;
    size_t length;

    if (!message->text || message->size == 0 || message->text[0] != '\0')
        return error;
    va_start(args, format);
    vsnprintf(message->text, message->size, format, args);
    va_end(args);
    length = strlen(message->text);
    snprintf(message->text + length, message->size - length, ": %s", shm_strerror(error));
    return error;
}

/* A further word on what to do. */
static int hint(const struct message *message, int error, const char *text)
{
    size_t length;

    if (message->text && message->size > 0) {
        length = strlen(message->text);
        snprintf(message->text + length, message->size - length, "; %s", text);
    }
    return error;
}

/* ---- directory and control file ---- */

static int set_access(int fd, mode_t mode, int group)
{
    if (group >= 0 && fchown(fd, (uid_t)-1, (gid_t)group) < 0)
        return -errno;
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* The directory: made, or one that is there, ours, and holds nothing but a segment. */
static int open_directory(const char *path, const struct shm_params *params,
                          const struct message *message, int *ret_directory)
{
    bool made = mkdir(path, 0700) == 0;
    struct stat st;
    int directory, r = 0;

    if (!made && errno != EEXIST)
        return fail(message, -errno, "cannot make the directory %s", path);
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOENT    ? -EAGAIN
               : errno == ENOTDIR ? fail(message, -SHM_ERR_FOREIGN, "%s", path)
                                  : fail(message, -errno, "cannot open %s", path);
    if (fstat(directory, &st) < 0) {
        r = -errno;
    } else if (st.st_uid != geteuid()) {
        r = fail(message, -EPERM, "%s belongs to user %lu", path, (unsigned long)st.st_uid);
    } else {
        r = shm_directory_look(directory);
        if (r > 0 && (r & SHM_HAS_OTHERS) && !(r & SHM_HAS_CONTROL))
            r = fail(message, -SHM_ERR_FOREIGN, "%s holds other files", path);
        else if (r == 0)
            r = set_access(directory, DIRECTORY_MODE, params->group);
        else if (r > 0)
            r = 0;
    }
    if (r < 0) {
        close(directory);
        return fail(message, r, "cannot use the directory %s", path);
    }
    *ret_directory = directory;
    return 0;
}

static int open_control(const char *path, int directory, const struct message *message, int *ret_fd)
{
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory, SHM_CONTROL_FILE, flags, 0600);
    struct stat st;
    int r;

    if (fd < 0)
        return errno == ENOENT ? -EAGAIN
                               : fail(message, -errno, "cannot open %s/" SHM_CONTROL_FILE, path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return fail(message, -SHM_ERR_FOREIGN, "%s/" SHM_CONTROL_FILE, path);
    }
    r = shm_control_lock(directory, fd);
    if (r < 0) {
        close(fd);
        return r == -EAGAIN ? r : fail(message, r, "%s", path);
    }
    *ret_fd = fd;
    return 0;
}

/* ---- building ---- */

static int make_uuid(uint8_t ret_uuid[16])
{
    uint8_t uuid[16];

    if (getrandom(uuid, sizeof(uuid), 0) != (ssize_t)sizeof(uuid))
        return -EIO;
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4, variant 1 */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return 0;
}

static uint64_t realtime_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] != '\0' ? slash + 1 : path;
}

/* Allocate the control file, map it, and put its header in, except for the magic. */
static int build_control(int fd, const char *path, const struct shm_params *params,
                         struct shmlog_control *plan, struct shm_segment **ret_segment)
{
    struct shm_segment *segment;
    void *memory;
    int r;

    r = make_uuid(plan->uuid);
    if (r < 0)
        return r;
    plan->created_ns = realtime_ns();
    plan->creator_pid_ns = shm_pid_ns();
    snprintf(plan->name, sizeof(plan->name), "%s", params->name ? params->name : base_name(path));
    r = set_access(fd, FILE_MODE, params->group);
    if (r < 0)
        return r;
    if (ftruncate(fd, (off_t)plan->file_size) < 0)
        return -errno;
    if (fallocate(fd, 0, 0, (off_t)plan->file_size) < 0 && errno != EOPNOTSUPP)
        return -errno;
    memory = mmap(NULL, plan->file_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    r = shm_segment_alloc(path, plan, true, &segment);
    if (r < 0) {
        munmap(memory, plan->file_size);
        return r;
    }
    segment->control = memory;
    segment->map_size = plan->file_size;
    segment->geometry.magic = SHMLOG_CONTROL_MAGIC;
    memcpy(segment->control, plan, sizeof(*plan)); /* the plan's magic is 0 */
    *ret_segment = segment;
    return 0;
}

static void fill_ring(const struct shm_segment *segment, uint32_t index, struct shm_ring *ring)
{
    struct shmlog_ring *header = ring->header;

    header->version = SHMLOG_LAYOUT_VERSION;
    header->header_size = SHMLOG_RING_HEADER;
    header->index = index;
    header->kind = ring->entry.kind;
    header->cpu = ring->entry.cpu;
    header->slots = segment->geometry.ring_slots;
    header->file_size = ring->entry.file_size;
    memcpy(header->segment_uuid, segment->geometry.uuid, sizeof(header->segment_uuid));
    header->limit = segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE
                        ? UINT64_MAX
                        : segment->geometry.ring_slots;
    header->tail_seq = 1;
    header->gave_up_tail = UINT64_MAX;
    /* pairs with the acquire load of whoever maps the ring */
    shmlog_store_release_(&header->magic, SHMLOG_RING_MAGIC);
}

static int build_ring(struct shm_segment *segment, const struct shm_params *params, uint32_t index)
{
    struct shm_ring *ring = &segment->rings[index];
    char name[SHM_RING_FILE_MAX], unique[SHM_UNIQUE_NAME_MAX];
    struct shm_place_params place = {
        .directory = segment->path,
        .file = name,
        .unique = unique,
        .size = shm_geometry_ring_size(&segment->geometry),
        .mode = FILE_MODE,
        .group = params->group,
    };
    struct shm_placed placed;
    int r;

    shm_ring_file(index, name);
    r = shm_place_unique(segment->geometry.uuid, name, unique);
    if (r < 0)
        return r;
    shm_segment_plan_ring(params, index, &ring->entry);
    place.page_kib = ring->entry.page_kib_wanted;
    place.node = ring->entry.node_wanted;
    r = shm_place(&place, &placed);
    if (r < 0)
        return r;
    ring->header = placed.memory;
    ring->slots = (struct shmlog_slot *)((uint8_t *)placed.memory + SHMLOG_RING_HEADER);
    ring->map_size = placed.size;
    ring->entry.page_kib = placed.page_kib;
    ring->entry.node = placed.node;
    ring->entry.flags = placed.transparent ? SHMLOG_RING_ENTRY_THP : 0;
    ring->entry.file_size = placed.size;
    segment->control->rungs |= placed.rungs;
    fill_ring(segment, index, ring);
    memcpy(&shm_ring_entries(segment)[index], &ring->entry, sizeof(ring->entry));
    return 0;
}

static int ring_failed(const struct shm_segment *segment, uint32_t index,
                       const struct message *message, int error)
{
    uint64_t kib = shm_geometry_ring_size(&segment->geometry) / 1024;

    error = fail(message, error, "cannot place ring %" PRIu32 " of %" PRIu32 " (%" PRIu64 " KiB) in %s",
                 index, segment->geometry.rings, kib, segment->path);
    if (error == -ENOSPC || error == -ENOMEM)
        return hint(message, error,
                    "choose smaller or fewer rings, or give its filesystem more room");
    return error;
}

static void build_rest(struct shm_segment *segment, const struct shm_params *params)
{
    struct shmlog_control *control = segment->control;
    struct shmlog_clock_pair pair;

    if (control->clock != SHMLOG_CLOCK_TSC)
        control->rungs |= SHMLOG_RUNG_NO_TSC;
    if (params->numa && shm_node_count() > 1 && params->cpu_count > 0 &&
        segment->rings[0].entry.node_wanted < 0)
        control->rungs |= SHMLOG_RUNG_NO_NUMA;
    shm_clock_sample(control->clock, &pair);
    shm_clock_publish(segment, &pair);
    control->state = SHMLOG_SEGMENT_LIVE;
    /* pairs with shm_control_examine() and with the acquire load of producers */
    shmlog_store_release_(&control->magic, SHMLOG_CONTROL_MAGIC);
}

/* Build everything in a directory whose new control file is locked. On error nothing is left. */
static int build(const char *path, int directory, int fd, const struct shm_params *params,
                 struct shmlog_control *plan, const struct message *message,
                 struct shm_segment **ret_segment)
{
    struct shm_segment *segment = NULL;
    int r = build_control(fd, path, params, plan, &segment);

    if (r < 0)
        fail(message, r, "cannot make %s/" SHM_CONTROL_FILE " (%" PRIu64 " KiB)", path,
             plan->file_size / 1024);
    for (uint32_t i = 0; r == 0 && i < segment->geometry.rings; i++) {
        r = build_ring(segment, params, i);
        if (r < 0)
            r = ring_failed(segment, i, message, r);
    }
    if (r < 0) {
        shm_segment_close(segment);
        shm_directory_clear(directory, plan->uuid);
        rmdir(path);
        return r;
    }
    build_rest(segment, params);
    segment->control_fd = fd;
    segment->created = true;
    *ret_segment = segment;
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
                const struct message *message, struct shm_segment **ret_segment)
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
            return fail(message, r, "%s cannot be used", path);
        return build(path, directory, fd, params, plan, message, ret_segment);
    }
    r = shm_control_examine(fd, &copy);
    if (r == -SHM_ERR_UNFINISHED || r == -SHM_ERR_CLOSED) {
        r = shm_segment_clear(directory, fd, &copy);
        return r < 0 ? fail(message, r, "cannot remove the remains in %s", path) : -EAGAIN;
    }
    if (r == 0)
        r = shm_segment_adopt(path, directory, fd, plan, params, outbox_empty, ret_segment);
    return r < 0 && r != -EAGAIN ? fail(message, r, "%s cannot be adopted", path) : r;
}

static int attempt(const char *path, const struct shm_params *params, struct shmlog_control *plan,
                   bool (*outbox_empty)(const char *path), const struct message *message,
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
    struct message message = {ret_message, message_size};
    const char *reason = NULL;
    struct shmlog_control plan;
    int r;

    if (ret_message && message_size > 0)
        ret_message[0] = '\0';
    r = shm_geometry_plan(params, &plan, &reason);
    if (r < 0)
        return fail(&message, r, "%s", reason);
    if (strlen(path) >= PATH_MAX)
        return fail(&message, -ENAMETOOLONG, "the segment's path");
    plan.clock = shm_clock_tsc_usable() ? SHMLOG_CLOCK_TSC : SHMLOG_CLOCK_MONOTONIC;
    plan.clock_hz = shm_clock_hz(plan.clock);
    r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++)
        r = attempt(path, params, &plan, outbox_empty, &message, ret_segment);
    if (r == -EAGAIN)
        r = fail(&message, -SHM_ERR_BUSY, "%s is being created and removed by others", path);
    return r;
}
