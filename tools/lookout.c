/* SPDX-License-Identifier: MIT
 *
 * Following a segment, see lookout.h.
 */
#include "tools/lookout.h"

#include "reader/query.h"
#include "reader/when.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TURN_NS 1000000u

static volatile sig_atomic_t stop, ending;

static void on_signal(int number)
{
    if (number == SIGINT)
        stop = 1;
    ending = 1;
}

static bool on_idle(void *arg)
{
    const struct lookout *const lookout = arg;

    lookout->turn(lookout->arg);
    return ending;
}

static void on_missed(void *arg, uint32_t ring, uint64_t records, uint64_t unread)
{
    struct lookout *const lookout = arg;

    lookout->missed += records;
}

static int follow(struct lookout *lookout, struct query *where, struct cursor *cursor)
{
    int64_t until = INT64_MAX;
    uint64_t turned = 0;
    struct line line = {0};
    int r = 0;

    lookout->ready(lookout->arg);
    while (!stop) {
        r = cursor_next(cursor, &line.record);
        if (r != -EAGAIN && r <= 0)
            break;
        if (ending && until == INT64_MAX)
            until = when_now();
        if (r > 0 && line.record.time_ns > until)
            break;
        if (r > 0 && where) {
            line_begin(&line);
            if (query_passes(where, &line))
                lookout->record(lookout->arg, &line);
        }
        if (when_monotonic() - turned > TURN_NS) { /* there may be no pause */
            lookout->turn(lookout->arg);
            turned = when_monotonic();
        }
    }
    line_done(&line);
    return r == -EAGAIN || r > 0 ? 0 : r;
}

int lookout_run(struct lookout *lookout, char *ret_message, size_t message_size)
{
    const struct cursor_options options = {
        .since_ns = lookout->since_ns ? lookout->since_ns : when_now(),
        .until_ns = INT64_MAX,
        .follow = true,
        .on_idle = on_idle,
        .on_missed = on_missed,
        .arg = lookout,
    };
    struct sigaction action = {.sa_handler = on_signal};
    struct query *where = NULL;
    struct cursor *cursor;
    sigset_t waiting;
    int r = 0;

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigemptyset(&waiting);
    sigaddset(&waiting, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &waiting, NULL); /* the collector has blocked it until now */
    if (lookout->where)
        r = query_compile(lookout->where, when_now(), &where, ret_message, message_size);
    if (r == 0)
        r = cursor_open(&lookout->segment, 1, &options, &cursor, ret_message, message_size);
    if (r == 0) {
        r = follow(lookout, where, cursor);
        cursor_close(cursor);
        if (r < 0)
            snprintf(ret_message, message_size, "%s: %s", lookout->segment, strerror(-r));
    }
    query_close(where);
    return r;
}
