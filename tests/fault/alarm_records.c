/* SPDX-License-Identifier: MIT
 *
 * What the collector says unasked is in its log, too, where it happened, as records of category
 * "shmlog" of a process "shmlog-collector": and costs no record of others, waits for nothing, and
 * keeps no segment alive. A disk that hangs is said within moments by the process that does not
 * hang.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "shm/stats.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 3000u /* a ring has 1,024 slots */

static struct kit_process collector, producer;
static const char *segment, *output;
static struct shmlog *log_;

static void begin(const char *name, const char *on_full)
{
    const char *const args[] = {"--ring-size", "64k",       "--spare-rings",
                                "4",           "--on-full", on_full,
                                "--wait-ms",   "forever",   "--flush-ms",
                                "5",           NULL};

    segment = name;
    output = kit_path(name);
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&log_, segment, NULL));
}

/* ---- What is in the log ---- */

struct want {
    const char *source, *level, *text;
};

/* Records of category shmlog, of a level if one is given, with the text in them. A file that is
 * `growing` may end in the middle of a piece, which is status 1. */
static unsigned count_records(const struct want *want, bool growing)
{
    const char *const argv[] = {kit_program("tools/shmlog-dump"), want->source, "--format", "json",
                                NULL};
    struct kit_process dump;
    char *all, *save = NULL;
    unsigned count = 0;

    KIT_COMPARE(kit_run(&dump, argv, NULL), <=, growing);
    all = kit_read_file(dump.out, NULL);
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        count += strstr(line, "\"category\":\"shmlog\"") && strstr(line, want->text) &&
                 strstr(line, "\"process\":\"shmlog-collector\"") &&
                 (!want->level || strstr(line, kit_text("\"level\":\"%s\"", want->level)));
    free(all);
    return count;
}

/* When the collector has ended. */
static unsigned count_all(const char *level, const char *text)
{
    return count_records(&(struct want){output, level, text}, false);
}

static bool is_logged(void *arg)
{
    return count_records(arg, true) > 0;
}

static void wait_logged(const char *level, const char *text)
{
    struct want want = {output, level, text};

    if (!kit_wait(is_logged, &want, KIT_PATIENCE))
        KIT_FAIL("'%s' is not in the log; said:\n%s", text, kit_read_file(collector.err, NULL));
}

/* Of what was logged here nothing is lost but what was counted; and the segment is removed. */
static void end(uint64_t logged)
{
    const uint64_t lost = shmlog_lost(log_);
    struct kit_ledger ledger;

    shmlog_close(log_);
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.dropped, lost);
    KIT_EQ(ledger.in_ring, 0);
    KIT_EQ(ledger.written, logged - lost + count_all(NULL, ""));
    KIT_EQ(access(kit_text("%s/%s", kit_shm_dir(), segment), F_OK), -1);
}

/* ---- Losses ---- */

static cpu_set_t all_cores;

static void stay_on_core(void)
{
    cpu_set_t one;

    KIT_EQ(sched_getaffinity(0, sizeof(all_cores), &all_cores), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    KIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void leave_core(void)
{
    KIT_EQ(sched_setaffinity(0, sizeof(all_cores), &all_cores), 0);
}

/* More than a ring has room for, into one ring. Nobody else logs meanwhile. */
static void lose(void)
{
    const struct shmlog_control *const g = &log_->local.geometry;
    const uint64_t room = g->ring_slots - g->reserve_slots;
    const pid_t housekeeping = kit_child(&collector);

    kit_stop(housekeeping);
    kit_stop(collector.pid);
    stay_on_core();
    for (unsigned i = 0; i < MANY; i++)
        shmlog_info(log_, "number %u", i);
    leave_core();
    KIT_EQ(shmlog_lost(log_), MANY - room);
    KIT_EQ(kill(housekeeping, SIGCONT), 0);
    kit_wait_text(&collector, "is full to 100 %", KIT_PATIENCE);
    kit_wait_text(&collector, "records are being lost", KIT_PATIENCE);
    kit_kill(&collector, SIGCONT);
}

static void test_losses(void)
{
    begin("losses", "drop");
    lose();
    wait_logged("warn", "records are being lost");
    wait_logged("warn", "is full to 100 %");
    kit_clock_forward(11);
    wait_logged("info", "no more records are being lost");
    end(MANY);
    KIT_EQ(count_all("warn", "records are being lost"), 1);
}

static void test_off(void)
{
    kit_alarm_records = false;
    begin("off", "drop");
    lose();
    kit_clock_forward(11);
    kit_wait_text(&collector, "no more records are being lost", KIT_PATIENCE);
    end(MANY);
    KIT_EQ(count_all(NULL, ""), 0);
    kit_alarm_records = true;
}

/* ---- Full rings, and writers that wait ---- */

static int log_many(void *arg)
{
    struct shmlog *log;

    (void)arg;
    if (shmlog_open(&log, segment, NULL) < 0)
        return 1;
    for (unsigned i = 0; i < MANY; i++)
        shmlog_info(log, "number %u", i);
    shmlog_close(log);
    return 0;
}

static bool is_further(void *arg)
{
    const uint64_t round_ns = shmlog_load_relaxed_(&log_->control.collector_written);

    kit_clock_next(round_ns);
    return round_ns > *(const uint64_t *)arg + 1500000000;
}

/* The collector's own core has a full ring, and writers that wait for it: housekeeping does not. */
static void test_wait(void)
{
    uint64_t looks;

    stay_on_core();
    begin("wait", "wait");
    kit_stop(collector.pid);
    kit_spawn_function(&producer, "producer", log_many, NULL);
    kit_wait_text(&collector, "is full to 100 %", KIT_PATIENCE);
    looks = shmlog_load_relaxed_(&log_->control.collector_written); /* housekeeping's */
    KIT_CHECK(kit_wait(is_further, &looks, KIT_PATIENCE));
    kit_kill(&collector, SIGCONT);
    KIT_EQ(kit_wait_exit(&producer, KIT_PATIENCE), 0);
    wait_logged("warn", "is full to 100 %");
    KIT_EQ(shmlog_lost(log_), 0);
    leave_core();
    end(MANY);
}

/* ---- A disk that fails ---- */

static bool is_acknowledged(void *arg)
{
    (void)arg;
    return shmlog_load_relaxed_(&log_->control.stats[SHM_STAT_acknowledged]) > 0;
}

/* It is not mounted for a while, so to say. */
static void test_fail(void)
{
    const char *away;

    begin("fail", "drop");
    shmlog_info(log_, "number 0");
    KIT_CHECK(kit_wait(is_acknowledged, NULL, KIT_PATIENCE));
    away = kit_text("%s-away", output);
    KIT_EQ(rename(output, away), 0);
    kit_kill(&collector, SIGHUP);
    shmlog_info(log_, "number 1");
    kit_wait_text(&collector, "cannot write", KIT_PATIENCE);
    KIT_EQ(rename(away, output), 0);
    wait_logged("warn", "cannot write");
    wait_logged("info", "writing again");
    end(2);
}

/* ---- A disk that hangs ---- */

static char heard[65536]; /* what came by the pipe */
static size_t heard_size;
static int pipe_fd = -1;

static bool is_heard(void *arg)
{
    ssize_t n;

    while ((n = read(pipe_fd, heard + heard_size, sizeof(heard) - 1 - heard_size)) > 0)
        heard_size += (size_t)n;
    heard[heard_size] = 0;
    return strstr(heard, arg) != NULL;
}

static void wait_heard(const char *text)
{
    if (!kit_wait(is_heard, (void *)text, KIT_PATIENCE))
        KIT_FAIL("'%s' was not said, but:\n%s", text, heard);
}

static void start_with_pipe(const char *name)
{
    const char *const fifo = kit_path("said");
    const char *const argv[] = {"sh",
                                "-c",
                                "exec \"$0\" --segment \"$1\" --output \"$2\" --io \"$3\" 2>\"$4\"",
                                kit_program("collector/shmlog-collector"),
                                name,
                                kit_path(name),
                                getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto",
                                fifo,
                                NULL};

    segment = name;
    output = kit_path(name);
    KIT_EQ(mkfifo(fifo, 0600), 0);
    pipe_fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    KIT_COMPARE(pipe_fd, >=, 0);
    kit_spawn(&collector, argv, NULL);
    wait_heard("shmlog-collector: ready");
    KIT_OK(shmlog_open(&log_, segment, NULL));
}

/* The drain says it after a second, and looks at least every half second: "1.0" to "1.5". */
#define HANGS "the disk has not answered for 1."

/* Said by the drain, while housekeeping can say nothing. */
static void test_hang(void)
{
    pid_t pid;

    start_with_pipe("hang");
    pid = kit_child(&collector);
    kit_stop(pid);
    shmlog_info(log_, "a record");
    wait_heard(HANGS);
    KIT_EQ(kill(pid, SIGCONT), 0);
    wait_logged("warn", HANGS);
    kit_clock_forward(11);
    wait_heard("the disk answers again; it hung ");
    wait_logged("info", "the disk answers again; it hung ");
    end(1);
}

/* The drain's looks, each with a beat before it, and those that it takes for one hang. */
struct looks {
    uint64_t last, first, noticed;
};

/* It has looked for longer than a second, never half a second apart, and has looked once more. */
static bool has_noticed(void *arg)
{
    struct looks *const looks = arg;
    const uint64_t beat = shmlog_load_acquire_(&log_->control.collector_beat);

    if (beat == looks->last)
        return false;
    if (beat - looks->last > UINT64_C(400000000) || !looks->first) {
        looks->first = beat;
        looks->noticed = 0;
    }
    looks->last = beat;
    if (looks->noticed)
        return true;
    if (beat - looks->first > UINT64_C(1000000000))
        looks->noticed = beat;
    return false;
}

/* A file may be on that disk: what is for one is said when housekeeping is back. */
static void test_hang_with_file(void)
{
    struct looks looks = {0};
    pid_t pid;

    begin("hang-file", "drop");
    pid = kit_child(&collector);
    kit_stop(pid);
    looks.last = shmlog_load_acquire_(&log_->control.collector_beat);
    KIT_CHECK(kit_wait(has_noticed, &looks, KIT_PATIENCE));
    KIT_CHECK(!kit_err_contains(&collector, "has not answered"));
    KIT_EQ(kill(pid, SIGCONT), 0);
    kit_wait_text(&collector, HANGS, KIT_PATIENCE);
    wait_logged("warn", HANGS);
    end(0);
}

int main(void)
{
    kit_begin("alarm_records");
    kit_need_io();
    (void)kit_clock_begin();
    kit_alarm_records = true;
    test_losses();
    test_off();
    test_wait();
    test_fail();
    test_hang();
    test_hang_with_file();
    return 0;
}
