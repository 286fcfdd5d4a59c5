/* SPDX-License-Identifier: MIT
 *
 * A piece of all records: see page.h.
 */
#include "tools/page.h"
#include "reader/cursor.h"
#include "reader/join.h"
#include "reader/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Backward, a stretch of time is read, and a longer one if it has not enough. */
#define STRETCH_NS INT64_C(10000000)
#define STRETCH_GROWS 8

struct reading {
    const struct page_source *source;
    int64_t since_ns, until_ns;
    uint64_t tail;                         /* of the cursor: 0: all */
    const struct page_row *after, *before; /* NULL: no such bound */
    size_t rows;
    bool newest; /* the last rows, else the first ones */
};

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

static bool is_row(const struct page_row *row, const struct cursor_record *record)
{
    return row && row->time_ns == record->time_ns && row->ring == record->ring &&
           row->seq == record->seq;
}

static char *text_of(struct printer *printer, struct line *line)
{
    char *copy;

    text_clear(&printer->row);
    if (print_line(printer, line) < 0 || !printer->row.size)
        return NULL;
    printer->row.size--; /* the newline */
    copy = malloc(printer->row.size + 1);
    if (copy) {
        memcpy(copy, printer->row.data, printer->row.size);
        copy[printer->row.size] = 0;
    }
    return copy;
}

static char *detail_of(const struct field_list *fields, struct line *line)
{
    struct text text = {0}, cell = {0};
    const unsigned count = line_values(line);

    for (unsigned i = 0; i < count; i++) {
        const char *const name = line->record.site->name[i];

        text_printf(&text, "%s = ", name ? name : "?");
        render_value(&line->value[i], &text);
        text_putc(&text, '\n');
    }
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->field[i].id == FIELD_FIELDS)
            continue;
        text_clear(&cell);
        if (!print_flat(&fields->field[i], line, &cell))
            continue;
        text_printf(&text, "%s: ", fields->field[i].name);
        text_put_plain(&text, cell.data, cell.size);
        text_putc(&text, '\n');
    }
    text_done(&cell);
    if (!text_string(&text)) {
        text_done(&text);
        return NULL;
    }
    return text.data;
}

static void row_done(struct page_row *row)
{
    free(row->text);
    free(row->detail);
}

void page_done(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        row_done(&page->row[i]);
    free(page->row);
    *page = (struct page){0};
}

/* The rows of a reading, in a ring that begins at *ret_first. */
static int take_rows(const struct reading *reading, struct join *join, struct query *where,
                     struct page *page, size_t *ret_first)
{
    struct printer printer = {.format = PRINT_TEXT, .hold = true};
    struct field_list fields;
    struct line line = {0};
    bool begun = !reading->after;
    int r = 0;

    field_list_all(&fields);
    field_list_all(&printer.fields);
    *ret_first = 0;
    while (r == 0 && (r = join_next(join, &line)) > 0) {
        struct page_row *row;

        r = 0;
        if (is_row(reading->before, &line.record))
            break;
        if (!begun) {
            begun = is_row(reading->after, &line.record) ||
                    line.record.time_ns > reading->after->time_ns;
            if (is_row(reading->after, &line.record))
                continue;
            if (!begun)
                continue;
        }
        if (where && !query_passes(where, &line))
            continue;
        if (page->count == reading->rows && !reading->newest)
            break;
        if (page->count == reading->rows) {
            row = &page->row[*ret_first];
            *ret_first = (*ret_first + 1) % reading->rows;
            row_done(row);
        } else {
            row = &page->row[page->count++];
        }
        *row = (struct page_row){.time_ns = line.record.time_ns,
                                 .ring = line.record.ring,
                                 .seq = line.record.seq,
                                 .text = text_of(&printer, &line),
                                 .detail = detail_of(&fields, &line)};
        if (!row->text || !row->detail)
            r = -ENOMEM;
    }
    line_done(&line);
    printer_done(&printer);
    return r;
}

static int unroll(struct page *page, size_t first, size_t rows)
{
    struct page_row *const row = calloc(rows + 1, sizeof(*row));

    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < page->count; i++)
        row[i] = page->row[(first + i) % rows];
    free(page->row);
    page->row = row;
    return 0;
}

static int read_rows(const struct reading *reading, struct page *ret_page, char *ret_message,
                     size_t message_size)
{
    struct cursor_options options = {.since_ns = reading->since_ns,
                                     .until_ns = reading->until_ns,
                                     .tail = reading->tail};
    const struct page_source *const source = reading->source;
    struct page page = {.row = calloc(reading->rows + 1, sizeof(*page.row))};
    struct query *where = NULL;
    struct cursor *cursor = NULL;
    struct join *join = NULL;
    size_t first = 0;
    int r = page.row ? 0 : -ENOMEM;

    *ret_message = 0;
    if (r == 0 && source->where)
        r = query_compile(source->where, source->now_ns, &where, ret_message, message_size);
    if (where)
        query_narrow(where, &options);
    options.where = where;
    if (r == 0)
        r = cursor_open(source->paths, source->path_count, &options, &cursor, ret_message,
                        message_size);
    if (r == 0)
        r = join_open(next_record, cursor, &(struct join_options){0}, &join);
    if (r == 0)
        r = take_rows(reading, join, where, &page, &first);
    if (r == 0)
        r = unroll(&page, first, reading->rows);
    join_close(join);
    cursor_close(cursor);
    query_close(where);
    if (r < 0 && !*ret_message)
        snprintf(ret_message, message_size, "%s", strerror(-r));
    if (r < 0)
        page_done(&page);
    else
        *ret_page = page;
    return r;
}

int page_forward(const struct page_source *source, int64_t since_ns, const struct page_row *after,
                 size_t rows, struct page *ret_page, char *ret_message, size_t message_size)
{
    const struct reading reading = {.source = source,
                                    .since_ns = after ? after->time_ns : since_ns,
                                    .until_ns = INT64_MAX,
                                    .after = after,
                                    .rows = rows};

    return read_rows(&reading, ret_page, ret_message, message_size);
}

/* The moment of the last record there is, whatever the condition; INT64_MIN: there is none. */
static int find_end(const struct page_source *source, int64_t *ret_ns, char *ret_message,
                    size_t message_size)
{
    const struct page_source all = {source->paths, source->path_count, NULL, source->now_ns};
    const struct reading reading = {.source = &all,
                                    .since_ns = INT64_MIN,
                                    .until_ns = INT64_MAX,
                                    .tail = 1,
                                    .rows = 1,
                                    .newest = true};
    struct page page;
    int r = read_rows(&reading, &page, ret_message, message_size);

    if (r < 0)
        return r;
    *ret_ns = page.count ? page.row[0].time_ns : INT64_MIN;
    page_done(&page);
    return 0;
}

int page_backward(const struct page_source *source, const struct page_row *before, size_t rows,
                  struct page *ret_page, char *ret_message, size_t message_size)
{
    struct reading reading = {.source = source, .before = before, .rows = rows, .newest = true};
    int64_t stretch = STRETCH_NS;
    int r = 0;

    reading.until_ns = before ? before->time_ns : INT64_MAX;
    if (!before)
        r = find_end(source, &reading.until_ns, ret_message, message_size);
    while (r == 0) {
        const bool all = __builtin_sub_overflow(reading.until_ns, stretch, &reading.since_ns) ||
                         reading.since_ns <= 0;

        if (all)
            reading.since_ns = INT64_MIN;
        r = read_rows(&reading, ret_page, ret_message, message_size);
        if (r < 0 || all || ret_page->count == rows)
            break;
        page_done(ret_page);
        if (__builtin_mul_overflow(stretch, STRETCH_GROWS, &stretch))
            stretch = INT64_MAX;
    }
    return r;
}
