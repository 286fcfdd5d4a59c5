/* SPDX-License-Identifier: MIT
 *
 * Rotation by SIGHUP, size and time; retention by count, size and age, also of files that were left
 * behind; names; sealing at SIGTERM.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "shm/stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct shmlog *attach(const char *segment)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, segment, NULL));
    return log;
}

/* Records that do not compress: about 40 bytes of file each. */
static void log_noise(struct shmlog *log, unsigned records, uint64_t *random)
{
    for (unsigned i = 0; i < records; i++) {
        const uint64_t a = kit_random(random), b = kit_random(random), c = kit_random(random);

        shmlog_info(log, "noise %" PRIu64 " %" PRIu64 " %" PRIu64, a, b, c);
    }
}

struct file_count {
    const char *dir;
    unsigned at_least;
    const char *suffix;
};

static bool enough_files(void *arg)
{
    const struct file_count *want = arg;

    return kit_count_files(want->dir, want->suffix) >= want->at_least;
}

static void wait_files(const char *dir, unsigned at_least)
{
    struct file_count want = {dir, at_least, ".shmlog"};

    if (!kit_wait(enough_files, &want, KIT_PATIENCE))
        KIT_FAIL("%u sealed files in %s, not %u", kit_count_files(dir, ".shmlog"), dir, at_least);
}

/* Every file is named SEGMENT-TIMESTAMP-NUMBER.shmlog, an active one with .part behind it. */
static void check_names(const char *dir, const char *segment)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    regex_t pattern;

    KIT_CHECK(d != NULL);
    KIT_EQ(regcomp(&pattern, kit_text("^%s-[0-9TZ.-]+-[0-9]+\\.shmlog(\\.part)?$", segment),
                   REG_EXTENDED | REG_NOSUB),
           0);
    while ((entry = readdir(d))) {
        if (entry->d_name[0] != '.' && strstr(entry->d_name, ".shmlog") &&
            regexec(&pattern, entry->d_name, 0, NULL, 0) != 0)
            KIT_FAIL("a file is named '%s'", entry->d_name);
    }
    closedir(d);
    regfree(&pattern);
}

struct progress {
    const struct shmlog *log;
    uint64_t records;
};

static bool is_acknowledged(void *arg)
{
    const struct progress *const want = arg;

    return shmlog_load_relaxed_(&want->log->control.stats[SHM_STAT_acknowledged]) >= want->records;
}

/* Until so many of its segment's records are written: then there is a file that SIGHUP finishes. */
static void wait_acknowledged(const struct shmlog *log, uint64_t records)
{
    struct progress want = {log, records};

    if (!kit_wait(is_acknowledged, &want, KIT_PATIENCE))
        KIT_FAIL("%" PRIu64 " records are not written", records);
}

/* Finish the file that is being written, and wait until it is: retention leaves the newest. */
static void hang_up(struct kit_process *collector, const struct shmlog *log, const char *dir)
{
    const uint64_t number = shmlog_load_relaxed_(&log->control.stats[SHM_STAT_file_number]);
    struct file_count want = {dir, 1, kit_text("-%06" PRIu64 ".shmlog", number)};

    kit_kill(collector, SIGHUP);
    if (!kit_wait(enough_files, &want, KIT_PATIENCE))
        KIT_FAIL("SIGHUP does not finish file %" PRIu64 " in %s", number, dir);
}

/* Stop, and look at what is left: sealed, sound, balanced. */
static void finish(struct kit_process *collector, const char *dir, const char *segment,
                   struct kit_ledger *ret_ledger)
{
    kit_collector_stop(collector);
    KIT_EQ(kit_count_files(dir, ".part"), 0);
    check_names(dir, segment);
    kit_verify_balanced(dir, ret_ledger);
    kit_check_zstd(dir);
}

static void test_hangup(void)
{
    const char *dir = kit_path("log-hangup");
    const char *const args[] = {"--flush-ms", "5", "--on-full", "wait", NULL};
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;

    kit_collector_start(&collector, "hangup", dir, args);
    log = attach("hangup");
    for (unsigned i = 1; i <= 5; i++) {
        shmlog_info(log, "before hangup %u", i);
        wait_acknowledged(log, i);
        hang_up(&collector, log, dir);
        KIT_EQ(kit_count_files(dir, ".shmlog"), i);
        check_names(dir, "hangup");
    }
    shmlog_close(log);
    finish(&collector, dir, "hangup", &ledger);
    KIT_EQ(ledger.written, 5);
}

static void test_size(void)
{
    const char *dir = kit_path("log-size");
    const char *const args[] = {"--rotate-size", "128k",       "--on-full", "wait", "--wait-ms",
                                "forever",       "--flush-ms", "5",         NULL};
    uint64_t random = kit_seed();
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;

    kit_collector_start(&collector, "size", dir, args);
    log = attach("size");
    log_noise(log, 50000, &random);
    wait_files(dir, 3);
    shmlog_close(log);
    finish(&collector, dir, "size", &ledger);
    KIT_EQ(ledger.written, 50000);
}

static void test_time(void)
{
    const char *dir = kit_path("log-time");
    const char *const args[] = {"--rotate-time", "1", "--flush-ms", "5", "--on-full", "wait", NULL};
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;

    kit_collector_start(&collector, "time", dir, args);
    log = attach("time");
    shmlog_info(log, "first second");
    wait_files(dir, 1);
    shmlog_info(log, "second second");
    wait_files(dir, 2);
    shmlog_close(log);
    finish(&collector, dir, "time", &ledger);
    KIT_EQ(ledger.written, 2);
}

/* One rotation after the other; at the end at most `keep` files are left, and not all ever made. */
static void test_retention(const char *name, const char *option, const char *value, unsigned keep)
{
    const char *dir = kit_path(kit_text("log-%s", name));
    const char *const args[] = {"--rotate-size", "64k",  option,      value,     "--flush-ms", "5",
                                "--on-full",     "wait", "--wait-ms", "forever", NULL};
    uint64_t random = kit_seed();
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;

    kit_collector_start(&collector, name, dir, args);
    log = attach(name);
    log_noise(log, 50000, &random);
    shmlog_close(log);
    finish(&collector, dir, name, &ledger);
    KIT_EQ(ledger.produced, 50000);
    KIT_COMPARE(kit_count_files(dir, ".shmlog"), <=, keep);
    KIT_COMPARE(kit_count_files(dir, ".shmlog"), >=, 1);
}

static bool one_file(void *arg)
{
    return kit_count_files(arg, ".shmlog") <= 1;
}

static void test_age(void)
{
    char *dir = strdup(kit_path("log-age"));
    const char *const args[] = {
        "--retain-age", "1", "--rotate-time", "1", "--flush-ms", "5", "--on-full", "wait", NULL};
    uint64_t random = kit_seed();
    struct kit_process collector;
    struct shmlog *log;

    KIT_CHECK(dir != NULL);
    kit_collector_start(&collector, "age", dir, args);
    log = attach("age");
    for (unsigned i = 1; i <= 3; i++) {
        log_noise(log, 10, &random);
        wait_acknowledged(log, 10 * i);
        hang_up(&collector, log, dir);
    }
    if (!kit_wait(one_file, dir, KIT_PATIENCE))
        KIT_FAIL("files older than a second stay");
    shmlog_close(log);
    finish(&collector, dir, "age", NULL);
    free(dir);
}

/* ---- Files that nobody finishes ---- */

static void log_ten(const char *segment, uint64_t *random)
{
    struct shmlog *const log = attach(segment);
    const uint64_t before = shmlog_load_relaxed_(&log->control.stats[SHM_STAT_acknowledged]);

    log_noise(log, 10, random);
    wait_acknowledged(log, before + 10);
    shmlog_close(log);
}

/* A loss of power takes the segment along, and leaves the file as it is. */
static void lose_power(struct kit_process *collector, const char *segment)
{
    const char *const argv[] = {"rm", "-r", kit_text("%s/%s", kit_shm_dir(), segment), NULL};
    struct kit_process rm;

    kit_kill_hard(collector);
    KIT_EQ(kit_run(&rm, argv, NULL), 0);
}

struct part_count {
    const char *dir;
    unsigned want;
};

static bool has_parts(void *arg)
{
    const struct part_count *const want = arg;

    return kit_count_files(want->dir, ".part") == want->want;
}

static void wait_parts(const char *dir, unsigned want)
{
    struct part_count parts = {dir, want};

    if (!kit_wait(has_parts, &parts, KIT_PATIENCE))
        KIT_FAIL("%u unfinished files in %s, not %u", kit_count_files(dir, ".part"), dir, want);
}

/* They are read as they are, count like finished files, and are removed in their turn. */
static void test_left_behind(void)
{
    const char *const dir = kit_path("log-left");
    const char *const dump[] = {dir, "--fields", "message", "--format", "text", NULL};
    const char *const args[] = {"--flush-ms",     "5", "--on-full", "wait",
                                "--retain-count", "2", "--durable", NULL};
    uint64_t random = kit_seed();
    struct kit_process collector;
    struct kit_ledger ledger;
    unsigned lines = 0;
    char *text;

    for (unsigned i = 1; i <= 3; i++) {
        kit_collector_start(&collector, "left", dir, args);
        log_ten("left", &random);
        wait_parts(dir, i);
        lose_power(&collector, "left");
    }
    kit_dump(kit_path("left"), dump);
    text = kit_read_file(kit_path("left"), NULL);
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    KIT_EQ(lines, 30);
    free(text);
    kit_verify(dir, &ledger);
    KIT_EQ(ledger.written, 30);

    kit_collector_start(&collector, "left", dir, args);
    wait_parts(dir, 3); /* two of them, and the present one */
    for (unsigned i = 1; i <= 2; i++) {
        log_ten("left", &random);
        kit_kill(&collector, SIGHUP);
        wait_files(dir, i);
        log_ten("left", &random); /* which begins the next file */
        wait_parts(dir, 3 - i);
    }
    finish(&collector, dir, "left", NULL);
    KIT_EQ(kit_count_files(dir, ".shmlog"), 2);
}

/* ---- --verify beside a collector that writes, rotates and removes ---- */

struct noise {
    struct shmlog *log;
    uint64_t random;
    bool stop;
};

static void *make_noise(void *arg)
{
    struct noise *noise = arg;

    while (!__atomic_load_n(&noise->stop, __ATOMIC_RELAXED))
        log_noise(noise->log, 100, &noise->random);
    return NULL;
}

/* The file that is being written. */
static char *active_file(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    char *path = NULL;

    KIT_CHECK(d != NULL);
    while ((entry = readdir(d)))
        if (strstr(entry->d_name, ".part"))
            KIT_CHECK(asprintf(&path, "%s/%s", dir, entry->d_name) > 0);
    closedir(d);
    return path;
}

static bool is_written(void *arg)
{
    struct kit_ledger ledger;

    kit_verify(arg, &ledger);
    return ledger.status == 0 && ledger.in_ring == 0;
}

static void test_verify_beside(void)
{
    const unsigned looks = kit_number("SHMLOG_TEST_LONG", 0) ? 100 : 10;
    char *dir = strdup(kit_path("log-beside")), *path, *said;
    const char *const args[] = {
        "--rotate-size", "64k",  "--retain-count", "3",       "--flush-ms", "1",
        "--on-full",     "wait", "--wait-ms",      "forever", NULL};
    struct noise noise = {.random = kit_seed()};
    struct kit_process collector;
    struct kit_ledger ledger;
    pthread_t thread;

    KIT_CHECK(dir != NULL);
    kit_collector_start(&collector, "beside", dir, args);
    noise.log = attach("beside");
    KIT_EQ(pthread_create(&thread, NULL, make_noise, &noise), 0);
    wait_files(dir, 3);
    for (unsigned i = 0; i < looks; i++)
        kit_verify_balanced(dir, NULL);
    __atomic_store_n(&noise.stop, true, __ATOMIC_RELAXED);
    KIT_EQ(pthread_join(thread, NULL), 0);
    do { /* begins a file, if there is none; or is the last one of a file */
        log_noise(noise.log, 1, &noise.random);
        if (!kit_wait(is_written, dir, KIT_PATIENCE))
            KIT_FAIL("not all is written");
        path = active_file(dir);
    } while (!path);
    KIT_EQ(unlink(path), 0);
    kit_verify(dir, &ledger);
    KIT_EQ(ledger.status, 1);
    KIT_CHECK(ledger.found);
    KIT_COMPARE(ledger.written, <, ledger.produced);
    KIT_EQ(ledger.in_ring, 0);
    said = kit_read_file(ledger.err, NULL);
    if (!strstr(said, "missing: the collector took them from the ring, but no file here has them"))
        KIT_FAIL("--verify without the newest file says: %s", said);
    free(said);
    free(path);
    shmlog_close(noise.log);
    kit_kill(&collector, SIGKILL);
    free(dir);
}

int main(void)
{
    kit_begin("rotate");
    kit_need_io();
    test_hangup();
    test_size();
    test_time();
    test_retention("count", "--retain-count", "3", 4);
    test_retention("bytes", "--retain-size", "200k", 6);
    test_age();
    test_left_behind();
    test_verify_beside();
    return 0;
}
