/* SPDX-License-Identifier: MIT
 *
 * What --health and --info say of a segment whose collector works, is stopped, killed, started
 * again, ended, and cannot write; of none and of one that may not be read. The losses that they
 * show are those that the producer's calls reported, at every look. The clock of collectors and of
 * those who look goes on when the test says so: what lasts for ten seconds lasts until then.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include "shm/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT "health"

struct look {
    const char *segment;
    const char *word;
    int status;
    char text[4096];
};

/* One look: the exit status, and the line or, of an error, the message. */
static int look_at(const char *const args[], char *ret_text, size_t size)
{
    const char *argv[8] = {kit_program("tools/shmlog-dump"), "--health"};
    struct kit_process dump = {0};
    char *out;

    for (unsigned i = 0; args[i]; i++)
        argv[2 + i] = args[i];
    kit_run(&dump, argv, NULL);
    out = kit_read_file(dump.out, NULL);
    if (!*out) {
        free(out);
        out = kit_read_file(dump.err, NULL);
    }
    snprintf(ret_text, size, "%s", out);
    free(out);
    return dump.status;
}

static bool is_so(void *arg)
{
    struct look *l = arg;
    const char *const args[] = {l->segment, NULL};
    const char *const want = kit_text("%s: %s: ", l->segment, l->word);

    return look_at(args, l->text, sizeof(l->text)) == l->status &&
           strncmp(l->text, want, strlen(want)) == 0;
}

/* --info uses the same word. */
static bool info_agrees(const struct look *l)
{
    const char *const args[] = {"--info", SEGMENT, NULL};
    char *info;
    bool agrees;

    kit_dump(kit_path("info"), args);
    info = kit_read_file(kit_path("info"), NULL);
    agrees = strstr(info, kit_text("collector   %s: ", l->word)) != NULL;
    free(info);
    return agrees;
}

/* The clock stands but for this: a collector that is between two attempts at its look, or has a
 * write under way, looks again. */
static bool is_so_for_all(void *arg)
{
    if (is_so(arg) && info_agrees(arg))
        return true;
    kit_clock_forward(0.05);
    return false;
}

/* It comes to be so. */
static void check(const char *word, int status, const char *reason)
{
    struct look l = {.segment = SEGMENT, .word = word, .status = status};

    if (!kit_wait(is_so_for_all, &l, KIT_PATIENCE))
        KIT_FAIL("not %s (%d), or --info says another thing: %s", word, status, l.text);
    if (!strstr(l.text, reason))
        KIT_FAIL("'%s' not in %s", reason, l.text);
    printf("%s", l.text);
}

static void check_refused(const char *what, const char *const args[])
{
    char text[4096];

    KIT_EQ(look_at(args, text, sizeof(text)), 2);
    if (!strstr(text, what) || strchr(text, '\n') == NULL)
        KIT_FAIL("'%s' not in %s", what, text);
}

static void wrong_use(void)
{
    check_refused("no such segment", (const char *const[]){"nothing", NULL});
    check_refused("''", (const char *const[]){"", NULL});
    check_refused("missing", (const char *const[]){NULL});
    check_refused("one segment", (const char *const[]){SEGMENT, SEGMENT, NULL});
    check_refused("text or json", (const char *const[]){"--format", "csv", SEGMENT, NULL});
}

/* ---- What was lost ---- */

static void log_many(struct shmlog *log, unsigned records)
{
    uint64_t state = kit_seed();
    char noise[1024];

    for (unsigned i = 0; i < records; i++) {
        for (size_t n = 0; n < sizeof(noise); n += 8) {
            const uint64_t word = kit_random(&state);

            memcpy(noise + n, &word, 8);
        }
        shmlog_event(log, SHMLOG_INFO, "", "noise", "bytes", shmlog_bytes(noise, sizeof(noise)));
    }
}

/* The number in front of ` full`, in --health's line, and as `dropped` in --info's counters. */
static uint64_t lost_full(void)
{
    const char *const args[] = {SEGMENT, NULL}, *const info_args[] = {"--info", SEGMENT, NULL};
    uint64_t lost, dropped = UINT64_MAX;
    char text[4096], *info, *at;

    look_at(args, text, sizeof(text));
    at = strstr(text, "; lost ");
    KIT_CHECK(at != NULL);
    lost = strtoull(at + 7, NULL, 10);
    kit_dump(kit_path("info"), info_args);
    info = kit_read_file(kit_path("info"), NULL);
    at = strstr(info, "\n  dropped ");
    KIT_CHECK(at != NULL);
    KIT_EQ(sscanf(at, " dropped %" SCNu64, &dropped), 1);
    KIT_EQ(dropped, lost);
    free(info);
    return lost;
}

/* Rings get full and drop: the figure is the calls' own. */
static void lose(struct shmlog *log)
{
    uint64_t before = shmlog_thread_lost(log);

    KIT_EQ(lost_full(), before);
    for (unsigned i = 0; i < 5; i++) {
        do {
            log_many(log, 500);
        } while (shmlog_thread_lost(log) == before);
        before = shmlog_thread_lost(log);
        KIT_EQ(lost_full(), before);
    }
}

/* `last_lost_ns` of --health. */
static uint64_t last_lost_ns(void)
{
    const char *const args[] = {"--format", "json", SEGMENT, NULL};
    uint64_t lost_ns = 0;
    char text[4096], *at;

    look_at(args, text, sizeof(text));
    at = strstr(text, "\"last_lost_ns\":");
    KIT_CHECK(at != NULL);
    KIT_EQ(sscanf(at, "\"last_lost_ns\":%" SCNu64, &lost_ns), 1);
    return lost_ns;
}

/* The collector has seen what was lost: until then, it counts as lost just now. */
static bool loss_is_noted(void *arg)
{
    (void)arg;
    kit_clock_forward(0.1);
    return last_lost_ns() > 0;
}

/* More than those ten seconds for which that counts as losing. */
static bool lost_long_ago(void *arg)
{
    (void)arg;
    return last_lost_ns() > UINT64_C(10000000000);
}

/* ---- Its life ---- */

#define STALL_S 3   /* no round for longer than is usual */
#define LOOK_S 0.6  /* the collector looks after losses twice a second */
#define LONG_S 11   /* longer than losses count as being lost */
#define RETRY_S 1.1 /* a write that failed is tried again */

static void life(const char *on_full, struct kit_process *collector, const char *output)
{
    const char *const args[] = {"--on-full", on_full, "--ring-size", "64k", NULL};
    const bool drops = strcmp(on_full, "drop") == 0;
    struct shmlog *log;

    kit_collector_start(collector, SEGMENT, output, args);
    check("working", 0, "made its last round");
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    kit_share(log);
    log_many(log, 10);
    check("working", 0, "lost 0");
    kit_stop(collector->pid);
    kit_clock_forward(STALL_S);
    check("stalled", 1, "has made no round for");
    if (drops)
        lose(log);
    else
        log_many(log, 5000);
    check("stalled", 1, drops ? " full" : " overwritten");
    kit_kill(collector, SIGCONT);
    kit_clock_forward(LOOK_S);
    check("losing", 1, "records were lost");
    if (drops)
        KIT_CHECK(kit_wait(loss_is_noted, NULL, KIT_PATIENCE)); /* or it would be so for good */
    kit_kill_hard(collector);
    check("gone", 2, drops ? "died" : "go on keeping the newest records");
    if (drops) {
        kit_clock_forward(LONG_S);
        KIT_CHECK(
            kit_wait(lost_long_ago, NULL, KIT_PATIENCE)); /* so that what follows is what shows */
        lose(log);
    } else {
        log_many(log, 5000);
    }
    kit_collector_start(collector, SEGMENT, output, args);
    check("losing", 1, drops ? " full" : " overwritten");
    kit_clock_forward(LONG_S);
    if (drops)
        check("working", 0, " full"); /* nothing is lost any more */
    kit_collector_stop(collector);
    check("gone", 2, drops ? "ended" : "go on keeping the newest records");
    shmlog_close(log);
    kit_collector_start(collector, SEGMENT, output, args);
    kit_collector_stop(collector);
    kit_verify_balanced(output, &(struct kit_ledger){0});
}

/* ---- Its files ---- */

/* With something to write all the time. */
static bool fails_to_write(void *arg)
{
    struct look l = {.segment = SEGMENT, .word = "stalled", .status = 1};

    log_many(arg, 20);
    kit_clock_forward(LOOK_S);
    return is_so(&l);
}

/* More than its ring takes at once. A write that failed before the disk was back is tried again
 * meanwhile. */
static bool loses(void *arg)
{
    struct look l = {.segment = SEGMENT, .word = "losing", .status = 1};

    log_many(arg, 5000);
    kit_clock_forward(LOOK_S);
    return is_so(&l);
}

struct written {
    const struct shmlog *log;
    uint64_t records;
};

static uint64_t acknowledged(const struct shmlog *log)
{
    return shmlog_load_relaxed_(&log->control.stats[SHM_STAT_acknowledged]);
}

static bool is_written(void *arg)
{
    const struct written *const before = arg;

    return acknowledged(before->log) > before->records;
}

/* The disk takes nothing any more: `spoil` sees to that, `mend` to the end of it. */
static void disk(const char *output, void (*spoil)(const char *output),
                 void (*mend)(const char *output))
{
    const char *const args[] = {"--ring-size", "64k", "--outbox-size", "4m", NULL};
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;
    struct written written;
    uint64_t lost;

    kit_collector_start(&collector, SEGMENT, output, args);
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    kit_share(log);
    check("working", 0, "lost 0");
    spoil(output);
    KIT_CHECK(kit_wait(fails_to_write, log, KIT_PATIENCE));
    check("stalled", 1, "has written nothing for");
    lose(log);
    check("stalled", 1, " full");
    mend(output);
    written = (struct written){log, acknowledged(log)};
    kit_clock_forward(RETRY_S);
    KIT_CHECK(kit_wait(is_written, &written, KIT_PATIENCE));
    KIT_CHECK(kit_wait(loses, log, KIT_PATIENCE));
    check("losing", 1, "records were lost");
    lost = shmlog_thread_lost(log);
    shmlog_close(log);
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.dropped, lost);
}

static void move_away(const char *output)
{
    KIT_EQ(rename(output, kit_text("%s.away", output)), 0);
}

static void move_back(const char *output)
{
    KIT_EQ(rename(kit_text("%s.away", output), output), 0);
}

static void fill(const char *output)
{
    const char *const path = kit_text("%s/filler", output);
    static char zeros[65536];
    FILE *f = fopen(path, "w");

    KIT_CHECK(f != NULL);
    setvbuf(f, NULL, _IONBF, 0);
    while (fwrite(zeros, 1, sizeof(zeros), f) == sizeof(zeros))
        ;
    KIT_EQ(errno, ENOSPC);
    fclose(f);
}

static void unfill(const char *output)
{
    KIT_EQ(unlink(kit_text("%s/filler", output)), 0);
}

static void full_disk(void)
{
    const char *const output = kit_path("full");

    KIT_EQ(mkdir(output, 0755), 0);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("small", output, "tmpfs", 0, "size=16m") < 0) {
        printf("left out: a full disk, no tmpfs may be mounted here\n");
        return;
    }
    disk(output, fill, unfill);
    KIT_EQ(umount2(output, MNT_DETACH), 0);
}

/* ---- Who may look ---- */

/* The program was opened while that was allowed: its directory may be closed to others. */
static int look_as_nobody(void *arg)
{
    char *const argv[] = {(char *)"shmlog-dump", (char *)"--health", arg, NULL};
    char *const env[] = {NULL};
    const int program = open(kit_program("tools/shmlog-dump"), O_RDONLY | O_CLOEXEC);

    KIT_COMPARE(program, >=, 0);
    if (geteuid() == 0) {
        KIT_EQ(setgroups(0, NULL), 0);
        KIT_EQ(setgid(65534), 0);
        KIT_EQ(setuid(65534), 0);
    }
    fexecve(program, argv, env);
    return 99;
}

static void not_allowed(void)
{
    const char *const path = kit_text("%s/" SEGMENT, kit_shm_dir());
    struct kit_process collector, other;

    kit_collector_start(&collector, SEGMENT, kit_path("closed"), NULL);
    KIT_EQ(chmod(kit_shm_dir(), 0755), 0);
    KIT_EQ(chmod(path, 0), 0);
    kit_spawn_function(&other, "nobody", look_as_nobody, (void *)(uintptr_t)path);
    KIT_EQ(kit_wait_exit(&other, KIT_PATIENCE), 2);
    KIT_CHECK(kit_err_contains(&other, path));
    KIT_EQ(chmod(path, 0750), 0);
    kit_collector_stop(&collector);
}

int main(void)
{
    struct kit_process collector;

    kit_begin("health");
    kit_need_io();
    (void)kit_clock_begin();
    kit_clock_stand();
    wrong_use();
    life("drop", &collector, kit_path("drop"));
    life("overwrite", &collector, kit_path("overwrite"));
    disk(kit_path("moved"), move_away, move_back);
    not_allowed();
    full_disk();
    return 0;
}
