/* SPDX-License-Identifier: MIT
 *
 * Running the pipeline: see pipeline.h. What another collector left behind is written first.
 */
#include "collector/pipeline_parts.h"

#include "collector/claim.h"
#include "collector/idle.h"
#include "shm/clock.h"
#include "shm/guard.h"
#include "shm/losses.h"
#include "shm/stats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pipeline_fail(struct pipeline *p, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(p->message, p->message_size, format, ap);
    va_end(ap);
    return error;
}

void pipeline_say(const char *line)
{
    fprintf(stderr, "shmlog-collector: %s\n", line);
}

/* A clock that jumped is an anomaly to be seen later: counted, said, and in the files as the pairs
 * before and after. */
static void check_clock(struct pipeline *p, const struct shmlog_clock_pair *pair)
{
    uint64_t *const stats = p->segment->control->stats;
    enum shm_clock_change change = SHM_CLOCK_RAN;
    char line[160];
    int64_t by;

    if (p->clock.error_ns != UINT64_MAX && pair->error_ns != UINT64_MAX)
        change = shm_clock_between(&p->clock, pair, p->segment->geometry.clock_hz, &by);
    p->clock = *pair;
    if (change == SHM_CLOCK_SET) {
        stats[SHM_STAT_clock_set]++;
        snprintf(line, sizeof(line),
                 "the wall clock was set by %+.3f s: times follow it, order does not",
                 (double)by / 1e9);
        pipeline_say(line);
    } else if (change == SHM_CLOCK_BACK && !stats[SHM_STAT_clock_back]++) {
        pipeline_say("the time stamp counter went back: it is not the same on all cores; times of "
                     "different rings cannot be compared");
    }
}

void pipeline_publish_clock(struct pipeline *p)
{
    struct shmlog_clock_pair pair;

    shm_clock_sample(p->segment->geometry.clock, &pair);
    check_clock(p, &pair);
    shm_clock_publish(p->segment, &pair);
    journal_clock(p->journal, &pair);
}

void pipeline_close(struct pipeline *p)
{
    char path[PATH_MAX] = "";

    if (!p)
        return;
    if (p->remove)
        strcpy(path, p->segment->path);
    writeback_close(p->writeback);
    store_close(p->store);
    census_close(p->census);
    watch_close(p->watch);
    drain_close(p->drain);
    journal_close(p->journal);
    outbox_close(p->outbox);
    if (p->claim >= 0)
        close(p->claim);
    if (p->segment && p->segment->control)
        shmlog_store32_release_(&p->segment->control->collector_pid, 0);
    shm_segment_close(p->segment);
    if (*path) /* now that the lock is ours no more; closed, so that nobody can have come */
        shm_segment_destroy(path);
    free(p);
}

/* The outbox of the collector before is written: seal the file it left open. */
static int finish_recovery(struct pipeline *p)
{
    const struct outbox_file *const file = outbox_file(p->outbox);
    char path[PATH_MAX];
    int r;

    if (!writeback_idle(p->writeback))
        return 0;
    r = writeback_path(p->directory, p->name, file->number, file->created_ns, true, path,
                       sizeof(path));
    if (r == 0)
        r = journal_seal_left(p->journal, path);
    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    p->recovering = false;
    return 1;
}

static void retain(struct pipeline *p)
{
    const uint64_t now = steady_clock_ns(&p->steady_clock, pipeline_clock_ns(CLOCK_REALTIME),
                                         pipeline_clock_ns(CLOCK_BOOTTIME));
    const int r = retention_work(&p->retention, now);

    if (r > 0)
        p->segment->control->stats[SHM_STAT_files_removed] += (uint64_t)r;
}

/* For whoever asks how the segment does, see shm/health.h: a round was made, and this is how
 * writing goes. */
static void beat(struct pipeline *p, uint64_t now)
{
    struct shmlog_control *const c = p->segment->control;
    const uint64_t tail = outbox_tail(p->outbox);

    p->beat_ns = now;
    shmlog_store_relaxed_(&c->collector_beat, now);
    if (tail != p->written_to || writeback_idle(p->writeback))
        shmlog_store_relaxed_(&c->collector_written, now);
    p->written_to = tail;
    shmlog_store32_release_(&c->collector_flags,
                            writeback_stalled(p->writeback) ? SHMLOG_COLLECTOR_FAILING : 0);
}

void pipeline_check_losses(struct pipeline *p, uint64_t now)
{
    struct shmlog_control *const c = p->segment->control;
    struct shm_losses losses;
    uint64_t lost;

    shm_losses_of_segment(p->segment, &losses);
    lost = shm_losses_sum(&losses);
    if (lost > shmlog_load_relaxed_(&c->collector_losses))
        shmlog_store_relaxed_(&c->collector_lost, now);
    shmlog_store_relaxed_(&c->collector_losses, lost);
}

/* A claim whose file was deleted, or whose directory was replaced, keeps nobody out: take it anew.
 * A directory that is not there is for writeback to report. */
static void check_claim(struct pipeline *p)
{
    char owner[512], line[2 * PATH_MAX];
    int fd, r;

    if (p->claim < 0 || claim_holds(p->claim, p->directory, p->name))
        return;
    r = claim_take(p->directory, p->name, p->segment->path, &fd, owner, sizeof(owner));
    if (r == 0) {
        close(p->claim);
        p->claim = fd;
        p->claim_lost = false;
        snprintf(line, sizeof(line),
                 "%s/.%s.lock was deleted or replaced: the directory is locked again", p->directory,
                 p->name);
        pipeline_say(line);
    } else if (r == -EBUSY && !p->claim_lost) {
        p->claim_lost = true;
        snprintf(line, sizeof(line),
                 "%s/.%s.lock was deleted or replaced, and another collector writes the files of "
                 "'%s' there now, too (%s): stop one of them",
                 p->directory, p->name, p->name, owner);
        pipeline_say(line);
    }
}

/* What is due by the clock rather than by load. */
static int keep_house(struct pipeline *p, uint64_t now, volatile sig_atomic_t *rotate)
{
    int r;

    if (now - p->beat_ns < 50 * MS)
        return 0;
    beat(p, now);
    if (now - p->clock_ns >= 500 * MS) {
        p->clock_ns = now;
        pipeline_publish_clock(p);
    }
    if (now - p->census_ns >= 500 * MS) {
        p->census_ns = now;
        census_work(p->census);
        watch_work(p->watch);
        pipeline_check_losses(p, now);
    }
    if (now - p->claim_ns >= 1000 * MS) {
        p->claim_ns = now;
        check_claim(p);
    }
    if (!p->recovering && now - p->retention_ns >= 1000 * MS) {
        p->retention_ns = now;
        retain(p);
    }
    if (!p->recovering && (*rotate || journal_due(p->journal, pipeline_clock_ns(CLOCK_REALTIME)))) {
        *rotate = 0; /* first: a signal from now on asks for another */
        r = journal_seal(p->journal);
        if (r == -EAGAIN)
            *rotate = 1;
        else if (r < 0)
            return r;
    }
    return 0;
}

/* After the last record: seal, write, and see what is left. */
static int finish(struct pipeline *p)
{
    struct idle idle = {.choice = IDLE_SLEEP};
    uint64_t stalled_ns = 0;
    bool drained = false;

    drain_begin_stop(p->drain);
    /* A file that is left after an error is followed by another one: sealed is what is not open. */
    while (!drained || journal_is_open(p->journal) || !writeback_idle(p->writeback)) {
        const uint64_t now = pipeline_clock_ns(CLOCK_MONOTONIC);
        const int work = pipeline_write(p, now);
        int r;

        if (work < 0)
            return work;
        if (now - p->beat_ns >= 50 * MS)
            beat(p, now);
        if (writeback_stalled(p->writeback)) {
            stalled_ns = stalled_ns ? stalled_ns : now;
            if (now - stalled_ns > 3000 * MS)
                return pipeline_fail(
                    p, -EIO,
                    "stopped with records not written; they are kept in %s: make room in %s "
                    "and start again",
                    p->segment->path, p->directory);
        } else {
            stalled_ns = 0;
        }
        if (p->recovering) {
            r = finish_recovery(p);
        } else if (!drained) {
            r = drain_stop(p->drain);
            drained = r == 0;
        } else if (journal_is_open(p->journal)) {
            r = journal_seal(p->journal);
            r = r == -EAGAIN ? 0 : r;
        } else {
            r = 0;
        }
        if (r < 0)
            return pipeline_fail(p, r, "cannot finish: %s", strerror(-r));
        idle_step(&idle, work + r > 0);
    }
    retain(p);
    return 0;
}

bool pipeline_close_segment(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;

    if (shm_segment_in_use(p->segment))
        return false;
    shmlog_store32_release_(&c->state, SHMLOG_SEGMENT_CLOSED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!shm_segment_in_use(p->segment) && shm_segment_drained(p->segment))
        return true;
    shmlog_store32_release_(&c->state, SHMLOG_SEGMENT_LIVE);
    return false;
}

/* Close the segment if nobody needs it, to be removed at last. What producers that are gone by now
 * logged or lost since the end of draining goes into a last file. */
static int close_segment(struct pipeline *p)
{
    int r;

    for (unsigned turn = 0; turn < 2 && !shm_segment_in_use(p->segment); turn++) {
        p->remove = pipeline_close_segment(p);
        if (p->remove && drain_is_complete(p->drain))
            return 0;
        if (p->remove)
            shmlog_store32_release_(&p->segment->control->state, SHMLOG_SEGMENT_LIVE);
        p->remove = false;
        r = finish(p);
        if (r < 0)
            return r;
    }
    if (!p->options.quiet)
        pipeline_say(
            "the segment stays: for the producers that are attached, and the next collector");
    return 0;
}

/* Without its outbox there is nowhere to take records to; they stay in the rings. Without its
 * control file the segment is at its end: what is in the rings is still written. */
static int check_files(struct pipeline *p)
{
    int r;

    if (outbox_is_lost(p->outbox))
        return pipeline_fail(p, -EIO,
                             "%s/outbox was cut short: what was in it and not yet in a file is "
                             "lost; move the segment's directory away",
                             p->segment->path);
    if (!shm_guard_lost(&p->segment->control_lost))
        return 0;
    r = finish(p);
    return r < 0 ? r
                 : pipeline_fail(p, -EIO,
                                 "%s/control was cut short: the segment is lost; what was in its "
                                 "rings is written; move the directory away",
                                 p->segment->path);
}

int pipeline_run(struct pipeline *p, const volatile sig_atomic_t *stop,
                 volatile sig_atomic_t *rotate, char *ret_message, size_t message_size)
{
    struct idle idle = {.choice = p->options.idle};
    uint64_t *const rounds = &p->segment->control->stats[SHM_STAT_rounds];
    int r;

    p->message = ret_message;
    p->message_size = message_size;
    while (!*stop) {
        const uint64_t now = pipeline_clock_ns(CLOCK_MONOTONIC);
        int64_t work = pipeline_write(p, now);

        if (work < 0) {
            r = check_files(p);
            return r < 0 ? r : (int)work;
        }
        if (p->recovering) {
            r = finish_recovery(p);
        } else {
            const int64_t n = drain_work(p->drain, now);

            r = n > 0 ? 1 : (int)n;
        }
        if (r >= 0) {
            work += r;
            r = keep_house(p, now, rotate);
        }
        if (r < 0 && !outbox_is_lost(p->outbox))
            return pipeline_fail(p, r, "cannot go on: %s", strerror(-r));
        ++*rounds;
        r = check_files(p);
        if (r < 0)
            return r;
        idle_step(&idle, work > 0);
    }
    r = finish(p);
    r = r == 0 ? close_segment(p) : r;
    return r == 0 ? pipeline_settle(p) : r;
}
