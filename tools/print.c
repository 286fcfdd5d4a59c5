/* SPDX-License-Identifier: MIT
 *
 * Printing lines. A row is put together in memory and written at once.
 */
#include "tools/print.h"
#include "tools/level.h"
#include "tools/render.h"

#include <errno.h>
#include <string.h>

#define WHO_WIDTH_MAX 36

static const char *const level_labels[] = {"TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "CRIT "};
static const char *const level_colours[] = {"\033[2m",  "\033[36m", "\033[32m",
                                            "\033[33m", "\033[31m", "\033[1;31m"};
#define LEVELS (sizeof(level_labels) / sizeof(level_labels[0]))

static int write_row(struct printer *printer)
{
    size_t size = printer->row.size;

    if (printer->row.failed || printer->cell.failed)
        return -ENOMEM;
    if (fwrite(printer->row.data, 1, size, printer->out) != size)
        return errno ? -errno : -EIO;
    return 0;
}

bool print_flat(const struct field *field, struct line *line, struct text *out)
{
    const struct file_value *value;

    switch (field_get(field, line, out, &value, NULL)) {
    case FIELD_NONE:
        return false;
    case FIELD_VALUE:
        break;
    default:
        return true;
    }
    if (value->is_null)
        return false;
    if (value->type == SHMLOG_TYPE_STRING || value->type == SHMLOG_TYPE_TEXT)
        text_put(out, value->data, render_string_size(value));
    else if (value->type == SHMLOG_TYPE_CHAR)
        text_putc(out, (char)value->i);
    else
        render_value(value, out);
    return true;
}

/* process[pid] or process/thread[pid:tid], padded to the widest so far. */
static void put_who(struct printer *printer, const struct shmlog_producer *producer)
{
    struct text *row = &printer->row, *cell = &printer->cell;
    unsigned width = 0;

    text_clear(cell);
    if (producer) {
        size_t process = strnlen(producer->process, sizeof(producer->process));
        size_t thread = strnlen(producer->thread, sizeof(producer->thread));

        text_put(cell, producer->process, process);
        if (thread && (thread != process || memcmp(producer->thread, producer->process, thread))) {
            text_putc(cell, '/');
            text_put(cell, producer->thread, thread);
        }
        if (producer->pid == producer->tid)
            text_printf(cell, "[%u]", producer->pid);
        else
            text_printf(cell, "[%u:%u]", producer->pid, producer->tid);
    } else {
        text_putc(cell, '?');
    }
    width = cell->size > WHO_WIDTH_MAX ? WHO_WIDTH_MAX : (unsigned)cell->size;
    if (width > printer->who_width)
        printer->who_width = width;
    text_put_plain(row, cell->data, cell->size);
    if (cell->size < printer->who_width)
        text_fill(row, ' ', printer->who_width - cell->size);
    text_putc(row, ' ');
}

static void put_level(struct printer *printer, const struct file_site *site)
{
    struct text *row = &printer->row;
    unsigned level = site ? site->level : SHMLOG_OFF;

    if (level >= LEVELS) {
        text_puts(row, "?     ");
        return;
    }
    if (printer->colour)
        text_puts(row, level_colours[level]);
    text_puts(row, level_labels[level]);
    if (printer->colour)
        text_puts(row, "\033[0m");
    text_putc(row, ' ');
}

static void put_for_people(struct printer *printer, struct line *line)
{
    const struct cursor_record *record = &line->record;
    const struct text *message = line_message(line);
    struct text *row = &printer->row;

    text_put_time(row, record->time_ns);
    text_putc(row, ' ');
    put_level(printer, record->site);
    if (record->cpu == ~UINT32_C(0))
        text_puts(row, "cpu -  ");
    else
        text_printf(row, "cpu %-2u ", record->cpu);
    put_who(printer, record->producer);
    if (record->site && *record->site->category) {
        text_putc(row, '[');
        text_put_plain(row, record->site->category, strlen(record->site->category));
        text_puts(row, "] ");
    }
    text_put_plain(row, message->data, message->size);
    if (line->cut || line->unfinished)
        text_puts(row, "\xe2\x80\xa6"); /* U+2026, an ellipsis */
}

static void put_text_fields(struct printer *printer, struct line *line)
{
    const struct field_list *fields = &printer->fields;

    if (fields->count == 1 && fields->field[0].id == FIELD_MESSAGE) {
        const struct text *message = line_message(line);

        text_put(&printer->row, message->data, message->size);
        return;
    }
    for (size_t i = 0; i < fields->count; i++) {
        if (i)
            text_putc(&printer->row, '\t');
        text_clear(&printer->cell);
        if (print_flat(&fields->field[i], line, &printer->cell))
            text_put_plain(&printer->row, printer->cell.data, printer->cell.size);
    }
}

static void put_key(struct text *row, const char *name)
{
    if (row->size > 1)
        text_putc(row, ',');
    text_put_json(row, name, strlen(name), NULL);
    text_putc(row, ':');
}

static void put_json(struct printer *printer, struct line *line)
{
    struct text *row = &printer->row, *cell = &printer->cell;
    bool invalid = false;

    text_putc(row, '{');
    for (size_t i = 0; i < printer->fields.count; i++) {
        const struct field *field = &printer->fields.field[i];
        const struct file_value *value;

        put_key(row, field->name);
        text_clear(cell);
        switch (field_get(field, line, cell, &value, &invalid)) {
        case FIELD_NONE:
            text_puts(row, "null");
            break;
        case FIELD_STRING:
            text_put_json(row, cell->data, cell->size, &invalid);
            break;
        case FIELD_NUMBER:
        case FIELD_JSON:
            text_put(row, cell->data, cell->size);
            break;
        case FIELD_VALUE:
            render_value_json(value, row, &invalid);
            break;
        }
    }
    if (!printer->chosen && line->cut)
        text_puts(row, ",\"cut\":true");
    if (!printer->chosen && line->parts > 1)
        text_printf(row, ",\"parts\":%u", line->parts);
    if (!printer->chosen && line->unfinished)
        text_puts(row, ",\"unfinished\":true");
    if (!printer->chosen && invalid)
        text_puts(row, ",\"invalid_utf8\":true");
    text_putc(row, '}');
}

static void put_csv(struct printer *printer, struct line *line)
{
    for (size_t i = 0; i < printer->fields.count; i++) {
        if (i)
            text_putc(&printer->row, ',');
        text_clear(&printer->cell);
        if (print_flat(&printer->fields.field[i], line, &printer->cell))
            text_put_csv(&printer->row, printer->cell.data, printer->cell.size);
    }
    text_putc(&printer->row, '\r');
}

int print_begin(struct printer *printer)
{
    if (printer->format != PRINT_CSV || printer->headed)
        return 0;
    printer->headed = true;
    text_clear(&printer->row);
    for (size_t i = 0; i < printer->fields.count; i++) {
        const char *name = printer->fields.field[i].name;

        if (i)
            text_putc(&printer->row, ',');
        text_put_csv(&printer->row, name, strlen(name));
    }
    text_puts(&printer->row, "\r\n");
    return write_row(printer);
}

int print_line(struct printer *printer, struct line *line)
{
    int r = print_begin(printer);

    if (r < 0)
        return r;
    text_clear(&printer->row);
    text_clear(&printer->cell);
    if (printer->format == PRINT_JSON)
        put_json(printer, line);
    else if (printer->format == PRINT_CSV)
        put_csv(printer, line);
    else if (printer->chosen)
        put_text_fields(printer, line);
    else
        put_for_people(printer, line);
    text_putc(&printer->row, '\n');
    if (line->message.failed)
        return -ENOMEM;
    return write_row(printer);
}

void printer_done(struct printer *printer)
{
    field_list_done(&printer->fields);
    text_done(&printer->row);
    text_done(&printer->cell);
}
