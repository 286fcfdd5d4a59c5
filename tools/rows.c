/* SPDX-License-Identifier: MIT
 *
 * Rows of records: see rows.h.
 *
 * Rows that may be printed later wait as text, in a ring of which the oldest is dropped.
 */
#include "tools/rows.h"

#include <errno.h>
#include <stdlib.h>

struct rows {
    struct answer answer; /* first */
    struct printer printer;
    uint64_t tail, context;
    struct text *held; /* `room` rows, of which `count` wait, the oldest at `first` */
    size_t room, first, count;
    uint64_t after;        /* rows that follow the last match and are still to be printed */
    bool printed, dropped; /* something; since then a row that is not printed */
};

static int put_row(struct rows *rows, const struct text *row)
{
    text_put(&rows->printer.row, row->data, row->size);
    return print_flush(&rows->printer);
}

static int put_held(struct rows *rows)
{
    int r = 0;

    for (; rows->count && r == 0; rows->count--) {
        r = put_row(rows, &rows->held[rows->first]);
        rows->first = (rows->first + 1) % rows->room;
    }
    return r;
}

static int hold(struct rows *rows, struct line *line)
{
    struct printer *const printer = &rows->printer;
    struct text *slot, made;
    int r = print_begin(printer); /* the header is no row */

    if (r == 0)
        r = print_flush(printer);
    if (r < 0)
        return r;
    printer->hold = true;
    r = print_line(printer, line);
    printer->hold = false;
    if (r < 0)
        return r;
    if (rows->count == rows->room) {
        rows->first = (rows->first + 1) % rows->room;
        rows->count--;
        rows->dropped = true;
    }
    slot = &rows->held[(rows->first + rows->count++) % rows->room];
    made = printer->row;
    printer->row = *slot;
    text_clear(&printer->row);
    *slot = made;
    return made.failed ? -ENOMEM : 0;
}

static int take_tail(struct answer *answer, struct line *line)
{
    struct rows *const rows = (struct rows *)answer;

    return rows->tail ? hold(rows, line) : print_line(&rows->printer, line);
}

static int take_match(struct answer *answer, struct line *line)
{
    struct rows *const rows = (struct rows *)answer;
    int r = 0;

    if (rows->dropped && rows->printed && rows->printer.format == PRINT_TEXT)
        text_puts(&rows->printer.row, "--\n");
    r = put_held(rows);
    if (r == 0)
        r = print_line(&rows->printer, line);
    rows->after = rows->context;
    rows->printed = true;
    rows->dropped = false;
    return r;
}

static int pass_over(struct answer *answer, struct line *line)
{
    struct rows *const rows = (struct rows *)answer;

    if (!rows->after)
        return hold(rows, line);
    rows->after--;
    return print_line(&rows->printer, line);
}

/* What waits is the tail as of now. */
static int rows_flush(struct answer *answer)
{
    struct rows *const rows = (struct rows *)answer;
    int r = 0;

    if (rows->tail)
        r = put_held(rows);
    rows->tail = 0;
    return r < 0 ? r : print_flush(&rows->printer);
}

static int rows_end(struct answer *answer)
{
    struct rows *const rows = (struct rows *)answer;
    int r = print_begin(&rows->printer);

    return r < 0 ? r : rows_flush(answer);
}

static void rows_close(struct answer *answer)
{
    struct rows *const rows = (struct rows *)answer;

    printer_done(&rows->printer);
    for (size_t i = 0; rows->held && i < rows->room; i++)
        text_done(&rows->held[i]);
    free(rows->held);
    free(rows);
}

int rows_open(const struct rows_params *params, struct answer **ret_answer)
{
    struct rows *const rows = calloc(1, sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    rows->tail = params->tail;
    rows->context = params->context;
    rows->room = params->tail + params->context;
    rows->held = calloc(rows->room + 1, sizeof(*rows->held));
    if (!rows->held) {
        free(rows);
        return -ENOMEM;
    }
    rows->printer = (struct printer){
        .format = params->format,
        .colour = params->colour,
        .chosen = params->fields->count > 0,
        .fields = *params->fields,
        .headed = params->goes_on,
        .out = params->out,
    };
    *params->fields = (struct field_list){0};
    if (!rows->printer.chosen)
        field_list_all(&rows->printer.fields);
    rows->answer = (struct answer){
        .take = rows->context ? take_match : take_tail,
        .pass_over = rows->context ? pass_over : NULL,
        .flush = rows_flush,
        .end = rows_end,
        .close = rows_close,
    };
    *ret_answer = &rows->answer;
    return 0;
}
