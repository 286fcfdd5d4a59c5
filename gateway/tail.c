/* SPDX-License-Identifier: MIT
 *
 * Following the segment for a client, see tail.h. The client's thread reads the rings, so one that
 * is slow holds up nobody.
 */
#include "gateway/tail.h"

#include "reader/filter.h"
#include "reader/join.h"
#include "reader/level.h"
#include "reader/print.h"
#include "reader/when.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENCE_NS UINT64_C(10000000000) /* then a comment shows whether the client is there */
#define BACKLOG_MAX 10000u
#define EVENTS_MAX 24576u     /* bytes of events that are gathered before they are sent */
#define LOOKS_MAX 65536u      /* records that are looked at before it is seen who is still there */
#define EARLIER_NS 1000000000 /* what a time may change by when more is known of the clock */

/* Which record, and its place in the order of the rings. */
struct mark {
    int64_t time_ns;
    uint32_t ring;
    uint64_t seq;
};

struct tail {
    struct http_stream stream; /* first */
    struct cursor *cursor;
    struct join *join;
    struct filter filter;
    struct printer printer;
    struct line line;
    struct mark after; /* the client has all up to here */
    struct text out;   /* events to be sent */
    size_t sent;       /* of them */
    uint64_t said_ns;
};

/* In the order of the cursor; within a ring that is the order of the numbers, which begin anew in
 * another segment. */
static bool is_after(const struct mark *a, const struct mark *b)
{
    if (a->ring == b->ring)
        return a->seq > b->seq || a->time_ns > b->time_ns + EARLIER_NS;
    return a->time_ns != b->time_ns ? a->time_ns > b->time_ns : a->ring > b->ring;
}

static void on_missed(void *arg, uint32_t ring, uint64_t records, uint64_t unread)
{
    struct tail *const tail = arg;

    text_printf(&tail->out, "event: missed\ndata: {\"records\":%" PRIu64 "}\n\n", records);
}

static void on_change(void *arg, const char *line)
{
    struct tail *const tail = arg;

    text_puts(&tail->out, "event: segment\ndata: ");
    text_put_json(&tail->out, line, strlen(line), NULL);
    text_puts(&tail->out, "\n\n");
}

static bool on_idle(void *arg)
{
    return http_closing();
}

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

static void put_event(struct tail *tail)
{
    const struct mark mark = {tail->line.record.time_ns, tail->line.record.ring,
                              tail->line.record.seq};

    if (!is_after(&mark, &tail->after) || !filter_passes(&tail->filter, &tail->line))
        return;
    text_clear(&tail->printer.row);
    if (print_line(&tail->printer, &tail->line) < 0)
        return;
    text_printf(&tail->out, "id: %" PRId64 "-%" PRIu32 "-%" PRIu64 "\ndata: ", mark.time_ns,
                mark.ring, mark.seq);
    text_put(&tail->out, tail->printer.row.data, tail->printer.row.size);
    text_putc(&tail->out, '\n');
}

/* Gather what there is: until there is nothing for now, or it is enough. */
static int gather(struct tail *tail)
{
    int r = 0;

    for (unsigned looks = 0; tail->out.size < EVENTS_MAX && looks < LOOKS_MAX && !tail->out.failed;
         looks++) {
        r = join_next(tail->join, &tail->line);
        if (r <= 0)
            break;
        put_event(tail);
    }
    return tail->out.failed ? -ENOMEM : r == -EAGAIN || r > 0 ? 0 : r < 0 ? r : -EPIPE;
}

static ssize_t next_events(struct http_stream *stream, char *data, size_t max)
{
    struct tail *const tail = (struct tail *)stream;
    size_t size;

    if (tail->sent == tail->out.size) {
        tail->sent = 0;
        text_clear(&tail->out);
        if (gather(tail) < 0 && !tail->out.size)
            return -1;
        if (!tail->out.size && when_monotonic() - tail->said_ns > SILENCE_NS)
            text_puts(&tail->out, ":\n\n");
    }
    size = tail->out.size - tail->sent;
    if (size > max)
        size = max;
    if (size) {
        memcpy(data, tail->out.data + tail->sent, size);
        tail->said_ns = when_monotonic();
    }
    tail->sent += size;
    return (ssize_t)size;
}

static void close_tail(struct http_stream *stream)
{
    struct tail *const tail = (struct tail *)stream;

    join_close(tail->join);
    cursor_close(tail->cursor);
    filter_done(&tail->filter);
    line_done(&tail->line);
    printer_done(&tail->printer);
    text_done(&tail->out);
    free(tail);
}

/* The time of the last but `backlog` records that pass: from there on is sent. */
static int64_t find_backlog(const struct gateway *gateway, struct filter *filter, uint64_t backlog)
{
    const struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    const struct join_options join_options = {0};
    int64_t *const time = calloc(backlog, sizeof(*time));
    struct cursor *cursor = NULL;
    struct join *join = NULL;
    struct line line = {0};
    char message[64];
    uint64_t count = 0;
    int64_t first;

    if (time &&
        cursor_open(&gateway->segment, 1, &options, &cursor, message, sizeof(message)) == 0 &&
        join_open(next_record, cursor, &join_options, &join) == 0)
        while (join_next(join, &line) > 0 && !http_closing())
            if (filter_passes(filter, &line))
                time[count++ % backlog] = line.record.time_ns;
    first = !count ? when_now() : time[count > backlog ? count % backlog : 0];
    line_done(&line);
    join_close(join);
    cursor_close(cursor);
    free(time);
    return first;
}

/* ---- What is asked for ---- */

static bool take_conditions(const struct http_request *request, struct filter *filter,
                            struct http_reply *reply)
{
    const char *const where = http_param(request, "where"), *const level =
                                                                http_param(request, "level");
    char message[256];

    if (level &&
        (level_parse(level, &filter->min_level) < 0 || filter->min_level > SHMLOG_CRITICAL)) {
        http_error(reply, MHD_HTTP_BAD_REQUEST, "level: " LEVEL_WANTED);
        return false;
    }
    if (!where || query_compile(where, when_now(), &filter->where, message, sizeof(message)) == 0)
        return true;
    http_error(reply, MHD_HTTP_BAD_REQUEST, "where: %s", message);
    return false;
}

/* Where it begins: behind the client's last event, with a backlog, or now. */
static bool take_begin(const struct gateway *gateway, const struct http_request *request,
                       struct tail *tail, struct cursor_options *options, struct http_reply *reply)
{
    const char *const last = http_header(request, "Last-Event-ID");
    const char *const text = http_param(request, "backlog");
    char *end, left;
    uint64_t backlog = text ? strtoull(text, &end, 10) : 0;

    tail->after = (struct mark){.ring = UINT32_MAX};
    if (text && (*text < '0' || *text > '9' || *end || backlog > BACKLOG_MAX)) {
        http_error(reply, MHD_HTTP_BAD_REQUEST, "backlog: must be a number up to %u", BACKLOG_MAX);
        return false;
    }
    options->since_ns = when_now();
    if (last) {
        if (sscanf(last, "%" SCNd64 "-%" SCNu32 "-%" SCNu64 "%c", &tail->after.time_ns,
                   &tail->after.ring, &tail->after.seq, &left) != 3 ||
            tail->after.time_ns < EARLIER_NS || tail->after.time_ns > INT64_MAX - EARLIER_NS) {
            http_error(reply, MHD_HTTP_BAD_REQUEST, "Last-Event-ID: must be the id of an event");
            return false;
        }
        options->since_ns = tail->after.time_ns - EARLIER_NS;
    } else if (backlog) {
        options->since_ns = find_backlog(gateway, &tail->filter, backlog);
    }
    return true;
}

void tail_begin(void *arg, const struct http_request *request, struct http_reply *reply)
{
    const struct gateway *const gateway = arg;
    const struct join_options join_options = {.gives_up = true, .hold_ns = UINT64_C(1000000000)};
    struct tail *const tail = calloc(1, sizeof(*tail));
    struct cursor_options options = {
        .until_ns = INT64_MAX,
        .follow = true,
        .on_change = on_change,
        .on_missed = on_missed,
        .on_idle = on_idle,
        .arg = tail,
    };
    char message[PATH_MAX + 256];
    int r;

    if (!tail) {
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", strerror(ENOMEM));
        return;
    }
    tail->stream = (struct http_stream){.next = next_events, .close = close_tail};
    tail->printer = (struct printer){.format = PRINT_JSON, .hold = true};
    tail->said_ns = when_monotonic();
    field_list_all(&tail->printer.fields);
    if (!take_conditions(request, &tail->filter, reply) ||
        !take_begin(gateway, request, tail, &options, reply)) {
        close_tail(&tail->stream);
        return;
    }
    r = cursor_open(&gateway->segment, 1, &options, &tail->cursor, message, sizeof(message));
    if (r == 0)
        r = join_open(next_record, tail->cursor, &join_options, &tail->join);
    if (r < 0) {
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", message);
        close_tail(&tail->stream);
        return;
    }
    text_puts(&tail->out, ":\n\n"); /* the client is told at once that it is there */
    reply->type = "text/event-stream";
    reply->stream = &tail->stream;
}
