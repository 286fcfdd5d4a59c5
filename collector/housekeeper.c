/* SPDX-License-Identifier: MIT
 *
 * The housekeeping process: see housekeeping.h. What is due by the outbox is done in each round,
 * what is due by the clock every half second or second.
 */
#include "collector/alarm.h"
#include "collector/census.h"
#include "collector/claim.h"
#include "collector/housekeeping_parts.h"
#include "collector/listeners.h"
#include "collector/own_log.h"
#include "collector/retention.h"
#include "collector/say.h"
#include "collector/steady_clock.h"
#include "collector/store.h"
#include "collector/watch.h"
#include "collector/writeback.h"
#include "shm/clock.h"
#include "shm/losses.h"
#include "shm/metrics.h"
#include "shm/rungs.h"
#include "shm/stats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define NAP_BUSY_NS (200 * 1000)  /* something is under way */
#define NAP_NS (1 * 1000000)      /* and up to, when nothing comes */
#define NAP_DEEP_NS (5 * 1000000) /* an outbox of the default size takes longer to fill */
#define NAPS_BEFORE_DEEP 100u
#define METRICS_MS 5000
#define CONCLUDE_MS 1000   /* for lines that find no room in the log */
#define LISTENERS_MS 10000 /* to end */

struct housekeeper {
    struct housekeeping_params p;
    struct housekeeping_page *page;
    struct store *store;
    struct writeback *writeback;
    struct census *census;
    struct watch *watch;
    struct retention retention;
    struct steady_clock steady_clock;
    struct alarm alarm;
    struct shmlog_clock_pair clock; /* the newest that was looked at; zeros: none */
    bool claim_lost;                /* another collector has it, which was said */
    int move_error;                 /* why the last move to new files failed; 0: it did not */
    uint64_t beat_ns, census_ns, claim_ns, retention_ns, metrics_ns;
    struct listeners listeners;
    int metrics_error;      /* of the last try, which was said; 0: none */
    uint64_t concluding_ns; /* since when; 0: not yet */
    uint64_t written_to;    /* the outbox's tail at the last beat */
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void nap(long ns)
{
    const struct timespec ts = {.tv_nsec = ns};

    nanosleep(&ts, NULL);
}

static _Noreturn void fail(struct housekeeper *k, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static _Noreturn void fail(struct housekeeper *k, int error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(k->page->message, sizeof(k->page->message), format, ap);
    va_end(ap);
    k->page->error = error;
    shmlog_store_release_(&k->page->state, HOUSEKEEPING_FAILED);
    _exit(1);
}

/* ---- What it says ---- */

/* Said by agents that know nothing of who uses them. The process has one housekeeper. */
static struct own_log own_log;

static void tell(unsigned level, const char *line)
{
    say_line(line);
    own_log_put(&own_log, level, line);
}

static void warn_line(const char *line)
{
    tell(SHMLOG_WARN, line);
}

static void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void warn(const char *format, ...)
{
    char line[2 * PATH_MAX + 512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    warn_line(line);
}

/* What the drain says, and may not wait to say. */
static void hear(struct housekeeper *k)
{
    struct housekeeping_page *const page = k->page;
    uint32_t heard = page->heard;

    /* pairs with housekeeping_tell() */
    for (; heard != shmlog_load_acquire_(&page->told);
         shmlog_store_release_(&page->heard, ++heard)) {
        const uint32_t at = heard % HOUSEKEEPING_LINES;

        if (!page->line[at].said)
            say_line(page->line[at].text);
        own_log_put(&own_log, page->line[at].level, page->line[at].text);
    }
}

/* ---- The way to the disk ---- */

/* io_uring if it may be and works, else plain writes. */
static int open_backend(struct housekeeper *k, bool uring, struct store **ret_store)
{
    const enum io_choice io = k->p.options->io;
    struct store *store = NULL;
    void *memory;
    size_t size;
    int r = -ENOSYS;

    outbox_memory(k->p.outbox, &memory, &size);
    if (uring)
        r = store_uring_open(memory, size, &store);
    shm_rung_set(k->p.segment, SHMLOG_RUNG_NO_FIXED_BUFFERS, r == 0 && !store->fixed_buffers);
    shm_rung_set(k->p.segment, SHMLOG_RUNG_NO_URING, r < 0 && io != IO_PLAIN);
    if (r < 0 && uring && io == IO_URING)
        return r;
    if (r < 0)
        r = store_plain_open(&store);
    if (r == 0)
        *ret_store = store;
    return r;
}

static void replace_store(struct housekeeper *k, struct store *store)
{
    writeback_use(k->writeback, store);
    store_close(k->store);
    k->store = store;
}

/* Once running, plain writes are better than none, whatever was asked for. */
static void fall_back(struct housekeeper *k)
{
    struct store *store;
    const int r = store_plain_open(&store);

    if (r < 0)
        fail(k, r, "plain writes: %s", strerror(-r));
    warn("io_uring takes no more requests: %s; plain writes from now on",
         strerror(-k->store->failed));
    shm_rung_set(k->p.segment, SHMLOG_RUNG_NO_FIXED_BUFFERS, false);
    shm_rung_set(k->p.segment, SHMLOG_RUNG_NO_URING, true);
    replace_store(k, store);
}

/* A move that fails is tried again. Reported once for each reason. */
static void report_move(struct housekeeper *k, bool left, int error)
{
    const char *const segment = k->p.segment->path;

    if (error == k->move_error)
        return;
    k->move_error = error;
    if (error == 0)
        return;
    if (!left)
        warn("%s: cannot remove a file that was just begun: %s", k->p.directory, strerror(-error));
    else if (error == -ENOSPC || error == -ENOMEM)
        warn(
            "%s: no room for a second outbox, which new files take: make room there, or start with "
            "a smaller --outbox-size",
            segment);
    else
        warn("%s/outbox: cannot make another one: %s", segment, strerror(-error));
}

/* The drain makes another outbox; this one gets it, however long it takes. */
static int ask_for_move(struct housekeeper *k)
{
    const uint32_t wanted = k->page->moves_wanted + 1;
    int r;

    shmlog_store_release_(&k->page->moves_wanted, wanted);
    while (shmlog_load_acquire_(&k->page->moves_done) != wanted)
        nap(NAP_BUSY_NS);
    if (k->page->move_error)
        return k->page->move_error;
    for (int before = 0; (r = outbox_follow(k->p.outbox, k->p.segment->path)) < 0; before = r) {
        if (r == -EBADMSG)
            return r;
        if (r != before)
            warn("%s/outbox: cannot map the new one: %s; trying again", k->p.segment->path,
                 strerror(-r));
        nap(NAP_DEEP_NS);
    }
    return 0;
}

/* The outbox's memory is another one. */
static void renew_store(struct housekeeper *k)
{
    struct store *store;
    int r;

    if (!k->store->fixed_buffers)
        return;
    r = open_backend(k, true, &store);
    if (r < 0)
        k->store->failed = r;
    else
        replace_store(k, store);
}

/* Everything unacknowledged goes to new files; on failure a later call tries again. */
static void move_on(struct housekeeper *k, uint64_t now)
{
    int r = writeback_leave_files(k->writeback);
    const bool left = r == 0;

    if (left)
        r = ask_for_move(k);
    report_move(k, left, r);
    writeback_begin_anew(k->writeback, r == 0, now);
    if (r == -EBADMSG)
        fail(k, r, "%s/outbox: damaged", k->p.segment->path);
    if (r == 0)
        renew_store(k);
}

/* A round of writeback, with what it takes when something failed. The work done. */
static int write_files(struct housekeeper *k, uint64_t now)
{
    const int work = writeback_work(k->writeback, now);

    if (outbox_is_lost(k->p.outbox))
        fail(k, -EIO,
             "%s/outbox was cut short: what was in it and not yet in a file is lost; move the "
             "segment's directory away",
             k->p.segment->path);
    if (work < 0)
        fail(k, work, "%s/outbox: damaged", k->p.segment->path);
    if (work > 0)
        shmlog_store_relaxed_(&k->page->progress, k->page->progress + (uint64_t)work);
    shmlog_store_relaxed_(&k->page->answers, writeback_answers(k->writeback));
    shmlog_store_release_(&k->page->stalled, writeback_stalled(k->writeback));
    if (writeback_needs_new_file(k->writeback, now))
        move_on(k, now);
    if (k->store->failed && !writeback_is_under_way(k->writeback))
        fall_back(k);
    return work;
}

/* ---- What is due by the clock ---- */

/* A clock that jumped is an anomaly to be seen later: counted, said, and in the files as the pairs
 * before and after, which the drain takes. */
static void check_clock(struct housekeeper *k)
{
    uint64_t *const stats = k->p.segment->control->stats;
    enum shm_clock_change change = SHM_CLOCK_RAN;
    struct shmlog_clock_pair pair;
    int64_t by;

    if (!shm_clock_newest(k->p.segment, &pair) || pair.ticks == k->clock.ticks)
        return;
    if (k->clock.ticks)
        change = shm_clock_between(&k->clock, &pair, k->p.segment->geometry.clock_hz, &by);
    k->clock = pair;
    if (change == SHM_CLOCK_SET) {
        stats[SHM_STAT_clock_set]++;
        alarm_clock_set(&k->alarm, by);
    } else if (change == SHM_CLOCK_BACK && !stats[SHM_STAT_clock_back]++) {
        warn(
            "the time stamp counter went back: it is not the same on all cores; times of different "
            "rings cannot be compared");
    }
}

static void retain(struct housekeeper *k)
{
    const uint64_t now =
        steady_clock_ns(&k->steady_clock, clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_BOOTTIME));
    int r;

    /* without the claim on the directory, unfinished files may be another collector's */
    k->retention.present = k->p.claim < 0 || k->claim_lost ? 0 : retention_present(k->p.outbox);
    r = retention_work(&k->retention, now);
    if (r > 0)
        k->p.segment->control->stats[SHM_STAT_files_removed] += (uint64_t)r;
    outbox_keep_clock(k->p.outbox, &k->steady_clock, k->retention.seen);
}

/* A claim whose file was deleted, or whose directory was replaced, keeps nobody out: take it anew.
 * A directory that is not there is for writeback to report. */
static void check_claim(struct housekeeper *k)
{
    const struct housekeeping_params *const p = &k->p;
    char owner[512];
    int fd, r;

    if (p->claim < 0 || claim_holds(p->claim, p->directory, p->name))
        return;
    r = claim_take(p->directory, p->name, p->segment->path, getppid(), &fd, owner, sizeof(owner));
    if (r == 0) {
        close(p->claim);
        k->p.claim = fd;
        k->claim_lost = false;
        warn("%s/.%s.lock was deleted or replaced: the directory is locked again", p->directory,
             p->name);
    } else if (r == -EBUSY && !k->claim_lost) {
        k->claim_lost = true;
        warn("%s/.%s.lock was deleted or replaced, and another collector writes the files of '%s' "
             "there now, too (%s): stop one of them",
             p->directory, p->name, p->name, owner);
    }
}

/* Note when the count of losses has grown since the last look, by whichever collector. */
static void check_losses(struct housekeeper *k, uint64_t now, struct shm_losses *ret_losses)
{
    struct shmlog_control *const c = k->p.segment->control;
    uint64_t lost;

    shm_losses_of_segment(k->p.segment, ret_losses);
    lost = shm_losses_sum(ret_losses);
    if (lost > shmlog_load_relaxed_(&c->collector_losses))
        shmlog_store_relaxed_(&c->collector_lost, now);
    shmlog_store_relaxed_(&c->collector_losses, lost);
}

/* For whoever asks how the segment does, see shm/health.h: this is how writing goes. */
static void beat(struct housekeeper *k, uint64_t now)
{
    struct shmlog_control *const c = k->p.segment->control;
    const uint64_t tail = outbox_tail(k->p.outbox);

    k->beat_ns = now;
    if (tail != k->written_to || writeback_idle(k->writeback))
        shmlog_store_relaxed_(&c->collector_written, now);
    k->written_to = tail;
    if (writeback_stalled(k->writeback))
        __atomic_fetch_or(&c->collector_flags, SHMLOG_COLLECTOR_FAILING, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&c->collector_flags, ~SHMLOG_COLLECTOR_FAILING, __ATOMIC_RELEASE);
}

static void put_breakdown(FILE *to, const void *arg)
{
    const struct housekeeper *const k = arg;

    breakdown_put(k->p.breakdown, k->p.segment, to);
}

/* The same failure is reported once, until a write succeeds. */
static void write_metrics(struct housekeeper *k, uint64_t now)
{
    const char *const path = k->p.options->metrics;
    const int r = shm_metrics_write(k->p.segment, path, put_breakdown, k);

    k->metrics_ns = now;
    if (r < 0 && r != k->metrics_error)
        warn("%s: the metrics cannot be written: %s; give --metrics a file in a folder that is "
             "there",
             path, strerror(-r));
    k->metrics_error = r;
}

static void keep_house(struct housekeeper *k, uint64_t now)
{
    struct shm_losses losses;

    if (now - k->beat_ns < 50 * MS)
        return;
    beat(k, now);
    check_clock(k);
    if (now - k->census_ns >= 500 * MS) {
        k->census_ns = now;
        shmlog_store_release_(&k->page->elsewhere, 1); /* in /proc */
        census_work(k->census);
        shmlog_store_release_(&k->page->elsewhere, 0);
        watch_work(k->watch);
        check_losses(k, now, &losses);
        alarm_work(&k->alarm, &losses, now);
    }
    hear(k);
    (void)own_log_work(&own_log, now);
    if (now - k->claim_ns >= 1000 * MS) {
        k->claim_ns = now;
        check_claim(k);
    }
    if (now - k->retention_ns >= 1000 * MS && shmlog_load_acquire_(&k->page->recovered)) {
        k->retention_ns = now;
        retain(k);
    }
    if (k->p.options->metrics && now - k->metrics_ns >= METRICS_MS * MS)
        write_metrics(k, now);
    listeners_look(&k->listeners);
}

/* The drain has emptied the rings and is about to stop. */
static void conclude(struct housekeeper *k, uint64_t now)
{
    struct shm_losses losses;

    if (!k->concluding_ns) {
        k->concluding_ns = now;
        check_losses(k, now, &losses);
        alarm_end(&k->alarm, &losses, now);
        hear(k);
        own_log.later_ns = 0; /* there is room now */
        listeners_end(&k->listeners);
    }
    (void)own_log_work(&own_log, now);
    if (!listeners_have_ended(&k->listeners) && now - k->concluding_ns < LISTENERS_MS * MS) {
        shmlog_store_relaxed_(&k->page->progress, k->page->progress + 1); /* no standstill */
        return;
    }
    if (!own_log.lines || now - k->concluding_ns >= CONCLUDE_MS * MS)
        shmlog_store_release_(&k->page->concluded, 1); /* pairs with housekeeping_conclude() */
}

/* ---- Its life ---- */

/* Everything is written and finished: see that the disk has it, which may have much of it to write
 * yet: that looks the same as a disk that hangs. */
static void settle(struct housekeeper *k)
{
    const uint64_t limit = clock_ns(CLOCK_MONOTONIC) + HOUSEKEEPING_SETTLE_S * 1000 * MS;
    unsigned doubtful;

    while (!writeback_settle(k->writeback)) {
        const uint64_t now = clock_ns(CLOCK_MONOTONIC);

        if (now > limit)
            fail(k, -EIO,
                 "%s: stopped with everything written, but the disk has not confirmed it in %d s; "
                 "look whether it works",
                 k->p.directory, HOUSEKEEPING_SETTLE_S);
        if (write_files(k, now) == 0)
            nap(NAP_BUSY_NS);
    }
    doubtful = writeback_doubtful(k->writeback);
    if (doubtful)
        fail(k, -EIO,
             "%s: stopped with everything written, but the disk did not take all of %u finished "
             "%s, named before",
             k->p.directory, doubtful, doubtful == 1 ? "file" : "files");
}

static void open_store(struct housekeeper *k)
{
    const enum io_choice io = k->p.options->io;
    struct writeback_params params = {
        .outbox = k->p.outbox,
        .directory = k->p.directory,
        .segment = k->p.name,
        .durable = k->p.options->durable,
        .say = tell,
        .stats = k->p.segment->control->stats,
    };
    int r = open_backend(k, io != IO_PLAIN, &k->store);

    if (r < 0 && io == IO_URING)
        fail(k, r, "--io uring: %s; use --io auto, or %s", strerror(-r),
             r == -ENOMEM ? "raise the locked-memory limit (ulimit -l)" : "allow io_uring here");
    params.store = k->store;
    if (r == 0)
        r = writeback_open(&params, &k->writeback);
    if (r < 0)
        fail(k, r, "%s: %s", k->p.directory, strerror(-r));
    snprintf(k->page->backend, sizeof(k->page->backend), "%s%s", k->store->operations->name,
             k->store->fixed_buffers ? ", fixed buffers" : "");
}

static void open_agents(struct housekeeper *k)
{
    const struct options *const o = k->p.options;
    const struct watch_params watch = {.segment = k->p.segment, .say = warn_line};
    int r;

    k->retention = (struct retention){
        .directory = k->p.directory,
        .segment = k->p.name,
        .name = k->p.segment->geometry.name,
        .uuid = k->p.segment->geometry.uuid,
        .count = o->retain_count,
        .bytes = o->retain_bytes,
        .age_s = o->retain_s,
        .min = o->retain_min,
        .free_bytes = o->keep_free.bytes,
        .free_percent = o->keep_free.percent,
        .say = warn_line,
        .seen = k->p.newest_file,
    };
    (void)outbox_kept_clock(k->p.outbox, &k->steady_clock, &k->retention.seen);
    r = census_open(k->p.segment, k->p.outbox, &k->census);
    if (r == 0)
        r = watch_open(&watch, &k->watch);
    if (r < 0)
        fail(k, r, "cannot set up: %s", strerror(-r));
}

_Noreturn void housekeeper_run(const struct housekeeping_params *params,
                               struct housekeeping_page *page)
{
    struct housekeeper k = {.p = *params, .page = page};
    struct shm_losses losses;
    uint32_t naps = 0;

    own_log.segment = k.p.segment;
    own_log.attached = &page->attached;
    own_log.silent = &page->silent;
    own_log.off = k.p.options->no_alarm_records;
    open_store(&k);
    k.alarm = (struct alarm){
        .segment = k.p.segment,
        .say = tell,
        .lost = shmlog_load_relaxed_(&k.p.segment->control->collector_losses),
    };
    open_agents(&k);
    (void)shm_clock_newest(k.p.segment, &k.clock);
    check_losses(&k, clock_ns(CLOCK_MONOTONIC), &losses);
    k.listeners.say = warn_line;
    listeners_start(&k.listeners, k.p.options, k.p.segment->path);
    shmlog_store_release_(&page->state, HOUSEKEEPING_READY);
    for (;;) {
        const bool stop = shmlog_load_acquire_(&page->stop);
        const uint64_t now = clock_ns(CLOCK_MONOTONIC);
        const int work = write_files(&k, now);

        if (stop && writeback_idle(k.writeback)) {
            retain(&k);
            if (k.p.options->metrics)
                write_metrics(&k, now);
            listeners_kill(&k.listeners);
            settle(&k);
            _exit(0);
        }
        keep_house(&k, now);
        if (shmlog_load_acquire_(&page->concluding) && !page->concluded)
            conclude(&k, now);
        naps = work > 0 ? 0 : naps + (naps < NAPS_BEFORE_DEEP);
        if (work == 0)
            nap(writeback_is_under_way(k.writeback) ? NAP_BUSY_NS
                : naps < NAPS_BEFORE_DEEP           ? NAP_NS
                                                    : NAP_DEEP_NS);
    }
}
