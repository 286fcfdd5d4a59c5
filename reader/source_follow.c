/* SPDX-License-Identifier: MIT
 *
 * A segment that is followed by its name: when it is gone, or not there yet, the next one of that
 * name is waited for.
 *
 * A segment that is made while it is waited for is read from its first record on, also where the
 * collector was faster. The one before is closed at once: its memory is needed for the next one.
 */
#include "reader/source.h"
#include "reader/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_NS 10000000
#define TRIES 1000 /* with a segment that is there, but cannot be used */

struct following {
    struct source source; /* first */
    struct source_params params;
    char *name;
    struct source *live;          /* NULL: waiting */
    bool known;                   /* there was one: */
    uint8_t uuid[16];             /* the last one's */
    unsigned tries;               /* of which nothing came */
    char message[PATH_MAX + 256]; /* of the last try */
};

/* Nobody has made it yet, or its creator or remover is still at it. */
static bool is_to_come(int error)
{
    return error == -ENOENT || error == -SHM_ERR_UNFINISHED || error == -SHM_ERR_CLOSED;
}

/* Does what is there stay unusable? A half-created one may take a while to fill its rings. */
static bool is_hopeless(struct following *following, int error)
{
    if (error == -ENOENT)
        following->tries = 0;
    else if (error != -SHM_ERR_CLOSED)
        following->tries++;
    return following->tries == TRIES;
}

static void say(const struct following *following, const char *what)
{
    const struct cursor_options *options = following->params.options;

    if (options->on_change)
        options->on_change(options->arg, what);
}

static int try_to_open(struct following *following)
{
    struct source_params params = following->params;
    struct shm_segment *segment;
    uint8_t uuid[16];
    int r = target_open_segment(following->name, false, &segment, following->message,
                                sizeof(following->message));

    if (r < 0)
        return r;
    memcpy(uuid, segment->geometry.uuid, sizeof(uuid));
    /* One that comes back, as after its directory was renamed, is gone on with as it is. */
    params.from_start =
        params.from_start && (!following->known || memcmp(uuid, following->uuid, 16));
    r = source_live_open(segment, &params, &following->live);
    if (r < 0) {
        shm_segment_close(segment);
        snprintf(following->message, sizeof(following->message), "%s: %s", following->name,
                 shm_strerror(r));
        return r;
    }
    memcpy(following->uuid, uuid, sizeof(uuid));
    following->known = true;
    return 0;
}

static void leave(struct following *following)
{
    char text[PATH_MAX + 64];

    following->live->close(following->live);
    following->live = NULL;
    following->tries = 0;
    following->params.segment++; /* ids of producers and sites mean something else from now on */
    following->params.from_start = true;
    snprintf(text, sizeof(text), "%s: the segment is gone; waiting for its successor",
             following->name);
    say(following, text);
}

/* 1: it is there; 0: the caller ended it; -EAGAIN: not yet; negative errno. */
static int wait_for_it(struct following *following)
{
    const struct cursor_options *options = following->params.options;
    const struct timespec pause = {.tv_nsec = POLL_NS};
    char text[PATH_MAX + 64];
    int r = try_to_open(following);

    if (r == 0) {
        snprintf(text, sizeof(text), "%s: following the new segment", following->name);
        say(following, text);
        return 1;
    }
    if (is_hopeless(following, r)) {
        say(following, following->message);
        return r;
    }
    if (options->on_idle && options->on_idle(options->arg))
        return 0;
    nanosleep(&pause, NULL);
    return -EAGAIN;
}

static int follow_next(struct source *source, const struct cursor_record **ret_record)
{
    struct following *following = (struct following *)source;
    int r = following->live ? 1 : wait_for_it(following);

    if (r <= 0)
        return r;
    r = following->live->next(following->live, ret_record);
    if (r != 0 || following->live->stopped)
        return r;
    leave(following);
    return -EAGAIN;
}

static void follow_close(struct source *source)
{
    struct following *following = (struct following *)source;

    if (following->live)
        following->live->close(following->live);
    free(following->name);
    free(following);
}

int source_follow_open(const char *name, const struct source_params *params,
                       struct source **ret_source, char *ret_message, size_t message_size)
{
    struct following *following = calloc(1, sizeof(*following));
    char text[PATH_MAX + 300];
    int r;

    if (!following)
        return -ENOMEM;
    following->source.next = follow_next;
    following->source.close = follow_close;
    following->params = *params;
    following->name = strdup(name);
    r = following->name ? try_to_open(following) : -ENOMEM;
    if (is_to_come(r)) {
        following->params.from_start = true;
        snprintf(text, sizeof(text), "%s; waiting for it", following->message);
        say(following, text);
        r = 0;
    }
    if (r < 0) {
        snprintf(ret_message, message_size, "%s", following->message);
        follow_close(&following->source);
        return r;
    }
    *ret_source = &following->source;
    return 0;
}
