/* SPDX-License-Identifier: MIT
 *
 * What a segment is at the moment: collecting it. Everything is copied once and bounded.
 */
#include "tools/info.h"
#include "shm/guard.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"
#include "shm/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_SLOTS 2048

void info_ring(const struct shm_segment *segment, uint32_t index, struct info_ring *ret_ring)
{
    const struct shm_ring *ring = &segment->rings[index];
    struct info_ring info = {
        .index = index,
        .error = ring->error,
        .entry = ring->entry,
        .slots = segment->geometry.ring_slots,
    };

    if (!ring->header) {
        if (!info.error)
            info.error = -SHM_ERR_GEOMETRY;
        *ret_ring = info;
        return;
    }
    info.tail = shmlog_load_acquire_(&ring->header->tail);
    info.newest = shm_ring_head_seq(segment, index, shmlog_load_acquire_(&ring->header->tail_seq),
                                    &info.head);
    info.fill = info.head > info.tail ? info.head - info.tail : 0;
    if (info.fill > info.slots)
        info.fill = info.slots;
    shm_losses_of_ring(segment, index, &info.lost);
    shm_backlog_of_ring(segment, index, &info.behind);
    if (shm_guard_lost(ring->lost))
        info.error = -SHM_ERR_CUT;
    *ret_ring = info;
}

static void count_batch(const struct shm_segment *segment, const struct shmlog_slot *batch,
                        size_t slots, struct info_counts *counts)
{
    for (size_t i = 0; i < slots; i++) {
        uint32_t id = batch[i].site & SHMLOG_SITE_ID_MASK;

        if (!(batch[i].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK))
            continue; /* a record goes on */
        if (id < segment->geometry.sites_max)
            counts->site[id]++;
        else if (shm_site_is_inline(id))
            counts->inlined++;
        else
            counts->unknown++;
    }
}

static void count_ring(const struct shm_segment *segment, uint32_t index, struct shmlog_slot *batch,
                       struct info_counts *counts)
{
    uint64_t head = shm_ring_head(segment->rings[index].header);
    struct shm_ring_reader reader;
    struct shm_read read;

    shm_ring_reader_init_kept(&reader, segment, index);
    for (;;) {
        shm_ring_read(&reader, head, batch, BATCH_SLOTS, &read);
        if (read.kind == SHM_READ_NONE)
            return;
        if (read.kind == SHM_READ_RECORDS)
            count_batch(segment, batch, read.slots, counts);
    }
}

int info_count_sites(const struct shm_segment *segment, struct info_counts *ret_counts)
{
    struct info_counts counts = {
        .site = calloc(segment->geometry.sites_max, sizeof(*counts.site)),
    };
    struct shmlog_slot *batch = malloc(BATCH_SLOTS * sizeof(*batch));

    if (!counts.site || !batch) {
        free(counts.site);
        free(batch);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        if (segment->rings[i].header)
            count_ring(segment, i, batch, &counts);
    free(batch);
    *ret_counts = counts;
    return 0;
}

void info_counts_done(struct info_counts *counts)
{
    free(counts->site);
    *counts = (struct info_counts){0};
}

uint64_t info_stat(const struct shm_segment *segment, const struct shm_losses *lost, unsigned index)
{
    const uint64_t stat = shmlog_load_relaxed_(&segment->control->stats[index]);
    const uint64_t sum = shm_losses_sum(lost);

    /* of a ring that was just cut short, only the collector's counter has the losses yet */
    return index == SHM_STAT_dropped && sum > stat ? sum : stat;
}

const char *info_ring_kind(uint32_t kind)
{
    return kind == SHMLOG_RING_CPU ? "cpu" : kind == SHMLOG_RING_OWNED ? "shared" : "?";
}

const char *info_on_full(uint32_t on_full)
{
    switch (on_full) {
    case SHMLOG_ON_FULL_DROP:
        return "drop";
    case SHMLOG_ON_FULL_OVERWRITE:
        return "overwrite";
    case SHMLOG_ON_FULL_WAIT:
        return "wait";
    default:
        return "?";
    }
}

const char *info_alive(const struct shmlog_producer *producer)
{
    if ((producer->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_FILLING)
        return "attaching";
    if ((producer->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_DETACHED ||
        (producer->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_LEFT)
        return "detached";
    switch (shm_producer_alive(producer)) {
    case SHM_ALIVE:
        return "alive";
    case SHM_DEAD:
        return "dead";
    case SHM_UNKNOWN:
        break;
    }
    return "unknown";
}

const char *info_why(const struct shmlog_producer *producer)
{
    static const char *const names[] = {
        [SHMLOG_WHY_ASKED] = "asked",          [SHMLOG_WHY_NO_RSEQ] = "no-rseq",
        [SHMLOG_WHY_NO_TSC] = "no-tsc",        [SHMLOG_WHY_ABORTS] = "aborts",
        [SHMLOG_WHY_NO_CORE] = "no-core-ring",
    };

    if (producer->why >= sizeof(names) / sizeof(names[0]))
        return "?";
    return names[producer->why];
}
