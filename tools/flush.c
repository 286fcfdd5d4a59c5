/* SPDX-License-Identifier: MIT
 *
 * Waiting for the disk, see flush.h.
 */
#include "tools/flush.h"

#include "reader/when.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define POLL_NS 2000000

/* The collector has taken every ring up to there. */
static bool is_taken(const struct shm_segment *segment, const uint64_t *head)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        if (segment->rings[i].header &&
            shmlog_load_acquire_(&segment->rings[i].header->tail) < head[i]) /* its release */
            return false;
    return true;
}

static uint64_t stat_of(const struct shm_segment *segment, enum shm_stat stat)
{
    return shmlog_load_relaxed_(&segment->control->stats[stat]);
}

static bool wait_for_disk(const struct shm_segment *segment, const uint64_t *head, uint64_t until)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    uint64_t records;

    while (!is_taken(segment, head)) {
        if (when_monotonic() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    records = stat_of(segment, SHM_STAT_records);
    while (stat_of(segment, SHM_STAT_acknowledged) < records) {
        if (when_monotonic() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

int flush_wait(const struct shm_segment *segment, uint64_t timeout_ns)
{
    const uint32_t rings = segment->geometry.rings;
    uint64_t *const head = calloc(rings, sizeof(*head));
    bool written;

    if (!head)
        return -ENOMEM;
    for (uint32_t i = 0; i < rings; i++)
        if (segment->rings[i].header)
            head[i] = shm_ring_head(segment->rings[i].header);
    written = wait_for_disk(segment, head, when_monotonic() + timeout_ns);
    free(head);
    return written ? 0 : -ETIMEDOUT;
}
