/* SPDX-License-Identifier: MIT
 *
 * Records as a trace for Perfetto: see chrome.h.
 */
#include "tools/chrome.h"
#include "reader/spans.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define ROWS_SIZE 65536u

struct thread {
    uint32_t pid, tid;
};

struct chrome {
    struct answer answer; /* first */
    FILE *out;
    struct text rows;
    bool begun, any;       /* the head was put; an event */
    int64_t first_ns;      /* of the first record. Times are relative to it: readers keep them as
                              doubles, which would lose nanoseconds */
    struct thread *thread; /* those that were named, by pid and tid */
    size_t threads, room;
    struct spans spans;
    struct text args;
};

static int flush_rows(struct chrome *chrome)
{
    const int r = answer_write(&chrome->rows, chrome->out);

    text_clear(&chrome->rows);
    return r;
}

static void put_head(struct chrome *chrome)
{
    if (chrome->begun)
        return;
    text_printf(&chrome->rows,
                "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"first_time_ns\":\"%" PRId64
                "\"},\"traceEvents\":[",
                chrome->first_ns);
    chrome->begun = true;
}

static void put_separator(struct chrome *chrome)
{
    put_head(chrome);
    text_puts(&chrome->rows, chrome->any ? ",\n" : "\n");
    chrome->any = true;
}

/* Microseconds, exact to the nanosecond. */
static void put_time(struct text *out, int64_t ns)
{
    const uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

    if (ns < 0)
        text_putc(out, '-');
    text_u64(out, size / 1000);
    text_putc(out, '.');
    text_put_digits(out, 3, size % 1000);
}

static void put_name(struct chrome *chrome, const char *what, const struct thread *thread,
                     const char *name, size_t size)
{
    struct text *const out = &chrome->rows;

    put_separator(chrome);
    text_printf(out,
                "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":", what,
                thread->pid, thread->tid);
    text_put_json(out, name, strnlen(name, size), NULL);
    text_puts(out, "}}");
}

/* Where the thread is, or belongs, among those that were named. */
static size_t place_of(const struct chrome *chrome, uint32_t pid, uint32_t tid)
{
    size_t begin = 0, end = chrome->threads;

    while (begin < end) {
        const size_t at = begin + (end - begin) / 2;
        const struct thread *const thread = &chrome->thread[at];

        if (thread->pid < pid || (thread->pid == pid && thread->tid < tid))
            begin = at + 1;
        else
            end = at;
    }
    return begin;
}

static int name_thread(struct chrome *chrome, const struct shmlog_producer *producer)
{
    const struct thread thread = {producer->pid, producer->tid};
    const size_t at = place_of(chrome, thread.pid, thread.tid);
    const bool known = at < chrome->threads && chrome->thread[at].pid == thread.pid;

    if (known && chrome->thread[at].tid == thread.tid)
        return 0;
    if (chrome->threads == chrome->room) {
        const size_t room = chrome->room ? 2 * chrome->room : 64;
        struct thread *const grown = reallocarray(chrome->thread, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        chrome->thread = grown;
        chrome->room = room;
    }
    if (!known && !(at && chrome->thread[at - 1].pid == thread.pid))
        put_name(chrome, "process_name", &thread, producer->process, sizeof(producer->process));
    memmove(&chrome->thread[at + 1], &chrome->thread[at],
            (chrome->threads - at) * sizeof(*chrome->thread));
    chrome->thread[at] = thread;
    chrome->threads++;
    put_name(chrome, "thread_name", &thread, producer->thread, sizeof(producer->thread));
    return 0;
}

/* "pid":P,"tid":T,"cat":C,"name":N,"args":A */
static void put_common(const struct line *line, const struct text *args, struct text *out)
{
    const struct cursor_record *const record = &line->record;
    const char *const category =
        record->site && *record->site->category ? record->site->category : "log";
    const char *const name = record->site ? record->site->format : "unknown";

    text_printf(out, "\"pid\":%u,\"tid\":%u,\"cat\":", record->producer ? record->producer->pid : 0,
                record->producer ? record->producer->tid : 0);
    text_put_json(out, category, strlen(category), NULL);
    text_puts(out, ",\"name\":");
    text_put_json(out, name, strlen(name), NULL);
    text_puts(out, ",\"args\":");
    text_put(out, args->data, args->size);
}

static void put_instant(struct chrome *chrome, const struct line *line)
{
    put_separator(chrome);
    text_puts(&chrome->rows, "{\"ph\":\"i\",\"s\":\"t\",\"ts\":");
    put_time(&chrome->rows, line->record.time_ns - chrome->first_ns);
    text_putc(&chrome->rows, ',');
    put_common(line, &chrome->args, &chrome->rows);
    text_putc(&chrome->rows, '}');
}

/* What a slice has of its begin is kept until its end. */
static int begin(struct chrome *chrome, const struct line *line, uint64_t trace)
{
    struct text common = {0};
    struct span *span;
    int r;

    put_common(line, &chrome->args, &common);
    r = text_string(&common) ? spans_begin(&chrome->spans, line, trace, &span) : -ENOMEM;
    if (r < 0) {
        text_done(&common);
        return r;
    }
    span->text = common.data;
    return 0;
}

static void put_slice(struct chrome *chrome, const struct span *span, const int64_t *end_ns)
{
    struct text *const out = &chrome->rows;

    put_separator(chrome);
    text_puts(out, end_ns ? "{\"ph\":\"X\",\"ts\":" : "{\"ph\":\"B\",\"ts\":");
    put_time(out, span->begin_ns - chrome->first_ns);
    if (end_ns) {
        text_puts(out, ",\"dur\":");
        put_time(out, *end_ns - span->begin_ns);
    }
    text_putc(out, ',');
    text_puts(out, span->text);
    text_putc(out, '}');
}

static int chrome_take(struct answer *answer, struct line *line)
{
    struct chrome *const chrome = (struct chrome *)answer;
    bool traced;
    uint64_t trace;
    const enum span_phase phase = span_phase_of(line, &traced, &trace);
    struct span span;
    int r;

    if (!chrome->begun)
        chrome->first_ns = line->record.time_ns;
    put_head(chrome);
    r = line->record.producer ? name_thread(chrome, line->record.producer) : 0;

    text_clear(&chrome->args);
    if (line_values(line))
        render_fields_json(line->record.site, line->value, &chrome->args, NULL);
    else
        text_puts(&chrome->args, "{}");
    if (r == 0 && phase == SPAN_BEGIN) {
        r = begin(chrome, line, trace);
    } else if (r == 0 && phase == SPAN_END && spans_end(&chrome->spans, line, trace, &span)) {
        put_slice(chrome, &span, &line->record.time_ns);
        span_done(&span);
    } else if (r == 0) {
        put_instant(chrome, line);
    }
    if (r == 0 && (chrome->args.failed || chrome->rows.failed))
        r = -ENOMEM;
    return r == 0 && chrome->rows.size > ROWS_SIZE ? flush_rows(chrome) : r;
}

static int chrome_flush(struct answer *answer)
{
    return flush_rows((struct chrome *)answer);
}

static int chrome_end(struct answer *answer)
{
    struct chrome *const chrome = (struct chrome *)answer;

    for (size_t i = 0; i < chrome->spans.count; i++)
        put_slice(chrome, &chrome->spans.open[i], NULL);
    put_head(chrome);
    text_puts(&chrome->rows, "\n]}\n");
    return flush_rows(chrome);
}

static void chrome_close(struct answer *answer)
{
    struct chrome *const chrome = (struct chrome *)answer;

    spans_done(&chrome->spans);
    text_done(&chrome->rows);
    text_done(&chrome->args);
    free(chrome->thread);
    free(chrome);
}

int chrome_open(FILE *out, struct answer **ret_answer)
{
    struct chrome *const chrome = calloc(1, sizeof(*chrome));

    if (!chrome)
        return -ENOMEM;
    chrome->answer = (struct answer){.take = chrome_take,
                                     .flush = chrome_flush,
                                     .end = chrome_end,
                                     .close = chrome_close};
    chrome->out = out;
    *ret_answer = &chrome->answer;
    return 0;
}
