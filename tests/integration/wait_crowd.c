/* SPDX-License-Identifier: MIT
 *
 * Many threads that wait for room in the same full ring: those that wait leave the processor to the
 * one they wait for. All records arrive, none waits out its limit, and 500 threads take no more
 * than some times what few take for as many records. (Threads that poll take eighty times as long;
 * those that are all woken at once, twenty times.)
 */
#include "tests/kit/kit.h"

#include "producer/shmlog.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORDS 3000000u /* of all threads together */
#define TIMES 4

struct crowd {
    struct shmlog *log;
    unsigned threads;
    uint32_t begun;
};

static void *log_records(void *arg)
{
    struct crowd *const crowd = arg;
    const unsigned records = RECORDS / crowd->threads;

    shmlog_register_thread(crowd->log);
    __atomic_fetch_add(&crowd->begun, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&crowd->begun, __ATOMIC_RELAXED) < crowd->threads)
        sched_yield();
    for (unsigned i = 0; i < records; i++)
        shmlog_info(crowd->log, "record %u", i);
    return (void *)(uintptr_t)shmlog_thread_lost(crowd->log);
}

/* The seconds that it took. */
static double try_crowd(unsigned threads)
{
    const char *const args[] = {"--on-full",     "wait", "--wait-ms",   "10000",
                                "--ring-size",   "64k",  "--page-size", "4K",
                                "--spare-rings", "1",    NULL};
    const char *const output = kit_path(kit_text("log-%u", threads));
    const char *const segment = kit_text("crowd-%u", threads);
    pthread_t *const thread = calloc(threads, sizeof(*thread));
    struct crowd crowd = {.threads = threads};
    struct kit_process collector;
    struct kit_ledger ledger;
    uint64_t began, lost = 0;
    double seconds;

    KIT_CHECK(thread != NULL);
    kit_collector_start(&collector, segment, output, args);
    KIT_OK(shmlog_open(&crowd.log, segment, NULL));
    began = kit_now_ns();
    for (unsigned i = 0; i < threads; i++)
        KIT_EQ(pthread_create(&thread[i], NULL, log_records, &crowd), 0);
    for (unsigned i = 0; i < threads; i++) {
        void *of_thread;

        KIT_EQ(pthread_join(thread[i], &of_thread), 0);
        lost += (uintptr_t)of_thread;
    }
    seconds = (double)(kit_now_ns() - began) / 1e9;
    printf("%4u threads: %.3f s\n", threads, seconds);
    KIT_EQ(lost, 0);
    KIT_EQ(shmlog_lost(crowd.log), 0);
    shmlog_close(crowd.log);
    kit_collector_stop(&collector);
    kit_verify_balanced(output, &ledger);
    KIT_EQ(ledger.written, (uint64_t)(RECORDS / threads) * threads);
    KIT_EQ(ledger.dropped, 0);
    free(thread);
    return seconds;
}

int main(void)
{
    double few, many;

    kit_begin("wait_crowd");
    try_crowd(1);
    try_crowd(2);
    few = try_crowd(11);
    try_crowd(101);
    many = try_crowd(500);
    if (many > TIMES * few + 1)
        KIT_FAIL("500 threads took %.1f s, 11 took %.1f s", many, few);
    return 0;
}
