/* SPDX-License-Identifier: MIT
 *
 * SIGKILL of the collector, or of the collector and all producers at once, at random moments:
 * while it starts and resumes, drains, rotates. Every committed record comes out exactly once, in
 * order per producer; at times the balance is proved with no collector there.
 *
 * usage: kill_collector collector|both
 */
#include "tests/integration/oracle.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PRODUCERS 3u

static struct oracle oracle;
static struct kit_process process[PRODUCERS];
static struct oracle_life life[PRODUCERS];
static struct kit_process collector;
static const char *const args[] = {
    "--on-full", "wait",          "--wait-ms", "600000",        "--ring-size", "256k", "--flush-ms",
    "5",         "--rotate-size", "64k",       "--spare-rings", "4",           NULL};

static void start_producer(unsigned producer)
{
    struct oracle_page *page = &oracle.page[producer];

    page->burst = page->before + 500;
    life[producer] = (struct oracle_life){
        .page = page,
        .segment = "kill",
        .producer = producer,
        .shared_rings = producer % 2 == 1,
        .slow_ns = 1000000,
        .slow_burst = 100,
    };
    kit_spawn_function(&process[producer], "producer", oracle_live, &life[producer]);
}

/* The moment of the kill is what is random here; nothing is waited for. */
static void let_pass(uint64_t ns)
{
    const struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

/* Half of the kills hit a collector at work, half one that starts and resumes. */
static void start_collector(const char *log, uint64_t *random)
{
    const char *argv[24] = {kit_program("collector/shmlog-collector"),
                            "--no-alarm-records", /* all records are counted */
                            "--segment",
                            "kill",
                            "--output",
                            log,
                            "--io",
                            getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto"};

    if (kit_random_below(random, 2)) {
        kit_collector_start(&collector, "kill", log, args);
        let_pass(kit_random_below(random, 20000000));
        return;
    }
    memcpy(argv + 8, args, sizeof(args));
    kit_spawn(&collector, argv, NULL);
    let_pass(kit_random_below(random, 40000000));
}

static void kill_producers(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++)
        kit_kill(&process[i], SIGKILL);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        kit_kill_hard(&process[i]);
        oracle_killed(&oracle, i);
    }
}

static void kill_many(uint64_t kills, bool both, const char *log, uint64_t *random)
{
    for (uint64_t done = 0; done < kills; done++) {
        start_collector(log, random);
        if (kit_random_below(random, 4) == 0 && kit_err_contains(&collector, "ready"))
            kit_kill(&collector, SIGHUP);
        kit_kill(&collector, SIGKILL);
        if (both)
            kill_producers();
        kit_kill_hard(&collector);
        KIT_EQ(collector.status, 128 + SIGKILL);
        if (both && done % 16 == 15)
            kit_verify_balanced(log, NULL); /* what is in no file yet is in the segment */
        for (unsigned i = 0; both && i < PRODUCERS; i++)
            start_producer(i);
    }
}

int main(int argc, char **argv)
{
    const bool both = argc > 1 && strcmp(argv[1], "both") == 0;
    const uint64_t kills = kit_number("SHMLOG_TEST_KILLS", 40);
    struct kit_ledger ledger;
    struct oracle_count count;
    const char *log;
    uint64_t random;

    kit_begin("kill_collector");
    kit_need_io();
    random = kit_seed();
    log = kit_path("log");
    oracle_open(&oracle);
    kit_collector_start(&collector, "kill", log, args);
    for (unsigned i = 0; i < PRODUCERS; i++)
        start_producer(i);
    kit_kill_hard(&collector);
    kill_many(kills, both, log, &random);

    kit_collector_start(&collector, "kill", log, args);
    for (unsigned i = 0; i < PRODUCERS; i++)
        oracle.page[i].stop = 1;
    for (unsigned i = 0; i < PRODUCERS; i++)
        KIT_EQ(kit_wait_exit(&process[i], KIT_PATIENCE), 0);
    kit_collector_stop(&collector);

    kit_verify_balanced(log, &ledger);
    kit_dump(kit_path("dump"),
             (const char *const[]){log, "--fields", "message", "--format", "text", NULL});
    oracle_check(&oracle, kit_path("dump"), &count);
    printf("%" PRIu64 " kills: %" PRIu64 " committed, %" PRIu64 " seen, %" PRIu64
           " interrupted by death, %u files\n",
           kills, count.committed, count.seen, count.maybe, kit_count_files(log, ".shmlog"));
    KIT_EQ(count.missing, 0);
    KIT_EQ(count.seen, ledger.written);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    kit_check_zstd(log);
    oracle_close(&oracle);
    return 0;
}
