/* SPDX-License-Identifier: MIT
 *
 * Collectors of segments of one name, in folders of their own, with one output directory: the first
 * one has it, the others say who that is, and no file is harmed. When it is killed, the next one
 * takes over the directory and numbers on; what it left unfinished stays.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "shm/stats.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COLLECTORS 11u
#define RECORDS 1000u

static const char *const args[] = {"--ring-size",   "64k", "--cpus",    "0",
                                   "--spare-rings", "2",   "--on-full", "wait",
                                   "--outbox-size", "4m",  NULL};

static const char *segment(unsigned i)
{
    return kit_text("%s/%u/trading", kit_shm_dir(), i);
}

static void log_records(unsigned i)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, segment(i), NULL));
    for (unsigned n = 0; n < RECORDS; n++)
        shmlog_info(log, "of %u number %u", i, n);
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
}

/* Starts a collector that has to be refused, with `owner` named. */
static void refused(unsigned i, const char *output, const struct kit_process *owner)
{
    const char *const argv[] = {kit_program("collector/shmlog-collector"),
                                "--segment",
                                segment(i),
                                "--output",
                                output,
                                NULL};
    const bool there = access(segment(i), F_OK) == 0;
    struct kit_process collector;

    KIT_EQ(kit_run(&collector, argv, NULL), 1);
    if (!kit_err_contains(&collector, output) ||
        !kit_err_contains(&collector, kit_text("pid %ld on ", (long)owner->pid)))
        KIT_FAIL("it said:\n%s", kit_read_file(collector.err, NULL));
    KIT_EQ(access(segment(i), F_OK) == 0, there); /* it leaves nothing behind */
}

static void check_records(const char *output, uint64_t want)
{
    struct kit_ledger ledger;

    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.written, want);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    kit_check_zstd(output);
}

static void test_two(void)
{
    const char *const output = kit_path("two");
    struct kit_process one, two;

    kit_collector_start(&one, segment(1), output, args);
    log_records(1);
    refused(2, output, &one);
    /* another name, and another directory, are nobody's business */
    kit_collector_start(&two, kit_text("%s/2/other", kit_shm_dir()), output, args);
    kit_collector_stop(&two);
    kit_collector_start(&two, segment(2), kit_path("elsewhere"), args);
    kit_collector_stop(&two);

    kit_kill_hard(&one);
    kit_collector_start(&two, segment(2), output, args);
    log_records(2);
    refused(1, output, &two);
    kit_collector_stop(&two);
    kit_collector_start(&one, segment(1), output, args); /* and drains what it left */
    kit_collector_stop(&one);
    check_records(output, 2 * RECORDS);
}

struct stat_want {
    const struct shmlog *log;
    unsigned index;
    uint64_t at_least;
};

static bool stat_reached(void *arg)
{
    const struct stat_want *const want = arg;

    return shmlog_load_relaxed_(&want->log->control.stats[want->index]) >= want->at_least;
}

static void wait_stat(const struct shmlog *log, unsigned index, uint64_t at_least)
{
    struct stat_want want = {log, index, at_least};

    if (!kit_wait(stat_reached, &want, KIT_PATIENCE))
        KIT_FAIL("counter %u: %llu", index, (unsigned long long)log->control.stats[index]);
}

struct file_want {
    const char *output;
    const char *suffix;
};

static bool is_finished(void *arg)
{
    const struct file_want *const want = arg;

    return kit_count_files(want->output, want->suffix) == 1;
}

/* Finish its file, which has records already, and wait until it is: the next record is in another.
 */
static void hang_up(struct kit_process *collector, const struct shmlog *log, const char *output)
{
    const uint64_t number = shmlog_load_relaxed_(&log->control.stats[SHM_STAT_file_number]);
    struct file_want want = {output, kit_text("-%06llu.shmlog", (unsigned long long)number)};

    kit_kill(collector, SIGHUP);
    if (!kit_wait(is_finished, &want, KIT_PATIENCE))
        KIT_FAIL("SIGHUP does not finish %s in %s", want.suffix, output);
}

/* The file of a killed collector is its next one's, as long as the segment is there, and however
 * old it is for the retention of another that writes there meanwhile. */
static void test_left_by_another(void)
{
    const char *const retain[] = {"--retain-count", "1", "--ring-size", "64k", NULL};
    const char *const output = kit_path("left");
    struct kit_process one, two;
    struct shmlog *log;

    kit_collector_start(&one, segment(1), output, args);
    KIT_OK(shmlog_open(&log, segment(1), NULL));
    shmlog_info(log, "of one");
    wait_stat(log, SHM_STAT_acknowledged, 1);
    shmlog_close(log);
    kit_kill_hard(&one);

    kit_collector_start(&two, segment(2), output, retain);
    KIT_OK(shmlog_open(&log, segment(2), NULL));
    for (unsigned i = 1; i <= 2; i++) {
        shmlog_info(log, "of two");
        wait_stat(log, SHM_STAT_acknowledged, 2 * i - 1);
        hang_up(&two, log, output);
        shmlog_info(log, "of two, in another file");
        wait_stat(log, SHM_STAT_files, i + 1);
    }
    wait_stat(log, SHM_STAT_files_removed, 1);
    shmlog_close(log);
    kit_collector_stop(&two);
    KIT_EQ(kit_count_files(output, "-000001.shmlog.part"), 1);

    kit_collector_start(&one, segment(1), output, args);
    kit_collector_stop(&one);
    KIT_EQ(kit_count_files(output, "-000001.shmlog"), 1);
    KIT_EQ(kit_count_files(output, ".part"), 0);
}

/* A claim whose file was deleted, or whose directory was replaced, is taken anew. */
static void test_lost_claim(bool replace)
{
    const char *const output = kit_path(replace ? "replaced" : "deleted");
    struct kit_process one;

    kit_collector_start(&one, segment(1), output, args);
    if (replace) {
        KIT_EQ(rename(output, kit_path("before")), 0);
        KIT_EQ(mkdir(output, 0700), 0);
    } else {
        KIT_EQ(unlink(kit_text("%s/.trading.lock", output)), 0);
    }
    kit_wait_text(&one, "locked again", KIT_PATIENCE);
    refused(2, output, &one);
    kit_collector_stop(&one);
}

/* Another collector was quicker: reported, until it is gone. */
static void test_taken_claim(void)
{
    const char *const output = kit_path("taken");
    struct kit_process one, two;

    kit_collector_start(&one, segment(1), output, args);
    kit_stop(kit_child(&one));
    KIT_EQ(unlink(kit_text("%s/.trading.lock", output)), 0);
    kit_collector_start(&two, segment(2), output, args);
    KIT_EQ(kill(kit_child(&one), SIGCONT), 0);
    kit_wait_text(&one, kit_text("there now, too (pid %ld on ", (long)two.pid), KIT_PATIENCE);
    refused(3, output, &two);
    kit_collector_stop(&two);
    kit_wait_text(&one, "locked again", KIT_PATIENCE);
    refused(2, output, &one);
    kit_collector_stop(&one);
}

struct race {
    struct kit_process collector[COLLECTORS];
    unsigned ended;
};

static bool one_is_left(void *arg)
{
    struct race *const race = arg;

    race->ended = 0;
    for (unsigned i = 0; i < COLLECTORS; i++)
        race->ended += kit_has_ended(&race->collector[i]);
    return race->ended == COLLECTORS - 1;
}

static void test_race(void)
{
    const char *const output = kit_path("race");
    unsigned left = COLLECTORS;
    struct race race;

    for (unsigned i = 0; i < COLLECTORS; i++) {
        const char *const argv[] = {kit_program("collector/shmlog-collector"),
                                    "--no-alarm-records",
                                    "--segment",
                                    segment(i),
                                    "--output",
                                    output,
                                    "--ring-size",
                                    "64k",
                                    "--reserve",
                                    "0",
                                    NULL};

        kit_spawn(&race.collector[i], argv, NULL);
    }
    if (!kit_wait(one_is_left, &race, KIT_PATIENCE))
        KIT_FAIL("%u of %u ended", race.ended, COLLECTORS);
    for (unsigned i = 0; i < COLLECTORS; i++)
        if (race.collector[i].pid)
            left = i;
        else
            KIT_EQ(race.collector[i].status, 1);
    kit_wait_text(&race.collector[left], "shmlog-collector: ready", KIT_PATIENCE);
    log_records(left);
    kit_collector_stop(&race.collector[left]);
    check_records(output, RECORDS);
}

/* ---- Each with a name of its own ---- */

static const char *const *instance(const char *name, const char *retain)
{
    static const char *of[16];
    unsigned n = 0;

    while (args[n]) {
        of[n] = args[n];
        n++;
    }
    of[n++] = "--instance";
    of[n++] = name;
    of[n] = retain ? "--retain-count" : NULL;
    of[n + 1] = retain;
    of[n + 2] = NULL;
    return of;
}

/* Files that begin so and end so. */
static unsigned count_named(const char *output, const char *prefix, const char *suffix)
{
    const char *const list = kit_path("list");
    char *text, *save = NULL;
    unsigned count = 0;

    KIT_EQ(system(kit_text("ls -A '%s' >'%s'", output, list)), 0);
    text = kit_read_file(list, NULL);
    for (char *name = strtok_r(text, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
        count += strncmp(name, prefix, strlen(prefix)) == 0 && strlen(name) >= strlen(suffix) &&
                 strcmp(name + strlen(name) - strlen(suffix), suffix) == 0;
    free(text);
    return count;
}

/* As on two hosts that share a volume: at once, with numbers, locks and retention of their own. */
static void test_instances(void)
{
    const char *const output = kit_path("instances");
    struct kit_process one, two, third;
    const char *const same[] = {kit_program("collector/shmlog-collector"),
                                "--segment",
                                segment(3),
                                "--output",
                                output,
                                "--instance",
                                "east",
                                NULL};
    struct shmlog *log;

    kit_collector_start(&one, segment(1), output, instance("east", NULL));
    kit_collector_start(&two, segment(2), output, instance("west", "1"));
    KIT_EQ(kit_run(&third, same, NULL), 1);
    if (!kit_err_contains(&third, kit_text("pid %ld on ", (long)one.pid)))
        KIT_FAIL("it said:\n%s", kit_read_file(third.err, NULL));
    log_records(1);
    log_records(2);
    KIT_EQ(count_named(output, "trading-east-", ".shmlog.part"), 1);
    kit_kill_hard(&one);
    KIT_OK(shmlog_open(&log, segment(2), NULL));
    for (unsigned i = 1; i <= 2; i++) {
        wait_stat(log, SHM_STAT_acknowledged, RECORDS + i - 1);
        hang_up(&two, log, output);
        shmlog_info(log, "of two, in another file");
        wait_stat(log, SHM_STAT_files, i + 1);
    }
    wait_stat(log, SHM_STAT_files_removed, 1);
    shmlog_close(log);
    kit_collector_stop(&two);
    KIT_EQ(count_named(output, "trading-east-", ".shmlog.part"), 1);
    kit_collector_start(&one, segment(1), output, instance("east", NULL));
    kit_collector_stop(&one);
    KIT_EQ(count_named(output, "trading-east-", "-000001.shmlog"), 1);
    KIT_COMPARE(count_named(output, "trading-west-", ".shmlog"), >=, 1);
    KIT_EQ(count_named(output, "trading-2", ""), 0);
    KIT_EQ(count_named(output, "", ".part"), 0);
}

/* ---- Somebody else's file under our name ---- */

/* Its path: the one that is being written. */
static const char *part_of(const char *output)
{
    const char *const list = kit_path("list");
    const char *path;
    char *text;

    KIT_EQ(system(kit_text("ls '%s'/*.part >'%s'", output, list)), 0);
    text = kit_read_file(list, NULL);
    text[strcspn(text, "\n")] = 0;
    path = kit_text("%s", text);
    free(text);
    return path;
}

/* Not gone on with, not sealed, not renamed: it stays as it is, and what was for it goes to a new
 * file. */
static void test_foreign(void)
{
    const char *const output = kit_path("foreign"), *const other = kit_path("others");
    struct kit_process one;
    struct shmlog *log;
    const char *part;
    char *before, *after;
    size_t size, now_size;

    kit_collector_start(&one, segment(4), other, args);
    log_records(4);
    log_records(4);
    kit_collector_stop(&one);

    kit_collector_start(&one, segment(5), output, args);
    KIT_OK(shmlog_open(&log, segment(5), NULL));
    shmlog_info(log, "in the first file");
    wait_stat(log, SHM_STAT_acknowledged, 1);
    kit_kill_hard(&one);
    part = part_of(output);
    KIT_EQ(system(kit_text("cp '%s'/*-000001.shmlog '%s'", other, part)), 0);
    before = kit_read_file(part, &size);
    shmlog_info(log, "in a new file");
    shmlog_close(log);
    kit_collector_start(&one, segment(5), output, args);
    kit_wait_text(&one, "the file was removed, replaced or cut", KIT_PATIENCE);
    kit_wait_text(&one, "writing again", KIT_PATIENCE);
    kit_collector_stop(&one);
    after = kit_read_file(part, &now_size);
    KIT_EQ(now_size, size);
    KIT_EQ(memcmp(before, after, size), 0);
    free(before);
    free(after);
    KIT_EQ(count_named(output, "trading-", "-000002.shmlog"), 1);
    KIT_EQ(unlink(part), 0);
    {
        const char *const dump[] = {output, "--fields", "message", "--format", "text", NULL};
        char *text;

        kit_dump(kit_path("messages"), dump);
        text = kit_read_file(kit_path("messages"), NULL);
        KIT_STR_EQ(text, "in a new file\n");
        free(text);
    }
}

int main(void)
{
    kit_begin("two_collectors");
    for (unsigned i = 0; i < COLLECTORS; i++)
        KIT_EQ(mkdir(kit_text("%s/%u", kit_shm_dir(), i), 0700), 0);
    test_two();
    test_left_by_another();
    test_lost_claim(false);
    test_lost_claim(true);
    test_taken_claim();
    test_instances();
    test_foreign();
    test_race();
    return 0;
}
