/* SPDX-License-Identifier: MIT
 *
 * What a segment is at the moment, as one JSON object.
 */
#include "shm/rules.h"
#include "shm/rungs.h"
#include "shm/stats.h"
#include "shm/tables.h"
#include "tools/health.h"
#include "tools/info.h"
#include "reader/level.h"
#include "tools/options.h"

#include <errno.h>
#include <string.h>

/* A comma unless this is the first member; then the key. */
static void key(struct text *out, const char *name)
{
    char before = out->size ? out->data[out->size - 1] : '{';

    if (before != '{' && before != '[')
        text_putc(out, ',');
    text_put_json(out, name, strlen(name), NULL);
    text_putc(out, ':');
}

static void next_item(struct text *out)
{
    if (out->size && out->data[out->size - 1] != '[')
        text_putc(out, ',');
}

static void number(struct text *out, const char *name, uint64_t value)
{
    key(out, name);
    text_u64(out, value);
}

static void string(struct text *out, const char *name, const char *value)
{
    key(out, name);
    text_put_json(out, value, strlen(value), NULL);
}

/* A string that fills its room has no terminator. */
static void string_in(struct text *out, const char *name, const char *value, size_t room)
{
    key(out, name);
    text_put_json(out, value, strnlen(value, room), NULL);
}

static void node(struct text *out, const char *name, int32_t value)
{
    key(out, name);
    if (value < 0)
        text_puts(out, "null");
    else
        text_i64(out, value);
}

static void losses(struct text *out, const char *name, const struct shm_losses *lost)
{
    key(out, name);
    text_putc(out, '{');
    for (unsigned i = 0; i < SHMLOG_LOST_CAUSES; i++)
        number(out, shm_losses_name(i), lost->cause[i]);
    text_putc(out, '}');
}

static void age(struct text *out, const char *name, uint64_t ns)
{
    key(out, name);
    if (ns == SHM_HEALTH_UNKNOWN)
        text_puts(out, "null");
    else
        text_u64(out, ns);
}

static void put_rules(const struct shm_segment *segment, struct text *out)
{
    struct shm_rules rules;

    shm_rules_read(segment, &rules);
    number(out, "rules", rules.count);
    key(out, "skipped");
    text_putc(out, '{');
    for (uint32_t cause = 0; cause < SHMLOG_SKIPPED_CAUSES; cause++)
        number(out, shm_rules_cause(cause), shm_rules_skipped(segment, cause));
    text_putc(out, '}');
}

static void put_segment(const struct shm_segment *segment, struct text *out)
{
    const struct shmlog_control *geometry = &segment->geometry;
    uint32_t state = shmlog_load_relaxed_(&segment->control->state);
    struct shm_losses lost;

    string_in(out, "name", geometry->name, sizeof(geometry->name));
    string(out, "path", segment->path);
    number(out, "layout_version", geometry->version);
    key(out, "uuid");
    text_putc(out, '"');
    text_put_hex(out, geometry->uuid, 16);
    text_putc(out, '"');
    number(out, "created_ns", geometry->created_ns);
    string(out, "state",
           state == SHMLOG_SEGMENT_LIVE     ? "live"
           : state == SHMLOG_SEGMENT_CLOSED ? "closed"
                                            : "unknown");
    string(out, "level", level_name(shm_rules_level(segment)));
    put_rules(segment, out);
    string(out, "on_full", info_on_full(geometry->on_full));
    number(out, "wait_ns", geometry->wait_ns);
    string(out, "clock", geometry->clock == SHMLOG_CLOCK_TSC ? "tsc" : "monotonic");
    number(out, "clock_hz", geometry->clock_hz);
    number(out, "ring_slots", geometry->ring_slots);
    number(out, "reserve_slots", geometry->reserve_slots);
    number(out, "slot_size", SHMLOG_SLOT_SIZE);
    number(out, "producers_max", geometry->producers_max);
    number(out, "sites_max", geometry->sites_max);
    shm_losses_before_rings(segment, &lost);
    losses(out, "lost", &lost);
    shm_losses_of_segment(segment, &lost);
    losses(out, "lost_in_all", &lost);
}

static void put_ring(const struct info_ring *ring, bool severe, struct text *out)
{
    next_item(out);
    text_putc(out, '{');
    number(out, "ring", ring->index);
    string(out, "kind", info_ring_kind(ring->entry.kind));
    key(out, "severe");
    text_puts(out, severe ? "true" : "false");
    key(out, "cpu");
    if (ring->entry.kind == SHMLOG_RING_CPU)
        text_u64(out, ring->entry.cpu);
    else
        text_puts(out, "null");
    if (ring->error) {
        string(out, "error", shm_strerror(ring->error));
        text_putc(out, '}');
        return;
    }
    number(out, "head", ring->head);
    number(out, "tail", ring->tail);
    number(out, "fill_slots", ring->fill);
    number(out, "newest_seq", ring->newest);
    number(out, "page_kib", ring->entry.page_kib);
    number(out, "page_kib_wanted", ring->entry.page_kib_wanted);
    key(out, "transparent");
    text_puts(out, ring->entry.flags & SHMLOG_RING_ENTRY_THP ? "true" : "false");
    node(out, "node", ring->entry.node);
    node(out, "node_wanted", ring->entry.node_wanted);
    number(out, "behind_records", ring->behind.records);
    age(out, "behind_ns", ring->behind.records ? ring->behind.oldest_ns : 0);
    losses(out, "lost", &ring->lost);
    text_putc(out, '}');
}

static void put_rings(const struct shm_segment *segment, struct text *out)
{
    key(out, "rings");
    text_putc(out, '[');
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct info_ring ring;

        info_ring(segment, i, &ring);
        put_ring(&ring, shmlog_ring_is_severe_(&segment->geometry, i), out);
    }
    text_putc(out, ']');
}

static void put_producers(const struct shm_segment *segment, struct text *out)
{
    uint32_t used = shm_producers_used(segment);

    key(out, "producers");
    text_putc(out, '[');
    for (uint32_t i = 0; i < used; i++) {
        struct shmlog_producer producer;

        if (shm_producer_at(segment, i, &producer) < 0 || !producer.claim)
            continue;
        next_item(out);
        text_putc(out, '{');
        number(out, "id", producer.id);
        string(out, "state", info_alive(&producer));
        number(out, "pid", producer.pid);
        number(out, "tid", producer.tid);
        key(out, "why");
        if (info_why(&producer))
            text_printf(out, "\"%s\"", info_why(&producer));
        else
            text_puts(out, "null");
        string_in(out, "process", producer.process, sizeof(producer.process));
        string_in(out, "thread", producer.thread, sizeof(producer.thread));
        number(out, "rings_missing", producer.rings_missing);
        text_putc(out, '}');
    }
    text_putc(out, ']');
}

static void put_site(uint32_t id, uint64_t count, const struct file_site *site, struct text *out)
{
    next_item(out);
    text_putc(out, '{');
    number(out, "id", id);
    number(out, "in_rings", count);
    if (site) {
        string(out, "level", level_name(site->level));
        string(out, "category", site->category);
        string(out, "file", site->file);
        number(out, "line", site->line);
        string(out, "function", site->function);
        string(out, "format", site->format);
    }
    text_putc(out, '}');
}

static int put_sites(const struct shm_segment *segment, struct text *out)
{
    struct info_counts counts;
    int r = info_count_sites(segment, &counts);

    if (r < 0)
        return r;
    key(out, "sites");
    text_putc(out, '[');
    for (uint32_t id = 1; id < segment->geometry.sites_max; id++) {
        struct file_site site;
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size;

        r = shm_site_copy(segment, id, bytes, &size);
        if (r == 0)
            r = file_site_parse(bytes, size, &site);
        if (r == 0)
            put_site(id, counts.site[id], &site, out);
        else if (r != -ENOENT || counts.site[id])
            put_site(id, counts.site[id], NULL, out);
    }
    text_putc(out, ']');
    number(out, "records_not_in_sites", counts.inlined);
    info_counts_done(&counts);
    return 0;
}

static void put_health(const struct health *health, struct text *out)
{
    const struct shm_health *const h = &health->segment;
    struct text reason = {0};

    health_put_reason(health, &reason);
    string(out, "state", shm_health_word(h->state));
    key(out, "reason");
    text_put_json(out, reason.data ? reason.data : "", reason.size, NULL);
    text_done(&reason);
    number(out, "pid", h->pid);
    key(out, "alive");
    text_puts(out, shm_health_has_collector(h->state) ? "true" : "false");
    age(out, "last_round_ns", h->beat_ns);
    age(out, "last_written_ns", h->written_ns);
    age(out, "last_lost_ns", h->lost_ns);
    number(out, "behind_records", health->behind.records);
    age(out, "behind_ns", health->behind.records ? health->behind.oldest_ns : 0);
}

static void put_backlog(const struct shm_segment *segment, struct text *out)
{
    key(out, "rings");
    text_putc(out, '[');
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct shm_backlog behind;

        shm_backlog_of_ring(segment, i, &behind);
        if (!behind.records)
            continue;
        next_item(out);
        text_putc(out, '{');
        number(out, "ring", i);
        number(out, "behind_records", behind.records);
        age(out, "behind_ns", behind.oldest_ns);
        text_putc(out, '}');
    }
    text_putc(out, ']');
}

int info_json_health(const struct shm_segment *segment, const struct health *health,
                     struct text *out)
{
    text_putc(out, '{');
    string_in(out, "name", segment->geometry.name, sizeof(segment->geometry.name));
    string(out, "path", segment->path);
    put_health(health, out);
    number(out, "lost_records", shm_losses_sum(&health->segment.lost));
    losses(out, "lost", &health->segment.lost);
    put_backlog(segment, out);
    text_puts(out, "}\n");
    return out->failed ? -ENOMEM : 0;
}

static void put_collector(const struct shm_segment *segment, struct text *out)
{
    struct shm_rungs_walk walk = {0};
    struct health health;

    health_look(segment, &health);
    key(out, "collector");
    text_putc(out, '{');
    put_health(&health, out);
    key(out, "stats");
    text_putc(out, '{');
#define X(index, name, help) number(out, #name, info_stat(segment, &health.segment.lost, index));
    SHM_STATS(X)
#undef X
    text_putc(out, '}');
    key(out, "degraded");
    text_putc(out, '[');
    while (shm_rungs_next(segment, &walk)) {
        next_item(out);
        text_putc(out, '{');
        string(out, "what", walk.what);
        string(out, "fix", walk.fix);
        text_putc(out, '}');
    }
    text_puts(out, "]}");
}

int info_json(const struct shm_segment *segment, unsigned show, struct text *out)
{
    int r = 0;

    text_putc(out, '{');
    if (show & SHOW_SEGMENT)
        put_segment(segment, out);
    if (show & SHOW_COLLECTOR)
        put_collector(segment, out);
    if (show & SHOW_RINGS)
        put_rings(segment, out);
    if (show & SHOW_PRODUCERS)
        put_producers(segment, out);
    if (show & SHOW_SITES)
        r = put_sites(segment, out);
    text_puts(out, "}\n");
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
