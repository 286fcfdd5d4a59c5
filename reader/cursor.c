/* SPDX-License-Identifier: MIT
 *
 * The cursor: finds what the paths stand for, opens a source for each segment and merges them by
 * wall-clock time.
 */
#include "reader/cursor.h"
#include "reader/blocks.h"
#include "reader/inlined.h"
#include "reader/looks.h"
#include "reader/source.h"
#include "reader/target.h"
#include "reader/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_NS 50000000 /* between two looks at files; a look may take a quarter of the time */

struct cursor {
    struct cursor_options options;
    const char *const *paths; /* that files are looked for in again */
    size_t path_count;
    bool again; /* with looks: */
    struct looks looks;
    uint64_t look_ns;    /* that opening the files took last */
    struct position own; /* where the caller has none */
    struct fileset set;
    struct blocks blocks;
    struct source **source;
    size_t sources;
    struct source *given; /* whose record was passed on last */
    struct inlined inlined;
};

struct refusal {
    struct cursor *cursor;
    size_t count;
    char *message;
    size_t message_size;
};

/* A file that cannot be read costs that file alone; it ends the run only if nothing is left. */
static void refuse(void *arg, const char *path, int error)
{
    struct refusal *refusal = arg;

    if (refusal->cursor->again) {
        struct looks *const looks = &refusal->cursor->looks;

        if (error == -FILE_ERR_CUT && fileset_is_part(path)) { /* its header is still to come */
            if (looks_watch(looks, path) < 0)
                looks->open_end = true;
            return;
        }
        if (looks_refused(looks, path))
            return;
    }
    if (!refusal->count++)
        snprintf(refusal->message, refusal->message_size, "%s: %s", path, fileset_strerror(error));
    if (refusal->cursor->options.on_damage)
        refusal->cursor->options.on_damage(refusal->cursor->options.arg, path, 0, error, NULL);
}

/* It was read to its end by an earlier look. */
static bool skip(void *arg, const char *path)
{
    const struct refusal *refusal = arg;

    return looks_skips(&refusal->cursor->looks, path);
}

static int add_source(struct cursor *cursor, struct source *source)
{
    struct source **grown =
        reallocarray(cursor->source, cursor->sources + 1, sizeof(struct source *));

    if (!grown) {
        source->close(source);
        return -ENOMEM;
    }
    cursor->source = grown;
    cursor->source[cursor->sources++] = source;
    return 0;
}

static int open_segment(struct cursor *cursor, const char *name, char *ret_message,
                        size_t message_size)
{
    const struct source_params params = {.options = &cursor->options};
    struct shm_segment *segment;
    struct source *source;
    int r = target_open_segment(name, false, &segment, ret_message, message_size);

    if (r < 0)
        return r;
    r = source_live_open(segment, &params, &source);
    if (r < 0) {
        shm_segment_close(segment);
        snprintf(ret_message, message_size, "%s: %s", name, fileset_strerror(r));
        return r;
    }
    return add_source(cursor, source);
}

static int open_followed(struct cursor *cursor, const char *name, char *ret_message,
                         size_t message_size)
{
    const struct source_params params = {.options = &cursor->options};
    struct source *source;
    int r = source_follow_open(name, &params, &source, ret_message, message_size);

    return r < 0 ? r : add_source(cursor, source);
}

static int open_files(struct cursor *cursor, const char *const *paths, size_t count,
                      char *ret_message, size_t message_size)
{
    struct refusal refusal = {cursor, 0, ret_message, message_size};
    int r = cursor->again ? looks_begin(&cursor->looks, paths, count) : 0;

    if (r == 0)
        r = fileset_open_others(paths, count, refuse, cursor->again ? skip : NULL, &refusal,
                                &cursor->set);
    for (size_t i = 0; cursor->again && i < cursor->set.files && r == 0; i++)
        r = looks_watch(&cursor->looks, cursor->set.file[i].path);
    if (r < 0) {
        snprintf(ret_message, message_size, "%s", strerror(-r));
        return r;
    }
    /* A later look leaves out files that were read to their ends. */
    if (!cursor->set.files && !cursor->options.follow && !cursor->look_ns) {
        if (!refusal.count)
            snprintf(ret_message, message_size, "%s: no log files in it (*.shmlog)", paths[0]);
        return -ENOENT;
    }
    for (size_t first = 0, end; first < cursor->set.files; first = end) {
        struct source_params params = {.options = &cursor->options,
                                       .blocks = &cursor->blocks,
                                       .looks = cursor->again ? &cursor->looks : NULL,
                                       .segment = (uint32_t)cursor->sources};
        struct source *source;

        end = fileset_segment_end(&cursor->set, first);
        if (cursor->again)
            r = looks_segment(&cursor->looks, cursor->set.file[first].identity.segment_uuid,
                              &params.segment);
        if (r == 0)
            r = source_files_open(&cursor->set, first, end, &params, &source);
        if (r == 0)
            r = add_source(cursor, source);
        if (r < 0) {
            snprintf(ret_message, message_size, "%s: %s", cursor->set.file[first].path,
                     fileset_strerror(r));
            return r;
        }
    }
    return 0;
}

static int open_paths(struct cursor *cursor, const char *const *paths, size_t count,
                      char *ret_message, size_t message_size)
{
    for (size_t i = 0; i < count; i++) {
        enum target_kind kind = TARGET_FILE;
        char path[PATH_MAX];
        int r = target_find(paths[i], &kind, path, ret_message, message_size);

        if (cursor->options.follow && count == 1 && !cursor->options.position &&
            (r == -ENOENT || (r == 0 && kind == TARGET_SEGMENT)))
            return open_followed(cursor, paths[i], ret_message, message_size);
        if (r < 0)
            return r;
        if (kind == TARGET_SEGMENT && cursor->options.position) {
            snprintf(ret_message, message_size,
                     "%s: a position is one in files; read its collector's directory", paths[i]);
            return -EINVAL;
        }
        if (kind == TARGET_SEGMENT && count == 1)
            return open_segment(cursor, paths[i], ret_message, message_size);
        if (kind == TARGET_SEGMENT) {
            snprintf(ret_message, message_size, "%s: a live segment is read alone", paths[i]);
            return -EINVAL;
        }
    }
    cursor->again = cursor->options.follow || cursor->options.position;
    cursor->looks.position = cursor->options.position ? cursor->options.position : &cursor->own;
    cursor->paths = paths;
    cursor->path_count = count;
    return open_files(cursor, paths, count, ret_message, message_size);
}

int cursor_open(const char *const *paths, size_t count, const struct cursor_options *options,
                struct cursor **ret_cursor, char *ret_message, size_t message_size)
{
    struct cursor *cursor = calloc(1, sizeof(*cursor));
    int r;

    if (!cursor) {
        snprintf(ret_message, message_size, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    cursor->options = *options;
    r = open_paths(cursor, paths, count, ret_message, message_size);
    if (r < 0) {
        cursor_close(cursor);
        return r;
    }
    *ret_cursor = cursor;
    return 0;
}

static void close_sources(struct cursor *cursor)
{
    for (size_t i = 0; i < cursor->sources; i++)
        cursor->source[i]->close(cursor->source[i]);
    free(cursor->source);
    cursor->source = NULL;
    cursor->sources = 0;
    blocks_done(&cursor->blocks);
    cursor->blocks = (struct blocks){0};
    fileset_done(&cursor->set);
}

void cursor_close(struct cursor *cursor)
{
    if (!cursor)
        return;
    close_sources(cursor);
    looks_done(&cursor->looks);
    position_done(&cursor->own);
    free(cursor);
}

static inline int fill(struct source *source)
{
    int r;

    if (source->waiting || source->ended)
        return 0;
    r = source->next(source, &source->record);
    source->waiting = r > 0;
    source->ended = r == 0;
    return r < 0 ? r : 0;
}

/* Of several segments, the source with the earliest record. */
static int choose(struct cursor *cursor, struct source **ret_source)
{
    struct source *earliest = NULL;

    for (size_t i = 0; i < cursor->sources; i++) {
        struct source *source = cursor->source[i];
        int r = fill(source);

        if (r < 0)
            return r;
        if (source->waiting && (!earliest || source->record->time_ns < earliest->record->time_ns))
            earliest = source;
    }
    *ret_source = earliest;
    return earliest != NULL;
}

static int next_of_sources(struct cursor *cursor, struct cursor_record *ret_record)
{
    struct source *source = cursor->sources ? cursor->source[0] : NULL;
    int r;

    if (cursor->given)
        cursor->given->waiting = false;
    cursor->given = NULL;
    if (cursor->sources == 1) {
        r = fill(source);
        r = r == 0 ? source->waiting : r;
    } else {
        r = choose(cursor, &source);
    }
    if (r <= 0)
        return r;
    cursor->given = source;
    *ret_record = *source->record;
    return 1;
}

/* The files were read to their ends: look again, after a pause. */
static int look_again(struct cursor *cursor)
{
    const struct cursor_options *const options = &cursor->options;
    const uint64_t ns = 4 * cursor->look_ns > POLL_NS ? 4 * cursor->look_ns : POLL_NS;
    const struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    char message[PATH_MAX + 256];
    int r;

    if (options->on_idle && options->on_idle(options->arg))
        return 0;
    nanosleep(&pause, NULL);
    if (!looks_changed(&cursor->looks))
        return -EAGAIN;
    cursor->look_ns = when_monotonic();
    cursor->options.tail = 0; /* of what was there at first; all that came since is wanted */
    close_sources(cursor);
    r = open_files(cursor, cursor->paths, cursor->path_count, message, sizeof(message));
    cursor->look_ns = when_monotonic() - cursor->look_ns;
    return r < 0 ? r : -EAGAIN;
}

int cursor_next(struct cursor *cursor, struct cursor_record *ret_record)
{
    int r;

    do {
        r = next_of_sources(cursor, ret_record);
        if (r == 0 && cursor->again && (cursor->options.follow || cursor->looks.waits))
            return look_again(cursor);
        if (r <= 0)
            return r;
    } while (ret_record->place &&
             !position_take(ret_record->place, ret_record->seq, ret_record->ticks));
    if (ret_record->site && ret_record->site->flags & SHMLOG_SITE_FLAG_INLINE)
        inlined_take_out(&cursor->inlined, ret_record);
    return 1;
}
