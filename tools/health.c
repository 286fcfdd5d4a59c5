/* SPDX-License-Identifier: MIT
 *
 * How a segment does, in words: see health.h.
 */
#include "tools/health.h"

#include "tools/info.h"

#include <inttypes.h>
#include <string.h>

void health_look(const struct shm_segment *segment, struct health *ret_health)
{
    struct health health = {
        .behind = {.oldest_ns = SHM_HEALTH_UNKNOWN},
        .ring = UINT32_MAX,
        .recorder = segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE,
    };

    shm_health_of(segment, &health.segment);
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct shm_backlog ring;

        shm_backlog_of_ring(segment, i, &ring);
        health.behind.slots += ring.slots;
        health.behind.records += ring.records;
        if (!ring.records || ring.oldest_ns == SHM_HEALTH_UNKNOWN)
            continue;
        if (health.ring == UINT32_MAX || ring.oldest_ns > health.behind.oldest_ns) {
            health.behind.oldest_ns = ring.oldest_ns;
            health.ring = i;
        }
    }
    *ret_health = health;
}

int health_status(const struct health *health)
{
    const char *const word = shm_health_word(health->segment.state);

    return strcmp(word, "working") == 0 ? 0 : strcmp(word, "gone") == 0 ? 2 : 1;
}

void health_put_age(uint64_t ns, struct text *out)
{
    if (ns == SHM_HEALTH_UNKNOWN)
        text_putc(out, '?');
    else if (ns < UINT64_C(10000000000))
        text_printf(out, "%.3f s", (double)ns / 1e9);
    else
        text_printf(out, "%" PRIu64 " s", ns / 1000000000);
}

void health_put_losses(const uint64_t lost[SHMLOG_LOST_CAUSES], struct text *out)
{
    const char *between = "";

    for (unsigned i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (lost[i]) {
            text_printf(out, "%s%" PRIu64 " %s", between, lost[i], shm_losses_name(i));
            between = ", ";
        }
    if (!*between)
        text_puts(out, "0");
}

/* "collector pid 7 BEFORE 1.234 s AFTER" */
static void put_sentence(const struct health *health, const char *before, uint64_t age,
                         const char *after, struct text *out)
{
    if (health->segment.pid)
        text_printf(out, "collector pid %" PRIu32 " %s ", health->segment.pid, before);
    else
        text_printf(out, "the collector %s ", before);
    health_put_age(age, out);
    text_puts(out, after);
}

void health_put_reason(const struct health *health, struct text *out)
{
    const struct shm_health *const h = &health->segment;

    switch (h->state) {
    case SHM_HEALTH_WORKING:
        put_sentence(health, "made its last round", h->beat_ns, " ago", out);
        break;
    case SHM_HEALTH_LOSING:
        put_sentence(health, "is at work, and records were lost", h->lost_ns, " ago", out);
        break;
    case SHM_HEALTH_STARTING:
        put_sentence(health, "took the segment", h->beat_ns, " ago and does not drain yet", out);
        break;
    case SHM_HEALTH_FAILING:
        put_sentence(health, "has written nothing for", h->written_ns,
                     ": its disk is full, gone, or does not answer", out);
        break;
    case SHM_HEALTH_STALLED:
        put_sentence(health, "has made no round for", h->beat_ns,
                     ": it is stopped, or held up in a call", out);
        break;
    case SHM_HEALTH_SILENT:
        put_sentence(health, "has made no round for", h->beat_ns,
                     ": stopped or dead, its process cannot be seen from here", out);
        break;
    case SHM_HEALTH_DIED:
        put_sentence(health, "died; its last round was", h->beat_ns, " ago", out);
        break;
    case SHM_HEALTH_ENDED:
        put_sentence(health, "ended", h->beat_ns, " ago", out);
        break;
    case SHM_HEALTH_NONE:
        text_puts(out, "no collector has worked on it yet");
        break;
    }
    if (health->recorder && !shm_health_has_collector(h->state))
        text_puts(out, "; the rings go on keeping the newest records (overwrite)");
}

void health_put_line(const struct health *health, const char *name, struct text *out)
{
    text_put_plain(out, name, strlen(name));
    text_printf(out, ": %s: ", shm_health_word(health->segment.state));
    health_put_reason(health, out);
    text_printf(out, "; behind %" PRIu64 " record%s", health->behind.records,
                text_plural(health->behind.records));
    if (health->ring != UINT32_MAX) {
        text_puts(out, ", the oldest ");
        health_put_age(health->behind.oldest_ns, out);
        text_printf(out, " (ring %" PRIu32 ")", health->ring);
    }
    text_puts(out, "; lost ");
    health_put_losses(health->segment.lost.cause, out);
    text_putc(out, '\n');
}
