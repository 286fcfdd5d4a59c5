/* SPDX-License-Identifier: MIT
 *
 * Without --durable: the sync of a finished file fails, under ptrace. The collector goes on, says
 * which file it is and why, counts it, and ends with status 1; the next one has nothing to report.
 */
#include "tests/integration/oracle.h"
#include "tests/integration/tracer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define RECORDS 300u

static struct tracer traced;
static struct oracle oracle;
static const char *log_dir;
static unsigned syncs;

/* Of each file's sync; the first one fails. */
static bool is_sync(void)
{
    if (traced.event == TRACER_COMPLETION)
        return traced.sqe->opcode == IORING_OP_FSYNC;
    return traced.event == TRACER_CALL && traced.number == SYS_fdatasync;
}

static void pump(void)
{
    const struct timespec pause = {.tv_nsec = 50000};

    if (traced.event == TRACER_NONE && tracer_look(&traced) == TRACER_NONE) {
        nanosleep(&pause, NULL);
        return;
    }
    if (traced.event == TRACER_ENDED)
        return;
    if (is_sync() && syncs++ == 0) {
        if (traced.event == TRACER_CALL) {
            tracer_fail(&traced, ENOSPC);
            return;
        }
        traced.cqe->res = -ENOSPC;
    }
    tracer_go(&traced, false);
}

static bool producer_at(uint64_t number)
{
    return __atomic_load_n(&oracle.page[0].after, __ATOMIC_ACQUIRE) >= number;
}

#define PUMP_UNTIL(condition)                                      \
    do {                                                           \
        const uint64_t deadline_ = kit_deadline(2 * KIT_PATIENCE); \
        while (!(condition)) {                                     \
            pump();                                                \
            if (kit_now_ns() > deadline_)                          \
                KIT_FAIL("not yet: %s; it said:\n%s", #condition,  \
                         kit_read_file(traced.err, NULL));         \
        }                                                          \
    } while (0)

static void start(struct kit_process *producer, struct oracle_life *life)
{
    tracer_start(&traced,
                 (const char *const[]){kit_program("collector/shmlog-collector"),
                                       "--no-alarm-records", "--segment", "sync", "--output",
                                       log_dir, "--cpus", "0", "--spare-rings", "1", "--on-full",
                                       "wait", "--wait-ms", "600000", "--flush-ms", "1", "--io",
                                       getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto",
                                       NULL});
    oracle.page[0].burst = RECORDS / 2;
    *life = (struct oracle_life){.page = &oracle.page[0],
                                 .segment = "sync",
                                 .shared_rings = true,
                                 .slow_ns = 500000,
                                 .slow_burst = 1};
    kit_spawn_function(producer, "producer", oracle_live, life);
}

static void check_said(void)
{
    char *const said = kit_read_file(traced.err, NULL);
    const char *const line =
        strstr(said, ".shmlog: the disk did not take all of it: No space left");

    KIT_EQ(traced.status, 1);
    if (!line || !strstr(said, log_dir) ||
        !strstr(said, "the disk did not take all of 1 finished file"))
        KIT_FAIL("it said:\n%s", said);
    free(said);
}

static void check_counted(void)
{
    char *json;

    kit_dump(kit_path("info"), (const char *const[]){"--info", "--format", "json", "sync", NULL});
    json = kit_read_file(kit_path("info"), NULL);
    if (!strstr(json, "\"write_errors\":1,") || !strstr(json, "\"files_doubtful\":1"))
        KIT_FAIL("%s", json);
    free(json);
}

/* Nothing is lost as long as the machine goes on. */
static void check_records(void)
{
    struct kit_ledger ledger;
    struct oracle_count result;

    kit_verify_balanced(log_dir, &ledger);
    kit_dump(kit_path("dump"),
             (const char *const[]){log_dir, "--fields", "message", "--format", "text", NULL});
    oracle_check(&oracle, kit_path("dump"), &result);
    KIT_EQ(result.missing, 0);
    KIT_EQ(result.seen, ledger.written);
}

int main(void)
{
    struct kit_process producer, next;
    struct oracle_life life;

    kit_begin("failed_sync");
    kit_need_io();
    tracer_need();
    oracle_open(&oracle);
    log_dir = kit_path("log");
    start(&producer, &life);
    PUMP_UNTIL(producer_at(RECORDS / 2));
    PUMP_UNTIL(kit_count_files(log_dir, ".part") == 1); /* or there is nothing to finish */
    tracer_signal(&traced, SIGHUP);
    PUMP_UNTIL(kit_count_files(log_dir, ".shmlog") == 1);
    PUMP_UNTIL(producer_at(RECORDS)); /* it goes on */
    kit_stop(producer.pid);           /* attached, so that the segment stays */
    tracer_signal(&traced, SIGTERM);
    PUMP_UNTIL(!traced.pid);
    KIT_EQ(syncs, kit_count_files(log_dir, ".shmlog"));
    check_said();
    check_counted();
    kit_kill(&producer, SIGCONT);
    __atomic_store_n(&oracle.page[0].stop, 1, __ATOMIC_RELEASE);
    kit_collector_start(&next, "sync", log_dir, NULL);
    KIT_EQ(kit_wait_exit(&producer, KIT_PATIENCE), 0);
    kit_collector_stop(&next);
    check_records();
    oracle_close(&oracle);
    return 0;
}
