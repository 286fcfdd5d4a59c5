/* SPDX-License-Identifier: MIT
 *
 * Building a segment in a directory whose new control file is locked; see segment_create.c for the
 * order and why.
 */
#include "shm/segment_build.h"
#include "shm/clock.h"
#include "shm/directory.h"
#include "shm/geometry.h"
#include "shm/node.h"
#include "shm/pages.h"
#include "shm/place.h"
#include "shm/rungs.h"
#include "shm/segment_file.h"
#include "shm/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MODE 0660

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
    r = shm_set_access(fd, FILE_MODE, params->group);
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
    r = shm_control_use(segment, memory, plan->file_size, true);
    if (r < 0) {
        shm_segment_close(segment);
        return r;
    }
    segment->owner = geteuid();
    segment->geometry.magic = SHMLOG_CONTROL_MAGIC;
    memcpy(segment->control, plan, sizeof(*plan)); /* the plan's magic is 0 */
    *ret_segment = segment;
    return 0;
}

/* Where the segment is, for whoever finds the ring's file alone: see shm/orphans.h. A path that is
 * too long is left out, and the file then never taken for one that was left behind. */
static void say_where(const struct shm_segment *segment, struct shmlog_ring *header)
{
    char path[PATH_MAX];
    struct stat st;

    if (!realpath(segment->path, path) || strlen(path) >= sizeof(header->segment_path) ||
        stat(path, &st) < 0)
        return;
    strcpy(header->segment_path, path);
    header->segment_device = st.st_dev;
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
    say_where(segment, header);
    header->limit = header->limit_severe = UINT64_MAX;
    if (segment->geometry.on_full != SHMLOG_ON_FULL_OVERWRITE) {
        header->limit_severe = segment->geometry.ring_slots;
        header->limit = header->limit_severe - segment->geometry.reserve_slots;
    }
    header->owner = index < segment->geometry.cpu_rings ? 0 : SHMLOG_OWNER_SHARED;
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
    r = shm_ring_use(ring, placed.memory, placed.size,
                     placed.transparent ? shm_small_page_kib() : placed.page_kib, true);
    if (r < 0)
        return r;
    ring->entry.page_kib = placed.page_kib;
    ring->entry.node = placed.node;
    ring->entry.flags = placed.transparent ? SHMLOG_RING_ENTRY_THP : 0;
    ring->entry.file_size = placed.size;
    ring->entry.why_small = placed.why_small;
    segment->control->rungs |= placed.rungs;
    fill_ring(segment, index, ring);
    memcpy(&shm_ring_entries(segment)[index], &ring->entry, sizeof(ring->entry));
    return 0;
}

static int ring_failed(const struct shm_segment *segment, uint32_t index,
                       const struct shm_message *message, int error)
{
    uint64_t kib = shm_geometry_ring_size(&segment->geometry) / 1024;

    error = shm_message(message, error,
                        "cannot place ring %" PRIu32 " of %" PRIu32 " (%" PRIu64 " KiB) in %s",
                        index, segment->geometry.rings, kib, segment->path);
    if (error == -ENOSPC || error == -ENOMEM)
        shm_message_hint(message,
                         "choose smaller or fewer rings, or give its filesystem more room");
    return error;
}

static bool node_is_known(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.cpu_rings; i++)
        if (segment->rings[i].entry.node_wanted >= 0)
            return true;
    return false; /* of no core, not just of those that the machine does not have */
}

static void build_rest(struct shm_segment *segment, const struct shm_params *params)
{
    struct shmlog_control *control = segment->control;
    struct shmlog_clock_pair pair;

    if (control->clock != SHMLOG_CLOCK_TSC)
        control->rungs |= SHMLOG_RUNG_NO_TSC;
    if (params->numa && shm_node_count() > 1 && params->cpu_count > 0 && !node_is_known(segment))
        control->rungs |= SHMLOG_RUNG_NO_NUMA;
    shm_clock_sample(control->clock, &pair);
    shm_clock_publish(segment, &pair);
    control->state = SHMLOG_SEGMENT_LIVE;
    /* pairs with shm_control_examine() and with the acquire load of producers */
    shmlog_store_release_(&control->magic, SHMLOG_CONTROL_MAGIC);
}

int shm_segment_build(const char *path, int directory, int fd, const struct shm_params *params,
                      struct shmlog_control *plan, const struct shm_message *message,
                      struct shm_segment **ret_segment)
{
    struct shm_segment *segment = NULL;
    int r = build_control(fd, path, params, plan, &segment);

    if (r < 0)
        shm_message(message, r, "cannot make %s/" SHM_CONTROL_FILE " (%" PRIu64 " KiB)", path,
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
