/* SPDX-License-Identifier: MIT
 *
 * What a segment is at the moment, for people.
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
#include <inttypes.h>
#include <string.h>

static void put_pages(struct text *out, uint32_t kib, bool transparent)
{
    char size[24];

    if (kib >= 1048576)
        snprintf(size, sizeof(size), "%" PRIu32 " GiB", kib / 1048576);
    else if (kib >= 1024)
        snprintf(size, sizeof(size), "%" PRIu32 " MiB%s", kib / 1024, transparent ? " thp" : "");
    else
        snprintf(size, sizeof(size), "%" PRIu32 " KiB", kib);
    text_printf(out, " %10s", size);
}

static void put_node(struct text *out, int32_t node)
{
    if (node < 0)
        text_printf(out, " %5s", "-");
    else
        text_printf(out, " %5" PRId32, node);
}

/* Age of the oldest record that the collector has not taken. */
static void put_oldest(struct text *out, const struct shm_backlog *behind)
{
    struct text age = {0};

    if (!behind->records)
        text_putc(&age, '-');
    else
        health_put_age(behind->oldest_ns, &age);
    text_printf(out, " %9.*s", (int)age.size, age.data ? age.data : "");
    text_done(&age);
}

static void put_rules(const struct shm_segment *segment, struct text *out)
{
    struct shm_rules rules;

    shm_rules_read(segment, &rules);
    if (rules.count)
        text_printf(out, ", and %" PRIu32 " rule%s", rules.count, text_plural(rules.count));
    for (uint32_t cause = 0; cause < SHMLOG_SKIPPED_CAUSES; cause++)
        if (shm_rules_skipped(segment, cause))
            text_printf(out, "; %" PRIu64 " skipped by %s", shm_rules_skipped(segment, cause),
                        shm_rules_cause(cause));
    text_putc(out, '\n');
}

static void put_segment(const struct shm_segment *segment, struct text *out)
{
    const struct shmlog_control *geometry = &segment->geometry;
    struct shm_losses lost;
    uint32_t state = shmlog_load_relaxed_(&segment->control->state);

    text_puts(out, "segment     ");
    text_put_plain(out, geometry->name, strnlen(geometry->name, sizeof(geometry->name)));
    text_puts(out, " at ");
    text_put_plain(out, segment->path, strlen(segment->path));
    text_printf(out, ", layout version %" PRIu32 "\nuuid        ", geometry->version);
    text_put_hex(out, geometry->uuid, 16);
    text_puts(out, "\ncreated     ");
    text_put_time(out, (int64_t)geometry->created_ns, NULL);
    text_printf(out, "\nstate       %s\n",
                state == SHMLOG_SEGMENT_LIVE     ? "live"
                : state == SHMLOG_SEGMENT_CLOSED ? "being removed"
                                                 : "unknown");
    text_printf(out, "level       %s", level_name(shm_rules_level(segment)));
    put_rules(segment, out);
    text_printf(out, "when full   %s", info_on_full(geometry->on_full));
    if (geometry->on_full == SHMLOG_ON_FULL_WAIT && geometry->wait_ns == UINT64_MAX)
        text_puts(out, ", forever");
    else if (geometry->on_full == SHMLOG_ON_FULL_WAIT)
        text_printf(out, ", up to %" PRIu64 " ms", geometry->wait_ns / 1000000);
    text_printf(out, "\nclock       %s, %" PRIu64 ".%03" PRIu64 " MHz\n",
                geometry->clock == SHMLOG_CLOCK_TSC ? "tsc" : "monotonic",
                geometry->clock_hz / 1000000, geometry->clock_hz / 1000 % 1000);
    text_printf(out, "rings       %" PRIu32 " (%" PRIu32 " of cores, ", geometry->rings,
                geometry->cpu_rings);
    if (geometry->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS)
        text_printf(out, "of these %" PRIu32 " for warn and above, ", geometry->cpu_rings / 2);
    text_printf(out, "%" PRIu32 " shared), %" PRIu64 " slots of %u bytes each\n",
                geometry->rings - geometry->cpu_rings, geometry->ring_slots, SHMLOG_SLOT_SIZE);
    if (geometry->reserve_slots)
        text_printf(out, "reserve     %" PRIu32 " slots of each ring for warn and above\n",
                    geometry->reserve_slots);
    text_printf(out,
                "tables      %" PRIu32 " producers, %" PRIu32 " sites, %" PRIu64 " of %" PRIu64
                " KiB of site texts used\n",
                geometry->producers_max, geometry->sites_max - 1,
                shmlog_load_relaxed_(&segment->control->arena_used) / 1024,
                geometry->arena_size / 1024);
    shm_losses_of_segment(segment, &lost);
    text_puts(out, "lost        ");
    health_put_losses(lost.cause, out);
    shm_losses_before_rings(segment, &lost);
    text_puts(out, ", of these before any ring ");
    health_put_losses(lost.cause, out);
    text_putc(out, '\n');
}

static void put_rings(const struct shm_segment *segment, struct text *out)
{
    text_printf(out, "\n%5s %-6s %5s %14s %14s %6s %9s %10s %10s %5s %5s  %s\n", "ring", "kind",
                "cpu", "head", "tail", "fill", "oldest", "pages", "wanted", "node", "want", "lost");
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct info_ring ring;
        char cpu[16] = "-";

        info_ring(segment, i, &ring);
        if (ring.entry.kind == SHMLOG_RING_CPU)
            snprintf(cpu, sizeof(cpu), "%" PRIu32, ring.entry.cpu);
        text_printf(out, "%5" PRIu32 " %-6s %5s", i,
                    shmlog_ring_is_severe_(&segment->geometry, i) ? "warn+"
                                                                  : info_ring_kind(ring.entry.kind),
                    cpu);
        if (ring.error) {
            text_printf(out, "  cannot be read: %s\n", shm_strerror(ring.error));
            continue;
        }
        text_printf(out, " %14" PRIu64 " %14" PRIu64 " %5.1f%%", ring.head, ring.tail,
                    100.0 * (double)ring.fill / (double)ring.slots);
        put_oldest(out, &ring.behind);
        put_pages(out, ring.entry.page_kib, ring.entry.flags & SHMLOG_RING_ENTRY_THP);
        put_pages(out, ring.entry.page_kib_wanted, false);
        put_node(out, ring.entry.node);
        put_node(out, ring.entry.node_wanted);
        text_puts(out, "  ");
        health_put_losses(ring.lost.cause, out);
        text_putc(out, '\n');
    }
}

static void put_producers(const struct shm_segment *segment, struct text *out)
{
    uint32_t used = shm_producers_used(segment);

    text_printf(out, "\n%10s %-9s %8s %8s %-12s  %s\n", "producer", "state", "pid", "tid",
                "why shared", "process/thread");
    for (uint32_t i = 0; i < used; i++) {
        struct shmlog_producer producer;
        const char *why;

        if (shm_producer_at(segment, i, &producer) < 0 || !producer.claim)
            continue;
        text_printf(out, "%10" PRIu32 " %-9s %8" PRIu32 " %8" PRIu32, producer.id,
                    info_alive(&producer), producer.pid, producer.tid);
        why = info_why(&producer);
        text_printf(out, " %-12s  ", why ? why : "-");
        text_put_plain(out, producer.process, strnlen(producer.process, sizeof(producer.process)));
        text_putc(out, '/');
        text_put_plain(out, producer.thread, strnlen(producer.thread, sizeof(producer.thread)));
        if (producer.rings_missing)
            text_printf(out, "; degraded: %" PRIu32 " of %" PRIu32 " rings not mapped",
                        producer.rings_missing, segment->geometry.rings);
        text_putc(out, '\n');
    }
}

static int put_sites(const struct shm_segment *segment, struct text *out)
{
    struct info_counts counts;
    int r = info_count_sites(segment, &counts);

    if (r < 0)
        return r;
    text_printf(out, "\n%6s %10s %-8s %-12s %s\n", "site", "in rings", "level", "category",
                "where: format   (counts are of records in the rings now)");
    for (uint32_t id = 1; id < segment->geometry.sites_max; id++) {
        struct file_site site;
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size;

        r = shm_site_copy(segment, id, bytes, &size);
        if (r == 0)
            r = file_site_parse(bytes, size, &site);
        if (r == -ENOENT && !counts.site[id])
            continue;
        text_printf(out, "%6" PRIu32 " %10" PRIu64, id, counts.site[id]);
        if (r < 0) {
            text_printf(out, " (%s)\n", r == -ENOENT ? "unknown" : "damaged");
            continue;
        }
        text_printf(out, " %-8s ", level_name(site.level));
        text_put_plain(out, site.category, strlen(site.category));
        if (strlen(site.category) < 12)
            text_fill(out, ' ', 12 - strlen(site.category));
        text_putc(out, ' ');
        text_put_plain(out, site.file, strlen(site.file));
        text_printf(out, ":%" PRIu32 ": ", site.line);
        text_put_plain(out, site.format, strlen(site.format));
        text_putc(out, '\n');
    }
    if (counts.inlined)
        text_printf(out, "%6s %10" PRIu64 " (bring their site along: it is not in the table)\n",
                    "-", counts.inlined);
    if (counts.unknown)
        text_printf(out, "%6s %10" PRIu64 " (beyond the site table)\n", "?", counts.unknown);
    info_counts_done(&counts);
    return 0;
}

static void put_collector(const struct shm_segment *segment, struct text *out)
{
    static const struct {
        unsigned index;
        const char *name, *help;
    } stats[] = {
#define X(index, name, help) {index, #name, help},
        SHM_STATS(X)
#undef X
    };
    const struct shmlog_control *control = segment->control;
    struct health health;
    uint64_t rungs = shmlog_load_relaxed_(&control->rungs);
    struct shm_rungs_walk walk = {0};

    health_look(segment, &health);
    text_printf(out, "\ncollector   %s: ", shm_health_word(health.segment.state));
    health_put_reason(&health, out);
    text_putc(out, '\n');
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        text_printf(out, "  %-14s %20" PRIu64 "  %s\n", stats[i].name,
                    info_stat(segment, &health.segment.lost, stats[i].index), stats[i].help);
    if (!rungs)
        text_puts(out, "nothing had to be done without\n");
    while (shm_rungs_next(segment, &walk))
        text_printf(out, "degraded: %s\n     fix: %s\n", walk.what, walk.fix);
}

int info_text(const struct shm_segment *segment, unsigned show, struct text *out)
{
    int r = 0;

    if (show & SHOW_SEGMENT)
        put_segment(segment, out);
    if (show & SHOW_RINGS)
        put_rings(segment, out);
    if (show & SHOW_COLLECTOR)
        put_collector(segment, out);
    if (show & SHOW_PRODUCERS)
        put_producers(segment, out);
    if (show & SHOW_SITES)
        r = put_sites(segment, out);
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
