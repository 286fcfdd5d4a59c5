/* SPDX-License-Identifier: MIT
 *
 * A segment that is mapped: its tables, its state, and letting go of it; see segment.h.
 */
#include "shm/guard.h"
#include "shm/pages.h"
#include "shm/segment_file.h"
#include "shm/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread uint32_t refused_version;

void shm_refused_version(uint32_t version)
{
    refused_version = version;
}

static const char *version_text(void)
{
    static __thread char text[96];

    if (refused_version == SHMLOG_LAYOUT_VERSION)
        return "it has features that this program does not know";
    snprintf(text, sizeof(text),
             "it has layout version %" PRIu32
             ", this program version %u; use the same on all sides",
             refused_version, SHMLOG_LAYOUT_VERSION);
    return text;
}

const char *shm_strerror(int error)
{
    const char *text;

    if (error < 0 && error != INT_MIN)
        error = -error;
    switch (error) {
    case SHM_ERR_FOREIGN:
        return "not a shmlog segment, or a file of another one";
    case SHM_ERR_OLDER:
    case SHM_ERR_NEWER:
        return version_text();
    case SHM_ERR_GEOMETRY:
        return "damaged: its sizes do not add up";
    case SHM_ERR_UNFINISHED:
        return "half-created: its creator died or is still at it";
    case SHM_ERR_BUSY:
        return "another collector runs on it";
    case SHM_ERR_CLOSED:
        return "being removed";
    case SHM_ERR_CUT:
        return "its file was cut short under way";
    default:
        text = strerrordesc_np(error);
        return text ? text : "unknown error";
    }
}

int shm_segment_alloc(const char *path, const struct shmlog_control *copy, bool writable,
                      struct shm_segment **ret_segment)
{
    struct shm_segment *segment;

    if (strlen(path) >= sizeof(segment->path))
        return -ENAMETOOLONG;
    segment = calloc(1, sizeof(*segment));
    if (!segment)
        return -ENOMEM;
    segment->rings = calloc(copy->rings, sizeof(*segment->rings));
    segment->rings_lost = mmap(NULL, copy->rings * sizeof(*segment->rings_lost),
                               PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!segment->rings || segment->rings_lost == MAP_FAILED) {
        if (segment->rings_lost != MAP_FAILED)
            munmap(segment->rings_lost, copy->rings * sizeof(*segment->rings_lost));
        free(segment->rings);
        free(segment);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < copy->rings; i++)
        segment->rings[i].lost = &segment->rings_lost[i];
    strcpy(segment->path, path);
    memcpy(&segment->geometry, copy, offsetof(struct shmlog_control, level));
    segment->geometry.name[sizeof(segment->geometry.name) - 1] = '\0';
    segment->slot_mask = copy->ring_slots - 1;
    segment->control_fd = -1;
    segment->writable = writable;
    *ret_segment = segment;
    return 0;
}

int shm_ring_use(struct shm_ring *ring, void *memory, size_t size, uint64_t page_kib, bool writable)
{
    int r = shm_guard_add(memory, size, page_kib * 1024, PROT_READ | (writable ? PROT_WRITE : 0),
                          ring->lost);

    if (r < 0) {
        munmap(memory, size);
        return r;
    }
    ring->memory = memory;
    ring->map_size = size;
    ring->header = memory;
    ring->slots = (struct shmlog_slot *)((uint8_t *)memory + SHMLOG_RING_HEADER);
    return 0;
}

void shm_ring_unmap(struct shm_ring *ring)
{
    if (!ring->memory)
        return;
    shm_guard_remove(ring->memory);
    munmap(ring->memory, ring->map_size);
    ring->memory = NULL;
    ring->header = NULL;
    ring->slots = NULL;
}

void shm_ring_leave_out(struct shm_ring *ring)
{
    ring->header = NULL;
    ring->slots = NULL;
    ring->error = -SHM_ERR_CUT;
}

int shm_control_use(struct shm_segment *segment, void *memory, size_t size, bool writable)
{
    int r = shm_guard_add(memory, size, shm_small_page_kib() * 1024,
                          PROT_READ | (writable ? PROT_WRITE : 0), &segment->control_lost);

    if (r < 0) {
        munmap(memory, size);
        return r;
    }
    segment->control = memory;
    segment->map_size = size;
    return 0;
}

void shm_segment_close(struct shm_segment *segment)
{
    if (!segment)
        return;
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        shm_ring_unmap(&segment->rings[i]);
    if (segment->control) {
        shm_guard_remove(segment->control);
        munmap(segment->control, segment->map_size);
    }
    if (segment->control_fd >= 0)
        close(segment->control_fd); /* and with it the lock */
    munmap(segment->rings_lost, segment->geometry.rings * sizeof(*segment->rings_lost));
    free(segment->rings);
    free(segment);
}

bool shm_segment_drained(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        const struct shm_ring *ring = &segment->rings[i];

        if (!ring->header) {
            /* One that is gone holds nothing; one that was refused may. */
            if (ring->error != -ENOENT)
                return false;
            continue;
        }
        if (shmlog_load_acquire_(&ring->header->head) !=
            shmlog_load_acquire_(&ring->header->tail)) /* pairs with the reader's release */
            return false;
    }
    return true;
}

static void *at(const struct shm_segment *segment, uint64_t offset)
{
    return (uint8_t *)segment->control + offset;
}

struct shmlog_ring_entry *shm_ring_entries(const struct shm_segment *segment)
{
    return at(segment, segment->geometry.rings_offset);
}

struct shmlog_clock_pair *shm_clock_pairs(const struct shm_segment *segment)
{
    return at(segment, segment->geometry.clock_offset);
}

struct shmlog_producer *shm_producers(const struct shm_segment *segment)
{
    return at(segment, segment->geometry.producers_offset);
}

uint64_t *shm_site_words(const struct shm_segment *segment)
{
    return at(segment, segment->geometry.sites_offset);
}

uint8_t *shm_arena(const struct shm_segment *segment)
{
    return at(segment, segment->geometry.arena_offset);
}
