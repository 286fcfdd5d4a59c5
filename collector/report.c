/* SPDX-License-Identifier: MIT
 *
 * The report at start: see report.h.
 */
#include "collector/report.h"

#include "shm/rungs.h"

#include <inttypes.h>
#include <string.h>

static const char *human(uint64_t bytes, char *buffer, size_t size)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;

    while (i < 4 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(buffer, size, "%" PRIu64 " %s", bytes, unit[i]);
    return buffer;
}

static bool same_place(const struct shmlog_ring_entry *a, const struct shmlog_ring_entry *b)
{
    return a->kind == b->kind && a->page_kib == b->page_kib && a->flags == b->flags &&
           a->node == b->node && a->node_wanted == b->node_wanted;
}

/* One line for each run of rings that got the same. */
static void print_rings(const struct shm_segment *segment, FILE *out)
{
    const uint32_t rings = segment->geometry.rings;

    for (uint32_t i = 0, next; i < rings; i = next) {
        const struct shmlog_ring_entry *const e = &segment->rings[i].entry;
        char name[32], page[32], node[48];

        for (next = i + 1; next < rings && same_place(e, &segment->rings[next].entry) &&
                           !segment->rings[next].error == !segment->rings[i].error;
             next++)
            ;
        if (next - i > 1)
            snprintf(name, sizeof(name), "%u-%u", i, next - 1);
        else
            snprintf(name, sizeof(name), "%u", i);
        if (e->node < 0)
            snprintf(node, sizeof(node), "node unknown");
        else if (e->node == e->node_wanted || e->node_wanted < 0)
            snprintf(node, sizeof(node), "node %d", e->node);
        else
            snprintf(node, sizeof(node), "node %d (wanted %d)", e->node, e->node_wanted);
        fprintf(out, "    ring %-9s %-9s %s%s pages, %s%s\n", name,
                e->kind == SHMLOG_RING_CPU ? "per core" : "shared",
                human((uint64_t)e->page_kib * 1024, page, sizeof(page)),
                e->flags & SHMLOG_RING_ENTRY_THP ? " transparent" : "", node,
                segment->rings[i].error ? ", REFUSED: its file is damaged" : "");
    }
}

/* Of the cores asked for, those that this machine cannot have: a slip, or a list for many hosts. */
static void print_impossible(const struct options *o, FILE *out)
{
    bool impossible[OPTIONS_CPUS_MAX + 1] = {false};
    uint32_t possible[OPTIONS_CPUS_MAX];
    const uint32_t count = options_possible_cpus(possible);
    const char *between = "    cores ";

    for (uint32_t i = 0; i < o->cpu_count; i++)
        impossible[o->cpus[i]] = true;
    for (uint32_t i = 0; i < count; i++)
        impossible[possible[i]] = false;
    for (uint32_t from = 0, next; from < OPTIONS_CPUS_MAX; from = next) {
        for (next = from + 1; impossible[from] && impossible[next]; next++)
            ;
        if (!impossible[from])
            continue;
        if (next - from > 1)
            fprintf(out, "%s%u-%u", between, from, next - 1);
        else
            fprintf(out, "%s%u", between, from);
        between = ",";
    }
    if (*between == ',')
        fprintf(out, ": not on this machine, their rings stay empty\n");
}

static const char *policy(uint32_t on_full)
{
    return on_full == SHMLOG_ON_FULL_DROP        ? "drop"
           : on_full == SHMLOG_ON_FULL_OVERWRITE ? "overwrite"
                                                 : "wait";
}

static void print_files(const struct report *r, FILE *out)
{
    const struct options *const o = r->options;
    char a[32], b[32];

    fprintf(out, "  files    %s, zstd %u", r->directory, (unsigned)o->zstd_level);
    if (o->rotate_bytes)
        fprintf(out, ", new one at %s", human(o->rotate_bytes, a, sizeof(a)));
    if (o->rotate_s)
        fprintf(out, "%s %" PRIu64 " s", o->rotate_bytes ? " or" : ", new one after", o->rotate_s);
    fprintf(out, ", keep");
    if (!o->retain_count && !o->retain_bytes && !o->retain_s)
        fprintf(out, " all");
    if (o->retain_count)
        fprintf(out, " %" PRIu64 " file%s", o->retain_count, o->retain_count == 1 ? "" : "s");
    if (o->retain_bytes)
        fprintf(out, " %s", human(o->retain_bytes, b, sizeof(b)));
    if (o->retain_s)
        fprintf(out, " %" PRIu64 " s", o->retain_s);
    if (o->keep_free.percent)
        fprintf(out, ", %" PRIu64 "%% free", o->keep_free.percent);
    if (o->keep_free.bytes)
        fprintf(out, ", %s free", human(o->keep_free.bytes, b, sizeof(b)));
    fprintf(out, "\n");
}

static void print_rungs(const struct shm_segment *segment, FILE *out)
{
    struct shm_rungs_walk walk = {0};

    for (bool first = true; shm_rungs_next(segment, &walk); first = false)
        fprintf(out, "%s    %s; to mend: %s\n", first ? "  doing without:\n" : "", walk.what,
                walk.fix);
}

static void print_kept(const struct shm_orphans *o, FILE *out)
{
    char size[32];

    fprintf(out, "shmlog-collector: %" PRIu32 " file%s %s, %s, ", o->kept, o->kept == 1 ? "" : "s",
            o->files, human(o->kept_bytes, size, sizeof(size)));
    if (o->error)
        fprintf(out, "cannot be removed: %s; their segment, which was at %s, is gone\n",
                strerror(-o->error), o->segment);
    else if (*o->segment)
        fprintf(out,
                "%s: their segment was at %s, on a filesystem that is not visible here; remove "
                "them by hand if it is gone\n",
                o->kept == 1 ? "stays" : "stay", o->segment);
    else
        fprintf(out,
                "%s: they do not say which segment they belong to; remove them by hand if it is "
                "gone\n",
                o->kept == 1 ? "stays" : "stay");
}

void report_orphans(const struct shm_orphan_list *list, FILE *out)
{
    char size[32];

    for (size_t i = 0; i < list->count; i++) {
        const struct shm_orphans *const o = &list->group[i];

        if (o->removed)
            fprintf(out,
                    "shmlog-collector: removed %" PRIu32 " file%s %s, %s: their segment, which was "
                    "at %s, is gone\n",
                    o->removed, o->removed == 1 ? "" : "s", o->files,
                    human(o->removed_bytes, size, sizeof(size)), o->segment);
        if (o->kept)
            print_kept(o, out);
    }
    if (list->error)
        fprintf(out, "shmlog-collector: %s cannot be read: %s; ring files may be left there\n",
                list->unread, strerror(-list->error));
}

void report_print(const struct report *r, FILE *out)
{
    static const char *const idle[] = {"spins", "pauses", "sleeps"};
    const struct shmlog_control *const g = &r->segment->geometry;
    char a[32];

    fprintf(out, "shmlog-collector %s\n", SHMLOG_VERSION_STRING);
    fprintf(out, "  segment  %s at %s, %s\n", g->name, r->segment->path,
            r->segment->created ? "new" : "taken over");
    if (r->taken_over)
        fprintf(out, "           with %" PRIu64 " bytes left to write by the collector before\n",
                r->taken_over);
    fprintf(out, "  rings    %u per core, ", g->cpu_rings);
    if (g->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS)
        fprintf(out, "%u of them for warn and above, ", g->cpu_rings / 2);
    fprintf(out, "%u shared, %s each, on full: %s, clock: %s\n", g->rings - g->cpu_rings,
            human(g->ring_slots * SHMLOG_SLOT_SIZE, a, sizeof(a)), policy(g->on_full),
            g->clock == SHMLOG_CLOCK_TSC ? "TSC" : "CLOCK_MONOTONIC");
    if (g->reserve_slots)
        fprintf(out, "           %s of each for warn and above alone\n",
                human(g->reserve_slots * SHMLOG_SLOT_SIZE, a, sizeof(a)));
    print_rings(r->segment, out);
    print_impossible(r->options, out);
    print_files(r, out);
    fprintf(out, "  writes   %s%s, outbox %s\n", r->backend, r->options->durable ? ", durable" : "",
            human(r->options->outbox_bytes, a, sizeof(a)));
    fprintf(out, "  runs     ");
    if (r->running_on >= 0)
        fprintf(out, "pinned to core %d", r->running_on);
    else
        fprintf(out, "not pinned");
    fprintf(out, ", %s priority%s, %s when idle\n", r->realtime ? "real-time" : "normal",
            r->locked ? ", memory locked" : "", idle[r->options->idle]);
    print_rungs(r->segment, out);
}
