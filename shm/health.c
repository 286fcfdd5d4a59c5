/* SPDX-License-Identifier: MIT
 *
 * How a segment does: see health.h.
 */
#include "shm/health.h"

#include "shm/clock.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <time.h>

#define PEEK_SLOTS (2 * SHMLOG_RECORD_SLOTS) /* what shm_ring_read() wants */

/* Since a moment that the collector noted; 0 if it lies ahead. */
static uint64_t since(const uint64_t *moment)
{
    const uint64_t then = shmlog_load_relaxed_(moment);
    struct timespec ts;
    uint64_t now;

    if (!then)
        return SHM_HEALTH_UNKNOWN;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
    return now > then ? now - then : 0;
}

static bool is_late(uint64_t age, uint64_t limit)
{
    return age != SHM_HEALTH_UNKNOWN && age > limit;
}

/* Of a collector that makes its rounds. */
static enum shm_health_state at_work(const struct shm_health *health, uint32_t flags)
{
    if (flags & SHMLOG_COLLECTOR_FAILING || is_late(health->written_ns, SHM_HEALTH_WRITE_LATE_NS))
        return SHM_HEALTH_FAILING;
    return health->lost_ns <= SHM_HEALTH_LOSING_NS ? SHM_HEALTH_LOSING : SHM_HEALTH_WORKING;
}

static enum shm_health_state state_of(const struct shm_segment *segment,
                                      const struct shm_health *health)
{
    const struct shmlog_control *const control = segment->control;
    const uint64_t own_ns = shmlog_load_relaxed_(&control->collector_pid_ns);
    const uint64_t pid_ns = own_ns ? own_ns : segment->geometry.creator_pid_ns;
    const uint32_t flags = shmlog_load_relaxed_(&control->collector_flags);
    enum shm_alive alive;

    if (!health->pid)
        return health->beat_ns == SHM_HEALTH_UNKNOWN ? SHM_HEALTH_NONE : SHM_HEALTH_ENDED;
    alive = shm_thread_alive(health->pid, health->pid,
                             shmlog_load_relaxed_(&control->collector_start), pid_ns);
    if (alive == SHM_DEAD)
        return SHM_HEALTH_DIED;
    if (health->beat_ns > SHM_HEALTH_LATE_NS)
        return alive == SHM_UNKNOWN ? SHM_HEALTH_SILENT : SHM_HEALTH_STALLED;
    return flags & SHMLOG_COLLECTOR_STARTING ? SHM_HEALTH_STARTING : at_work(health, flags);
}

void shm_health_of(const struct shm_segment *segment, struct shm_health *ret_health)
{
    const struct shmlog_control *const control = segment->control;

    /* pairs with the release by which a collector signs in */
    ret_health->pid = shmlog_load_acquire_(&control->collector_pid);
    ret_health->beat_ns = since(&control->collector_beat);
    ret_health->written_ns = since(&control->collector_written);
    ret_health->lost_ns = since(&control->collector_lost);
    shm_losses_of_segment(segment, &ret_health->lost);
    if (shm_losses_sum(&ret_health->lost) > shmlog_load_relaxed_(&control->collector_losses))
        ret_health->lost_ns = 0; /* since its last look */
    ret_health->state = state_of(segment, ret_health);
}

const char *shm_health_word(enum shm_health_state state)
{
    switch (state) {
    case SHM_HEALTH_WORKING:
        return "working";
    case SHM_HEALTH_LOSING:
        return "losing";
    case SHM_HEALTH_STARTING:
        return "starting";
    case SHM_HEALTH_FAILING:
    case SHM_HEALTH_STALLED:
    case SHM_HEALTH_SILENT:
        return "stalled";
    case SHM_HEALTH_DIED:
    case SHM_HEALTH_ENDED:
    case SHM_HEALTH_NONE:
        break;
    }
    return "gone";
}

bool shm_health_has_collector(enum shm_health_state state)
{
    return state < SHM_HEALTH_SILENT;
}

/* Ticks of the clock as nanoseconds. */
static uint64_t in_ns(uint64_t ticks, uint64_t hz)
{
    return hz ? (uint64_t)((unsigned __int128)ticks * 1000000000 / hz) : 0;
}

static uint64_t age_of(const struct shm_segment *segment, const struct shmlog_slot *slot)
{
    const uint64_t now = shm_clock_now(segment->geometry.clock);
    uint64_t ticks;

    __builtin_memcpy(&ticks, slot->payload + SHMLOG_PAYLOAD_TIME, sizeof(ticks));
    return now > ticks ? in_ns(now - ticks, segment->geometry.clock_hz) : 0;
}

void shm_backlog_of_ring(const struct shm_segment *segment, uint32_t index,
                         struct shm_backlog *ret_backlog)
{
    const struct shmlog_ring *const ring = segment->rings[index].header;
    struct shmlog_slot slots[PEEK_SLOTS];
    struct shm_ring_reader reader;
    struct shm_read read;
    uint64_t head, newest;

    *ret_backlog = (struct shm_backlog){0};
    if (!ring)
        return;
    shm_ring_reader_init_oldest(&reader, segment, index);
    if (shmlog_load_acquire_(&ring->tail) > reader.pos) { /* overwrite: read, and still there */
        reader.pos = shmlog_load_acquire_(&ring->tail);
        reader.seq = shmlog_load_acquire_(&ring->tail_seq);
    }
    newest = shm_ring_head_seq(segment, index, reader.seq, &head);
    if (head == reader.pos || head - reader.pos > segment->geometry.ring_slots)
        return;
    ret_backlog->slots = head - reader.pos;
    ret_backlog->records = newest + 1 - reader.seq;
    ret_backlog->oldest_ns = SHM_HEALTH_UNKNOWN;
    shm_ring_read(&reader, head, slots, PEEK_SLOTS, &read);
    if (read.kind != SHM_READ_RECORDS)
        return;
    ret_backlog->records = newest + 1 - read.first_seq;
    ret_backlog->oldest_ns = age_of(segment, slots);
}
