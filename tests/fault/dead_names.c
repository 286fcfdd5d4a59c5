/* SPDX-License-Identifier: MIT
 *
 * A process that crashed is found by its pid and name in the rings as long as they show its
 * records: under overwrite, where it matters most, with a collector that is stopped while the
 * process dies, and under wait; however long the collector goes on.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include "shm/segment.h"
#include "shm/tables.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SEGMENT "names"
#define RECORDS 300u

struct crash {
    const char *process;
    int signal;
    bool shared_rings; /* else those of cores */
};

static int crash(void *arg)
{
    const struct crash *const c = arg;
    const struct shmlog_options options = {.process_name = c->process};
    const struct rlimit no_core = {0, 0};
    struct shmlog *log;

    setrlimit(RLIMIT_CORE, &no_core);
    KIT_OK(shmlog_open(&log, SEGMENT, &options));
    if (c->shared_rings)
        kit_share(log);
    for (unsigned i = 0; i < RECORDS; i++)
        shmlog_info(log, "record %u", i);
    signal(c->signal, SIG_DFL);
    raise(c->signal);
    return 0;
}

struct buried {
    struct shm_segment *segment;
    uint32_t pid;
};

/* Rounds of housekeeping, which looks for the dead in each. */
static uint64_t looks_of(const struct shm_segment *segment)
{
    static uint64_t last, looks;
    const uint64_t round_ns = shmlog_load_relaxed_(&segment->control->collector_written);

    kit_clock_next(round_ns);
    looks += round_ns != last;
    last = round_ns;
    return looks;
}

/* Nothing in the table says of this process that it logs: the collector has seen it die. */
static bool is_buried(void *arg)
{
    const struct buried *const b = arg;
    struct shmlog_producer producer;

    (void)looks_of(b->segment);
    for (uint32_t i = 0; i < shm_producers_used(b->segment); i++)
        if (shm_producer_at(b->segment, i, &producer) == 0 && producer.pid == b->pid &&
            (producer.claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_LIVE)
            return false;
    return true;
}

struct rounds {
    const struct shm_segment *segment;
    uint64_t until;
};

static bool were_made(void *arg)
{
    const struct rounds *const rounds = arg;

    return looks_of(rounds->segment) >= rounds->until;
}

static void wait_rounds(const struct shm_segment *segment)
{
    struct rounds rounds = {segment, looks_of(segment) + 5};

    KIT_CHECK(kit_wait(were_made, &rounds, KIT_PATIENCE));
}

static void check_names(uint32_t pid, const char *process)
{
    const char *const args[] = {"--pid",    kit_text("%u", pid),
                                "--fields", "process,pid",
                                "--format", "csv",
                                SEGMENT,    NULL};
    const char *const want = kit_text("%s,%u\r\n", process, pid);
    unsigned lines = 0;
    char *text;

    kit_dump(kit_path("names.csv"), args);
    text = kit_read_file(kit_path("names.csv"), NULL);
    for (char *at = text; (at = strstr(at, want)) != NULL; at += strlen(want))
        lines++;
    if (lines != RECORDS)
        KIT_FAIL("%u records of %s[%u], not %u:\n%.300s", lines, process, pid, RECORDS, text);
    free(text);
}

static void run(const char *on_full)
{
    const char *const args[] = {"--on-full", on_full, NULL};
    struct crash how[] = {{"segv", SIGSEGV, false}, {"kill", SIGKILL, true}};
    struct buried buried[2];
    struct kit_process collector, process[2];
    struct shm_segment *segment;

    kit_collector_start(&collector, SEGMENT, kit_path(on_full), args);
    KIT_OK(shm_segment_open(kit_text("%s/" SEGMENT, kit_shm_dir()), false, &segment));
    if (strcmp(on_full, "drop") == 0)
        kit_stop(collector.pid);
    for (unsigned i = 0; i < 2; i++) {
        kit_spawn_function(&process[i], how[i].process, crash, &how[i]);
        buried[i] = (struct buried){segment, (uint32_t)process[i].pid};
    }
    for (unsigned i = 0; i < 2; i++) {
        KIT_EQ(kit_wait_exit(&process[i], KIT_PATIENCE), 128 + how[i].signal);
        check_names(buried[i].pid, how[i].process);
    }
    kit_kill(&collector, SIGCONT);
    for (unsigned i = 0; i < 2; i++)
        KIT_CHECK(kit_wait(is_buried, &buried[i], KIT_PATIENCE));
    wait_rounds(segment);
    for (unsigned i = 0; i < 2; i++)
        check_names(buried[i].pid, how[i].process);
    if (strcmp(on_full, "overwrite") == 0) { /* the next one knows no more than the table says */
        kit_kill_hard(&collector);
        kit_collector_start(&collector, SEGMENT, kit_path(on_full), args);
        wait_rounds(segment);
        for (unsigned i = 0; i < 2; i++)
            check_names(buried[i].pid, how[i].process);
    }
    shm_segment_close(segment);
    kit_collector_stop(&collector);
}

int main(void)
{
    kit_begin("dead_names");
    kit_need_io();
    (void)kit_clock_begin();
    run("overwrite");
    run("drop");
    run("wait");
    return 0;
}
