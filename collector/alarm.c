/* SPDX-License-Identifier: MIT
 *
 * The alarm: see alarm.h.
 */
#include "collector/alarm.h"

#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PER_CENT_NEARLY_FULL 80

static void say(const struct alarm *a, enum alarm_news news, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct alarm *a, enum alarm_news news, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    a->say(news == ALARM_OVER ? SHMLOG_INFO : SHMLOG_WARN, line);
}

enum alarm_news alarm_step(struct alarm_episode *e, bool seen, bool again, uint64_t now_ns)
{
    if (seen)
        e->seen_ns = now_ns;
    if (seen && (!e->on || (again && now_ns - e->said_ns >= ALARM_AGAIN_NS))) {
        e->on = true;
        e->said_ns = now_ns;
        return ALARM_NEWS;
    }
    if (e->on && now_ns - e->seen_ns >= ALARM_AGAIN_NS) {
        e->on = false;
        return ALARM_OVER;
    }
    return ALARM_NO_NEWS;
}

/* The ring that has lost most; `rings` if none has. */
static uint32_t worst_ring(const struct alarm *a)
{
    uint32_t worst = a->segment->geometry.rings;
    uint64_t most = 0;

    for (uint32_t i = 0; i < a->segment->geometry.rings; i++) {
        struct shm_losses losses;
        uint64_t lost;

        shm_losses_of_ring(a->segment, i, &losses);
        lost = shm_losses_sum(&losses);
        if (lost > most) {
            most = lost;
            worst = i;
        }
    }
    return worst;
}

static void look_at_losses(struct alarm *a, const struct shm_losses *losses, uint64_t now_ns)
{
    const uint64_t lost = shm_losses_sum(losses);
    const enum alarm_news news = alarm_step(&a->losing, lost > a->lost, true, now_ns);
    char causes[SHM_LOSSES_TEXT], ring[48] = "";
    uint32_t worst;

    a->lost = lost;
    if (news == ALARM_NO_NEWS)
        return;
    shm_losses_text(losses, causes, sizeof(causes));
    worst = worst_ring(a);
    if (worst < a->segment->geometry.rings)
        snprintf(ring, sizeof(ring), ", most of them in ring %" PRIu32, worst);
    say(a, news, "%s: %" PRIu64 " in all (%s)%s",
        news == ALARM_NEWS ? "records are being lost" : "no more records are being lost", lost,
        causes, ring);
}

/* How full a ring is for records below warn, in per cent. */
static unsigned fill_of(const struct alarm *a, uint32_t index)
{
    const struct shmlog_ring *const ring = a->segment->rings[index].header;
    const struct shmlog_control *const g = &a->segment->geometry;
    const uint64_t room = g->ring_slots - g->reserve_slots;
    uint64_t behind;

    if (!ring)
        return 0;
    behind = shm_ring_head(ring) - shmlog_load_acquire_(&ring->tail);
    if (behind > g->ring_slots)
        return 0; /* nothing that a writer leaves */
    return behind < room ? (unsigned)(behind * 100 / room) : 100;
}

/* Under the overwrite policy, a full ring is as it should be. */
static void look_at_rings(struct alarm *a, uint64_t now_ns)
{
    unsigned fullest = 0;
    uint32_t index = 0;
    enum alarm_news news;

    if (a->segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE)
        return;
    for (uint32_t i = 0; i < a->segment->geometry.rings; i++) {
        const unsigned fill = fill_of(a, i);

        if (fill > fullest) {
            fullest = fill;
            index = i;
        }
    }
    news = alarm_step(&a->filling, fullest >= PER_CENT_NEARLY_FULL, true, now_ns);
    if (news == ALARM_NEWS)
        say(a, news,
            "ring %" PRIu32 " is full to %u %%: its records are not taken as fast as they come",
            index, fullest);
    else if (news == ALARM_OVER)
        say(a, news, "no ring is nearly full any more");
}

static void look_at_table(struct alarm *a, struct alarm_episode *e, const char *name,
                          uint32_t taken, uint32_t size, const char *meaning, uint64_t now_ns)
{
    const bool full = (uint64_t)taken * 100 >= (uint64_t)size * PER_CENT_NEARLY_FULL;
    const enum alarm_news news = alarm_step(e, full, false, now_ns);

    if (news == ALARM_NEWS)
        say(a, news,
            "the table of %s is nearly full: %" PRIu32 " of %" PRIu32 " entries are taken; %s",
            name, taken, size, meaning);
    else if (news == ALARM_OVER)
        say(a, news, "the table of %s has room again: %" PRIu32 " of %" PRIu32 " entries are taken",
            name, taken, size);
}

static uint32_t producers_taken(const struct shm_segment *segment)
{
    const struct shmlog_producer *const table = shm_producers(segment);
    const uint32_t used = shm_producers_used(segment);
    uint32_t taken = 0;

    for (uint32_t i = 0; i < used; i++)
        taken += shmlog_load_relaxed_(&table[i].claim) != 0;
    return taken;
}

static uint32_t sites_taken(const struct shm_segment *segment)
{
    const uint64_t *const table = shm_site_words(segment);
    uint32_t taken = 0;

    for (uint32_t i = 1; i < segment->geometry.sites_max; i++)
        taken += shmlog_load_relaxed_(&table[i]) != 0;
    return taken;
}

void alarm_clock_set(struct alarm *a, int64_t by_ns)
{
    a->steps.times++;
    a->steps.by_ns += by_ns;
    a->steps_unsaid.times++;
    a->steps_unsaid.by_ns += by_ns;
}

static void look_at_clock(struct alarm *a, uint64_t now_ns)
{
    const enum alarm_news news = alarm_step(&a->clock, a->steps_unsaid.times, true, now_ns);

    if (news == ALARM_NEWS) {
        char steps[32] = "";

        if (a->steps_unsaid.times > 1)
            snprintf(steps, sizeof(steps), " in %u steps", a->steps_unsaid.times);
        say(a, news, "the wall clock was set by %+.3f s%s: times follow it, order does not",
            (double)a->steps_unsaid.by_ns / 1e9, steps);
        memset(&a->steps_unsaid, 0, sizeof(a->steps_unsaid));
    } else if (news == ALARM_OVER) {
        say(a, news, "the wall clock runs evenly again; it was set %u %s, by %+.3f s in all",
            a->steps.times, a->steps.times == 1 ? "time" : "times", (double)a->steps.by_ns / 1e9);
        memset(&a->steps, 0, sizeof(a->steps));
    }
}

void alarm_work(struct alarm *a, const struct shm_losses *losses, uint64_t now_ns)
{
    const struct shmlog_control *const g = &a->segment->geometry;

    look_at_losses(a, losses, now_ns);
    look_at_rings(a, now_ns);
    look_at_clock(a, now_ns);
    look_at_table(a, &a->producers, "producers", producers_taken(a->segment), g->producers_max,
                  "threads that find it full have no name", now_ns);
    look_at_table(a, &a->sites, "call sites", sites_taken(a->segment), g->sites_max - 1,
                  "records of sites that find it full bring their site along, and are larger",
                  now_ns);
}

void alarm_end(struct alarm *a, const struct shm_losses *losses, uint64_t now_ns)
{
    alarm_work(a, losses, now_ns);
    alarm_work(a, losses, now_ns + ALARM_AGAIN_NS);
}
