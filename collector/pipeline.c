/* SPDX-License-Identifier: MIT
 *
 * The pipeline: see pipeline.h. Setting up is in the order in which things can go wrong for a user:
 * directory, segment, outbox, backend. What another collector left behind is written first.
 */
#include "collector/pipeline.h"

#include "collector/census.h"
#include "collector/drain.h"
#include "collector/idle.h"
#include "collector/journal.h"
#include "collector/privileges.h"
#include "collector/report.h"
#include "collector/retention.h"
#include "collector/store.h"
#include "collector/writeback.h"
#include "shm/clock.h"
#include "shm/path.h"
#include "shm/segment.h"
#include "shm/stats.h"
#include "shm/tables.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#if defined(__x86_64__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

struct pipeline {
    struct options options;
    char directory[PATH_MAX];
    const char *name; /* of the segment, for file names */
    struct shm_segment *segment;
    struct outbox *outbox;
    struct store *store;
    struct writeback *writeback;
    struct journal *journal;
    struct drain *drain;
    struct census *census;
    struct privileges privileges;
    uint64_t taken_over;
    bool recovering; /* a file was left open: it is sealed once the outbox is written */
    bool remove;     /* nobody needs the segment any more */
    uint64_t beat_ns, clock_ns, census_ns, retention_ns;
    char *message;
    size_t message_size;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A message for people, and the error on its way. */
static int fail(struct pipeline *p, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct pipeline *p, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(p->message, p->message_size, format, ap);
    va_end(ap);
    return error;
}

static void say(const char *line)
{
    fprintf(stderr, "shmlog-collector: %s\n", line);
}

static int open_directory(struct pipeline *p)
{
    const char *const path = p->options.output;

    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return fail(p, -errno, "%s: cannot make the output directory: %s", path, strerror(errno));
    if (!realpath(path, p->directory))
        return fail(p, -errno, "%s: %s", path, strerror(errno));
    if (access(p->directory, R_OK | W_OK | X_OK) < 0)
        return fail(p, -errno, "%s: cannot write there: %s; give another --output", p->directory,
                    strerror(errno));
    return 0;
}

static int find_group(struct pipeline *p, int *ret_group)
{
    const struct group *group;

    *ret_group = -1;
    if (!p->options.group)
        return 0;
    group = getgrnam(p->options.group);
    if (!group)
        return fail(p, -ENOENT, "--group %s: no such group", p->options.group);
    *ret_group = (int)group->gr_gid;
    return 0;
}

static int open_segment(struct pipeline *p)
{
    const struct options *const o = &p->options;
    const char *const slash = strrchr(o->segment, '/');
    struct shm_params params = {
        .cpus = o->cpus,
        .cpu_count = o->cpu_count,
        .spare_rings = o->spare_rings,
        .ring_bytes = o->ring_bytes,
        .on_full = o->on_full,
        .level = o->level,
        .wait_ns = o->wait_ms == UINT64_MAX ? UINT64_MAX : o->wait_ms * MS,
        .page_kib = o->page_kib,
        .numa = true,
    };
    char path[PATH_MAX], why[512] = "";
    int r;

    p->name = slash ? slash + 1 : o->segment;
    params.name = p->name;
    r = find_group(p, &params.group);
    if (r < 0)
        return r;
    r = shm_path_make(o->segment, path, sizeof(path));
    if (r < 0)
        return fail(p, r, "--segment %s: %s", o->segment, shm_strerror(r));
    r = shm_segment_create(path, &params, outbox_is_empty, &p->segment, why, sizeof(why));
    if (r < 0)
        return fail(p, r, "%s%s", *why ? why : shm_strerror(r),
                    r == -SHM_ERR_FOREIGN || r == -SHM_ERR_OLDER || r == -SHM_ERR_NEWER
                        ? "; give another --segment, or move it away"
                        : "");
    return 0;
}

static bool was_drained(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        if (segment->rings[i].header && shmlog_load_relaxed_(&segment->rings[i].header->tail))
            return true;
    return false;
}

static int open_outbox(struct pipeline *p)
{
    const struct shmlog_control *const g = &p->segment->geometry;
    int r = -ENOENT;

    if (!p->segment->created)
        r = outbox_open(p->segment->path, g->uuid, g->rings, &p->outbox);
    if (r == -ENOENT && was_drained(p->segment))
        return fail(p, r,
                    "%s/outbox is gone, and with it what was read from the rings and where; "
                    "move the directory away",
                    p->segment->path);
    if (r == -ENOENT) /* or its creator died before it came to that: then nothing was drained */
        r = outbox_create(p->segment->path, g->uuid, g->rings, p->options.outbox_bytes, &p->outbox);
    if (r < 0)
        return fail(p, r, "%s/outbox: %s; %s", p->segment->path,
                    r == -EBADMSG ? "damaged" : strerror(-r),
                    r == -ENOSPC ? "make --outbox-size smaller, or more room there"
                                 : "move the segment's directory away to keep what is in it");
    p->taken_over = outbox_head(p->outbox) - outbox_tail(p->outbox);
    if (strcmp(outbox_directory(p->outbox), p->directory) == 0)
        return 0;
    if (p->taken_over || outbox_file(p->outbox)->open)
        return fail(p, -EBUSY, "%s has records for files in %s: run once with --output %s",
                    p->segment->path, outbox_directory(p->outbox), outbox_directory(p->outbox));
    r = outbox_set_directory(p->outbox, p->directory);
    if (r < 0)
        return fail(p, r, "%s: %s", p->directory, strerror(-r));
    return 0;
}

static int open_store(struct pipeline *p)
{
    struct writeback_params params = {
        .outbox = p->outbox,
        .directory = p->directory,
        .segment = p->name,
        .durable = p->options.durable,
        .say = say,
        .stats = p->segment->control->stats,
    };
    uint64_t *const rungs = &p->segment->control->rungs;
    void *memory;
    size_t size;
    int r = -ENOSYS;

    outbox_memory(p->outbox, &memory, &size);
    *rungs &= ~(SHMLOG_RUNG_NO_URING | SHMLOG_RUNG_NO_FIXED_BUFFERS);
    if (p->options.io != IO_PLAIN) {
        r = store_uring_open(memory, size, &p->store);
        if (r < 0 && p->options.io == IO_URING)
            return fail(p, r, "--io uring: %s; use --io auto, or allow io_uring here",
                        strerror(-r));
        if (r < 0)
            *rungs |= SHMLOG_RUNG_NO_URING;
        else if (!p->store->fixed_buffers)
            *rungs |= SHMLOG_RUNG_NO_FIXED_BUFFERS;
    }
    if (r < 0)
        r = store_plain_open(&p->store);
    params.store = p->store;
    if (r == 0)
        r = writeback_open(&params, &p->writeback);
    return r < 0 ? fail(p, r, "%s: %s", p->directory, strerror(-r)) : 0;
}

static int open_agents(struct pipeline *p)
{
    struct journal_params journal = {
        .segment = p->segment,
        .outbox = p->outbox,
        .segment_name = p->name,
        .zstd_level = (int)p->options.zstd_level,
        .rotate_bytes = p->options.rotate_bytes,
        .rotate_ns = p->options.rotate_s * 1000 * MS,
        .stats = p->segment->control->stats,
    };
    struct drain_params drain = {
        .segment = p->segment,
        .outbox = p->outbox,
        .flush_ns = p->options.flush_ms * MS,
    };
    int r = retention_newest(p->directory, p->name, &journal.newest_file);

    if (r == 0)
        r = journal_open(&journal, &p->journal);
    drain.journal = p->journal;
    if (r == 0)
        r = drain_open(&drain, &p->drain);
    if (r == 0)
        r = census_open(p->segment, p->outbox, &p->census);
    return r < 0 ? fail(p, r, "cannot set up: %s", strerror(-r)) : 0;
}

/* A segment that is in use is taken over as it is. */
static void say_difference(const struct pipeline *p)
{
    const struct shmlog_control *const g = &p->segment->geometry;
    const struct options *const o = &p->options;

    if (g->on_full != o->on_full || g->ring_slots * SHMLOG_SLOT_SIZE != o->ring_bytes ||
        g->cpu_rings != o->cpu_count || g->rings - g->cpu_rings != o->spare_rings)
        say("the segment is not as asked for, since there are records or producers in it; start "
            "again when there are none");
}

/* What this C library offers is most likely what producers will find. */
static void look_for_rseq(const struct pipeline *p)
{
    uint64_t *const rungs = &p->segment->control->rungs;
    bool usable = false;

#if defined(__x86_64__) && __GLIBC_PREREQ(2, 35)
    usable = __rseq_size > 0 && p->segment->geometry.clock == SHMLOG_CLOCK_TSC;
#endif
    *rungs = usable ? *rungs & ~SHMLOG_RUNG_NO_RSEQ : *rungs | SHMLOG_RUNG_NO_RSEQ;
}

/* Tell tools who runs here. */
static void sign_in(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;

    c->collector_start = shm_thread_start((uint32_t)getpid(), (uint32_t)getpid());
    c->collector_beat = clock_ns(CLOCK_MONOTONIC);
    shmlog_store32_release_(&c->collector_pid, (uint32_t)getpid());
}

static void publish_clock(struct pipeline *p)
{
    struct shmlog_clock_pair pair;

    shm_clock_sample(p->segment->geometry.clock, &pair);
    shm_clock_publish(p->segment, &pair);
    journal_clock(p->journal, &pair);
}

int pipeline_open(const struct options *options, struct pipeline **ret_pipeline, char *ret_message,
                  size_t message_size)
{
    struct pipeline *const p = calloc(1, sizeof(*p));
    struct report report;
    int r;

    if (!p) {
        snprintf(ret_message, message_size, "out of memory");
        return -ENOMEM;
    }
    p->options = *options;
    p->message = ret_message;
    p->message_size = message_size;
    r = privileges_pin(options, ret_message, message_size); /* first: memory and workers follow */
    if (r == 0)
        r = open_directory(p);
    if (r == 0)
        r = open_segment(p);
    if (r == 0)
        r = open_outbox(p);
    if (r == 0)
        r = open_store(p);
    if (r == 0)
        r = open_agents(p);
    if (r < 0) {
        if (p->segment && p->segment->created) { /* nobody logged yet: leave nothing behind */
            char path[PATH_MAX];

            strcpy(path, p->segment->path);
            pipeline_close(p);
            shm_segment_destroy(path);
        } else {
            pipeline_close(p);
        }
        return r;
    }
    privileges_take(options, &p->privileges, &p->segment->control->rungs);
    look_for_rseq(p);
    sign_in(p);
    drain_release_all(p->drain);
    publish_clock(p);
    p->recovering = journal_is_open(p->journal) || p->taken_over;
    if (!p->recovering)
        journal_begin(p->journal);
    report = (struct report){
        .options = &p->options,
        .segment = p->segment,
        .store = p->store,
        .directory = p->directory,
        .running_on = p->privileges.core,
        .realtime = p->privileges.realtime,
        .locked = p->privileges.locked,
        .taken_over = p->taken_over,
    };
    if (!options->quiet)
        report_print(&report, stderr);
    say_difference(p);
    *ret_pipeline = p;
    return 0;
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
    drain_close(p->drain);
    journal_close(p->journal);
    outbox_close(p->outbox);
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
    const struct retention_params params = {
        .directory = p->directory,
        .segment = p->name,
        .count = p->options.retain_count,
        .bytes = p->options.retain_bytes,
        .age_s = p->options.retain_s,
    };
    const int r = retention_work(&params, clock_ns(CLOCK_REALTIME));

    if (r > 0)
        p->segment->control->stats[SHM_STAT_files_removed] += (uint64_t)r;
}

/* What is due by the clock rather than by load. */
static int keep_house(struct pipeline *p, uint64_t now, volatile sig_atomic_t *rotate)
{
    int r;

    if (now - p->beat_ns < 50 * MS)
        return 0;
    p->beat_ns = now;
    shmlog_store_relaxed_(&p->segment->control->collector_beat, now);
    if (now - p->clock_ns >= 500 * MS) {
        p->clock_ns = now;
        publish_clock(p);
    }
    if (now - p->census_ns >= 500 * MS) {
        p->census_ns = now;
        census_work(p->census);
    }
    if (!p->recovering && now - p->retention_ns >= 1000 * MS) {
        p->retention_ns = now;
        retain(p);
    }
    if (!p->recovering && (*rotate || journal_due(p->journal, clock_ns(CLOCK_REALTIME)))) {
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
    bool drained = false, sealed = false;

    drain_begin_stop(p->drain);
    while (!sealed || !writeback_idle(p->writeback)) {
        const uint64_t now = clock_ns(CLOCK_MONOTONIC);
        int work = writeback_work(p->writeback, now, false), r;

        if (work < 0)
            return fail(p, work, "%s/outbox: damaged", p->segment->path);
        if (writeback_stalled(p->writeback)) {
            stalled_ns = stalled_ns ? stalled_ns : now;
            if (now - stalled_ns > 3000 * MS)
                return fail(
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
        } else if (!sealed) {
            r = journal_seal(p->journal);
            sealed = r == 0;
            r = r == -EAGAIN ? 0 : r;
        } else {
            r = 0;
        }
        if (r < 0)
            return fail(p, r, "cannot finish: %s", strerror(-r));
        idle_step(&idle, work + r > 0);
    }
    retain(p);
    return 0;
}

/* Close the segment if nobody needs it, to be removed at last. Closed, then looked again: a
 * producer that is attaching sees the state, or is seen. What producers that are gone by now logged
 * or lost since the end of draining goes into a last file. */
static int close_segment(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;
    int r;

    for (unsigned turn = 0; turn < 2 && !shm_segment_in_use(p->segment); turn++) {
        shmlog_store32_release_(&c->state, SHMLOG_SEGMENT_CLOSED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        p->remove = !shm_segment_in_use(p->segment) && drain_is_complete(p->drain) &&
                    shm_segment_drained(p->segment);
        if (p->remove)
            return 0;
        shmlog_store32_release_(&c->state, SHMLOG_SEGMENT_LIVE);
        r = finish(p);
        if (r < 0)
            return r;
    }
    if (!p->options.quiet)
        say("the segment stays: for the producers that are attached, and the next collector");
    return 0;
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
        const uint64_t now = clock_ns(CLOCK_MONOTONIC);
        int64_t work = writeback_work(p->writeback, now, false);

        if (work < 0)
            return fail(p, (int)work, "%s/outbox: damaged", p->segment->path);
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
        if (r < 0)
            return fail(p, r, "cannot go on: %s", strerror(-r));
        ++*rounds;
        idle_step(&idle, work > 0);
    }
    r = finish(p);
    return r == 0 ? close_segment(p) : r;
}
