/* SPDX-License-Identifier: MIT
 *
 * Many threads that wait for room in the same full ring: those that wait leave the processor to the
 * one they wait for. All records arrive, however many threads there are. While nobody makes room,
 * each of them sleeps; and in all they sleep about as often as they are woken, a few at a time, and
 * as their naps end by themselves. (With 500 threads, those that poll would take eighty times as
 * long; those that are all woken at once, twenty times.)
 */
#include "tests/kit/kit.h"

#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define RECORDS 3000000u /* of all threads together */
#define WAKE_AT_ONCE 4u  /* as the drain does */

struct crowd {
    struct shmlog *log;
    struct member *member;
    unsigned threads;
    uint32_t begun;
};

struct member {
    struct crowd *crowd;
    pthread_t thread;
    pid_t tid;      /* 0: does not log yet */
    uint64_t slept; /* how often, until it began; then in its calls */
    uint64_t naps;  /* that may have ended in its calls by themselves */
    uint64_t lost;
};

static uint64_t sleeps_of_this(void)
{
    struct rusage usage;

    KIT_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    return (uint64_t)usage.ru_nvcsw;
}

static void *log_records(void *arg)
{
    struct member *const member = arg;
    struct crowd *const crowd = member->crowd;
    const unsigned records = RECORDS / crowd->threads;
    uint64_t began;

    shmlog_register_thread(crowd->log);
    __atomic_fetch_add(&crowd->begun, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&crowd->begun, __ATOMIC_RELAXED) < crowd->threads)
        sched_yield();
    began = kit_now_ns();
    member->slept = sleeps_of_this();
    __atomic_store_n(&member->tid, gettid(), __ATOMIC_RELEASE);
    for (unsigned i = 0; i < records; i++)
        shmlog_info(crowd->log, "record %u", i);
    member->slept = sleeps_of_this() - member->slept;
    member->naps = (kit_now_ns() - began) / SHMLOG_NAP_NS_ + 1;
    member->lost = shmlog_thread_lost(crowd->log);
    return NULL;
}

/* It sleeps in a call, or has: its count has grown since it began. */
static bool has_slept(const struct member *member)
{
    static const char key[] = "\nvoluntary_ctxt_switches:";
    const pid_t tid = __atomic_load_n(&member->tid, __ATOMIC_ACQUIRE);
    char path[64];
    char *text, *at;
    uint64_t count;

    if (!tid)
        return false;
    snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
    text = kit_read_file(path, NULL);
    at = strstr(text, key);
    KIT_CHECK(at != NULL);
    count = strtoull(at + strlen(key), NULL, 10);
    free(text);
    return count > member->slept;
}

static bool all_have_slept(void *arg)
{
    const struct crowd *const crowd = arg;

    for (unsigned i = 0; i < crowd->threads; i++)
        if (!has_slept(&crowd->member[i]))
            return false;
    return true;
}

/* How often the drain has woken writers. */
static uint64_t wakes(const struct shmlog *log)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < log->local.geometry.rings; i++)
        sum += shmlog_load_relaxed_(&log->local.ring[i]->wakes);
    return sum;
}

static void try_crowd(unsigned threads)
{
    const char *const args[] = {"--on-full",     "wait", "--wait-ms",   "forever",
                                "--ring-size",   "64k",  "--page-size", "4K",
                                "--spare-rings", "1",    NULL};
    const char *const output = kit_path(kit_text("log-%u", threads));
    const char *const segment = kit_text("crowd-%u", threads);
    struct member *const member = calloc(threads, sizeof(*member));
    struct crowd crowd = {.threads = threads, .member = member};
    struct kit_process collector;
    struct kit_ledger ledger;
    uint64_t slept = 0, most = 0;

    KIT_CHECK(member != NULL);
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&crowd.log, segment, NULL));
    kit_stop(collector.pid);
    for (unsigned i = 0; i < threads; i++) {
        member[i].crowd = &crowd;
        KIT_EQ(pthread_create(&member[i].thread, NULL, log_records, &member[i]), 0);
    }
    if (!kit_wait(all_have_slept, &crowd, KIT_PATIENCE))
        KIT_FAIL("%u threads: one waits for room without sleeping", threads);
    kit_kill(&collector, SIGCONT);
    for (unsigned i = 0; i < threads; i++) {
        KIT_EQ(pthread_join(member[i].thread, NULL), 0);
        KIT_EQ(member[i].lost, 0);
        slept += member[i].slept;
        most += member[i].naps;
    }
    most += WAKE_AT_ONCE * wakes(crowd.log);
    printf("%4u threads slept %" PRIu64 " times, of %" PRIu64 " at most\n", threads, slept, most);
    /* twice: now and then one sleeps for a page, too; all woken at once sleep eight times that */
    KIT_COMPARE(slept, <=, 2 * most);
    KIT_EQ(shmlog_lost(crowd.log), 0);
    shmlog_close(crowd.log);
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.written, (uint64_t)(RECORDS / threads) * threads);
    KIT_EQ(ledger.dropped, 0);
    free(member);
}

int main(void)
{
    kit_begin("wait_crowd");
    try_crowd(1);
    try_crowd(2);
    try_crowd(11);
    try_crowd(101);
    try_crowd(500);
    return 0;
}
