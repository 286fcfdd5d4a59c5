/* SPDX-License-Identifier: MIT
 *
 * Spans of traces, which were logged by shmlog_span_begin() and shmlog_span_end(): which begin an
 * end belongs to, and which span a record lies in.
 *
 * Lines come in the order of time. An end belongs to the newest open span of its trace with its
 * name, in whatever process it ended. A line lies in the newest span of its trace that is open.
 */
#ifndef READER_SPANS_H
#define READER_SPANS_H

#include "reader/line.h"

#define SPANS_OPEN_MAX 65536u /* the oldest is given up for another one */

enum span_phase {
    SPAN_NONE, /* no span, but a record with a field `trace` may be of a trace */
    SPAN_BEGIN,
    SPAN_END,
};

struct span {
    uint64_t trace;
    uint64_t number; /* from 1, in the order of their begins */
    char *name;
    int64_t begin_ns;
    uint64_t tag; /* of whoever asked for the span */
    char *text;   /* the same; freed with the span */
};

struct spans {
    struct span *open; /* in the order of their begins */
    size_t count, room;
    uint64_t begun;
};

/* What is the line? *ret_trace is set if it is of a trace. */
enum span_phase span_phase_of(struct line *line, bool *ret_traced, uint64_t *ret_trace);
/* A span begins; *ret_span is good until the next call. Where there are too many, the oldest one is
 * forgotten. 0, -ENOMEM. */
int spans_begin(struct spans *spans, const struct line *line, uint64_t trace,
                struct span **ret_span);
/* The span that a line ends, which is no longer open; to be given to span_done(). False: its begin
 * is not known. */
bool spans_end(struct spans *spans, const struct line *line, uint64_t trace, struct span *ret_span);
/* The newest open span of a trace; NULL: none. */
struct span *spans_innermost(const struct spans *spans, uint64_t trace);
void span_done(struct span *span);
void spans_done(struct spans *spans);

#endif
