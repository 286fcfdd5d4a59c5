/* SPDX-License-Identifier: MIT
 *
 * How long it takes from one event to another: see latency.h.
 */
#include "tools/latency.h"
#include "reader/filter.h"
#include "tools/pairs.h"
#include "tools/stats.h"
#include "tools/table.h"

#include <math.h>
#include <stdlib.h>

#define BAR 40u       /* characters of the longest bar */
#define PER_OCTAVE 2u /* bars for each doubling of the time */

/* What a call site is, looked at once: ids are those of one segment. */
#define SITES 256u
struct latency_site {
    uint32_t segment, id; /* id 0: free */
    bool from, to;
};

struct latency {
    struct answer answer; /* first */
    struct latency_site site[SITES];
    const char *from, *to;
    const struct field_list *by;
    enum print_format format;
    FILE *out;
    struct pairs pairs;
    struct quantiles ns;
    uint64_t unmatched; /* records of the second event that had none of the first one */
    uint64_t replaced;  /* of the first one, before another one with the same values */
    struct text key;
};

/* The values by which records belong together; false: the record has not got one of them. */
static bool make_key(struct latency *latency, struct line *line)
{
    text_clear(&latency->key);
    for (size_t i = 0; i < latency->by->count; i++) {
        if (!print_flat(&latency->by->field[i], line, &latency->key))
            return false;
        text_putc(&latency->key, 0);
    }
    return true;
}

static struct latency_site site_of(struct latency *latency, const struct cursor_record *record)
{
    struct latency_site *const at = &latency->site[record->site_id % SITES];

    if (!record->site_id || at->id != record->site_id || at->segment != record->segment)
        *at = (struct latency_site){
            .segment = record->segment,
            .id = record->site_id,
            .from = filter_site_matches(latency->from, record),
            .to = filter_site_matches(latency->to, record),
        };
    return *at;
}

/* An event that is both the first and the second one ends what waits, and waits itself. */
static int latency_take(struct answer *answer, struct line *line)
{
    struct latency *const latency = (struct latency *)answer;
    const struct latency_site site = site_of(latency, &line->record);
    bool replaced = false;
    int64_t moment;
    int r = 0;

    if ((!site.to && !site.from) || !make_key(latency, line))
        return 0;
    if (latency->key.failed)
        return -ENOMEM;
    if (site.to && pairs_take(&latency->pairs, latency->key.data, latency->key.size, &moment))
        r = quantiles_add(&latency->ns, (double)(line->record.time_ns - moment));
    else if (site.to && !site.from)
        latency->unmatched++;
    if (r == 0 && site.from)
        r = pairs_put(&latency->pairs, latency->key.data, latency->key.size, line->record.time_ns,
                      &replaced);
    latency->replaced += replaced;
    if (r == -ENOBUFS)
        answer->left_out++;
    return r == -ENOBUFS ? 0 : r;
}

static int latency_flush(struct answer *answer)
{
    return 0;
}

/* Bars of the numbers from 2^(n/PER_OCTAVE) on, in nanoseconds. */
static int bar_of(double ns)
{
    return ns < 1 ? -1 : (int)floor(log2(ns) * PER_OCTAVE);
}

static double bar_from(int bar)
{
    return bar < 0 ? 0 : exp2((double)bar / PER_OCTAVE);
}

static uint64_t count_bar(const struct latency *latency, int bar, size_t *at)
{
    uint64_t count = 0;

    for (; *at < latency->ns.used; ++*at) {
        double from, to;
        const uint64_t some = quantiles_bucket(&latency->ns, *at, &from, &to);

        if (bar_of(from + (to - from) / 2) > bar)
            break;
        count += some;
    }
    return count;
}

/* How many times fell between what: text with bars, CSV, or the elements of a JSON array. */
static void put_histogram(const struct latency *latency, struct text *rows)
{
    const int first = bar_of(latency->ns.min), last = bar_of(latency->ns.max);
    uint64_t most = 1;
    size_t at = 0;

    for (int bar = first; bar <= last; bar++) {
        const uint64_t count = count_bar(latency, bar, &at);

        most = count > most ? count : most;
    }
    at = 0;
    for (int bar = first; bar <= last; bar++) {
        const uint64_t count = count_bar(latency, bar, &at);

        if (latency->format == PRINT_JSON) {
            text_printf(rows,
                        "%s{\"from_ns\":%.15g,\"to_ns\":%.15g,\"count\":", bar > first ? "," : "",
                        floor(bar_from(bar)), floor(bar_from(bar + 1)));
            text_u64(rows, count);
            text_putc(rows, '}');
            continue;
        }
        if (latency->format == PRINT_CSV) {
            text_printf(rows, "%.15g,%.15g,", floor(bar_from(bar)), floor(bar_from(bar + 1)));
            text_u64(rows, count);
            text_puts(rows, "\r\n");
            continue;
        }
        text_put_duration(rows, bar_from(bar));
        text_puts(rows, " ..\t");
        text_put_duration(rows, bar_from(bar + 1));
        text_putc(rows, '\t');
        text_u64(rows, count);
        text_printf(rows, "\t%.2f %%\t", 100.0 * (double)count / (double)latency->ns.count);
        text_fill(rows, '#', (size_t)((BAR * count + most - 1) / most));
        text_putc(rows, '\n');
    }
}

static void put_text(struct latency *latency, struct text *rows)
{
    struct text bars = {0};

    text_u64(rows, latency->ns.count);
    text_printf(rows, " pair%s", text_plural(latency->ns.count));
    text_puts(rows, "; without the other: ");
    text_u64(rows, latency->replaced + latency->pairs.count);
    text_puts(rows, " of ");
    text_put_plain(rows, latency->from, strlen(latency->from));
    text_puts(rows, ", ");
    text_u64(rows, latency->unmatched);
    text_puts(rows, " of ");
    text_put_plain(rows, latency->to, strlen(latency->to));
    text_putc(rows, '\n');
    if (!latency->ns.count)
        return;
    text_puts(rows, "min ");
    text_put_duration(rows, latency->ns.min);
    text_puts(rows, ", mean ");
    text_put_duration(rows, (double)(latency->ns.sum / latency->ns.count));
    for (size_t i = 0; i < STATS_PARTS; i++) {
        text_printf(rows, ", %s ", stats_parts[i].name);
        text_put_duration(rows, quantiles_at(&latency->ns, stats_parts[i].part));
    }
    text_puts(rows, ", max ");
    text_put_duration(rows, latency->ns.max);
    text_puts(rows, "\n\n");
    put_histogram(latency, &bars);
    table_align(&bars, 0, 4);
    text_put(rows, bars.data, bars.size);
    rows->failed |= bars.failed;
    text_done(&bars);
}

static void put_json(struct latency *latency, struct text *rows)
{
    text_puts(rows, "{\"unit\":\"ns\",");
    stats_put(&latency->ns, PRINT_JSON, rows);
    text_puts(rows, ",\"unmatched_from\":");
    text_u64(rows, latency->replaced + latency->pairs.count);
    text_puts(rows, ",\"unmatched_to\":");
    text_u64(rows, latency->unmatched);
    text_puts(rows, ",\"histogram\":[");
    if (latency->ns.count)
        put_histogram(latency, rows);
    text_puts(rows, "]}\n");
}

static int latency_end(struct answer *answer)
{
    struct latency *const latency = (struct latency *)answer;
    struct text rows = {0};
    int r;

    quantiles_sort(&latency->ns);
    if (latency->format == PRINT_JSON) {
        put_json(latency, &rows);
    } else if (latency->format == PRINT_CSV) {
        text_puts(&rows, "from_ns,to_ns,count\r\n");
        if (latency->ns.count)
            put_histogram(latency, &rows);
    } else {
        put_text(latency, &rows);
    }
    r = answer_write(&rows, latency->out);
    text_done(&rows);
    return r;
}

static void latency_close(struct answer *answer)
{
    struct latency *const latency = (struct latency *)answer;

    quantiles_done(&latency->ns);
    pairs_done(&latency->pairs);
    text_done(&latency->key);
    free(latency);
}

int latency_open(const char *from, const char *to, const struct field_list *by,
                 enum print_format format, FILE *out, struct answer **ret_answer)
{
    struct latency *const latency = calloc(1, sizeof(*latency));

    if (!latency)
        return -ENOMEM;
    latency->answer = (struct answer){.take = latency_take,
                                      .flush = latency_flush,
                                      .end = latency_end,
                                      .close = latency_close,
                                      .at_end = true};
    latency->from = from;
    latency->to = to;
    latency->by = by;
    latency->format = format;
    latency->out = out;
    *ret_answer = &latency->answer;
    return 0;
}
