/* SPDX-License-Identifier: MIT
 *
 * What the numbers in fields are like: see stats.h.
 */
#include "tools/stats.h"
#include "tools/groups.h"
#include "tools/table.h"

#include <math.h>
#include <stdlib.h>

const struct stats_part stats_parts[STATS_PARTS] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

#define GROUP_COST 4096 /* of the numbers of a field, where they are not all over the place */

struct stats {
    struct answer answer; /* first */
    enum print_format format;
    FILE *out;
    const struct field_list *of;
    struct groups *groups; /* each with a struct quantiles for each field */
};

static int stats_take(struct answer *answer, struct line *line)
{
    struct stats *const stats = (struct stats *)answer;
    struct quantiles *quantiles;
    struct group *group;
    int r = groups_take(stats->groups, line, &group);

    if (r == 0 && !group)
        answer->left_out++;
    if (r < 0 || !group)
        return r;
    if (!group->data)
        group->data = calloc(stats->of->count, sizeof(struct quantiles));
    quantiles = group->data;
    for (size_t i = 0; quantiles && i < stats->of->count && r == 0; i++) {
        double number;

        if (field_number(&stats->of->field[i], line, &number))
            r = quantiles_add(&quantiles[i], number);
    }
    return quantiles ? r : -ENOMEM;
}

/* Numbers that are not complete are none. */
static int stats_flush(struct answer *answer)
{
    return 0;
}

static void put_number(double number, int digits, enum print_format format, struct text *row)
{
    if (isfinite(number))
        text_printf(row, "%.*g", digits, number);
    else if (format == PRINT_JSON)
        text_puts(row, "null");
    else
        text_printf(row, "%g", number);
}

static void put_cell(const char *name, enum print_format format, struct text *row)
{
    if (format == PRINT_JSON)
        text_printf(row, ",\"%s\":", name);
    else
        text_putc(row, format == PRINT_CSV ? ',' : '\t');
}

void stats_put_names(enum print_format format, struct text *row)
{
    const char between = format == PRINT_CSV ? ',' : '\t';

    text_printf(row, "count%cmin%cmean", between, between);
    for (size_t i = 0; i < STATS_PARTS; i++)
        text_printf(row, "%c%s", between, stats_parts[i].name);
    text_printf(row, "%cmax%csum", between, between);
}

void stats_put(struct quantiles *quantiles, enum print_format format, struct text *row)
{
    quantiles_sort(quantiles);
    if (format == PRINT_JSON)
        text_puts(row, "\"count\":");
    text_u64(row, quantiles->count);
    put_cell("min", format, row);
    put_number(quantiles->min, 15, format, row);
    put_cell("mean", format, row);
    put_number(quantiles->count ? (double)(quantiles->sum / quantiles->count) : 0, 6, format, row);
    for (size_t i = 0; i < STATS_PARTS; i++) {
        put_cell(stats_parts[i].name, format, row);
        put_number(quantiles_at(quantiles, stats_parts[i].part), 6, format, row);
    }
    put_cell("max", format, row);
    put_number(quantiles->max, 15, format, row);
    put_cell("sum", format, row);
    put_number((double)quantiles->sum, 15, format, row);
}

static void put_row(const struct stats *stats, const struct group *group, size_t field,
                    struct text *row)
{
    const char *const name = stats->of->field[field].name;
    struct quantiles *const quantiles = group->data;

    if (!quantiles[field].count)
        return; /* no line of the group has it */
    if (stats->format == PRINT_JSON)
        text_putc(row, '{');
    groups_put(stats->groups, group, stats->format, NULL, row);
    if (stats->format == PRINT_JSON) {
        text_puts(row, "\"field\":");
        text_put_json(row, name, strlen(name), NULL);
        text_putc(row, ',');
    } else if (stats->format == PRINT_CSV) {
        text_put_csv(row, name, strlen(name));
        text_putc(row, ',');
    } else {
        if (groups_fields(stats->groups))
            text_putc(row, '\t');
        text_put_plain(row, name, strlen(name));
        text_putc(row, '\t');
    }
    stats_put(&quantiles[field], stats->format, row);
    text_puts(row, stats->format == PRINT_JSON  ? "}\n"
                   : stats->format == PRINT_CSV ? "\r\n"
                                                : "\n");
}

static void put_head(const struct stats *stats, struct text *rows)
{
    if (stats->format == PRINT_JSON)
        return;
    groups_put_names(stats->groups, stats->format, rows);
    text_puts(rows, stats->format == PRINT_CSV ? "field," : "field\t");
    stats_put_names(stats->format, rows);
    text_puts(rows, stats->format == PRINT_CSV ? "\r\n" : "\n");
}

/* A field that no line had a number in. */
static const char *missing_of(const struct stats *stats, struct group **sorted, size_t groups)
{
    for (size_t i = 0; i < stats->of->count; i++) {
        uint64_t count = 0;

        for (size_t j = 0; j < groups; j++)
            count += ((struct quantiles *)sorted[j]->data)[i].count;
        if (!count)
            return stats->of->field[i].name;
    }
    return NULL;
}

static int stats_end(struct answer *answer)
{
    struct stats *const stats = (struct stats *)answer;
    struct text rows = {0};
    size_t groups;
    struct group **const sorted = groups_sorted(stats->groups, &groups);
    int r;

    if (!sorted)
        return -ENOMEM;
    put_head(stats, &rows);
    answer->missing = missing_of(stats, sorted, groups);
    for (size_t i = 0; i < groups; i++)
        for (size_t j = 0; j < stats->of->count; j++)
            put_row(stats, sorted[i], j, &rows);
    if (stats->format == PRINT_TEXT)
        table_align(&rows, groups_fields(stats->groups) + 1, SIZE_MAX);
    r = answer_write(&rows, stats->out);
    text_done(&rows);
    free(sorted);
    return r;
}

static void stats_close(struct answer *answer)
{
    struct stats *const stats = (struct stats *)answer;
    size_t groups;
    struct group **const all = stats->groups ? groups_sorted(stats->groups, &groups) : NULL;

    for (size_t i = 0; all && i < groups; i++) {
        struct quantiles *const quantiles = all[i]->data;

        for (size_t j = 0; quantiles && j < stats->of->count; j++)
            quantiles_done(&quantiles[j]);
        free(quantiles);
    }
    free(all);
    groups_close(stats->groups);
    free(stats);
}

int stats_open(const struct field_list *of, const struct field_list *by, enum print_format format,
               FILE *out, struct answer **ret_answer)
{
    struct stats *const stats = calloc(1, sizeof(*stats));

    if (!stats)
        return -ENOMEM;
    stats->answer = (struct answer){.take = stats_take,
                                    .flush = stats_flush,
                                    .end = stats_end,
                                    .close = stats_close,
                                    .at_end = true};
    stats->format = format;
    stats->out = out;
    stats->of = of;
    if (groups_open(by, of->count * GROUP_COST, &stats->groups) < 0) {
        free(stats);
        return -ENOMEM;
    }
    *ret_answer = &stats->answer;
    return 0;
}
