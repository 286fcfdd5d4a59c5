/* SPDX-License-Identifier: MIT
 *
 * A disk that does not answer, and a process that writes to it and hangs: draining goes on as long
 * as the outbox has room, nothing is lost, and SIGTERM is obeyed in some three seconds.
 *
 * What is made to hang is the housekeeping process, stopped as a whole, so that nothing that it
 * does can be needed; and, as root where there are loop devices, a filesystem that is frozen, whose
 * writers cannot even be killed. The drain is held to its list of system calls. Seconds are those
 * of the collector's clock, which the test puts forward.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "shm/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BURST 5000u /* records; a ring has room for them */
#define BURSTS_A_SECOND 8u

static struct kit_process collector;
static const char *segment, *output;
static struct shmlog *log_;
static uint64_t logged;
static bool clock_is_driven;

/* ---- What is offered ---- */

static void log_burst(void)
{
    for (unsigned i = 0; i < BURST; i++)
        shmlog_info(log_, "record %lu", (unsigned long)logged++);
}

static bool is_drained(void *arg)
{
    (void)arg;
    return shmlog_load_relaxed_(&log_->control.stats[SHM_STAT_records]) >= logged;
}

static void drain_burst(void)
{
    log_burst();
    KIT_CHECK(kit_wait(is_drained, NULL, KIT_PATIENCE));
}

/* Each burst is drained, whatever hangs. */
static void log_for(double seconds)
{
    const unsigned bursts = (unsigned)(seconds * BURSTS_A_SECOND) + 1;

    for (unsigned i = 0; i < bursts; i++) {
        drain_burst();
        kit_clock_forward(seconds / bursts);
    }
}

static void begin(const char *name, const char *directory)
{
    const char *const args[] = {"--on-full", "drop", "--flush-ms", "5", NULL};

    segment = name;
    output = directory;
    logged = 0;
    clock_is_driven = kit_clock_begin();
    kit_collector_start(&collector, segment, output, args);
    kit_clock_end();
    KIT_OK(shmlog_open(&log_, segment, NULL));
    drain_burst();
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
    drain_burst();
    KIT_EQ(shmlog_lost(log_), 0);
    shmlog_close(log_);
    kit_collector_stop(&collector);
    check_all();
}

/* ---- The process that writes ---- */

static pid_t stop_housekeeping(void)
{
    const pid_t pid = kit_child(&collector);

    kit_stop(pid);
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
    KIT_EQ(kill(pid, SIGCONT), 0);
    end();
}

/* The collector's drain beats twenty times a second, until it has ended. */
static bool has_beaten_or_ended(void *arg)
{
    return kit_has_ended(&collector) ||
           shmlog_load_acquire_(&log_->control.collector_beat) != *(const uint64_t *)arg;
}

#define STEP_S 0.1

/* Ends with what is not written kept; another collector writes it. */
static void stop_while_hung(const char *says)
{
    unsigned steps = 0;

    kit_clock_stand();
    kit_kill(&collector, SIGTERM);
    while (clock_is_driven && !kit_has_ended(&collector)) {
        uint64_t beat = shmlog_load_acquire_(&log_->control.collector_beat);

        kit_clock_forward(STEP_S);
        steps++;
        KIT_CHECK(kit_wait(has_beaten_or_ended, &beat, KIT_PATIENCE));
    }
    KIT_EQ(kit_wait_exit(&collector, KIT_PATIENCE), 1);
    printf("SIGTERM obeyed after %.1f s\n", steps * STEP_S);
    KIT_COMPARE(steps, <=, 5 / STEP_S);
    if (!kit_err_contains(&collector, says))
        KIT_FAIL("it does not say '%s'", says);
    shmlog_close(log_);
}

static bool is_gone(void *arg)
{
    return kill(*(const pid_t *)arg, 0) < 0;
}

static void test_term(void)
{
    pid_t pid;

    begin("term", kit_path("term"));
    pid = stop_housekeeping();
    drain_burst();
    stop_while_hung("nothing has been heard of");
    KIT_CHECK(kit_wait(is_gone, &pid, KIT_PATIENCE)); /* though it was stopped */
    kit_collector_start(&collector, segment, output, NULL);
    kit_collector_stop(&collector);
    check_all();
}

/* It dies alone: the collector says so and ends; what it had not written is kept. */
static void test_killed(void)
{
    begin("killed", kit_path("killed"));
    KIT_EQ(kill(kit_child(&collector), SIGKILL), 0);
    log_burst();
    shmlog_close(log_);
    KIT_EQ(kit_wait_exit(&collector, KIT_PATIENCE), 1);
    KIT_CHECK(
        kit_err_contains(&collector, "the process that writes the files has ended (signal 9)"));
    kit_collector_start(&collector, segment, output, NULL);
    kit_collector_stop(&collector);
    check_all();
}

/* ---- A frozen filesystem ---- */

static const char *mounted_at(void)
{
    return kit_path("mounted");
}

static void change(unsigned long request)
{
    const int fd = open(mounted_at(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(ioctl(fd, request, 0), 0);
    close(fd);
}

static void freeze(void)
{
    change(FIFREEZE);
}

static void thaw(void)
{
    change(FITHAW);
}

/* The guard's: what hangs there can only be killed when somebody has thawed it. */
static void thaw_at_end(void)
{
    const int fd = open(mounted_at(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)ioctl(fd, FITHAW, 0);
    (void)umount2(mounted_at(), MNT_DETACH);
}

/* So that the guard sees what is mounted, and nobody else. */
static bool have_own_mounts(void)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A filesystem of its own that can be frozen, seen by this test alone. Skips what is left of the
 * test where none can be had. */
static const char *mount_image(bool own_mounts)
{
    const char *const image = kit_path("image"), *const at = mounted_at();

    if (!own_mounts || !kit_have_command("mkfs.ext4") || mkdir(at, 0700) < 0)
        kit_skip("a frozen filesystem: that takes root, namespaces and mkfs.ext4");
    if (system(kit_text("truncate -s 256M '%s' && mkfs.ext4 -q -F '%s' && mount -o loop '%s' '%s'",
                        image, image, image, at)) != 0)
        kit_skip("a frozen filesystem: no loop device is free, or ext4 cannot be mounted");
    return at;
}

static void test_frozen(const char *mounted, double seconds)
{
    begin(kit_text("frozen-%g", seconds), kit_text("%s/frozen-%g", mounted, seconds));
    freeze();
    log_for(seconds / 2);
    kit_kill(&collector, SIGHUP);
    log_for(seconds / 2);
    thaw();
    end();
}

static bool is_ready_or_ended(void *arg)
{
    (void)arg;
    kit_clock_forward(1); /* it gives up after 30 seconds */
    return kit_err_contains(&collector, "shmlog-collector: ready") || kit_has_ended(&collector);
}

/* What waits for the disk cannot be killed: the next collector says so, until the disk is back. */
static void test_frozen_term(const char *mounted)
{
    const char *argv[] = {kit_program("collector/shmlog-collector"),
                          "--segment",
                          NULL,
                          "--output",
                          NULL,
                          "--no-alarm-records",
                          NULL};
    pid_t housekeeping;

    begin("frozen-term", kit_text("%s/frozen-term", mounted));
    argv[2] = segment;
    argv[4] = output;
    housekeeping = kit_child(&collector);
    freeze();
    drain_burst();
    stop_while_hung("nothing has been heard of");
    (void)kit_clock_begin();
    kit_spawn(&collector, argv, NULL);
    kit_clock_end();
    KIT_CHECK(kit_wait(is_ready_or_ended, NULL, KIT_PATIENCE));
    KIT_EQ(collector.pid, 0);
    KIT_EQ(collector.status, 1);
    KIT_CHECK(kit_err_contains(&collector, "its disk does not answer"));
    thaw();
    KIT_CHECK(kit_wait(is_gone, &housekeeping, KIT_PATIENCE));
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
    drain_burst();
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
    kit_wait_text(&strace, "attached", KIT_PATIENCE);
    KIT_CHECK(kit_wait(many_files, NULL, KIT_PATIENCE));
    kit_kill(&strace, SIGINT);
    (void)kit_wait_exit(&strace, KIT_PATIENCE);
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
    const bool own_mounts = have_own_mounts();
    const char *mounted;

    kit_at_end = thaw_at_end;
    kit_begin("hung_disk");
    kit_need_io();
    if (!kit_sanitized())
        test_calls();
    test_stopped(1);
    test_stopped(10);
    test_term();
    test_killed();
    mounted = mount_image(own_mounts);
    test_frozen(mounted, 1);
    test_frozen(mounted, 3);
    test_frozen_term(mounted);
    return 0;
}
