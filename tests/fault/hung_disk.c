/* SPDX-License-Identifier: MIT
 *
 * A disk that does not answer, and a process that writes to it and hangs: draining goes on as long
 * as the outbox has room, nothing is lost, and SIGTERM is obeyed in some three seconds.
 *
 * What is made to hang is the housekeeping process, stopped as a whole, so that nothing that it
 * does can be needed; and, as root where there are loop devices, a filesystem that is frozen, whose
 * writers cannot even be killed. The drain is held to its list of system calls.
 *
 * SHMLOG_TEST_HANG: seconds of the longest hang (10).
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BURST 50u /* records in each millisecond */

static struct kit_process collector;
static const char *segment, *output;
static struct shmlog *log_;
static uint64_t logged;

/* ---- What is offered ---- */

static void log_for(double seconds)
{
    const uint64_t end = kit_now_ns() + (uint64_t)(seconds * 1e9);
    const struct timespec pace = {.tv_nsec = 1000000};

    while (kit_now_ns() < end) {
        for (unsigned i = 0; i < BURST; i++)
            shmlog_info(log_, "record %lu", (unsigned long)logged++);
        nanosleep(&pace, NULL);
    }
}

static void begin(const char *name, const char *directory)
{
    const char *const args[] = {"--on-full", "drop", "--flush-ms", "5", NULL};

    segment = name;
    output = directory;
    logged = 0;
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&log_, segment, NULL));
    log_for(0.1);
}

static void check_all(void)
{
    struct kit_ledger ledger;

    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    KIT_EQ(ledger.written, logged);
    kit_check_zstd(output);
}

static void end(void)
{
    log_for(0.1);
    KIT_EQ(shmlog_lost(log_), 0);
    shmlog_close(log_);
    kit_collector_stop(&collector);
    check_all();
}

/* ---- The process that writes ---- */

static bool stands_still(void *arg)
{
    char *const text = kit_read_file(kit_text("/proc/%d/stat", *(pid_t *)arg), NULL);
    const char *const name_end = strrchr(text, ')');
    const bool stopped = name_end && name_end[2] == 'T';

    free(text);
    return stopped;
}

static pid_t stop_housekeeping(void)
{
    pid_t pid = kit_child(&collector);

    KIT_EQ(kill(pid, SIGSTOP), 0);
    KIT_CHECK(kit_wait(stands_still, &pid, 20));
    return pid;
}

static void test_stopped(double seconds)
{
    pid_t pid;

    begin(kit_text("stopped-%g", seconds), kit_path(kit_text("stopped-%g", seconds)));
    pid = stop_housekeeping();
    log_for(seconds / 2);
    kit_kill(&collector, SIGHUP); /* a new file, too */
    log_for(seconds / 2);
    KIT_CHECK(stands_still(&pid)); /* all the while */
    KIT_EQ(kill(pid, SIGCONT), 0);
    end();
}

/* Ends with what is not written kept; another collector writes it. */
static void stop_while_hung(const char *says)
{
    const uint64_t began = kit_now_ns();
    double seconds;

    kit_kill(&collector, SIGTERM);
    KIT_EQ(kit_wait_exit(&collector, 20), 1);
    seconds = (double)(kit_now_ns() - began) / 1e9;
    printf("SIGTERM obeyed after %.1f s\n", seconds);
    KIT_COMPARE(seconds, <, 5);
    if (!kit_err_contains(&collector, says))
        KIT_FAIL("it does not say '%s'", says);
}

static void test_term(void)
{
    pid_t pid;

    begin("term", kit_path("term"));
    pid = stop_housekeeping();
    log_for(0.2);
    shmlog_close(log_);
    stop_while_hung("nothing has been heard of");
    KIT_EQ(kill(pid, 0), -1); /* gone, though it was stopped */
    kit_collector_start(&collector, segment, output, NULL);
    kit_collector_stop(&collector);
    check_all();
}

/* It dies alone: the collector says so and ends; what it had not written is kept. */
static void test_killed(void)
{
    begin("killed", kit_path("killed"));
    KIT_EQ(kill(kit_child(&collector), SIGKILL), 0);
    log_for(0.1);
    shmlog_close(log_);
    KIT_EQ(kit_wait_exit(&collector, 20), 1);
    KIT_CHECK(
        kit_err_contains(&collector, "the process that writes the files has ended (signal 9)"));
    kit_collector_start(&collector, segment, output, NULL);
    kit_collector_stop(&collector);
    check_all();
}

/* ---- A frozen filesystem ---- */

static bool is_there(void *arg)
{
    return access(arg, F_OK) == 0;
}

/* Frozen for some seconds, by a process that goes on when this test has failed. */
static const char *freeze(const char *mounted, double seconds)
{
    static unsigned count;
    const char *const frozen = kit_path(kit_text("frozen-%u", count));
    const char *const thawed = kit_path(kit_text("thawed-%u", count++));

    KIT_EQ(system(
               kit_text("(fsfreeze -f '%s' && touch '%s'; sleep %g; fsfreeze -u '%s'; touch '%s') "
                        ">/dev/null 2>&1 &",
                        mounted, frozen, seconds, mounted, thawed)),
           0);
    KIT_CHECK(kit_wait(is_there, (void *)frozen, 20));
    return thawed;
}

/* A filesystem of its own that can be frozen, seen by this test alone; NULL: none can be had. */
static const char *mount_image(void)
{
    const char *const image = kit_path("image"), *const at = kit_path("mounted");

    if (geteuid() != 0 || !kit_have_command("fsfreeze") || !kit_have_command("mkfs.ext4") ||
        unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir(at, 0700) < 0)
        return NULL;
    if (system(kit_text("truncate -s 256M '%s' && mkfs.ext4 -q -F '%s' && mount -o loop '%s' '%s'",
                        image, image, image, at)) != 0)
        return NULL;
    return at;
}

static void test_frozen(const char *mounted, double seconds)
{
    const char *thawed;

    begin(kit_text("frozen-%g", seconds), kit_text("%s/frozen-%g", mounted, seconds));
    thawed = freeze(mounted, seconds);
    log_for(seconds / 2);
    kit_kill(&collector, SIGHUP);
    log_for(seconds / 2);
    KIT_CHECK(kit_wait(is_there, (void *)thawed, 30));
    end();
}

static bool is_ready_or_ended(void *arg)
{
    (void)arg;
    return kit_err_contains(&collector, "shmlog-collector: ready") || kit_has_ended(&collector);
}

/* Where what waits for the disk cannot be killed, the next collector says so until the disk is
 * back; where it can, the next one takes over, and waits itself. */
static void test_frozen_term(const char *mounted)
{
    const char *argv[] = {kit_program("collector/shmlog-collector"),
                          "--segment",
                          NULL,
                          "--output",
                          NULL,
                          "--no-alarm-records",
                          NULL};
    const char *thawed;

    begin("frozen-term", kit_text("%s/frozen-term", mounted));
    argv[2] = segment;
    argv[4] = output;
    thawed = freeze(mounted, 8);
    log_for(0.2);
    shmlog_close(log_);
    stop_while_hung("nothing has been heard of");
    kit_spawn(&collector, argv, NULL);
    KIT_CHECK(kit_wait(is_ready_or_ended, NULL, 30));
    if (!collector.pid) {
        KIT_EQ(collector.status, 1);
        KIT_CHECK(kit_err_contains(&collector, "its disk does not answer"));
        printf("the next one was refused\n");
    }
    KIT_CHECK(kit_wait(is_there, (void *)thawed, 30));
    if (!collector.pid)
        kit_collector_start(&collector, segment, output, NULL);
    kit_collector_stop(&collector);
    check_all();
}

/* ---- What the drain asks of the kernel ---- */

/* None of these waits for anything but time: memory of its own, naps, and what never sleeps. */
static bool may_be_called(const char *line)
{
    static const char *const calls[] = {"clock_nanosleep(", "nanosleep(", "restart_syscall(",
                                        "wait4(",           "futex(",     "getrandom(",
                                        "rt_sigreturn(",    "brk(",       "mmap(NULL, ",
                                        "munmap(",          "madvise(",   "clock_gettime(",
                                        "getpid("};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (strncmp(line, calls[i], strlen(calls[i])) == 0)
            return strncmp(line, "wait4(", 6) != 0 || strstr(line, "WNOHANG");
    return strncmp(line, "--- ", 4) == 0 || strncmp(line, "+++ ", 4) == 0 ||
           strncmp(line, "strace: ", 8) == 0 || strncmp(line, "<... ", 5) == 0;
}

static bool many_files(void *arg)
{
    (void)arg;
    log_for(0.1);
    kit_kill(&collector, SIGHUP);
    return kit_count_files(output, ".shmlog") >= 10;
}

static void test_calls(void)
{
    const char *const try[] = {"strace", "-o", "/dev/null", "true", NULL};
    const char *const trace = kit_path("calls");
    struct kit_process strace;
    unsigned lines = 0;
    char *text, *at;

    if (!kit_have_command("strace") || kit_run(&strace, try, NULL) != 0) {
        printf("system calls not looked at: strace cannot be used here\n");
        return;
    }
    begin("calls", kit_path("log-calls"));
    {
        const char *const argv[] = {"strace", "-o", trace, "-p", kit_text("%d", collector.pid),
                                    NULL};

        kit_spawn(&strace, argv, NULL);
    }
    kit_wait_text(&strace, "attached", 20);
    KIT_CHECK(kit_wait(many_files, NULL, 30));
    kit_kill(&strace, SIGINT);
    (void)kit_wait_exit(&strace, 20);
    end();
    text = kit_read_file(trace, NULL);
    for (at = strtok(text, "\n"); at; at = strtok(NULL, "\n"), lines++)
        if (!may_be_called(at))
            KIT_FAIL("the drain called: %s", at);
    printf("%u system calls of the drain, none that waits\n", lines);
    KIT_COMPARE(lines, >, 10);
    free(text);
}

int main(void)
{
    const double longest = (double)kit_number("SHMLOG_TEST_HANG", 10);
    const char *mounted;

    kit_begin("hung_disk");
    kit_need_io();
    if (!kit_sanitized())
        test_calls();
    test_stopped(1);
    test_stopped(3);
    if (longest > 3)
        test_stopped(longest);
    test_term();
    test_killed();
    mounted = mount_image();
    if (!mounted)
        kit_skip("a frozen filesystem: that takes root, loop devices and ext4");
    test_frozen(mounted, 1);
    test_frozen(mounted, 3);
    test_frozen_term(mounted);
    (void)umount2(mounted, MNT_DETACH);
    return 0;
}
