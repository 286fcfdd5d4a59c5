/* SPDX-License-Identifier: MIT
 *
 * The crowd: see crowd.h.
 */
#include "tests/soak/crowd.h"

#include "producer/shmlog.h"
#include "tests/kit/kit.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define RECORDS 3u /* of each thread */
#define STACK_BYTES (256u << 10)
#define NAP_MOST_NS 700000000u

static const struct crowd_life *life;
static struct shmlog *log_;
static uint32_t present;

static void nap(uint64_t ns)
{
    const struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    nanosleep(&pause, NULL);
}

static bool is_over(void)
{
    return __atomic_load_n(&life->page->stop, __ATOMIC_RELAXED);
}

static void *visit(void *arg)
{
    const uint64_t thread = (uint64_t)(uintptr_t)arg;
    uint64_t random = thread;

    for (unsigned i = 0; i < RECORDS && !is_over(); i++) {
        __atomic_fetch_add(&life->page->begun, 1, __ATOMIC_SEQ_CST);
        shmlog_info(log_, "record %u of thread %lu", i, (unsigned long)thread);
        __atomic_fetch_add(&life->page->logged, 1, __ATOMIC_SEQ_CST);
        nap(kit_random_below(&random, NAP_MOST_NS));
    }
    __atomic_fetch_sub(&present, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* One more; fewer than wanted will do where the machine gives no more. */
static void let_in(const pthread_attr_t *attributes)
{
    const uint64_t number = __atomic_add_fetch(&life->page->came, 1, __ATOMIC_RELAXED);
    pthread_t thread;

    __atomic_fetch_add(&present, 1, __ATOMIC_RELAXED);
    if (pthread_create(&thread, attributes, visit, (void *)(uintptr_t)number) != 0) {
        __atomic_fetch_sub(&present, 1, __ATOMIC_RELAXED);
        nap(1000000);
    }
}

int crowd_live(void *arg)
{
    const struct shmlog_options options = {.wait_ms = 30000, .process_name = "crowd"};
    pthread_attr_t attributes;
    int error;

    life = arg;
    error = shmlog_open(&log_, life->segment, &options);
    if (error < 0) {
        fprintf(stderr, "crowd: %s\n", shmlog_strerror(error));
        return 1;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (!is_over()) {
        if (__atomic_load_n(&present, __ATOMIC_ACQUIRE) < life->threads)
            let_in(&attributes);
        else
            nap(1000000);
    }
    while (__atomic_load_n(&present, __ATOMIC_ACQUIRE))
        nap(1000000);
    shmlog_close(log_);
    return 0;
}
