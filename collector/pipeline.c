/* SPDX-License-Identifier: MIT
 *
 * Running the pipeline: see pipeline.h. What another collector left behind is written first.
 */
#include "collector/pipeline_parts.h"

#include "collector/idle.h"
#include "collector/say.h"
#include "collector/writeback.h"
#include "shm/clock.h"
#include "shm/guard.h"
#include "shm/rules.h"
#include "shm/stats.h"

#include <errno.h>
#include <inttypes.h>
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

void pipeline_close(struct pipeline *p)
{
    char path[PATH_MAX] = "";

    if (!p)
        return;
    if (p->remove)
        strcpy(path, p->segment->path);
    housekeeping_close(p->housekeeping);
    drain_close(p->drain);
    journal_close(p->journal);
    outbox_close(p->outbox);
    if (p->claim >= 0)
        close(p->claim);
    if (p->segment && p->segment->control)
        shmlog_store_release_(&p->segment->control->collector_pid, 0);
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

    if (!outbox_is_written(p->outbox))
        return 0;
    r = writeback_path(p->directory, p->prefix, file->number, file->created_ns, true, path,
                       sizeof(path));
    if (r == 0)
        r = journal_seal_left(p->journal, path);
    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    p->recovering = false;
    housekeeping_recovered(p->housekeeping);
    return 1;
}

/* Is housekeeping at work? If it waits for a move to new files, make it. A move that fails is asked
 * for again. */
static int check_housekeeping(struct pipeline *p)
{
    int r = housekeeping_check(p->housekeeping, p->message, p->message_size);

    if (r == 0 && housekeeping_wants_move(p->housekeeping)) {
        r = journal_move(p->journal);
        if (!outbox_is_lost(p->outbox))
            housekeeping_moved(p->housekeeping, r);
        r = 0;
    }
    return r;
}

/* For whoever asks how the segment does, see shm/health.h: a round was made. And what waits for the
 * disk: housekeeping may be what hangs, so that is not told there. */
static void beat(struct pipeline *p, uint64_t now)
{
    struct shmlog_control *const c = p->segment->control;

    p->beat_ns = now;
    shmlog_store_relaxed_(&c->collector_beat, now);
    shmlog_store_relaxed_(&c->stats[SHM_STAT_outbox_bytes],
                          outbox_head(p->outbox) - outbox_tail(p->outbox));
}

/* Housekeeping may be what hangs: so it is said here, as far as that cannot wait, and logged there,
 * later. What finds no place by then repeats what has one. */
static void watch_disk(struct pipeline *p, uint64_t now)
{
    char line[1024];
    const enum alarm_news news =
        disk_alarm_work(&p->disk_alarm, housekeeping_answers(p->housekeeping, now), now, line,
                        sizeof(line));

    if (news != ALARM_NO_NEWS)
        housekeeping_tell(p->housekeeping, news == ALARM_OVER ? SHMLOG_INFO : SHMLOG_WARN, line,
                          say_at_once(line));
}

/* Here and not in housekeeping: no record of a later time was written before a pair is there, and
 * no disk keeps it from being there. */
static void calibrate(struct pipeline *p, uint64_t now)
{
    if (now - p->clock_ns >= 500 * MS && shm_clock_calibrate(p->segment))
        p->clock_ns = now;
}

/* What is due by the clock rather than by load. */
static int keep_time(struct pipeline *p, uint64_t now, volatile sig_atomic_t *rotate)
{
    int r;

    if (now - p->beat_ns < 50 * MS)
        return 0;
    beat(p, now);
    calibrate(p, now);
    watch_disk(p, now);
    if (!p->recovering && (*rotate || journal_due(p->journal, pipeline_clock_ns(CLOCK_REALTIME)))) {
        *rotate = 0; /* first: a signal from now on asks for another */
        r = journal_seal(p->journal);
        if (r == -EAGAIN)
            *rotate = 1;
        else if (r < 0)
            return pipeline_fail(p, r, "cannot go on: %s", strerror(-r));
    }
    return 0;
}

/* Has nothing been heard of housekeeping for three seconds, though there is something for it? */
struct standstill {
    uint64_t progress, since_ns;
};

static bool stands_still(struct pipeline *p, struct standstill *still, uint64_t now)
{
    const uint64_t progress = housekeeping_progress(p->housekeeping);

    if (!still->since_ns || progress != still->progress ||
        (outbox_is_written(p->outbox) && !p->concluding))
        *still = (struct standstill){progress, now};
    return now - still->since_ns > 3000 * MS;
}

static int fail_with_rest(struct pipeline *p)
{
    if (housekeeping_is_stalled(p->housekeeping))
        return pipeline_fail(p, -EIO,
                             "stopped with records not written; they are kept in %s: make room in "
                             "%s and start again",
                             p->segment->path, p->directory);
    return pipeline_fail(p, -EIO,
                         "stopped with records not written; they are kept in %s: nothing has been "
                         "heard of %s for 3 s; start again when its disk is back",
                         p->segment->path, p->directory);
}

/* The rings are empty: let housekeeping say what it saw of them, once the disk does not hang. What
 * others log meanwhile is taken as before; with housekeeping's own records there is something to
 * drain again. */
static int64_t conclude(struct pipeline *p, uint64_t now)
{
    p->concluding = true;
    watch_disk(p, now);
    if (p->disk_alarm.hangs)
        return drain_work(p->drain, now);
    if (p->disk_alarm.hanging.on) /* and is over, which would be said only later */
        watch_disk(p, now + ALARM_AGAIN_NS);
    if (!housekeeping_conclude(p->housekeeping))
        return drain_work(p->drain, now);
    housekeeping_silence(p->housekeeping);
    p->concluding = false;
    p->concluded = true;
    drain_begin_stop(p->drain);
    return 1;
}

/* After the last record: seal, write, and see what is left. */
static int finish(struct pipeline *p)
{
    struct idle idle = {.choice = IDLE_SLEEP};
    struct standstill still = {0};
    bool drained = false;

    drain_begin_stop(p->drain);
    /* A file that is left after an error is followed by another one: sealed is what is not open. */
    while (!drained || !p->concluded || journal_is_open(p->journal) ||
           !outbox_is_written(p->outbox)) {
        const uint64_t now = pipeline_clock_ns(CLOCK_MONOTONIC);
        int64_t r = check_housekeeping(p);

        if (r < 0)
            return (int)r;
        if (now - p->beat_ns >= 50 * MS)
            beat(p, now);
        if (stands_still(p, &still, now))
            return fail_with_rest(p);
        if (p->recovering) {
            r = finish_recovery(p);
        } else if (!drained) {
            r = drain_stop(p->drain);
            drained = r == 0;
        } else if (!p->concluded) {
            r = conclude(p, now);
            drained = !p->concluded;
        } else if (journal_is_open(p->journal)) {
            r = journal_seal(p->journal);
            r = r == -EAGAIN ? 0 : r;
        }
        if (r < 0)
            return pipeline_fail(p, (int)r, "cannot finish: %s", strerror((int)-r));
        idle_step(&idle, r > 0);
    }
    beat(p, pipeline_clock_ns(CLOCK_MONOTONIC));
    return 0;
}

bool pipeline_close_segment(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;

    if (shm_segment_in_use(p->segment))
        return false;
    shmlog_store_release_(&c->state, SHMLOG_SEGMENT_CLOSED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!shm_segment_in_use(p->segment) && shm_segment_drained(p->segment))
        return true;
    shmlog_store_release_(&c->state, SHMLOG_SEGMENT_LIVE);
    return false;
}

/* Its levels and rules are to last. */
static bool is_wanted(const struct shm_segment *segment)
{
    return shm_segment_in_use(segment) || shm_rules_steered(segment);
}

/* Close the segment if nobody needs it, to be removed at last. What producers that are gone by now
 * logged or lost since the end of draining goes into a last file. */
static int close_segment(struct pipeline *p)
{
    int r;

    for (unsigned turn = 0; turn < 2 && !is_wanted(p->segment); turn++) {
        p->remove = pipeline_close_segment(p);
        if (p->remove && drain_is_complete(p->drain))
            return 0;
        if (p->remove)
            shmlog_store_release_(&p->segment->control->state, SHMLOG_SEGMENT_LIVE);
        p->remove = false;
        r = finish(p);
        if (r < 0)
            return r;
    }
    if (!p->options.quiet)
        say("the segment stays: for %s, and the next collector",
            shm_segment_in_use(p->segment) ? "the producers that are attached"
                                           : "the levels and rules that were set");
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

/* What shmlog-dump --verify comes to, if all files are there. */
static void say_totals(const struct pipeline *p)
{
    char causes[SHM_LOSSES_TEXT];
    struct shm_losses losses;
    uint64_t written, lost;

    drain_totals(p->drain, &written, &losses);
    lost = shm_losses_sum(&losses);
    shm_losses_text(&losses, causes, sizeof(causes));
    say("stopped: %" PRIu64 " %s written, %" PRIu64 " dropped%s%s%s", written,
        written == 1 ? "record" : "records", lost, lost ? " (" : "", causes, lost ? ")" : "");
}

int pipeline_run(struct pipeline *p, const volatile sig_atomic_t *stop,
                 volatile sig_atomic_t *rotate, char *ret_message, size_t message_size)
{
    struct idle idle = {.choice = p->options.idle};
    uint64_t *const rounds = &p->segment->control->stats[SHM_STAT_rounds];
    int r;

    p->message = ret_message;
    p->message_size = message_size;
    p->disk_alarm = (struct disk_alarm){.directory = p->directory};
    say_at_once_open();
    while (!*stop) {
        const uint64_t now = pipeline_clock_ns(CLOCK_MONOTONIC);
        int64_t work;

        r = now - p->beat_ns >= 50 * MS || housekeeping_wants_move(p->housekeeping)
                ? check_housekeeping(p)
                : 0;
        if (r < 0) {
            const int lost = check_files(p);

            return lost < 0 ? lost : r;
        }
        work = p->recovering ? finish_recovery(p) : drain_work(p->drain, now);
        if (work < 0 && !outbox_is_lost(p->outbox))
            return pipeline_fail(p, (int)work, "cannot go on: %s", strerror((int)-work));
        r = keep_time(p, now, rotate);
        if (r < 0 && !outbox_is_lost(p->outbox))
            return r;
        ++*rounds;
        r = check_files(p);
        if (r < 0)
            return r;
        idle_step(&idle, work > 0);
    }
    r = finish(p);
    r = r == 0 ? close_segment(p) : r;
    r = r == 0 ? housekeeping_finish(p->housekeeping, p->message, p->message_size) : r;
    if (r == 0)
        say_totals(p);
    return r;
}
