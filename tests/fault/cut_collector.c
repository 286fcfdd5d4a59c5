/* SPDX-License-Identifier: MIT
 *
 * The segment's files are cut short, deleted, replaced or made inaccessible under a collector and a
 * shmlog-dump that follows: only the ring concerned is lost, and it is said; without its control
 * file or its outbox the collector ends with a message, and never by a signal.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include "shm/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS 300u

static const char *segment, *output;
static struct kit_process collector;
static struct shmlog *log_;

/* A segment of one core's ring and two shared ones, of which this thread uses the first: it logs to
 * ring 1. */
static void begin(const char *name)
{
    const char *const args[] = {
        "--cpus", kit_text("%d", kit_cpu(0)), "--spare-rings", "1", "--ring-size", "256k", NULL};
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_GUARD};

    segment = name;
    output = kit_path(name);
    (void)kit_clock_begin();
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&log_, segment, &options));
    kit_share(log_);
}

static const char *file_path(const char *file)
{
    return kit_text("%s/%s/%s", kit_shm_dir(), segment, file);
}

static void log_some(const char *what)
{
    for (unsigned i = 0; i < RECORDS; i++)
        shmlog_info(log_, "%s %u", what, i);
}

/* Housekeeping looks at some files at a time. */
static bool has_said(void *arg)
{
    kit_clock_next(shmlog_load_relaxed_(&log_->control.collector_written));
    return kit_err_contains(&collector, arg);
}

static void wait_said(const char *text)
{
    if (!kit_wait(has_said, (void *)(uintptr_t)text, KIT_PATIENCE))
        KIT_FAIL("'%s' was not said", text);
}

static void cut(const char *file, off_t size)
{
    KIT_EQ(truncate(file_path(file), size), 0);
}

/* Lines of the files' messages that begin with `what`. */
static unsigned messages(const char *what)
{
    const char *const args[] = {output, "--fields", "message", "--format", "text", NULL};
    const char *const path = kit_path("messages");
    unsigned count = 0;
    char *text, *save = NULL;

    kit_dump(path, args);
    text = kit_read_file(path, NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        count += strncmp(line, what, strlen(what)) == 0;
    free(text);
    return count;
}

/* All but the last of what was logged is in files, to the record. */
static void end_well(unsigned records)
{
    struct kit_ledger ledger;

    shmlog_close(log_);
    kit_collector_stop(&collector);
    kit_verify(output, &ledger);
    KIT_CHECK(ledger.found);
    KIT_EQ(ledger.written, records);
    KIT_EQ(ledger.produced, ledger.written + ledger.dropped + ledger.in_ring);
}

static void test_other_ring(off_t size)
{
    begin(size ? "other-half" : "other");
    log_some("before");
    cut("ring-000", size);
    wait_said("ring-000 was cut short");
    log_some("after");
    end_well(2 * RECORDS);
    KIT_EQ(messages("before"), RECORDS);
    KIT_EQ(messages("after"), RECORDS);
}

static bool is_drained(void *arg)
{
    (void)arg;
    return shmlog_load_relaxed_(&log_->control.stats[SHM_STAT_records]) >= RECORDS;
}

/* The ring that is being written: the thread goes over to the other shared one. What was read
 * before is not lost with it, and of what comes after all is there or was counted. */
static void test_its_ring(void)
{
    uint64_t lost_after, lost;

    begin("its");
    log_some("before");
    KIT_CHECK(kit_wait(is_drained, NULL, KIT_PATIENCE));
    KIT_EQ(shmlog_thread_lost(log_), 0);
    cut("ring-001", 0);
    log_some("after");
    lost_after = shmlog_thread_lost(log_);
    wait_said("ring-001 was cut short");
    log_some("later");
    lost = shmlog_thread_lost(log_) - lost_after;
    shmlog_close(log_);
    kit_collector_stop(&collector);
    KIT_EQ(messages("before"), RECORDS);
    KIT_EQ(messages("after") + lost_after, RECORDS);
    KIT_EQ(messages("later") + lost, RECORDS);
    KIT_COMPARE(lost_after, <=, 1); /* the one that was being written */
    KIT_EQ(lost, 0);
}

/* What --health says, to be freed; its exit status. */
static char *ask_health(int *ret_status)
{
    const char *const argv[] = {kit_program("tools/shmlog-dump"), "--health", segment, NULL};
    struct kit_process dump = {0};

    *ret_status = kit_run(&dump, argv, NULL);
    return kit_read_file(dump.out, NULL);
}

static bool is_losing(void *arg)
{
    int status;
    char *text = ask_health(&status);
    const bool is = status == 1 && strstr(text, ": losing: ") && strstr(text, " damaged");

    (void)arg;
    free(text);
    return is;
}

/* Records of the ring that are not read yet, some of them cut off: those before are sound, the
 * others stand as a gap. The collector is stopped so that it has them all to read. */
static void test_unread(void)
{
    struct kit_ledger ledger;
    unsigned found;

    begin("unread");
    kit_stop(collector.pid);
    for (unsigned i = 0; i < 10; i++)
        log_some("unread");
    cut("ring-001", 4096 + 1000 * 64); /* 62.5 small pages: 63 of them stay, and the header */
    kit_clock_stand();                 /* losing is a state of ten seconds */
    kit_kill(&collector, SIGCONT);
    wait_said("ring-001 was cut short");
    if (!kit_wait(is_losing, NULL, KIT_PATIENCE))
        KIT_FAIL("not losing: %s", ask_health(&(int){0}));
    shmlog_close(log_);
    kit_collector_stop(&collector);
    found = messages("unread");
    KIT_COMPARE(found, >=, 1000);
    KIT_COMPARE(found, <, 10 * RECORDS);
    kit_verify(output, &ledger);
    KIT_CHECK(ledger.found);
    KIT_EQ(ledger.written, found);
    KIT_COMPARE(ledger.dropped, >=, 1);
    KIT_EQ(ledger.produced, ledger.written + ledger.dropped + ledger.in_ring);
}

static void end_badly(const char *why)
{
    KIT_EQ(kit_wait_exit(&collector, KIT_PATIENCE), 1);
    if (!kit_err_contains(&collector, why))
        KIT_FAIL("not said: %s: %s", why, kit_read_file(collector.err, NULL));
    shmlog_close(log_);
}

/* The sites, and with them the formats, are in the control file: of what was read by then they are
 * in the log file as well. */
static void test_control(void)
{
    begin("control-cut");
    log_some("before");
    KIT_CHECK(kit_wait(is_drained, NULL, KIT_PATIENCE));
    cut("control", 0);
    end_badly("control was cut short");
    KIT_EQ(messages("before"), RECORDS);
}

static void test_outbox(void)
{
    begin("outbox-cut");
    log_some("before");
    cut("outbox", 0);
    log_some("after");
    end_badly("outbox was cut short");
}

static void test_names(void)
{
    begin("names");
    log_some("before");
    KIT_EQ(chmod(file_path("ring-000"), 0), 0);
    wait_said("ring-000 has another owner or mode");
    KIT_EQ(unlink(file_path("ring-001")), 0);
    wait_said("ring-001 was deleted");
    KIT_EQ(unlink(file_path("ring-000")), 0);
    kit_write_file(file_path("ring-000"), "other", 5);
    wait_said("ring-000 was ");
    log_some("after");
    end_well(2 * RECORDS);
    KIT_EQ(messages("after"), RECORDS);
}

/* Attaching where files may not be opened says so; it goes on without some rings only if asked to.
 */
static void test_access(void)
{
    const struct shmlog_options partial = {.flags = SHMLOG_OPEN_PARTIAL};
    struct shmlog *log;

    if (geteuid() == 0)
        return; /* may do everything */
    begin("access");
    KIT_EQ(chmod(file_path("ring-000"), 0), 0);
    KIT_EQ(chmod(file_path("ring-001"), 0), 0);
    KIT_EQ(chmod(file_path("ring-002"), 0), 0); /* the shared one */
    KIT_EQ(shmlog_open(&log, segment, NULL), -EACCES);
    KIT_EQ(shmlog_open(&log, segment, &partial), -EACCES);
    KIT_EQ(chmod(file_path("ring-000"), 0660), 0);
    KIT_EQ(shmlog_open(&log, segment, NULL), -EACCES);
    KIT_OK(shmlog_open(&log, segment, &partial));
    shmlog_close(log);
    KIT_EQ(chmod(file_path("control"), 0), 0);
    KIT_EQ(shmlog_open(&log, segment, NULL), -EACCES);
    KIT_EQ(chmod(file_path("control"), 0660), 0);
    end_well(0);
}

/* It shows what is logged from when it has begun on: so one more for each look. */
static bool has_followed(void *arg)
{
    const char *const path = ((struct kit_process *)arg)->out;
    bool found;
    char *text;

    shmlog_info(log_, "before %u", RECORDS - 1);
    if (access(path, R_OK) < 0)
        return false; /* it has not begun */
    text = kit_read_file(path, NULL);
    found = strstr(text, kit_text("before %u", RECORDS - 1)) != NULL;

    free(text);
    return found;
}

static void test_dump(void)
{
    struct kit_process dump;

    begin("followed");
    {
        const char *const argv[] = {
            kit_program("tools/shmlog-dump"), segment, "--follow", "--fields", "message", NULL};

        kit_spawn(&dump, argv, NULL);
    }
    kit_wait_text(&collector, "ready", KIT_PATIENCE);
    log_some("before");
    KIT_CHECK(kit_wait(has_followed, &dump, KIT_PATIENCE));
    cut("ring-001", 0);
    kit_wait_text(&dump, "cut short", KIT_PATIENCE);
    kit_kill(&dump, SIGINT);
    KIT_EQ(kit_wait_exit(&dump, KIT_PATIENCE), 1);
    shmlog_close(log_);
    kit_collector_stop(&collector);
}

int main(void)
{
    kit_begin("cut_collector");
    kit_need_io();
    test_other_ring(0);
    test_other_ring(4096);
    test_its_ring();
    test_unread();
    test_control();
    test_outbox();
    test_names();
    test_access();
    test_dump();
    return 0;
}
