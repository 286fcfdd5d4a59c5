/* SPDX-License-Identifier: MIT
 *
 * Setting up the pipeline, in the order in which things can go wrong for a user: directory,
 * segment, outbox, backend.
 */
#include "collector/pipeline_parts.h"

#include "collector/claim.h"
#include "collector/old_files.h"
#include "collector/report.h"
#include "collector/say.h"
#include "shm/clock.h"
#include "shm/health.h"
#include "shm/path.h"
#include "shm/rungs.h"
#include "shm/tables.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#if defined(__x86_64__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif
#include <unistd.h>

static int open_directory(struct pipeline *p)
{
    const char *const path = p->options.output;
    struct stat st;

    /* also mkdir(2) of what is there waits for a disk that hangs */
    if (stat(path, &st) < 0 && mkdir(path, 0750) < 0 && errno != EEXIST)
        return pipeline_fail(p, -errno, "%s: cannot make the output directory: %s", path,
                             strerror(errno));
    if (!realpath(path, p->directory))
        return pipeline_fail(p, -errno, "%s: %s", path, strerror(errno));
    if (stat(p->directory, &st) == 0 && !S_ISDIR(st.st_mode))
        return pipeline_fail(p, -ENOTDIR, "%s: not a directory; give another --output",
                             p->directory);
    if (access(p->directory, R_OK | W_OK | X_OK) < 0)
        return pipeline_fail(p, -errno, "%s: cannot write there: %s; give another --output",
                             p->directory, strerror(errno));
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
        return pipeline_fail(p, -ENOENT, "--group %s: no such group", p->options.group);
    *ret_group = (int)group->gr_gid;
    return 0;
}

/* No room for a ring of each core that this machine may get: those that it has now have to do,
 * unless the user asked for just these cores. */
static bool take_fewer_cores(struct pipeline *p)
{
    static uint32_t cpus[OPTIONS_CPUS_MAX];
    const uint32_t count = options_online_cpus(cpus), before = p->options.cpu_count;

    if (options_given(&p->options, "cpus") || count >= before)
        return false;
    memcpy(p->options.cpus, cpus, count * sizeof(cpus[0]));
    p->options.cpu_count = count;
    say("no room for rings of all %u cores that are possible here: only the %u that are online "
        "get one; threads on cores that come later share rings, see --spare-rings",
        before, count);
    return true;
}

static int fail_without_folder(struct pipeline *p, int error)
{
    const char *folder[SHM_PATH_FOLDERS];
    const unsigned folders = shm_path_folders(folder);
    char why[PATH_MAX + 256];

    if (strchr(p->options.segment, '/'))
        return pipeline_fail(p, error, "--segment %s: %s", p->options.segment, shm_strerror(error));
    if ((error == -EPERM || error == -ENOTDIR) &&
        shm_path_explain(folder[folders > 1 && geteuid() == 0], why, sizeof(why)) == 0)
        return pipeline_fail(p, error, "--segment %s: the runtime folder %s", p->options.segment,
                             why);
    return pipeline_fail(p, error, "--segment %s: cannot make or use the runtime folder %s%s: %s",
                         p->options.segment, folder[folders > 1 && geteuid() == 0],
                         folders > 1 ? "" : " of SHMLOG_DIR", shm_strerror(error));
}

/* Who has it is in the segment, unless that collector is just starting or ending. */
static int fail_busy(struct pipeline *p, const char *path, const char *why)
{
    struct shm_segment *segment;
    char who[64] = "";

    if (shm_segment_open(path, false, &segment) == 0) {
        const uint32_t pid = shmlog_load_acquire_(&segment->control->collector_pid);

        if (pid)
            snprintf(who, sizeof(who), " (pid %lu%s)", (unsigned long)pid,
                     segment->control->collector_pid_ns == shm_pid_ns()
                         ? ""
                         : " in another pid namespace");
        shm_segment_close(segment);
    }
    return pipeline_fail(p, -SHM_ERR_BUSY, "%s%s; stop that one, or give another --segment", why,
                         who);
}

/* Is what holds the segment only what a collector that is gone has left: a write under way, which
 * ends with the disk's answer? */
static bool is_leaving(const char *path)
{
    struct shm_segment *segment;
    struct shm_health health;

    if (shm_segment_open(path, false, &segment) < 0)
        return false;
    shm_health_of(segment, &health);
    shm_segment_close(segment);
    return health.state == SHM_HEALTH_DIED || health.state == SHM_HEALTH_ENDED;
}

#define LEAVING_MS UINT64_C(30000) /* it is waited for so long */
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
        .reserve = o->reserve,
        .shared_ring = true,
        .level = o->level,
        .wait_ns = o->wait_ms == UINT64_MAX ? UINT64_MAX : o->wait_ms * MS,
        .page_kib = o->page_kib,
        .numa = true,
    };
    char path[PATH_MAX], why[512] = "";
    uint64_t limit;
    int r;

    p->name = slash ? slash + 1 : o->segment;
    snprintf(p->prefix, sizeof(p->prefix), "%s%s%s", p->name, o->instance ? "-" : "",
             o->instance ? o->instance : "");
    params.name = p->name;
    r = find_group(p, &params.group);
    if (r < 0)
        return r;
    r = shm_path_make(o->segment, path, sizeof(path));
    if (r < 0)
        return fail_without_folder(p, r);
    limit = pipeline_clock_ns(CLOCK_MONOTONIC) + LEAVING_MS * MS;
    for (;;) {
        r = shm_segment_create(path, &params, outbox_is_empty, &p->segment, why, sizeof(why));
        if (r != -SHM_ERR_BUSY || pipeline_clock_ns(CLOCK_MONOTONIC) > limit || !is_leaving(path))
            break;
        usleep(1000);
    }
    if ((r == -ENOSPC || r == -ENOMEM) && take_fewer_cores(p)) {
        params.cpu_count = o->cpu_count;
        r = shm_segment_create(path, &params, outbox_is_empty, &p->segment, why, sizeof(why));
    }
    if (r == -SHM_ERR_BUSY && is_leaving(path))
        return pipeline_fail(p, r,
                             "%s: the collector before has ended, but not a write of its: its disk "
                             "does not answer; start again when it does",
                             path);
    if (r == -SHM_ERR_BUSY)
        return fail_busy(p, path, why);
    if (r < 0)
        return pipeline_fail(p, r, "%s%s", *why ? why : shm_strerror(r),
                             r == -SHM_ERR_FOREIGN || r == -SHM_ERR_OLDER || r == -SHM_ERR_NEWER
                                 ? "; give another --segment, or move it away"
                                 : "");
    return 0;
}

static int claim_directory(struct pipeline *p)
{
    char owner[512];
    const int r = claim_take(p->directory, p->prefix, p->segment->path, getpid(), &p->claim, owner,
                             sizeof(owner));

    if (r == -EBUSY)
        return pipeline_fail(p, r,
                             "%s: another collector writes the files of '%s' there (%s); give "
                             "another --output, another --segment or an --instance",
                             p->directory, p->prefix, owner);
    if (r == -EOPNOTSUPP || r == -ENOLCK || r == -ENOSYS) {
        say("%s: this filesystem has no locks: a second collector of '%s' there would not be "
            "noticed",
            p->directory, p->prefix);
        return 0;
    }
    return r < 0 ? pipeline_fail(p, r, "%s/.%s.lock: %s", p->directory, p->prefix, strerror(-r))
                 : 0;
}

/* Before the segment is made: it may need the pages. */
static int remove_orphans(struct pipeline *p)
{
    struct shm_orphan_list list;
    const int r = shm_orphans_remove(&list);

    if (r < 0)
        return pipeline_fail(p, r, "cannot look for ring files left behind: %s", strerror(-r));
    report_orphans(&list, stderr);
    shm_orphans_done(&list);
    return 0;
}

static bool was_drained(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        if (segment->rings[i].header && shmlog_load_relaxed_(&segment->rings[i].header->tail))
            return true;
    return false;
}

static const char *advice_on_outbox(int error)
{
    struct rlimit limit;

    if (error == -ENOMEM && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return "the address space is limited (ulimit -v, RLIMIT_AS): raise that, or make "
               "--outbox-size smaller";
    if (error == -ENOSPC || error == -ENOMEM)
        return "make --outbox-size smaller, or more room there";
    return "move the segment's directory away to keep what is in it";
}

/* Not so one on a disk that fails. One that is not mounted yet looks the same, but who names
 * another directory does not wait for it. */
static bool is_gone(const char *directory)
{
    struct stat st;

    return stat(directory, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static int open_outbox(struct pipeline *p)
{
    const struct shmlog_control *const g = &p->segment->geometry;
    int r = -ENOENT;

    if (!p->segment->created)
        r = outbox_open(p->segment->path, g->uuid, g->rings, &p->outbox);
    if (r == -ENOENT && was_drained(p->segment))
        return pipeline_fail(
            p, r,
            "%s/outbox is gone, and with it what was read from the rings and where; "
            "move the directory away",
            p->segment->path);
    if (r == -ENOENT) /* or its creator died before it came to that: then nothing was drained */
        r = outbox_create(p->segment->path, g->uuid, g->rings, p->options.outbox_bytes, &p->outbox);
    if (r < 0)
        return pipeline_fail(p, r, "%s/outbox: %s; %s", p->segment->path,
                             r == -EBADMSG ? "damaged" : strerror(-r), advice_on_outbox(r));
    p->taken_over = outbox_head(p->outbox) - outbox_tail(p->outbox);
    if (strcmp(outbox_directory(p->outbox), p->directory) == 0)
        return 0;
    if (p->taken_over || outbox_file(p->outbox)->open) {
        p->moving = is_gone(outbox_directory(p->outbox));
        return p->moving
                   ? 0
                   : pipeline_fail(p, -EBUSY,
                                   "%s has records for files in %s: run once with --output %s, or "
                                   "move that directory away: then they go to new files",
                                   p->segment->path, outbox_directory(p->outbox),
                                   outbox_directory(p->outbox));
    }
    r = outbox_set_directory(p->outbox, p->directory);
    if (r < 0)
        return pipeline_fail(p, r, "%s: %s", p->directory, strerror(-r));
    return 0;
}

static int open_drain(struct pipeline *p)
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
    int r = old_files_newest(p->directory, p->prefix, &journal.newest_file);

    p->newest_file = journal.newest_file;
    if (r == 0 && p->options.metrics)
        r = breakdown_open(&p->breakdown);
    journal.breakdown = p->breakdown;
    (void)shm_clock_calibrate(p->segment);
    if (r == 0)
        r = journal_open(&journal, &p->journal);
    drain.journal = p->journal;
    if (r == 0)
        r = drain_open(&drain, &p->drain);
    return r < 0 ? pipeline_fail(p, r, "cannot set up: %s", strerror(-r)) : 0;
}

/* What is in the outbox is for files in a directory that is gone: it goes to new ones in this. */
static int leave_directory(struct pipeline *p)
{
    char gone[PATH_MAX];
    int r;

    snprintf(gone, sizeof(gone), "%s", outbox_directory(p->outbox));
    r = journal_move_to(p->journal, p->directory);
    if (r == -ENOSPC || r == -ENOMEM)
        return pipeline_fail(p, r,
                             "%s: no room for a second outbox, which takes what is for files in "
                             "another directory: make room there",
                             p->segment->path);
    if (r < 0)
        return pipeline_fail(p, r, "%s/outbox: cannot make another one: %s", p->segment->path,
                             r == -EBADMSG ? "it is damaged" : strerror(-r));
    say("%s is gone: what was for files there goes to new files in %s; should it come back, its "
        "newest file is as it was, and ends in .part",
        gone, p->directory);
    return 0;
}

static int start_housekeeping(struct pipeline *p)
{
    const struct housekeeping_params params = {
        .options = &p->options,
        .segment = p->segment,
        .outbox = p->outbox,
        .breakdown = p->breakdown,
        .directory = p->directory,
        .name = p->prefix,
        .claim = p->claim,
        .cpus = &p->cpus,
        .newest_file = p->newest_file,
    };

    return housekeeping_start(&params, &p->housekeeping, p->message, p->message_size);
}

/* A segment that is in use is taken over as it is: say what was asked for and is otherwise. And a
 * page for many rings would be wasted on one. */
static void say_difference(const struct pipeline *p)
{
    const struct shmlog_control *const g = &p->segment->geometry;
    const struct options *const o = &p->options;
    const bool severe_rings = g->compatible & SHMLOG_COMPATIBLE_SEVERE_RINGS;
    const struct {
        const char *option;
        bool differs;
    } look[] = {
        {"cpus", g->cpu_rings != o->cpu_count * (severe_rings ? 2u : 1u)},
        {"ring-size", g->ring_slots * SHMLOG_SLOT_SIZE != o->ring_bytes},
        {"spare-rings", shm_spare_rings(g) != o->spare_rings},
        {"on-full", g->on_full != o->on_full},
        {"reserve", g->on_full == SHMLOG_ON_FULL_OVERWRITE
                        ? severe_rings != (o->reserve > 0)
                        : g->reserve_slots != g->ring_slots * o->reserve / 100},
    };
    char options[128] = "";
    size_t at = 0;

    for (size_t i = 0; i < sizeof(look) / sizeof(look[0]); i++)
        if (look[i].differs && options_given(o, look[i].option))
            at += (size_t)snprintf(options + at, sizeof(options) - at, "%s--%s", at ? ", " : "",
                                   look[i].option);
    if (at)
        say("%s: not in effect, since there are records or producers in the segment; start again "
            "when there are none",
            options);
    if (o->page_kib * 1024 > 2 * o->ring_bytes)
        say("--page-size: pages of more than twice a ring are not used; give a larger "
            "--ring-size as well");
}

/* What this C library offers is most likely what producers will find. */
static void look_for_rseq(const struct pipeline *p)
{
    bool usable = false;

#if defined(__x86_64__) && __GLIBC_PREREQ(2, 35)
    usable = __rseq_size > 0 && p->segment->geometry.clock == SHMLOG_CLOCK_TSC;
#endif
    shm_rung_set(p->segment, SHMLOG_RUNG_NO_RSEQ, !usable);
}

/* Tell tools who runs here. Not the pid of one collector with the start of another: a reader takes
 * that for a process that is gone. */
static void sign_in(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;

    shmlog_store_release_(&c->collector_pid, 0);
    c->collector_start = shm_thread_start((uint32_t)getpid(), (uint32_t)getpid());
    c->collector_pid_ns = shm_pid_ns();
    c->collector_flags = SHMLOG_COLLECTOR_STARTING;
    c->collector_written = c->collector_beat = pipeline_clock_ns(CLOCK_MONOTONIC);
    if (c->collector_lost > c->collector_beat)
        c->collector_lost = 0; /* before the host was started anew */
    shmlog_store_release_(&c->collector_pid, (uint32_t)getpid());
}

static void begin_work(struct pipeline *p)
{
    struct shmlog_control *const c = p->segment->control;

    c->collector_beat = pipeline_clock_ns(CLOCK_MONOTONIC);
    __atomic_fetch_and(&c->collector_flags, ~SHMLOG_COLLECTOR_STARTING, __ATOMIC_RELEASE);
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
    p->claim = -1;
    (void)sched_getaffinity(0, sizeof(p->cpus), &p->cpus);
    p->message = ret_message;
    p->message_size = message_size;
    r = privileges_pin(options, ret_message, message_size); /* first: memory and workers follow */
    if (r == 0)
        r = open_directory(p);
    if (r == 0)
        r = remove_orphans(p);
    if (r == 0)
        r = open_segment(p);
    if (r == 0)
        r = claim_directory(p);
    if (r == 0) {
        sign_in(p);
        r = open_outbox(p);
    }
    if (r == 0)
        r = open_drain(p);
    if (r == 0 && p->moving)
        r = leave_directory(p);
    if (r == 0)
        r = start_housekeeping(p);
    if (r < 0) {
        /* leave nothing behind, unless somebody has attached meanwhile */
        if (p->segment)
            p->remove = p->segment->created && pipeline_close_segment(p);
        pipeline_close(p);
        return r;
    }
    privileges_take(options, &p->privileges, p->segment);
    look_for_rseq(p);
    drain_release_all(p->drain);
    p->recovering = journal_is_open(p->journal) || p->taken_over;
    if (!p->recovering) {
        housekeeping_recovered(p->housekeeping);
        (void)journal_begin(p->journal); /* if it cannot be yet, with the first piece */
    }
    report = (struct report){
        .options = &p->options,
        .segment = p->segment,
        .backend = housekeeping_backend(p->housekeeping),
        .directory = p->directory,
        .running_on = p->privileges.core,
        .realtime = p->privileges.realtime,
        .locked = p->privileges.locked,
        .taken_over = p->taken_over,
    };
    if (!options->quiet)
        report_print(&report, stderr);
    say_difference(p);
    begin_work(p);
    *ret_pipeline = p;
    return 0;
}
