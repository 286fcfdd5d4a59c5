/* SPDX-License-Identifier: MIT
 *
 * Spans of traces: see spans.h.
 */
#include "reader/spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_number(const struct file_value *value)
{
    return value->type >= SHMLOG_TYPE_I8 && value->type <= SHMLOG_TYPE_U64;
}

enum span_phase span_phase_of(struct line *line, bool *ret_traced, uint64_t *ret_trace)
{
    const struct file_site *const site = line->record.site;
    const unsigned count = line_values(line);
    int index;

    *ret_traced = false;
    if (!count)
        return SPAN_NONE;
    index = render_find_key(site, "trace");
    if (index < 0 || !is_number(&line->value[index]))
        return SPAN_NONE;
    *ret_traced = true;
    *ret_trace = line->value[index].u;
    if (index != 0 || count < 2 || strcmp(site->category, "span") ||
        render_find_key(site, "phase") != 1 || line->value[1].type != SHMLOG_TYPE_CHAR)
        return SPAN_NONE;
    return (char)line->value[1].u == 'B'   ? SPAN_BEGIN
           : (char)line->value[1].u == 'E' ? SPAN_END
                                           : SPAN_NONE;
}

void span_done(struct span *span)
{
    free(span->name);
    free(span->text);
}

static void take_out(struct spans *spans, size_t index, struct span *ret_span)
{
    *ret_span = spans->open[index];
    spans->count--;
    memmove(&spans->open[index], &spans->open[index + 1],
            (spans->count - index) * sizeof(*spans->open));
}

int spans_begin(struct spans *spans, const struct line *line, uint64_t trace,
                struct span **ret_span)
{
    struct span span;

    if (spans->count == SPANS_OPEN_MAX) {
        take_out(spans, 0, &span);
        span_done(&span);
    }
    if (spans->count == spans->room) {
        const size_t room = spans->room ? 2 * spans->room : 64;
        struct span *const grown = reallocarray(spans->open, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        spans->open = grown;
        spans->room = room;
    }
    span = (struct span){.trace = trace,
                         .number = spans->begun + 1,
                         .name = strdup(line->record.site->format),
                         .begin_ns = line->record.time_ns};
    if (!span.name)
        return -ENOMEM;
    spans->begun++;
    spans->open[spans->count] = span;
    *ret_span = &spans->open[spans->count++];
    return 0;
}

bool spans_end(struct spans *spans, const struct line *line, uint64_t trace, struct span *ret_span)
{
    for (size_t i = spans->count; i-- > 0;)
        if (spans->open[i].trace == trace &&
            !strcmp(spans->open[i].name, line->record.site->format)) {
            take_out(spans, i, ret_span);
            return true;
        }
    return false;
}

struct span *spans_innermost(const struct spans *spans, uint64_t trace)
{
    for (size_t i = spans->count; i-- > 0;)
        if (spans->open[i].trace == trace)
            return &spans->open[i];
    return NULL;
}

void spans_done(struct spans *spans)
{
    for (size_t i = 0; i < spans->count; i++)
        span_done(&spans->open[i]);
    free(spans->open);
}
