/* SPDX-License-Identifier: MIT
 *
 * Full rings, and a collector that stands still or is dead meanwhile: producers go by the policy,
 * and the ledger is exact, to the record.
 *
 *     drop, overwrite   the collector is stopped: producers log on, without once giving up the
 *                       processor, by as many records as fill their rings many times over
 *     wait              it is stopped, and they wait; it continues, and so do they; it is killed
 * while they wait, and they go on with the next one. Nothing is lost. wait-limit        it is
 * killed, and the wait is short: one wait, then they drop and count
 *
 * usage: full drop|overwrite|wait|wait-limit
 */
#include "tests/integration/oracle.h"

#include "shm/segment.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCERS 2u
#define RING_SLOTS UINT64_C(1024) /* --ring-size 64k */
#define MANY UINT64_C(200000)     /* records: fill a ring some hundred times */

static struct oracle oracle;
static struct kit_process process[PRODUCERS], collector;
static struct oracle_life life[PRODUCERS];
static struct shm_segment *segment;

static const char *args[16] = {"--ring-size", "64k", "--spare-rings", "2", "--on-full"};

static void start_producers(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++) {
        oracle.page[i].burst = UINT64_MAX;
        life[i] = (struct oracle_life){
            .page = &oracle.page[i],
            .segment = "full",
            .producer = i,
            .own_ring = i == 1,
            .slow_burst = 1,
        };
        kit_spawn_function(&process[i], "producer", oracle_live, &life[i]);
    }
}

struct goal {
    uint64_t number[PRODUCERS];
};

static bool are_past(void *arg)
{
    const struct goal *const goal = arg;

    for (unsigned i = 0; i < PRODUCERS; i++) {
        if (kit_has_ended(&process[i]))
            KIT_FAIL("producer %u ended with status %d", i, process[i].status);
        if (__atomic_load_n(&oracle.page[i].after, __ATOMIC_ACQUIRE) < goal->number[i])
            return false;
    }
    return true;
}

/* All producers log so many more records. */
static void go_on(uint64_t records, const char *when)
{
    struct goal goal;

    for (unsigned i = 0; i < PRODUCERS; i++)
        goal.number[i] = oracle.page[i].after + records;
    if (!kit_wait(are_past, &goal, 60))
        KIT_FAIL("producers do not go on %s", when);
}

/* Some ring is full, and each producer is in a call, the same one as the last fifty times that was
 * asked. Not every ring is: threads that share a core now leave the other core's ring alone. */
static bool are_waiting(void *arg)
{
    static uint64_t call[PRODUCERS];
    static unsigned times;
    bool same = false;

    (void)arg;
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        const struct shmlog_ring *const ring = segment->rings[i].header;
        const uint64_t used = shmlog_load_acquire_(&ring->head) - shmlog_load_acquire_(&ring->tail);

        /* to the reserve: none of these records is severe */
        same |= used + SHMLOG_RECORD_SLOTS > RING_SLOTS - segment->geometry.reserve_slots &&
                used <= RING_SLOTS - segment->geometry.reserve_slots;
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        const uint64_t now = __atomic_load_n(&oracle.page[i].before, __ATOMIC_ACQUIRE);

        same &= now == call[i] && now != __atomic_load_n(&oracle.page[i].after, __ATOMIC_ACQUIRE);
        call[i] = now;
    }
    times = same ? times + 1 : 0;
    return times >= 50;
}

static void open_segment(void)
{
    shm_segment_close(segment);
    KIT_OK(shm_segment_open(kit_text("%s/full", kit_shm_dir()), false, &segment));
}

/* Times that a process gave up its processor by itself. */
static uint64_t voluntary_switches(const struct kit_process *p)
{
    char *const text = kit_read_file(kit_text("/proc/%d/status", (int)p->pid), NULL);
    const char *const at = strstr(text, "\nvoluntary_ctxt_switches:");
    uint64_t count = 0;

    KIT_CHECK(at && sscanf(at, "\nvoluntary_ctxt_switches: %" SCNu64, &count) == 1);
    free(text);
    return count;
}

/* Stopped, and seen to be. */
static bool is_stopped(void *arg)
{
    const struct kit_process *const p = arg;
    char *const text = kit_read_file(kit_text("/proc/%d/status", (int)p->pid), NULL);
    const bool stopped = strstr(text, "\nState:\tT") != NULL;

    free(text);
    return stopped;
}

static void stop_collector(void)
{
    kit_kill(&collector, SIGSTOP);
    KIT_CHECK(kit_wait(is_stopped, &collector, 10));
}

static void log_while_stopped(void)
{
    uint64_t switches[PRODUCERS];

    go_on(1000, "with a collector");
    stop_collector();
    for (unsigned i = 0; i < PRODUCERS; i++)
        switches[i] = voluntary_switches(&process[i]);
    go_on(MANY, "while the collector is stopped");
    for (unsigned i = 0; i < PRODUCERS; i++)
        KIT_EQ(voluntary_switches(&process[i]), switches[i]);
    kit_kill(&collector, SIGCONT);
    go_on(1000, "after it");
}

static void wait_and_go_on(const char *log)
{
    for (unsigned round = 0; round < 3; round++) {
        go_on(5000, "with a collector");
        stop_collector();
        if (!kit_wait(are_waiting, NULL, 30))
            KIT_FAIL("the producers do not wait for a collector that is stopped");
        kit_kill(&collector, SIGCONT);
        go_on(5000, "after the collector continued");
        stop_collector();
        KIT_CHECK(kit_wait(are_waiting, NULL, 30));
        kit_kill_hard(&collector);
        KIT_CHECK(are_waiting(NULL));
        kit_collector_start(&collector, "full", log, args);
        open_segment();
    }
    go_on(5000, "with a new collector");
}

static void wait_and_drop(const char *log)
{
    go_on(1000, "with a collector");
    kit_kill_hard(&collector);
    go_on(MANY, "after a wait that ran out");
    kit_collector_start(&collector, "full", log, args);
    go_on(1000, "with a new collector");
}

/* What was logged is in the files or counted as lost. */
static void check(const char *log, bool lossless, bool all_counted)
{
    struct kit_ledger ledger;
    struct oracle_count count;
    uint64_t logged = 0;

    kit_verify_balanced(log, &ledger);
    kit_dump(kit_path("dump"),
             (const char *const[]){log, "--fields", "message", "--format", "text", NULL});
    oracle_check(&oracle, kit_path("dump"), &count);
    for (unsigned i = 0; i < PRODUCERS; i++)
        logged += oracle.page[i].after;
    printf("%" PRIu64 " logged, %" PRIu64 " in the files, %" PRIu64 " lost and counted\n", logged,
           count.seen, ledger.dropped);
    KIT_EQ(ledger.in_ring, 0);
    KIT_EQ(ledger.produced, logged);
    KIT_EQ(ledger.written, count.seen);
    KIT_EQ(ledger.dropped, count.missing);
    if (lossless)
        KIT_EQ(ledger.dropped, 0);
    if (all_counted)
        KIT_COMPARE(ledger.dropped, >, MANY);
}

int main(int argc, char **argv)
{
    const char *const mode = argc > 1 ? argv[1] : "drop";
    const bool wait = strcmp(mode, "wait") == 0, limit = strcmp(mode, "wait-limit") == 0;
    const char *log;

    kit_begin("full");
    kit_need_io();
    args[5] = wait || limit ? "wait" : mode;
    args[6] = "--wait-ms";
    args[7] = limit ? "20" : "forever";
    log = kit_path("log");
    oracle_open(&oracle);
    kit_collector_start(&collector, "full", log, args);
    open_segment();
    start_producers();
    if (wait)
        wait_and_go_on(log);
    else if (limit)
        wait_and_drop(log);
    else
        log_while_stopped();
    for (unsigned i = 0; i < PRODUCERS; i++)
        oracle.page[i].stop = 1;
    for (unsigned i = 0; i < PRODUCERS; i++)
        KIT_EQ(kit_wait_exit(&process[i], 30), 0);
    kit_collector_stop(&collector);
    shm_segment_close(segment);
    check(log, wait, !wait);
    oracle_close(&oracle);
    return 0;
}
