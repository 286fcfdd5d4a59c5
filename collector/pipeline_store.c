/* SPDX-License-Identifier: MIT
 *
 * The pipeline's way to the disk: which backend, another one when it fails, and new files when the
 * disk does not take the present ones any more.
 */
#include "collector/pipeline_parts.h"

#include "collector/idle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* At the end, for the disk to say that it has the finished files: it may have much of them to write
 * yet, which looks the same as a disk that hangs. */
#define SETTLE_S UINT64_C(30)

/* io_uring if it may be and works, else plain writes. */
static int open_backend(struct pipeline *p, bool uring, struct store **ret_store)
{
    uint64_t *const rungs = &p->segment->control->rungs;
    struct store *store = NULL;
    void *memory;
    size_t size;
    int r = -ENOSYS;

    outbox_memory(p->outbox, &memory, &size);
    *rungs &= ~(SHMLOG_RUNG_NO_URING | SHMLOG_RUNG_NO_FIXED_BUFFERS);
    if (uring) {
        r = store_uring_open(memory, size, &store);
        if (r == 0 && !store->fixed_buffers)
            *rungs |= SHMLOG_RUNG_NO_FIXED_BUFFERS;
    }
    if (r < 0) {
        if (p->options.io != IO_PLAIN)
            *rungs |= SHMLOG_RUNG_NO_URING;
        if (uring && p->options.io == IO_URING)
            return r;
        r = store_plain_open(&store);
    }
    if (r == 0)
        *ret_store = store;
    return r;
}

int pipeline_open_store(struct pipeline *p)
{
    struct writeback_params params = {
        .outbox = p->outbox,
        .directory = p->directory,
        .segment = p->name,
        .durable = p->options.durable,
        .say = pipeline_say,
        .stats = p->segment->control->stats,
    };
    int r = open_backend(p, p->options.io != IO_PLAIN, &p->store);

    if (r < 0 && p->options.io == IO_URING)
        return pipeline_fail(p, r, "--io uring: %s; use --io auto, or %s", strerror(-r),
                             r == -ENOMEM ? "raise the locked-memory limit (ulimit -l)"
                                          : "allow io_uring here");
    params.store = p->store;
    if (r == 0)
        r = writeback_open(&params, &p->writeback);
    return r < 0 ? pipeline_fail(p, r, "%s: %s", p->directory, strerror(-r)) : 0;
}

static void replace_store(struct pipeline *p, struct store *store)
{
    writeback_use(p->writeback, store);
    store_close(p->store);
    p->store = store;
}

/* Once running, plain writes are better than none, whatever was asked for. */
static int fall_back(struct pipeline *p)
{
    struct store *store;
    char line[160];
    const int r = store_plain_open(&store);

    if (r < 0)
        return pipeline_fail(p, r, "plain writes: %s", strerror(-r));
    snprintf(line, sizeof(line), "io_uring takes no more requests: %s; plain writes from now on",
             strerror(-p->store->failed));
    pipeline_say(line);
    p->segment->control->rungs &= ~SHMLOG_RUNG_NO_FIXED_BUFFERS;
    p->segment->control->rungs |= SHMLOG_RUNG_NO_URING;
    replace_store(p, store);
    return 0;
}

/* A move that fails is tried again. Reported once for each reason. */
static void report_move(struct pipeline *p, bool left, int error)
{
    char line[2 * PATH_MAX + 256];

    if (error == p->move_error)
        return;
    p->move_error = error;
    if (error == 0)
        return;
    if (!left)
        snprintf(line, sizeof(line), "%s: cannot remove a file that was just begun: %s",
                 p->directory, strerror(-error));
    else if (error == -ENOSPC || error == -ENOMEM)
        snprintf(line, sizeof(line),
                 "%s: no room for a second outbox, which new files take: make room there, or start "
                 "with a smaller --outbox-size",
                 p->segment->path);
    else
        snprintf(line, sizeof(line), "%s/outbox: cannot make another one: %s", p->segment->path,
                 strerror(-error));
    pipeline_say(line);
}

/* The outbox's memory is another one. */
static void renew_store(struct pipeline *p)
{
    struct store *store;
    int r;

    if (!p->store->fixed_buffers)
        return;
    r = open_backend(p, true, &store);
    if (r < 0)
        p->store->failed = r;
    else
        replace_store(p, store);
}

/* Rewrites everything unacknowledged to new files; on failure a later call tries again. */
static int move_on(struct pipeline *p, uint64_t now)
{
    int r = writeback_leave_files(p->writeback);
    const bool left = r == 0;

    if (left)
        r = journal_move(p->journal);
    report_move(p, left, r);
    writeback_begin_anew(p->writeback, r == 0, now);
    if (r == -EBADMSG)
        return pipeline_fail(p, r, "%s/outbox: damaged", p->segment->path);
    if (r == 0)
        renew_store(p);
    return 0;
}

int pipeline_leave_directory(struct pipeline *p)
{
    char line[3 * PATH_MAX];
    int r;

    snprintf(
        line, sizeof(line),
        "%s is gone: what was for files there goes to new files in %s; should it come back, its "
        "newest file is as it was, and ends in .part",
        outbox_directory(p->outbox), p->directory);
    r = journal_move_to(p->journal, p->directory);
    if (r == -ENOSPC || r == -ENOMEM)
        return pipeline_fail(p, r,
                             "%s: no room for a second outbox, which takes what is for files in "
                             "another directory: make room there",
                             p->segment->path);
    if (r < 0)
        return pipeline_fail(p, r, "%s/outbox: cannot make another one: %s", p->segment->path,
                             r == -EBADMSG ? "it is damaged" : strerror(-r));
    pipeline_say(line);
    writeback_begin_anew(p->writeback, true, pipeline_clock_ns(CLOCK_MONOTONIC));
    renew_store(p);
    return 0;
}

int pipeline_write(struct pipeline *p, uint64_t now)
{
    const int work = writeback_work(p->writeback, now);
    int r = 0;

    if (work < 0)
        return pipeline_fail(p, work, "%s/outbox: damaged", p->segment->path);
    if (writeback_needs_new_file(p->writeback, now))
        r = move_on(p, now);
    if (r == 0 && p->store->failed && !writeback_is_under_way(p->writeback))
        r = fall_back(p);
    return r < 0 ? r : work;
}

int pipeline_settle(struct pipeline *p)
{
    const uint64_t limit = pipeline_clock_ns(CLOCK_MONOTONIC) + SETTLE_S * 1000 * MS;
    struct idle idle = {.choice = IDLE_SLEEP};
    unsigned doubtful;

    while (!writeback_settle(p->writeback)) {
        const uint64_t now = pipeline_clock_ns(CLOCK_MONOTONIC);
        const int work = pipeline_write(p, now);

        if (work < 0)
            return work;
        if (now > limit)
            return pipeline_fail(p, -EIO,
                                 "%s: stopped with everything written, but the disk has not "
                                 "confirmed it in %llu s; look whether it works",
                                 p->directory, (unsigned long long)SETTLE_S);
        idle_step(&idle, work > 0);
    }
    doubtful = writeback_doubtful(p->writeback);
    if (doubtful)
        return pipeline_fail(p, -EIO,
                             "%s: stopped with everything written, but the disk did not take all "
                             "of %u finished %s, named before",
                             p->directory, doubtful, doubtful == 1 ? "file" : "files");
    return 0;
}
