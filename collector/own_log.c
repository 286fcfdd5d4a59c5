/* SPDX-License-Identifier: MIT
 *
 * The collector's own log: see own_log.h.
 */
#include "producer/shmlog.h"

#include "collector/own_log.h"

#include "shm/rungs.h"
#include "shm/tables.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define CATEGORY "shmlog"
#define PAUSE_NS UINT64_C(1000000000) /* after attaching was for nothing: rings may be many */
#define SITES 2u                      /* ours */
#define SITE_BYTES 1024u              /* of the arena, for both */

void own_log_put(struct own_log *l, unsigned level, const char *line)
{
    const unsigned at = (l->first + l->lines) % OWN_LOG_LINES;

    if (l->off || l->lines == OWN_LOG_LINES)
        return;
    l->line[at].level = level;
    snprintf(l->line[at].text, sizeof(l->line[at].text), "%s", line);
    l->lines++;
}

/* ---- Is there room that nobody else needs? ---- */

static bool has_free_entry(const struct shm_segment *segment)
{
    const struct shmlog_producer *const table = shm_producers(segment);
    const uint32_t used = shm_producers_used(segment);

    for (uint32_t i = 0; i < used; i++)
        if (!shmlog_load_relaxed_(&table[i].claim))
            return true;
    return used < segment->geometry.producers_max;
}

static bool has_room_for_sites(const struct shm_segment *segment)
{
    const uint64_t *const table = shm_site_words(segment);
    unsigned left = 2 * SITES;

    if (shmlog_load_relaxed_(&segment->control->arena_used) + SITE_BYTES >
        segment->geometry.arena_size)
        return false;
    for (uint32_t i = 1; i < segment->geometry.sites_max && left; i++)
        left -= !shmlog_load_relaxed_(&table[i]);
    return !left;
}

static bool has_room(const struct shm_segment *segment, const struct shmlog_ring *ring)
{
    const uint64_t used = shmlog_load_acquire_(&ring->head) - shmlog_load_acquire_(&ring->tail);

    return segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE ||
           used <= segment->geometry.ring_slots / 2;
}

/* Spare rings with room that nobody is writing to: two, so that it does not come to a wait. */
static bool has_spare_rings(const struct shm_segment *segment)
{
    unsigned count = 0;

    for (uint32_t i = segment->geometry.cpu_rings; i < segment->geometry.rings; i++) {
        const struct shmlog_ring *const ring = segment->rings[i].header;

        count += ring && shmlog_load_relaxed_(&ring->owner) == SHMLOG_OWNER_SHARED &&
                 !shmlog_load_relaxed_(&ring->holder) && has_room(segment, ring);
    }
    return count > 1;
}

/* Is it the ring of this core, which the thread does not leave now? Else NULL, also where there are
 * no restartable sequences, which `log` knows. */
static const struct shmlog_ring *ring_of_core(const struct own_log *l, const struct shmlog *log,
                                              int cpu)
{
    if (log)
        return (uint32_t)cpu < log->local.cpus && log->local.ring_of_cpu[cpu] != &log->local.none
                   ? log->local.ring_of_cpu[cpu]
                   : NULL;
    if (shmlog_load_relaxed_(&l->segment->control->rungs) & SHMLOG_RUNG_NO_RSEQ)
        return NULL;
    for (uint32_t i = 0; i < l->segment->geometry.cpu_rings; i++)
        if (l->segment->rings[i].header && l->segment->rings[i].entry.cpu == (uint32_t)cpu)
            return l->segment->rings[i].header;
    return NULL;
}

static bool may_attach(const struct own_log *l, int cpu)
{
    const struct shmlog_ring *const ring = ring_of_core(l, NULL, cpu);

    return (ring ? has_room(l->segment, ring) : has_spare_rings(l->segment)) &&
           has_free_entry(l->segment) && (l->sites_registered || has_room_for_sites(l->segment));
}

/* ---- Logging ---- */

static bool may_log(const struct own_log *l, const struct shmlog *log, int cpu)
{
    const struct shmlog_ring *const ring = ring_of_core(l, log, cpu);

    return ring ? has_room(l->segment, ring) : has_spare_rings(l->segment);
}

/* Lines that were said one after the other lie together. */
static unsigned log_lines(struct own_log *l, struct shmlog *log, int cpu)
{
    unsigned logged = 0;

    while (l->lines && may_log(l, log, cpu)) {
        const char *const text = l->line[l->first].text;

        if (l->line[l->first].level == SHMLOG_INFO)
            shmlog_log(log, SHMLOG_INFO, CATEGORY, "%s", text);
        else
            shmlog_log(log, SHMLOG_WARN, CATEGORY, "%s", text);
        l->first = (l->first + 1) % OWN_LOG_LINES;
        l->lines--;
        logged++;
        l->sites_registered = true;
    }
    return logged;
}

static unsigned attach_and_log(struct own_log *l, int cpu)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_PARTIAL,
                                           .process_name = "shmlog-collector"};
    struct shmlog *log;
    unsigned logged = 0;

    if (shmlog_open(&log, l->segment->path, &options) < 0)
        return 0;
    if (memcmp(log->local.geometry.uuid, l->segment->geometry.uuid, 16) == 0) {
        /* who waited for the drain here might have it wait for the disk, and that for this */
        if (log->local.on_full == SHMLOG_ON_FULL_WAIT)
            log->local.on_full = SHMLOG_ON_FULL_DROP;
        logged = log_lines(l, log, cpu);
    }
    shmlog_close(log);
    return logged;
}

/* On one core meanwhile: what was found of its ring has to hold. */
static unsigned log_on_core(struct own_log *l, uint64_t now_ns)
{
    const int cpu = sched_getcpu();
    cpu_set_t before, here;
    unsigned logged = 0;

    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before) < 0)
        return 0;
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    if (sched_setaffinity(0, sizeof(here), &here) < 0)
        return 0;
    if (may_attach(l, cpu)) {
        logged = attach_and_log(l, cpu);
        l->later_ns = logged ? 0 : now_ns + PAUSE_NS;
    }
    (void)sched_setaffinity(0, sizeof(before), &before);
    return logged;
}

unsigned own_log_work(struct own_log *l, uint64_t now_ns)
{
    unsigned logged = 0;

    if (!l->lines || now_ns < l->later_ns)
        return 0;
    /* Stored, then looked; the drain does the same the other way round. One of the two sees the
     * other. */
    __atomic_store_n(l->attached, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(l->silent, __ATOMIC_SEQ_CST))
        l->lines = 0;
    else
        logged = log_on_core(l, now_ns);
    __atomic_store_n(l->attached, 0, __ATOMIC_RELEASE);
    return logged;
}
