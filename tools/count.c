/* SPDX-License-Identifier: MIT
 *
 * Counting lines by the values of fields.
 */
#include "tools/count.h"
#include "tools/groups.h"

#include <errno.h>
#include <stdlib.h>

struct count {
    struct answer answer; /* first */
    enum print_format format;
    FILE *out;
    struct groups *groups;
};

static int count_take(struct answer *answer, struct line *line)
{
    struct group *group;
    int r = groups_take(((struct count *)answer)->groups, line, &group);

    if (r == 0 && !group)
        answer->left_out++;
    return r;
}

/* A count that is not complete is none. */
static int count_flush(struct answer *answer)
{
    return 0;
}

static void put_group(const struct count *count, const struct group *group, struct text *row)
{
    if (count->format == PRINT_JSON)
        text_putc(row, '{');
    if (count->format == PRINT_TEXT) {
        text_u64(row, group->lines);
        text_putc(row, '\t');
    }
    groups_put(count->groups, group, count->format, "value", row);
    if (count->format == PRINT_JSON)
        text_puts(row, "\"count\":");
    if (count->format != PRINT_TEXT)
        text_u64(row, group->lines);
    text_puts(row, count->format == PRINT_JSON  ? "}\n"
                   : count->format == PRINT_CSV ? "\r\n"
                                                : "\n");
}

static int count_end(struct answer *answer)
{
    struct count *const count = (struct count *)answer;
    struct text rows = {0};
    size_t groups;
    struct group **const sorted = groups_sorted(count->groups, &groups);
    int r;

    if (!sorted)
        return -ENOMEM;
    if (count->format == PRINT_CSV) {
        groups_put_names(count->groups, count->format, &rows);
        text_puts(&rows, "count\r\n");
    }
    for (size_t i = 0; i < groups; i++)
        put_group(count, sorted[i], &rows);
    r = answer_write(&rows, count->out);
    text_done(&rows);
    free(sorted);
    return r;
}

static void count_close(struct answer *answer)
{
    struct count *const count = (struct count *)answer;

    groups_close(count->groups);
    free(count);
}

int count_open(const struct field_list *fields, enum print_format format, FILE *out,
               struct answer **ret_answer)
{
    struct count *count = calloc(1, sizeof(*count));

    if (!count)
        return -ENOMEM;
    count->answer = (struct answer){
        .take = count_take,
        .flush = count_flush,
        .end = count_end,
        .close = count_close,
        .at_end = true,
    };
    count->format = format;
    count->out = out;
    if (groups_open(fields, 0, &count->groups) < 0) {
        free(count);
        return -ENOMEM;
    }
    *ret_answer = &count->answer;
    return 0;
}
