/* SPDX-License-Identifier: MIT
 *
 * A collector that stops tells of all that was lost, also of what was lost since it last looked:
 * the totals on standard error, what it had not yet told there and in the log, and the ends of
 * alarms. Both of its processes stand still (SIGSTOP) while the records are lost, so that none of
 * it can have been told before; all numbers are those of the producer.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"
#include "shm/stats.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 50000u /* a ring has 1,024 slots */

static struct kit_process collector;
static const char *segment, *output;
static struct shmlog *log_;

static void begin(const char *name, bool alarm_records, bool quiet)
{
    const char *const args[] = {"--ring-size", "64k", quiet ? "--quiet" : NULL, NULL};

    segment = name;
    output = kit_path(name);
    kit_alarm_records = alarm_records;
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&log_, segment, NULL));
}

static void log_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        shmlog_info(log_, "number %u", i);
}

/* ---- What it said ---- */

/* Lines of a text that have all of these in them. */
static unsigned count_lines(const char *path, const char *one, const char *other)
{
    char *const all = kit_read_file(path, NULL);
    char *save = NULL;
    unsigned count = 0;

    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        count += strstr(line, one) && strstr(line, other);
    free(all);
    return count;
}

/* Records of category shmlog with this text, "" for any. */
static unsigned count_records(const char *text)
{
    const char *const args[] = {output, "--format", "json", NULL};
    const char *const path = kit_path("records");

    kit_dump(path, args);
    return count_lines(path, "\"category\":\"shmlog\"", text);
}

/* How often it was said on standard error, and as often logged, or never. */
static void check_told(const char *text, unsigned times, bool logged)
{
    const unsigned said = count_lines(collector.err, "shmlog-collector: ", text);

    if (said != times || count_records(text) != (logged ? times : 0))
        KIT_FAIL("'%s' was said %u times and logged %u times; said:\n%s", text, said,
                 count_records(text), kit_read_file(collector.err, NULL));
}

/* The last line of all has the totals, as the files have them. */
static void check_totals(uint64_t written, uint64_t lost)
{
    const char *const causes = lost ? kit_text(" (%" PRIu64 " full)", lost) : "";
    const char *const line =
        kit_text("shmlog-collector: stopped: %" PRIu64 " %s written, %" PRIu64 " dropped%s\n",
                 written, written == 1 ? "record" : "records", lost, causes);
    char *const said = kit_read_file(collector.err, NULL);
    struct kit_ledger ledger;

    if (strlen(said) < strlen(line) || strcmp(said + strlen(said) - strlen(line), line) != 0)
        KIT_FAIL("said:\n%s\nand not at last:\n%s", said, line);
    free(said);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.written, written);
    KIT_EQ(ledger.dropped, lost);
    KIT_EQ(ledger.in_ring, 0);
}

/* ---- Losses ---- */

static bool stands_still(void *arg)
{
    char *const text = kit_read_file(kit_text("/proc/%d/stat", *(const pid_t *)arg), NULL);
    const char *const name_end = strrchr(text, ')');
    const bool stopped = name_end && name_end[2] == 'T';

    free(text);
    return stopped;
}

static void stop_process(pid_t pid)
{
    KIT_EQ(kill(pid, SIGSTOP), 0);
    KIT_CHECK(kit_wait(stands_still, &pid, 60));
}

static void test_losses(const char *name, bool alarm_records, bool attached)
{
    pid_t housekeeping;
    uint64_t lost;

    begin(name, alarm_records, !attached);
    housekeeping = kit_child(&collector);
    stop_process(housekeeping);
    stop_process(collector.pid);
    log_many(RECORDS);
    lost = shmlog_lost(log_);
    KIT_COMPARE(lost, >=, RECORDS - 1024);
    if (!attached)
        shmlog_close(log_);
    kit_kill(&collector, SIGTERM);
    KIT_EQ(kill(housekeeping, SIGCONT), 0);
    kit_kill(&collector, SIGCONT);
    KIT_EQ(kit_wait_exit(&collector, 60), 0);
    check_told(kit_text("records are being lost: %" PRIu64 " in all (%" PRIu64 " full)", lost,
                        lost),
               2, alarm_records); /* the second time to say that it is over: */
    check_told("no more records are being lost", 1, alarm_records);
    KIT_EQ(access(kit_text("%s/%s", kit_shm_dir(), segment), F_OK), attached ? 0 : -1);
    if (attached) {
        check_told("the segment stays", 1, false);
        shmlog_close(log_);
    }
    check_totals(RECORDS - lost + count_records(""), lost);
    if (!alarm_records)
        KIT_EQ(count_records(""), 0);
}

/* Told, but not in the log, which stays as it is. */
static void test_nothing_lost(unsigned records)
{
    begin(kit_text("all-%u", records), true, true);
    log_many(records);
    shmlog_close(log_);
    kit_collector_stop(&collector);
    check_totals(records, 0);
    KIT_EQ(count_lines(collector.err, "lost", ""), 0);
}

/* ---- A disk that has answered again just now ---- */

static bool has_waiting(void *arg)
{
    return (shmlog_load_relaxed_(&log_->control.stats[SHM_STAT_outbox_bytes]) > 0) == *(bool *)arg;
}

static bool says_it_hung(void *arg)
{
    (void)arg;
    return kit_err_contains(&collector, "the disk has not answered");
}

/* Two seconds without an answer. The drain does not count them where it had no processor for half a
 * second itself, or where housekeeping stands in /proc, which is no disk. */
static void hang(pid_t housekeeping)
{
    bool yes = true;
    uint64_t began;

    stop_process(housekeeping);
    began = kit_now_ns();
    log_many(1);
    KIT_CHECK(kit_wait(has_waiting, &yes, 60)); /* told by who does not hang */
    while (kit_now_ns() - began < UINT64_C(2000000000))
        sched_yield();
    KIT_EQ(kill(housekeeping, SIGCONT), 0);
}

static void test_disk(void)
{
    bool no = false;
    unsigned times = 0;

    begin("disk", true, true);
    do {
        KIT_CHECK(kit_wait(has_waiting, &no, 60));
        KIT_COMPARE(times++, <, 20);
        hang(kit_child(&collector));
    } while (!kit_wait(says_it_hung, NULL, 5));
    shmlog_close(log_);
    kit_collector_stop(&collector);
    check_told("the disk answers again; it hung 1 time", 1, true);
    check_totals(times + count_records(""), 0);
}

int main(void)
{
    cpu_set_t one;

    kit_begin("stop_totals");
    kit_need_io();
    CPU_ZERO(&one); /* one ring for all */
    CPU_SET((size_t)kit_cpu(0), &one);
    KIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    test_losses("logged", true, false);
    test_losses("attached", true, true);
    test_losses("said", false, false);
    test_nothing_lost(0);
    test_nothing_lost(1);
    test_nothing_lost(3);
    test_disk();
    return 0;
}
