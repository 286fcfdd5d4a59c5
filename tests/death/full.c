/* SPDX-License-Identifier: MIT
 *
 * Full rings, and a collector that stands still or is dead meanwhile: producers go by the policy,
 * and the ledger is exact, to the record.
 *
 *     drop, overwrite   the collector is stopped: producers log on, without once giving up the
 *                       processor, by as many records as fill their rings many times over
 *     wait              it is stopped, and they wait; it continues, and so do they; it is killed
 *                       while they wait, and they go on with the next one. Nothing is lost.
 *     wait-limit        it is killed, and the wait is short: one wait, then they drop and count
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
            .shared_rings = i == 1,
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
    if (!kit_wait(are_past, &goal, KIT_PATIENCE))
        KIT_FAIL("producers do not go on %s", when);
}

static char state_of(const struct kit_process *p)
{
    char *const text = kit_read_file(kit_text("/proc/%d/stat", (int)p->pid), NULL);
    const char *const name_end = strrchr(text, ')');
    const char state = name_end && name_end[1] ? name_end[2] : '?';

    free(text);
    return state;
}

/* Somebody sleeps until this ring has room. Not every ring is full: threads that share a core now
 * leave the other core's ring alone. */
static bool is_waited_for(const struct shmlog_ring *ring)
{
    const uint64_t used = shmlog_load_acquire_(&ring->head) - shmlog_load_acquire_(&ring->tail);

    /* full to the reserve: none of these records is severe */
    return shmlog_load_acquire_(&ring->waiting) &&
           used + SHMLOG_RECORD_SLOTS > RING_SLOTS - segment->geometry.reserve_slots &&
           used <= RING_SLOTS - segment->geometry.reserve_slots;
}

/* A ring is waited for, and each producer has been seen to sleep in the call that it is in still.
 * It does nothing else there that it would sleep in, and nobody makes room. */
static bool are_waiting(void *arg)
{
    static struct {
        uint64_t call;
        bool slept;
    } seen[PRODUCERS];
    bool waited_for = false, all = true;

    (void)arg;
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        waited_for |= is_waited_for(segment->rings[i].header);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        const struct oracle_page *const page = &oracle.page[i];
        const uint64_t call = __atomic_load_n(&page->before, __ATOMIC_ACQUIRE);
        const bool sleeps = state_of(&process[i]) == 'S';

        if (call != seen[i].call || call == __atomic_load_n(&page->after, __ATOMIC_ACQUIRE))
            seen[i].slept = false;
        else
            seen[i].slept |= sleeps;
        seen[i].call = call;
        all &= seen[i].slept;
    }
    return waited_for && all;
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

/* In how many windows a producer may sleep: for a page of its notes that the kernel writes out. */
#define WINDOWS 3u

/* None of the producers gave up its processor while they logged so many records. */
static bool is_window_clean(void)
{
    uint64_t switches[PRODUCERS];
    bool clean = true;

    for (unsigned i = 0; i < PRODUCERS; i++)
        switches[i] = voluntary_switches(&process[i]);
    go_on(MANY, "while the collector is stopped");
    for (unsigned i = 0; i < PRODUCERS; i++) {
        switches[i] = voluntary_switches(&process[i]) - switches[i];
        if (switches[i])
            printf("producer %u gave up its processor %" PRIu64 " times\n", i, switches[i]);
        clean &= !switches[i];
    }
    return clean;
}

static void log_while_stopped(void)
{
    unsigned windows = 0;

    go_on(1000, "with a collector");
    kit_stop(collector.pid);
    while (!is_window_clean())
        KIT_COMPARE(++windows, <, WINDOWS);
    kit_kill(&collector, SIGCONT);
    go_on(1000, "after it");
}

static void wait_and_go_on(const char *log)
{
    for (unsigned round = 0; round < 3; round++) {
        go_on(5000, "with a collector");
        kit_stop(collector.pid);
        if (!kit_wait(are_waiting, NULL, KIT_PATIENCE))
            KIT_FAIL("the producers do not wait for a collector that is stopped");
        kit_kill(&collector, SIGCONT);
        go_on(5000, "after the collector continued");
        kit_stop(collector.pid);
        KIT_CHECK(kit_wait(are_waiting, NULL, KIT_PATIENCE));
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
        KIT_EQ(kit_wait_exit(&process[i], KIT_PATIENCE), 0);
    kit_collector_stop(&collector);
    shm_segment_close(segment);
    check(log, wait, !wait);
    oracle_close(&oracle);
    return 0;
}
