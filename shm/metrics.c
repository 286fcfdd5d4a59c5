/* SPDX-License-Identifier: MIT
 *
 * A segment in numbers: see metrics.h.
 */
#include "shm/metrics.h"
#include "shm/health.h"
#include "shm/losses.h"
#include "shm/ring_reader.h"
#include "shm/rules.h"
#include "shm/stats.h"
#include "shm/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void shm_metrics_head(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP shmlog_%s %s\n# TYPE shmlog_%s %s\n", name, help, name, type);
}

/* A label's value. A scrape that is not UTF-8 is refused as a whole, and names are whatever a
 * program has put into the segment: bytes that are not printable ASCII become \xHH. */
static void put_label(FILE *to, const char *name, const char *value, size_t size)
{
    fprintf(to, "%s=\"", name);
    for (size_t i = 0; i < size && value[i]; i++) {
        if (value[i] == '\\' || value[i] == '"')
            fprintf(to, "\\%c", value[i]);
        else if (value[i] >= ' ' && value[i] <= '~')
            fputc(value[i], to);
        else
            fprintf(to, "\\\\x%02x", (unsigned char)value[i]);
    }
    fputc('"', to);
}

static void put_segment(const struct shm_segment *segment, const char *name, FILE *to)
{
    fprintf(to, "shmlog_%s{", name);
    put_label(to, "segment", segment->geometry.name, sizeof(segment->geometry.name));
}

void shm_metrics_row(const struct shm_segment *segment, const char *name, const char *label,
                     const char *value, uint64_t number, FILE *to)
{
    put_segment(segment, name, to);
    fputc(',', to);
    put_label(to, label, value, strlen(value));
    fprintf(to, "} %" PRIu64 "\n", number);
}

static void put_one(const struct shm_segment *segment, const char *name, double value, FILE *to)
{
    put_segment(segment, name, to);
    fprintf(to, "} %.17g\n", value);
}

static void put_ring_labels(const struct shm_segment *segment, uint32_t index, FILE *to)
{
    fprintf(to, ",ring=\"%" PRIu32 "\"", index);
    if (segment->rings[index].entry.kind == SHMLOG_RING_CPU)
        fprintf(to, ",cpu=\"%" PRIu32 "\"", segment->rings[index].entry.cpu);
}

/* One metric of all rings that can be read. */
static void put_rings(const struct shm_segment *segment, const char *name,
                      double (*value)(const struct shm_segment *segment, uint32_t index), FILE *to)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        if (!segment->rings[i].header)
            continue;
        put_segment(segment, name, to);
        put_ring_labels(segment, i, to);
        fprintf(to, "} %.17g\n", value(segment, i));
    }
}

static double slots_committed(const struct shm_segment *segment, uint32_t index)
{
    return (double)shm_ring_head(segment->rings[index].header);
}

static double part_used(const struct shm_segment *segment, uint32_t index)
{
    struct shm_backlog backlog;

    shm_backlog_of_ring(segment, index, &backlog);
    return (double)backlog.slots / (double)segment->geometry.ring_slots;
}

static double oldest_seconds(const struct shm_segment *segment, uint32_t index)
{
    struct shm_backlog backlog;

    shm_backlog_of_ring(segment, index, &backlog);
    return backlog.oldest_ns == SHM_HEALTH_UNKNOWN || !backlog.slots
               ? 0
               : (double)backlog.oldest_ns / 1e9;
}

static void put_ring_metrics(const struct shm_segment *segment, FILE *to)
{
    shm_metrics_head(to, "ring_slots_committed_total", "counter",
                     "Slots of 64 bytes that programs committed, by ring.");
    put_rings(segment, "ring_slots_committed_total", slots_committed, to);
    shm_metrics_head(to, "ring_used_ratio", "gauge",
                     "How full a ring is with what the collector has not taken.");
    put_rings(segment, "ring_used_ratio", part_used, to);
    shm_metrics_head(to, "ring_oldest_seconds", "gauge",
                     "Age of the oldest record that the collector has not taken, by its own time.");
    put_rings(segment, "ring_oldest_seconds", oldest_seconds, to);
}

static void put_losses(const struct shm_segment *segment, FILE *to)
{
    struct shm_losses losses;

    shm_metrics_head(to, "lost_records_total", "counter", "Records that were lost, by cause.");
    shm_losses_of_segment(segment, &losses);
    for (unsigned cause = 0; cause < SHMLOG_LOST_CAUSES; cause++) {
        if (!strcmp(shm_losses_name(cause), "?") || !strcmp(shm_losses_name(cause), "reserved"))
            continue;
        shm_metrics_row(segment, "lost_records_total", "cause", shm_losses_name(cause),
                        losses.cause[cause], to);
    }
}

static void put_rules(const struct shm_segment *segment, FILE *to)
{
    struct shm_rules rules;

    shm_rules_read(segment, &rules);
    shm_metrics_head(to, "level", "gauge",
                     "Lowest level that is logged, 0 trace to 5 critical, 6 off.");
    put_one(segment, "level", rules.level, to);
    shm_metrics_head(to, "rules", "gauge", "Rules that set level or sampling of some calls.");
    put_one(segment, "rules", rules.count, to);
    shm_metrics_head(to, "skipped_records_total", "counter",
                     "Records that sampling left out, by cause.");
    for (uint32_t cause = 0; cause < SHMLOG_SKIPPED_CAUSES; cause++)
        shm_metrics_row(segment, "skipped_records_total", "cause", shm_rules_cause(cause),
                        shm_rules_skipped(segment, cause), to);
}

/* Counters of the collector, and what is none of these. */
static void put_stats(const struct shm_segment *segment, FILE *to)
{
#define X(index, name, help) {#name, help},
    static const struct {
        const char *name, *help;
    } stats[] = {SHM_STATS(X)};
#undef X

    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
        const bool gauge = i == SHM_STAT_outbox_bytes || i == SHM_STAT_file_number;
        char name[64], help[96];

        snprintf(name, sizeof(name), "collector_%s%s", stats[i].name, gauge ? "" : "_total");
        snprintf(help, sizeof(help), "Collector: %s.", stats[i].help);
        shm_metrics_head(to, name, gauge ? "gauge" : "counter", help);
        put_one(segment, name, (double)shmlog_load_relaxed_(&segment->control->stats[i]), to);
    }
}

/* User and system time of a process; negative: it cannot be asked. Fields 14 and 15 of
 * /proc/PID/stat, see proc(5). */
static double cpu_seconds(uint32_t pid)
{
    char path[32], line[1024], *at;
    unsigned long long user, system;
    FILE *stat;
    double seconds = -1;

    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
    stat = pid ? fopen(path, "re") : NULL;
    if (!stat)
        return -1;
    if (fgets(line, sizeof(line), stat) && (at = strrchr(line, ')')) &&
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) ==
            2)
        seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    fclose(stat);
    return seconds;
}

static void put_health(const struct shm_segment *segment, FILE *to)
{
    static const char *const words[] = {"working", "losing", "starting", "stalled", "gone"};
    struct shm_health health;
    double seconds;

    shm_health_of(segment, &health);
    shm_metrics_head(to, "collector_state", "gauge",
                     "1 for what the collector is, 0 for what it is not.");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        put_segment(segment, "collector_state", to);
        fprintf(to, ",state=\"%s\"} %d\n", words[i],
                !strcmp(words[i], shm_health_word(health.state)));
    }
    if (health.beat_ns != SHM_HEALTH_UNKNOWN) {
        shm_metrics_head(to, "collector_round_age_seconds", "gauge",
                         "Since the collector's last round.");
        put_one(segment, "collector_round_age_seconds", (double)health.beat_ns / 1e9, to);
    }
    seconds = cpu_seconds(health.pid);
    if (seconds >= 0) {
        shm_metrics_head(to, "collector_cpu_seconds_total", "counter",
                         "CPU time of the draining process.");
        put_one(segment, "collector_cpu_seconds_total", seconds, to);
    }
}

static void put_geometry(const struct shm_segment *segment, FILE *to)
{
    uint32_t producers = 0;

    for (uint32_t i = 0; i < shm_producers_used(segment); i++) {
        struct shmlog_producer producer;

        if (shm_producer_at(segment, i, &producer) == 0 && producer.id &&
            shm_producer_alive(&producer) == SHM_ALIVE)
            producers++;
    }
    shm_metrics_head(to, "ring_slots", "gauge", "Slots of 64 bytes in each ring.");
    put_one(segment, "ring_slots", (double)segment->geometry.ring_slots, to);
    shm_metrics_head(to, "producers", "gauge", "Threads that are registered and alive.");
    put_one(segment, "producers", producers, to);
}

void shm_metrics_put(const struct shm_segment *segment, FILE *to)
{
    put_geometry(segment, to);
    put_health(segment, to);
    put_rules(segment, to);
    put_losses(segment, to);
    put_ring_metrics(segment, to);
    put_stats(segment, to);
}

int shm_metrics_write(const struct shm_segment *segment, const char *path,
                      void (*more)(FILE *to, const void *arg), const void *arg)
{
    char next[PATH_MAX];
    FILE *to;
    int r = 0;

    if ((size_t)snprintf(next, sizeof(next), "%s.new", path) >= sizeof(next))
        return -ENAMETOOLONG;
    to = fopen(next, "we");
    if (!to)
        return -errno;
    errno = 0;
    shm_metrics_put(segment, to);
    more(to, arg);
    if (ferror(to))
        r = errno ? -errno : -EIO;
    if (fclose(to) && r == 0)
        r = -errno;
    if (r == 0 && rename(next, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(next);
    return r;
}
