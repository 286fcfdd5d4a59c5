/* SPDX-License-Identifier: MIT
 *
 * What goes on in a segment: see activity.h.
 */
#include "tools/activity.h"
#include "reader/when.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Add to the row of an id, made if it is not there. */
static int add(struct activity_row **rows, size_t *count, uint32_t id, double rate)
{
    struct activity_row *grown;

    for (size_t i = 0; i < *count; i++)
        if ((*rows)[i].id == id) {
            (*rows)[i].rate += rate;
            return 0;
        }
    grown = reallocarray(*rows, *count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *rows = grown;
    (*rows)[(*count)++] = (struct activity_row){id, rate};
    return 0;
}

/* Records that begin in the newest slots of a ring. Each stands for as many as it takes for the
 * ring's rate. */
static int sample(struct activity *activity, const struct activity_ring *ring)
{
    const struct shm_segment *const segment = activity->segment;
    const uint64_t newest = ring->head < ACTIVITY_SAMPLE ? ring->head : ACTIVITY_SAMPLE;
    struct shmlog_slot slot[ACTIVITY_SAMPLE];
    size_t slots = 0;
    int r = 0;

    if (ring->slots_rate <= 0 || newest > segment->slot_mask)
        return 0;
    for (uint64_t i = 0; i < newest; i++)
        memcpy(&slot[i],
               &segment->rings[ring->ring].slots[(ring->head - newest + i) & segment->slot_mask],
               sizeof(slot[i]));
    for (size_t i = 0; i < newest; i++)
        if (slot[i].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK)
            slots += slot[i].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;
    for (size_t i = 0; i < newest && slots && r == 0; i++) {
        const double rate = ring->slots_rate / (double)slots;
        uint32_t producer;

        if (!(slot[i].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK))
            continue;
        memcpy(&producer, slot[i].payload + SHMLOG_PAYLOAD_PRODUCER, sizeof(producer));
        r = add(&activity->site, &activity->sites, slot[i].site & SHMLOG_SITE_ID_MASK, rate);
        if (r == 0)
            r = add(&activity->producer, &activity->producers, producer, rate);
        activity->records_rate += rate;
    }
    return r;
}

static void look_at_ring(struct activity *activity, struct activity_ring *ring)
{
    const struct shm_segment *const segment = activity->segment;
    const uint64_t before = ring->head;
    struct shm_losses losses;
    struct shm_backlog backlog;

    ring->head = shm_ring_head(segment->rings[ring->ring].header);
    ring->slots_rate =
        activity->seconds > 0 ? (double)(ring->head - before) / activity->seconds : 0;
    shm_backlog_of_ring(segment, ring->ring, &backlog);
    ring->used = (double)backlog.slots / (double)segment->geometry.ring_slots;
    ring->oldest_s = backlog.slots && backlog.oldest_ns != SHM_HEALTH_UNKNOWN
                         ? (double)backlog.oldest_ns / 1e9
                         : 0;
    shm_losses_of_ring(segment, ring->ring, &losses);
    ring->lost = shm_losses_sum(&losses);
}

static int compare_rings(const void *a, const void *b)
{
    const struct activity_ring *one = a, *two = b;

    if (one->slots_rate != two->slots_rate)
        return one->slots_rate > two->slots_rate ? -1 : 1;
    return one->ring < two->ring ? -1 : one->ring > two->ring;
}

static int compare_rows(const void *a, const void *b)
{
    const struct activity_row *one = a, *two = b;

    if (one->rate != two->rate)
        return one->rate > two->rate ? -1 : 1;
    return one->id < two->id ? -1 : one->id > two->id;
}

static void look_at_collector(struct activity *activity, double lost_before)
{
    const uint64_t bytes = activity->stats[SHM_STAT_file_bytes];

    health_look(activity->segment, &activity->health);
    shm_losses_of_segment(activity->segment, &activity->losses);
    for (size_t i = 0; i < sizeof(activity->stats) / sizeof(activity->stats[0]); i++)
        activity->stats[i] = shmlog_load_relaxed_(&activity->segment->control->stats[i]);
    if (activity->seconds <= 0)
        return;
    activity->bytes_rate =
        (double)(activity->stats[SHM_STAT_file_bytes] - bytes) / activity->seconds;
    activity->lost_rate =
        ((double)shm_losses_sum(&activity->losses) - lost_before) / activity->seconds;
}

int activity_look(struct activity *activity)
{
    const double lost = (double)shm_losses_sum(&activity->losses);
    const uint64_t now = when_monotonic();
    int r = 0;

    activity->seconds = activity->now_ns ? (double)(now - activity->now_ns) / 1e9 : 0;
    activity->now_ns = now;
    activity->sites = activity->producers = 0;
    activity->records_rate = activity->bytes_rate = activity->lost_rate = 0;
    look_at_collector(activity, lost);
    for (uint32_t i = 0; i < activity->rings; i++)
        look_at_ring(activity, &activity->ring[i]);
    for (uint32_t i = 0; i < activity->rings && r == 0; i++)
        r = sample(activity, &activity->ring[i]);
    qsort(activity->ring, activity->rings, sizeof(*activity->ring), compare_rings);
    if (activity->sites)
        qsort(activity->site, activity->sites, sizeof(*activity->site), compare_rows);
    if (activity->producers)
        qsort(activity->producer, activity->producers, sizeof(*activity->producer), compare_rows);
    return r;
}

int activity_open(const struct shm_segment *segment, struct activity **ret_activity)
{
    struct activity *const activity = calloc(1, sizeof(*activity));
    int r;

    if (!activity)
        return -ENOMEM;
    activity->segment = segment;
    activity->ring = calloc(segment->geometry.rings, sizeof(*activity->ring));
    for (uint32_t i = 0; activity->ring && i < segment->geometry.rings; i++)
        if (segment->rings[i].header)
            activity->ring[activity->rings++] = (struct activity_ring){
                .ring = i,
                .cpu = segment->rings[i].entry.kind == SHMLOG_RING_CPU ? segment->rings[i].entry.cpu
                                                                       : ~UINT32_C(0),
            };
    r = activity->ring ? activity_look(activity) : -ENOMEM;
    if (r < 0) {
        activity_close(activity);
        return r;
    }
    *ret_activity = activity;
    return 0;
}

void activity_close(struct activity *activity)
{
    if (!activity)
        return;
    free(activity->ring);
    free(activity->site);
    free(activity->producer);
    free(activity);
}
