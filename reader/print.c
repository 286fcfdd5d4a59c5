/* SPDX-License-Identifier: MIT
 *
 * Printing lines.
 */
#include "reader/print.h"
#include "reader/level.h"
#include "reader/render.h"

#include <errno.h>
#include <string.h>

#define WHO_WIDTH_MAX 36
#define ROWS_SIZE (64u << 10)
#define PART_SIZE (256u << 10) /* of a long string, passed on before the next one is put */

static const char *const level_labels[] = {"TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "CRIT "};
static const char *const level_colours[] = {"\033[2m",  "\033[36m", "\033[32m",
                                            "\033[33m", "\033[31m", "\033[1;31m"};
#define LEVELS (sizeof(level_labels) / sizeof(level_labels[0]))

int print_flush(struct printer *printer)
{
    const size_t size = printer->row.size;

    if (printer->row.failed || printer->cell.failed || printer->head.failed)
        return -ENOMEM;
    text_clear(&printer->row);
    if (size && fwrite(printer->row.data, 1, size, printer->out) != size)
        return errno ? -errno : -EIO;
    return fflush(printer->out) == 0 ? 0 : errno ? -errno : -EIO;
}

/* Rows gather in memory, and go out many at a time. */
static int end_row(struct printer *printer)
{
    if ((printer->row.size < ROWS_SIZE || printer->hold) && !printer->row.failed)
        return 0;
    return print_flush(printer);
}

/* A string, or a part of one, in the way of the format. */
static void put_part(struct printer *printer, const char *data, size_t size, bool *invalid)
{
    if (printer->format == PRINT_JSON)
        text_put_json_part(&printer->row, data, size, invalid);
    else if (printer->format == PRINT_CSV)
        text_put_csv_part(&printer->row, data, size);
    else
        text_put_plain(&printer->row, data, size);
}

static void put_short(struct printer *printer, const struct text *string, struct text *out,
                      bool *invalid)
{
    if (printer->format == PRINT_JSON)
        text_put_json(out, string->data, string->size, invalid);
    else if (printer->format == PRINT_CSV)
        text_put_csv(out, string->data, string->size);
    else
        text_put_plain(out, string->data, string->size);
}

/* Where a part of a longer string ends: not within a character. */
static size_t part_end(const char *data)
{
    size_t end = PART_SIZE;

    while (end > PART_SIZE - 3 && ((uint8_t)data[end] & 0xc0) == 0x80)
        end--;
    return end;
}

/* A string may be 64 MiB long, and several times that when it is escaped: it goes out in parts. */
static void put_long(struct printer *printer, const struct text *string, bool *invalid)
{
    const bool quote =
        printer->format == PRINT_JSON ||
        (printer->format == PRINT_CSV && text_csv_wants_quotes(string->data, string->size));
    const char *at = string->data;
    size_t size = string->size;

    if (quote)
        text_putc(&printer->row, '"');
    while (size > PART_SIZE && printer->error == 0) {
        const size_t end = part_end(at);

        put_part(printer, at, end, invalid);
        at += end;
        size -= end;
        printer->error = end_row(printer);
    }
    put_part(printer, at, size, invalid);
    if (quote)
        text_putc(&printer->row, '"');
}

/* What is long goes to the row, whatever `out` is. */
static void put_string(struct printer *printer, const struct text *string, struct text *out,
                       bool *invalid)
{
    if (string->size > PART_SIZE)
        put_long(printer, string, invalid);
    else
        put_short(printer, string, out, invalid);
}

/* A field's value for text and CSV, good until the next call; NULL: there is none. */
static const struct text *flat(struct printer *printer, const struct field *field,
                               struct line *line)
{
    if (field->id == FIELD_MESSAGE)
        return line_message(line);
    text_clear(&printer->cell);
    return print_flat(field, line, &printer->cell) ? &printer->cell : NULL;
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
static void put_who(struct printer *printer, const struct shmlog_producer *producer,
                    struct text *out)
{
    struct text *cell = &printer->cell;
    size_t process, thread;
    unsigned width;

    text_clear(cell);
    if (producer) {
        process = strnlen(producer->process, sizeof(producer->process));
        thread = strnlen(producer->thread, sizeof(producer->thread));
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
    text_put_plain(out, cell->data, cell->size);
    if (cell->size < printer->who_width)
        text_fill(out, ' ', printer->who_width - cell->size);
    text_putc(out, ' ');
}

static void put_level(const struct printer *printer, unsigned level, struct text *out)
{
    if (level >= LEVELS) {
        text_puts(out, "?     ");
        return;
    }
    if (printer->colour)
        text_puts(out, level_colours[level]);
    text_puts(out, level_labels[level]);
    if (printer->colour)
        text_puts(out, "\033[0m");
    text_putc(out, ' ');
}

/* What stands between time and message: the same as in the line before, most of the time. */
static void put_head(struct printer *printer, const struct cursor_record *record)
{
    const unsigned level = record->site ? record->site->level : SHMLOG_OFF;
    const char *const category = record->site ? record->site->category : "";
    struct text *const head = &printer->head;

    if (head->size && printer->head_cpu == record->cpu && printer->head_level == level &&
        !strcmp(printer->head_category, category) && record->producer &&
        !memcmp(&printer->head_producer, record->producer, sizeof(*record->producer))) {
        text_put(&printer->row, head->data, head->size);
        return;
    }
    text_clear(head);
    put_level(printer, level, head);
    if (record->cpu == ~UINT32_C(0))
        text_puts(head, "cpu -  ");
    else
        text_printf(head, "cpu %-2u ", record->cpu);
    put_who(printer, record->producer, head);
    if (*category) {
        text_putc(head, '[');
        text_put_plain(head, category, strlen(category));
        text_puts(head, "] ");
    }
    text_put(&printer->row, head->data, head->size);
    if (!record->producer || strlen(category) >= sizeof(printer->head_category)) {
        text_clear(head); /* not kept */
        return;
    }
    printer->head_cpu = record->cpu;
    printer->head_level = level;
    printer->head_producer = *record->producer;
    strcpy(printer->head_category, category);
}

static void put_for_people(struct printer *printer, struct line *line)
{
    struct text *row = &printer->row;

    text_put_time(row, line->record.time_ns, &printer->second);
    text_putc(row, ' ');
    put_head(printer, &line->record);
    put_string(printer, line_message(line), row, NULL);
    if (line->cut || line->unfinished)
        text_puts(row, "\xe2\x80\xa6"); /* U+2026, an ellipsis */
}

static void put_json_value(struct printer *printer, const struct field *field, struct line *line,
                           struct text *out, bool *invalid)
{
    struct text *const cell = &printer->cell;
    const size_t begin = out->size;
    const struct file_value *value;

    switch (field_get(field, line, out, &value, invalid)) {
    case FIELD_NONE:
        text_puts(out, "null");
        break;
    case FIELD_STRING: /* few: most are in a memo */
        text_clear(cell);
        text_put(cell, out->data + begin, out->size - begin);
        out->size = begin;
        text_put_json(out, cell->data, cell->size, invalid);
        break;
    case FIELD_NUMBER:
    case FIELD_JSON:
        break;
    case FIELD_VALUE:
        render_value_json(value, out, invalid);
        break;
    }
}

/* A field of a row. Messages go to the row, for they may be long. */
static void put_field(struct printer *printer, size_t index, struct line *line, struct text *out,
                      bool *invalid)
{
    const struct print_plan *const plan = &printer->plan;
    const struct field *const field = &printer->fields.field[index];
    const size_t before = index ? plan->before_end[index - 1] : 0;
    const struct text *value;

    if (plan->before_end[index] > before) /* else there may be no text yet */
        text_put(out, plan->before.data + before, plan->before_end[index] - before);
    if (printer->format == PRINT_JSON && field->id != FIELD_MESSAGE) {
        put_json_value(printer, field, line, out, invalid);
        return;
    }
    value = flat(printer, field, line);
    if (value)
        put_string(printer, value, out, invalid);
}

static void put_before(struct printer *printer, size_t index)
{
    struct text *const before = &printer->plan.before;
    const char *const name = printer->fields.field[index].name;

    if (printer->format == PRINT_JSON) {
        text_putc(before, index ? ',' : '{');
        text_put_json(before, name, strlen(name), NULL);
        text_putc(before, ':');
    } else if (index) {
        text_putc(before, printer->format == PRINT_CSV ? ',' : '\t');
    }
    printer->plan.before_end[index] = (uint32_t)before->size;
}

static void make_plan(struct printer *printer)
{
    struct print_plan *const plan = &printer->plan;

    for (uint8_t i = 0; i < printer->fields.count; i++) {
        struct print_run *last = plan->runs ? &plan->run[plan->runs - 1] : NULL;
        enum memo_of of = MEMO_SITE;
        const bool alike = field_is_of(&printer->fields.field[i], &of);

        put_before(printer, i);
        if (last && last->alike && alike && last->of == of)
            last->end++;
        else
            plan->run[plan->runs++] =
                (struct print_run){.begin = i, .end = i + 1, .of = (uint8_t)of, .alike = alike};
    }
    if (plan->before.failed)
        printer->row.failed = true;
}

static void put_run(struct printer *printer, const struct print_run *run, struct line *line,
                    struct text *out, bool *invalid)
{
    for (size_t i = run->begin; i < run->end; i++)
        put_field(printer, i, line, out, invalid);
}

/* All runs that are alike for what the memo is of. */
static void fill(struct printer *printer, enum memo_of of, struct line *line, struct memo *memo)
{
    for (size_t i = 0; i < printer->plan.runs; i++) {
        const struct print_run *const run = &printer->plan.run[i];
        bool invalid = false;

        if (!run->alike || run->of != of)
            continue;
        memo_begin(memo, i);
        put_run(printer, run, line, &memo->text, &invalid);
        memo_end(memo, i, invalid);
    }
}

static void put_fields(struct printer *printer, struct line *line, bool *invalid)
{
    struct print_plan *const plan = &printer->plan;

    for (size_t i = 0; i < plan->runs; i++) {
        const struct print_run *const run = &plan->run[i];
        const enum memo_of of = (enum memo_of)run->of;
        struct memo *memo = NULL;
        bool is_new = false;

        if (run->alike)
            memo = memo_find(&plan->alike[of], of, &line->record, &is_new);
        if (is_new && memo)
            fill(printer, of, line, memo);
        if (memo)
            memo_put(memo, i, &printer->row, invalid);
        else
            put_run(printer, run, line, &printer->row, invalid);
    }
}

static void put_text_fields(struct printer *printer, struct line *line)
{
    const struct field_list *fields = &printer->fields;
    const struct text *value;

    if (fields->count == 1 && fields->field[0].id == FIELD_MESSAGE) {
        value = line_message(line);
        text_put(&printer->row, value->data, value->size);
        return;
    }
    put_fields(printer, line, NULL);
}

static void put_json(struct printer *printer, struct line *line)
{
    struct text *row = &printer->row;
    bool invalid = false;

    put_fields(printer, line, &invalid);
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
    put_fields(printer, line, NULL);
    text_putc(&printer->row, '\r');
}

int print_begin(struct printer *printer)
{
    if (!printer->plan.runs)
        make_plan(printer);
    if (printer->format != PRINT_CSV || printer->headed)
        return 0;
    printer->headed = true;
    for (size_t i = 0; i < printer->fields.count; i++) {
        const char *name = printer->fields.field[i].name;

        if (i)
            text_putc(&printer->row, ',');
        text_put_csv(&printer->row, name, strlen(name));
    }
    text_puts(&printer->row, "\r\n");
    return end_row(printer);
}

int print_line(struct printer *printer, struct line *line)
{
    int r = print_begin(printer);

    if (r < 0)
        return r;
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
    return printer->error < 0 ? printer->error : end_row(printer);
}

void printer_done(struct printer *printer)
{
    field_list_done(&printer->fields);
    text_done(&printer->row);
    text_done(&printer->cell);
    text_done(&printer->head);
    text_done(&printer->plan.before);
    for (unsigned of = 0; of <= MEMO_PLACE; of++)
        memos_done(&printer->plan.alike[of]);
}
