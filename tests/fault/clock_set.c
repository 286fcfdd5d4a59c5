/* SPDX-License-Identifier: MIT
 *
 * The wall clock is set under a collector, an hour ahead and then a day back, and callers bring
 * times of their own that run backwards: records keep the order of their ring, live and in the
 * files, and the anomaly is said, counted and in the files. So is a tick counter that goes back.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include "shm/stats.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SEGMENT "clock"
#define RECORDS 200u
#define S INT64_C(1000000000)

static int64_t *shift; /* of the wall clock, of the ticks */
static struct shmlog *log_;
static unsigned logged;

static void make_shift(void)
{
    const int64_t none[2] = {0};
    int fd;

    kit_write_file(kit_path("shift"), none, sizeof(none));
    fd = open(kit_path("shift"), O_RDWR | O_CLOEXEC);
    shift = mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    KIT_CHECK(shift != MAP_FAILED);
    close(fd);
}

struct stat_want {
    unsigned index;
    uint64_t at_least;
};

static bool stat_reached(void *arg)
{
    const struct stat_want *want = arg;

    return shmlog_load_relaxed_(&log_->control.stats[want->index]) >= want->at_least;
}

static void wait_stat(unsigned index, uint64_t at_least)
{
    struct stat_want want = {index, at_least};

    if (!kit_wait(stat_reached, &want, 20))
        KIT_FAIL("counter %u: %" PRIu64, index, log_->control.stats[index]);
}

/* In order, and each numbered; every third with a time before the last one's. */
static void log_some(void)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        const uint64_t now = shmlog_now(log_);

        if (i % 3 == 2)
            shmlog_info_at(log_, now - log_->local.geometry.clock_hz / 10, "number %u", logged++);
        else
            shmlog_info_at(log_, now, "number %u", logged++);
    }
}

/* Numbers 0, 1, 2 ... in this order: one ring, so by its sequence, whatever the times. */
static void check_order(const char *source)
{
    const char *const args[] = {source, "--fields", "message", "--format", "text", NULL};
    const char *const path = kit_path("messages");
    unsigned next = 0;
    char *text, *save = NULL;

    kit_dump(path, args);
    text = kit_read_file(path, NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        KIT_STR_EQ(line, kit_text("number %u", next++));
    KIT_EQ(next, logged);
    free(text);
}

static void need_text(const char *path, const char *want)
{
    char *text = kit_read_file(path, NULL);

    if (!strstr(text, want))
        KIT_FAIL("'%s' is not in: %s", want, text);
    free(text);
}

static void start(struct kit_process *collector, const char *output)
{
    const char *const args[] = {"--spare-rings", "1", "--rotate-size", "64k", "--retain-age",
                                "604800",        NULL};

    setenv("LD_PRELOAD", kit_program("tests/fault/libclock_shift.so"), 1);
    kit_collector_start(collector, SEGMENT, output, args);
    unsetenv("LD_PRELOAD");
}

static void begin(struct kit_process *collector, const char *output)
{
    logged = 0;
    start(collector, output);
    KIT_OK(shmlog_open(&log_, SEGMENT, NULL));
    kit_share(log_);
    log_some();
    wait_stat(SHM_STAT_records, logged);
}

static void end(struct kit_process *collector, const char *output, struct kit_ledger *ret_ledger)
{
    shmlog_close(log_);
    kit_collector_stop(collector);
    check_order(output);
    kit_verify_balanced(output, ret_ledger);
    KIT_EQ(ret_ledger->written, logged);
}

static void test_wall_clock(void)
{
    const char *const output = kit_path("log");
    struct kit_process collector;
    struct kit_ledger ledger;

    begin(&collector, output);
    KIT_EQ(log_->control.stats[SHM_STAT_clock_set], 0);
    __atomic_store_n(shift, 3600 * S, __ATOMIC_RELAXED);
    wait_stat(SHM_STAT_clock_set, 1);
    kit_wait_text(&collector, "the wall clock was set by +3600.0", 20);
    log_some();
    wait_stat(SHM_STAT_records, logged);
    __atomic_store_n(shift, -86400 * S, __ATOMIC_RELAXED);
    wait_stat(SHM_STAT_clock_set, 2);
    kit_wait_text(&collector, "the wall clock was set by -90000.0", 20);
    log_some();
    check_order(SEGMENT);
    {
        const char *const info[] = {SEGMENT, "--info", NULL};

        kit_dump(kit_path("info"), info);
        need_text(kit_path("info"), "times the wall clock was set");
    }
    end(&collector, output, &ledger);
    need_text(ledger.out, "the wall clock was set by +3600.0");
    need_text(ledger.out, "the wall clock was set by -90000.0");
    need_text(ledger.out, "records are older than one before them, by up to 0.1");
}

static bool has_sealed(void *arg)
{
    return kit_count_files(arg, ".shmlog") >= 1;
}

static bool beat_reached(void *arg)
{
    return shmlog_load_relaxed_(&log_->control.collector_beat) >= *(const uint64_t *)arg;
}

/* Retention looks once a second. */
static void wait_looks(void)
{
    uint64_t beat = shmlog_load_relaxed_(&log_->control.collector_beat) + 2500 * (uint64_t)S / 1000;

    KIT_CHECK(kit_wait(beat_reached, &beat, 30));
}

/* A jump of eight days is no reason to remove what is seconds old, forwards or backwards. */
static void test_retention(void)
{
    const char *const output = kit_path("retained");
    struct kit_process collector;
    struct kit_ledger ledger;

    __atomic_store_n(shift, 0, __ATOMIC_RELAXED);
    begin(&collector, output);
    kit_kill(&collector, SIGHUP);
    KIT_CHECK(kit_wait(has_sealed, (void *)(uintptr_t)output, 30));
    __atomic_store_n(shift, 8 * 86400 * S, __ATOMIC_RELAXED);
    wait_stat(SHM_STAT_clock_set, 1);
    wait_looks();
    __atomic_store_n(shift, 0, __ATOMIC_RELAXED);
    wait_stat(SHM_STAT_clock_set, 2);
    log_some();
    wait_stat(SHM_STAT_records, logged);
    KIT_EQ(log_->control.stats[SHM_STAT_files_removed], 0);
    end(&collector, output, &ledger);
}

/* Nor when it comes while no collector runs. */
static void test_retention_restarted(void)
{
    const char *const output = kit_path("restarted");
    struct kit_process collector;
    struct kit_ledger ledger;

    __atomic_store_n(shift, 0, __ATOMIC_RELAXED);
    begin(&collector, output);
    kit_kill(&collector, SIGHUP);
    KIT_CHECK(kit_wait(has_sealed, (void *)(uintptr_t)output, 30));
    wait_looks();
    for (int day = -8; day <= 8; day += 16) {
        kit_kill_hard(&collector);
        __atomic_store_n(shift, day * 86400 * S, __ATOMIC_RELAXED);
        start(&collector, output);
        log_some();
        kit_kill(&collector, SIGHUP);
        wait_looks();
    }
    KIT_EQ(log_->control.stats[SHM_STAT_files_removed], 0);
    end(&collector, output, &ledger);
}

static void test_ticks(void)
{
    const char *const output = kit_path("ticks");
    struct kit_process collector;
    struct kit_ledger ledger;

    __atomic_store_n(shift, 0, __ATOMIC_RELAXED);
    setenv("SHMLOG_TEST_NO_TSC", "1", 1);
    begin(&collector, output);
    KIT_EQ(log_->local.geometry.clock, SHMLOG_CLOCK_MONOTONIC);
    KIT_EQ(log_->control.stats[SHM_STAT_clock_back], 0);
    __atomic_store_n(shift + 1, -5 * S, __ATOMIC_RELAXED);
    wait_stat(SHM_STAT_clock_back, 1);
    kit_wait_text(&collector, "the time stamp counter went back", 20);
    log_some();
    wait_stat(SHM_STAT_records, logged);
    end(&collector, output, &ledger);
}

int main(void)
{
    kit_begin("clock_set");
    if (kit_sanitized())
        kit_skip("the sanitizers want to be loaded first");
    make_shift();
    setenv("SHMLOG_TEST_CLOCK_SHIFT", kit_path("shift"), 1);
    test_wall_clock();
    test_retention();
    test_retention_restarted();
    test_ticks();
    return 0;
}
