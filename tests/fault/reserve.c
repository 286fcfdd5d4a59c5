/* SPDX-License-Identifier: MIT
 *
 * Noise at full speed beside a program that logs a warning now and then: none of these is lost, as
 * far as the reserve has room for them, while the collector stands still (drop, wait), or is none
 * at all (overwrite, a flight recorder). Nor are they if they are longer than a slot. The ledger is
 * exact: what the calls said was lost is what the files say.
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SEGMENT "reserve"
#define SLOTS 1024u /* of a ring */
#define PERCENT 12u
#define RESERVE (SLOTS * PERCENT / 100)
/* One slot and two in turn, and all on one core they fit in the reserve. */
#define WARNINGS (RESERVE * 2 / 3)

struct page {
    uint64_t noise;    /* calls that returned */
    uint64_t warnings; /* too */
    uint64_t stop;     /* no more noise */
    uint64_t go;       /* the warnings may come */
    uint64_t lost[2];  /* by the calls' own count: noise, warnings */
    uint64_t attached;
};
static struct page *page;

static uint64_t get(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void put(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Both log into the ring of one core. */
static void share_core(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(kit_cpu(0), &set);
    KIT_OK(sched_setaffinity(0, sizeof(set), &set));
}

static int make_noise(void *arg)
{
    struct shmlog *log;

    (void)arg;
    share_core();
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    for (uint64_t i = 0; !get(&page->stop); i++) {
        if (i % 10 == 9)
            shmlog_info(log, "noise %" PRIu64 " in more than one slot: %s", i,
                        "something that is quite long for what it says");
        else
            shmlog_trace(log, "noise %" PRIu64, i);
        put(&page->noise, i + 1);
    }
    page->lost[0] = shmlog_thread_lost(log);
    shmlog_close(log);
    return 0;
}

static bool may_go(void *arg)
{
    (void)arg;
    return get(&page->go) != 0;
}

static bool has_passed(void *arg)
{
    return get(&page->noise) >= *(const uint64_t *)arg;
}

/* A warning for so much noise. Under the wait policy there is none meanwhile. */
static int warn(void *arg)
{
    struct shmlog *log;

    (void)arg;
    share_core();
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    put(&page->attached, 1);
    KIT_CHECK(kit_wait(may_go, NULL, KIT_PATIENCE));
    for (uint64_t i = 0; i < WARNINGS; i++) {
        uint64_t until = get(&page->noise) + 200;

        if (i % 2)
            shmlog_error(log, "warning %" PRIu64 " %s", i, "and more text than fits into the slot");
        else
            shmlog_warn(log, "warning %" PRIu64, i);
        put(&page->warnings, i + 1);
        if (get(&page->go) == 2)
            KIT_CHECK(kit_wait(has_passed, &until, KIT_PATIENCE));
    }
    page->lost[1] = shmlog_thread_lost(log);
    shmlog_close(log);
    return 0;
}

static bool is_attached(void *arg)
{
    (void)arg;
    return get(&page->attached) && get(&page->noise) > 0;
}

/* No more than this comes through until the reader moves: the ring is full for noise. */
static uint64_t noise_seen;
static bool stopped_moving(void *arg)
{
    const uint64_t now = get(&page->noise);
    const bool same = now == noise_seen && now > SLOTS / 2;

    (void)arg;
    noise_seen = now;
    return same;
}

static bool passed_far(void *arg)
{
    (void)arg;
    return get(&page->noise) >= 20 * SLOTS;
}

/* Every warning is in what shmlog-dump says, once and in order. */
static void check_warnings(const char *where)
{
    const char *const out = kit_path("warnings.txt");
    char *text, *line, *next;
    uint64_t i = 0;

    kit_dump(out, (const char *const[]){where, "--level", "warn", "--fields", "message", "--format",
                                        "text", NULL});
    text = kit_read_file(out, NULL);
    for (line = text; *line; line = next, i++) {
        uint64_t number;

        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        KIT_EQ(sscanf(line, "warning %" SCNu64, &number), 1);
        KIT_EQ(number, i);
    }
    KIT_EQ(i, WARNINGS);
    free(text);
}

static void run(const char *on_full)
{
    const bool overwrite = strcmp(on_full, "overwrite") == 0, wait = strcmp(on_full, "wait") == 0;
    const char *const args[] = {"--on-full",   on_full,
                                "--ring-size", "64k",
                                "--reserve",   "12",
                                "--wait-ms",   "forever",
                                "--cpus",      kit_text("%d", kit_cpu(0)),
                                NULL};
    const char *const output = kit_path(on_full);
    struct kit_process collector, noise, warner;
    struct kit_ledger ledger;

    memset(page, 0, sizeof(*page));
    kit_collector_start(&collector, SEGMENT, output, args);
    kit_spawn_function(&warner, "warner", warn, NULL);
    kit_spawn_function(&noise, "noise", make_noise, NULL);
    KIT_CHECK(kit_wait(is_attached, NULL, KIT_PATIENCE));
    if (overwrite)
        kit_kill_hard(&collector);
    else
        kit_stop(collector.pid);
    KIT_CHECK(kit_wait(wait ? stopped_moving : passed_far, NULL, KIT_PATIENCE));
    put(&page->go, wait ? 1 : 2);
    KIT_EQ(kit_wait_exit(&warner, KIT_PATIENCE), 0);
    KIT_EQ(page->lost[1], 0);
    put(&page->stop, 1);
    if (overwrite) {
        KIT_EQ(kit_wait_exit(&noise, KIT_PATIENCE), 0);
        check_warnings(SEGMENT);
        kit_collector_start(&collector, SEGMENT, output, args);
    } else {
        kit_kill(&collector, SIGCONT);
        KIT_EQ(kit_wait_exit(&noise, KIT_PATIENCE), 0);
    }
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    check_warnings(output);
    printf("%s: %" PRIu64 " warnings beside %" PRIu64 " others, of which %" PRIu64 " were lost\n",
           on_full, page->warnings, page->noise, ledger.dropped);
    KIT_EQ(ledger.produced, page->noise + page->warnings);
    KIT_EQ(ledger.written + ledger.dropped, ledger.produced);
    KIT_EQ(ledger.in_ring, 0);
    if (overwrite)
        KIT_EQ(page->lost[0], 0); /* the calls succeed; older records give way */
    else
        KIT_EQ(page->lost[0], ledger.dropped);
    if (wait)
        KIT_EQ(ledger.dropped, 0);
    else
        KIT_COMPARE(ledger.dropped, >, 0);
}

int main(void)
{
    kit_begin("reserve");
    kit_need_io();
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(page != MAP_FAILED);
    run("drop");
    run("wait");
    run("overwrite");
    return 0;
}
