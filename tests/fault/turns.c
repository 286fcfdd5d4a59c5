/* SPDX-License-Identifier: MIT
 *
 * Shared rings at moments that seldom come: a signal handler whose thread holds one finds the
 * others held, by one that lives or by one that is dead; a thread without a name gets one.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/shared_rings.h"
#include "tests/producer/segment_kit.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT "turns"

static struct segment_kit segment;

/* This thread as a holder, as who else asks would see it. */
static uint64_t holder_of(pid_t pid)
{
    return SHMLOG_HOLDER(pid, shmlog_pid_ns_(),
                         shmlog_start_time_(kit_text("/proc/%d/stat", (int)pid)));
}

static uint64_t holder_that_died(void)
{
    const pid_t pid = fork();
    uint64_t holder;

    KIT_COMPARE(pid, >=, 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    holder = holder_of(pid);
    KIT_EQ(kill(pid, SIGKILL), 0);
    KIT_EQ(waitpid(pid, NULL, 0), pid);
    return holder;
}

/* As a handler that came in while its thread was writing into the first of two rings. It must not
 * wait for the other one: here that would be for ever. */
static int log_inside(void *arg)
{
    const pid_t parent = *(const pid_t *)arg;
    struct shmlog_ring *ring[2];
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    kit_share(log);
    for (uint32_t i = 0; i < 2; i++)
        ring[i] = log->local.ring[log->local.shared_begin + i];
    ring[0]->holder = shmlog_thread_(log)->holder;
    shmlog_info(log, "the other ring is free");
    KIT_EQ(ring[1]->head, 1);
    KIT_EQ(ring[1]->holder, 0);
    ring[1]->holder = holder_of(parent);
    shmlog_info(log, "the other ring's holder lives");
    KIT_EQ(ring[0]->lost[SHMLOG_LOST_NESTED], 1);
    KIT_EQ(shmlog_thread_lost(log), 1);
    KIT_EQ(ring[1]->holder, holder_of(parent));
    ring[1]->holder = holder_that_died();
    shmlog_info(log, "the other ring's holder died");
    KIT_EQ(ring[1]->head, 2);
    KIT_EQ(ring[1]->holder, 0);
    KIT_EQ(ring[0]->head, 0);
    KIT_EQ(shmlog_lost(log), 1);
    ring[0]->holder = 0;
    shmlog_close(log);
    return 0;
}

/* The table has one entry, which somebody else has, and then leaves. */
static int get_a_name(void *arg)
{
    struct shmlog_producer *entry;
    struct shmlog *first, *log;

    (void)arg;
    KIT_OK(shmlog_open(&first, SEGMENT, NULL));
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    kit_share(log);
    entry = shmlog_producers_(log);
    for (unsigned i = 0; i < 3; i++)
        shmlog_info(log, "nameless %u", i);
    KIT_EQ(shmlog_thread_(log)->producer, 0);
    shmlog_close(first);
    entry->claim = (entry->claim & ~(uint64_t)SHMLOG_PRODUCER_STATE) | SHMLOG_PRODUCER_LEFT;
    shmlog_info(log, "named");
    KIT_EQ(shmlog_thread_(log)->producer, entry->id);
    KIT_EQ(entry->claim & SHMLOG_PRODUCER_STATE, SHMLOG_PRODUCER_LIVE);
    KIT_EQ(entry->why, SHMLOG_WHY_NO_RSEQ);
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
    return 0;
}

static void run(const char *name, const struct segment_kit_params *params, int (*function)(void *))
{
    struct kit_process process;
    pid_t self = getpid();

    segment_kit_open(&segment, SEGMENT, params);
    kit_spawn_function(&process, name, function, &self);
    if (kit_wait_exit(&process, KIT_PATIENCE) != 0)
        KIT_FAIL("%s: status %d: %s", name, process.status, kit_read_file(process.err, NULL));
    segment_kit_close(&segment);
}

int main(void)
{
    const struct segment_kit_params two = {.spare_rings = 2,
                                           .on_full = SHMLOG_ON_FULL_WAIT,
                                           .wait_ns = UINT64_MAX};
    const struct segment_kit_params short_ = {.spare_rings = 1, .producers_max = 1};

    kit_begin("turns");
    run("inside", &two, log_inside);
    run("name", &short_, get_a_name);
    return 0;
}
