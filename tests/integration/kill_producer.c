/* SPDX-License-Identifier: MIT
 *
 * SIGKILL of producers at random moments: with the wait policy every committed record comes out
 * exactly once and in order; with the drop policy what is missing is in the loss ledger, exactly.
 *
 * usage: kill_producer wait|drop
 */
#include "tests/integration/oracle.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PRODUCERS 4u

static struct oracle oracle;
static struct kit_process process[PRODUCERS];
static struct oracle_life life[PRODUCERS];

struct past {
    const struct oracle_page *page;
    uint64_t number;
};

static void start(unsigned producer, uint64_t burst)
{
    struct oracle_page *page = &oracle.page[producer];

    page->burst = page->before + burst;
    life[producer] = (struct oracle_life){
        .page = page,
        .segment = "kill",
        .producer = producer,
        .shared_rings = producer % 2 == 1,
        .slow_ns = 200000,
        .slow_burst = 20,
    };
    kit_spawn_function(&process[producer], "producer", oracle_live, &life[producer]);
}

/* Spin, not sleep: the kill shall hit a producer at full speed, not one that just woke. */
static void wait_past(unsigned producer, uint64_t number)
{
    const uint64_t deadline = kit_deadline(KIT_PATIENCE);

    while (__atomic_load_n(&oracle.page[producer].before, __ATOMIC_RELAXED) < number) {
        if (kit_now_ns() > deadline || kit_has_ended(&process[producer]))
            KIT_FAIL("producer %u got to %" PRIu64 " only, status %d", producer,
                     oracle.page[producer].before, process[producer].status);
    }
}

static void kill_many(uint64_t kills, uint64_t *random)
{
    for (uint64_t done = 0; done < kills;) {
        uint64_t target[PRODUCERS];

        for (unsigned i = 0; i < PRODUCERS; i++) {
            target[i] = oracle.page[i].before + 1 + kit_random_below(random, 3000);
            start(i, target[i] - oracle.page[i].before + 500);
        }
        for (unsigned i = 0; i < PRODUCERS; i++) {
            wait_past(i, target[i]);
            for (volatile uint64_t n = kit_random_below(random, 500); n; n--)
                ;
            kit_kill_hard(&process[i]);
            KIT_EQ(process[i].status, 128 + SIGKILL);
            oracle_killed(&oracle, i);
            done++;
        }
    }
}

/* Last lives, which end by themselves: rings that dead producers left still serve. */
static void live_on(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++)
        start(i, 1000);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        wait_past(i, oracle.page[i].burst);
        oracle.page[i].stop = 1;
        KIT_EQ(kit_wait_exit(&process[i], KIT_PATIENCE), 0);
    }
}

int main(int argc, char **argv)
{
    const bool drop = argc > 1 && strcmp(argv[1], "drop") == 0;
    const char *const args[] = {"--on-full",
                                drop ? "drop" : "wait",
                                "--wait-ms",
                                "600000",
                                "--ring-size",
                                drop ? "64k" : "256k",
                                "--rotate-size",
                                "2m",
                                "--spare-rings",
                                "4",
                                NULL};
    const uint64_t kills = 5 * kit_number("SHMLOG_TEST_KILLS", 40); /* few hit a call */
    struct kit_process collector;
    struct kit_ledger ledger;
    struct oracle_count count;
    const char *log;
    uint64_t random;

    kit_begin("kill_producer");
    kit_need_io();
    random = kit_seed();
    log = kit_path("log");
    oracle_open(&oracle);
    kit_collector_start(&collector, "kill", log, args);
    kill_many(kills, &random);
    live_on();
    kit_collector_stop(&collector);

    kit_verify_balanced(log, &ledger);
    KIT_EQ(ledger.in_ring, 0);
    kit_dump(kit_path("dump"),
             (const char *const[]){log, "--fields", "message", "--format", "text", NULL});
    oracle_check(&oracle, kit_path("dump"), &count);
    printf("%" PRIu64 " kills: %" PRIu64 " committed, %" PRIu64 " seen, %" PRIu64
           " dropped, %" PRIu64 " interrupted by death\n",
           kills, count.committed, count.seen, ledger.dropped, count.maybe);
    KIT_EQ(count.seen, ledger.written);
    if (drop) {
        /* an interrupted call may have counted its loss, too */
        KIT_COMPARE(count.missing, <=, ledger.dropped);
        KIT_COMPARE(count.committed + count.maybe, >=, ledger.produced);
        KIT_COMPARE(count.committed, <=, ledger.produced);
    } else {
        KIT_EQ(count.missing, 0);
        KIT_EQ(ledger.dropped, 0);
    }
    kit_check_zstd(log);
    oracle_close(&oracle);
    return 0;
}
