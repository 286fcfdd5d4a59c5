/* SPDX-License-Identifier: MIT
 *
 * Up to which moment files have all records: see horizon.h.
 */
#include "reader/horizon.h"
#include "shm/clock.h"
#include "shm/ring_reader.h"

#include <errno.h>
#include <stdlib.h>

#define REORDER_NS 5000000 /* between a record's time and its commit */

static int take(struct horizon *horizon, const struct shm_segment *segment)
{
    const struct shmlog_control *const geometry = &segment->geometry;
    const uint64_t margin =
        (uint64_t)((unsigned __int128)geometry->clock_hz * REORDER_NS / 1000000000);

    horizon->head = calloc(geometry->rings, sizeof(*horizon->head));
    if (!horizon->head)
        return -ENOMEM;
    horizon->rings = geometry->rings;
    horizon->hz = geometry->clock_hz;
    horizon->now = shm_clock_now(geometry->clock);
    horizon->ticks = horizon->now > margin ? horizon->now - margin : 0;
    for (uint32_t i = 0; i < geometry->rings; i++)
        if (segment->rings[i].header)
            horizon->head[i] = shm_ring_head(segment->rings[i].header);
    return 0;
}

int horizon_look(struct horizon *horizon, const struct fileset_file *file)
{
    struct shm_segment *segment;
    int r = 0;

    *horizon = (struct horizon){.ticks = UINT64_MAX};
    horizon->writer = fileset_writer(file, &segment);
    if (segment)
        r = take(horizon, segment);
    shm_segment_close(segment);
    return r;
}

void horizon_narrow(struct horizon *horizon, uint32_t ring, uint64_t position, uint64_t ticks)
{
    if (ring < horizon->rings && horizon->head[ring] > position && ticks < horizon->ticks)
        horizon->ticks = ticks;
}

void horizon_done(struct horizon *horizon)
{
    free(horizon->head);
}
