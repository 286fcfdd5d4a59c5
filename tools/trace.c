/* SPDX-License-Identifier: MIT
 *
 * One trace as a tree: see trace.h.
 */
#include "tools/trace.h"
#include "reader/spans.h"
#include "tools/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum row_kind { ROW_SPAN, ROW_POINT, ROW_END /* without a begin */ };

struct row {
    enum row_kind kind;
    unsigned depth;
    uint64_t parent; /* row number, from 1; 0: none */
    int64_t begin_ns, end_ns;
    bool ended;
    uint32_t pid, tid;
    char *name, *process, *thread, *fields, *json; /* fields: for people and as JSON */
};

struct trace {
    struct answer answer; /* first */
    uint64_t id;
    enum print_format format;
    FILE *out;
    struct row *row;
    size_t count, room;
    struct spans spans;
    struct text cell;
};

static void row_done(struct row *row)
{
    free(row->name);
    free(row->process);
    free(row->thread);
    free(row->fields);
    free(row->json);
}

/* Of an array, whether it ends in a NUL or not. */
static char *copy_of(const char *from, size_t size)
{
    const size_t length = size ? strnlen(from, size) : 0;
    char *const copy = malloc(length + 1);

    if (!copy)
        return NULL;
    if (length)
        memcpy(copy, from, length);
    copy[length] = 0;
    return copy;
}

/* Its fields but for those that make it a span. */
static char *fields_of(struct trace *trace, struct line *line, bool span)
{
    const struct file_site *const site = line->record.site;
    const unsigned count = line_values(line);

    text_clear(&trace->cell);
    for (unsigned i = span ? 2 : 0; i < count; i++) {
        if (trace->cell.size)
            text_putc(&trace->cell, ' ');
        text_puts(&trace->cell, site->name[i] ? site->name[i] : "?");
        text_putc(&trace->cell, '=');
        render_value(&line->value[i], &trace->cell);
    }
    return text_string(&trace->cell) ? strdup(trace->cell.data) : NULL;
}

static char *json_of(struct trace *trace, struct line *line)
{
    text_clear(&trace->cell);
    if (line_values(line))
        render_fields_json(line->record.site, line->value, &trace->cell, NULL);
    else
        text_puts(&trace->cell, "{}");
    return text_string(&trace->cell) ? strdup(trace->cell.data) : NULL;
}

static int fill(struct trace *trace, struct line *line, enum row_kind kind, struct row *row)
{
    const struct cursor_record *const record = &line->record;
    const struct shmlog_producer *const producer = record->producer;
    const struct span *const in = spans_innermost(&trace->spans, trace->id);
    const struct text *message;

    *row = (struct row){.kind = kind, .begin_ns = record->time_ns, .end_ns = record->time_ns};
    if (in) {
        row->parent = in->tag;
        row->depth = trace->row[row->parent - 1].depth + 1;
    }
    if (kind == ROW_POINT) {
        message = line_message(line);
        row->name = copy_of(message->data, message->size);
        row->fields = strdup("");
    } else {
        row->name = strdup(record->site->format);
        row->fields = fields_of(trace, line, true);
    }
    row->json = json_of(trace, line);
    row->pid = producer ? producer->pid : 0;
    row->tid = producer ? producer->tid : 0;
    row->process = producer ? copy_of(producer->process, sizeof(producer->process)) : strdup("");
    row->thread = producer ? copy_of(producer->thread, sizeof(producer->thread)) : strdup("");
    return row->name && row->fields && row->json && row->process && row->thread ? 0 : -ENOMEM;
}

static int add(struct trace *trace, struct line *line, enum row_kind kind)
{
    struct row row;

    if (trace->count == TRACE_ROWS_MAX) {
        trace->answer.left_out++;
        return 0;
    }
    if (trace->count == trace->room) {
        const size_t room = trace->room ? 2 * trace->room : 64;
        struct row *const grown = reallocarray(trace->row, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        trace->row = grown;
        trace->room = room;
    }
    if (fill(trace, line, kind, &row) < 0) {
        row_done(&row);
        return -ENOMEM;
    }
    trace->row[trace->count++] = row;
    return 0;
}

static int begin(struct trace *trace, struct line *line)
{
    const size_t before = trace->count;
    struct span *span;
    int r = add(trace, line, ROW_SPAN);

    if (r < 0 || trace->count == before)
        return r;
    r = spans_begin(&trace->spans, line, trace->id, &span);
    if (r == 0)
        span->tag = trace->count; /* its row */
    return r;
}

static int end(struct trace *trace, struct line *line)
{
    struct span span;
    struct row *row;

    if (!spans_end(&trace->spans, line, trace->id, &span))
        return add(trace, line, ROW_END);
    row = &trace->row[span.tag - 1];
    row->end_ns = line->record.time_ns;
    row->ended = true;
    span_done(&span);
    return 0;
}

static int trace_take(struct answer *answer, struct line *line)
{
    struct trace *const trace = (struct trace *)answer;
    bool traced;
    uint64_t id;
    const enum span_phase phase = span_phase_of(line, &traced, &id);

    if (!traced || id != trace->id)
        return 0;
    return phase == SPAN_BEGIN ? begin(trace, line)
           : phase == SPAN_END ? end(trace, line)
                               : add(trace, line, ROW_POINT);
}

static int trace_flush(struct answer *answer)
{
    return 0;
}

static void put_text(const struct trace *trace, const struct row *row, struct text *out)
{
    text_put_duration(out, (double)(row->begin_ns - trace->row[0].begin_ns));
    text_putc(out, '\t');
    if (row->kind == ROW_SPAN && row->ended)
        text_put_duration(out, (double)(row->end_ns - row->begin_ns));
    else if (row->kind == ROW_SPAN)
        text_puts(out, "open");
    text_putc(out, '\t');
    text_fill(out, ' ', 2 * (size_t)row->depth);
    if (row->kind == ROW_POINT)
        text_puts(out, "- ");
    text_put_plain(out, row->name, strlen(row->name));
    if (row->kind == ROW_END)
        text_puts(out, " ended, and its begin is not known");
    text_putc(out, '\t');
    text_put_plain(out, row->process, strlen(row->process));
    if (*row->thread && strcmp(row->thread, row->process)) {
        text_putc(out, '/');
        text_put_plain(out, row->thread, strlen(row->thread));
    }
    text_putc(out, '\t');
    text_put_plain(out, row->fields, strlen(row->fields));
    text_putc(out, '\n');
}

static void put_json(const struct row *row, size_t number, struct text *out)
{
    static const char *const kinds[] = {"span", "record", "end"};

    text_printf(out, "{\"row\":%zu,\"kind\":\"%s\",\"parent\":", number, kinds[row->kind]);
    if (row->parent)
        text_u64(out, row->parent);
    else
        text_puts(out, "null");
    text_printf(out, ",\"depth\":%u,\"name\":", row->depth);
    text_put_json(out, row->name, strlen(row->name), NULL);
    text_printf(out, ",\"begin_ns\":%" PRId64 ",\"duration_ns\":", row->begin_ns);
    if (row->ended)
        text_i64(out, row->end_ns - row->begin_ns);
    else
        text_puts(out, "null");
    text_puts(out, ",\"process\":");
    text_put_json(out, row->process, strlen(row->process), NULL);
    text_puts(out, ",\"thread\":");
    text_put_json(out, row->thread, strlen(row->thread), NULL);
    text_printf(out, ",\"pid\":%u,\"tid\":%u,\"fields\":%s}\n", row->pid, row->tid, row->json);
}

static int trace_end(struct answer *answer)
{
    struct trace *const trace = (struct trace *)answer;
    struct text rows = {0};
    int r;

    for (size_t i = 0; i < trace->count; i++) {
        if (trace->format == PRINT_JSON)
            put_json(&trace->row[i], i + 1, &rows);
        else
            put_text(trace, &trace->row[i], &rows);
    }
    if (trace->format == PRINT_TEXT)
        table_align(&rows, 0, 2);
    r = answer_write(&rows, trace->out);
    text_done(&rows);
    return r;
}

static void trace_close(struct answer *answer)
{
    struct trace *const trace = (struct trace *)answer;

    for (size_t i = 0; i < trace->count; i++)
        row_done(&trace->row[i]);
    free(trace->row);
    spans_done(&trace->spans);
    text_done(&trace->cell);
    free(trace);
}

int trace_open(uint64_t id, enum print_format format, FILE *out, struct answer **ret_answer)
{
    struct trace *const trace = calloc(1, sizeof(*trace));

    if (!trace)
        return -ENOMEM;
    trace->answer = (struct answer){.take = trace_take,
                                    .flush = trace_flush,
                                    .end = trace_end,
                                    .close = trace_close,
                                    .at_end = true};
    trace->id = id;
    trace->format = format;
    trace->out = out;
    *ret_answer = &trace->answer;
    return 0;
}
