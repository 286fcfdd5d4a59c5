/* SPDX-License-Identifier: MIT
 *
 * A thread on each core of a list, which logs until SIGTERM: bursts of a few records, now and then
 * of more than a small ring holds. A core may be offline or go so: then its thread logs from
 * wherever the kernel has it run, and is back with the first burst that finds its core online.
 *
 *     every_core SEGMENT CORES       CORES: how many, from 0 on
 *
 * Prints 'every_core: ready' when all threads have logged, and at the end 'core N logged N' for
 * each, and 'every_core: logged N lost N', where N are calls.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CORES_MAX 1024u
#define BURST 10u
#define BURST_LONG 1500u /* a ring of 64 KiB holds 1,024 slots */
#define LONG_EVERY 64u   /* bursts */
#define PAUSE_NS 20000000

struct writer {
    pthread_t thread;
    unsigned core;
    uint64_t logged, lost;
};

static struct shmlog *every_log;
static volatile sig_atomic_t stopping;
static unsigned begun; /* writers that have logged */

static void on_term(int signal)
{
    (void)signal;
    stopping = 1;
}

static void go_to(unsigned core)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(core, &one);
    (void)sched_setaffinity(0, sizeof(one), &one); /* EINVAL: it is offline */
}

static void *write_bursts(void *arg)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct writer *const writer = arg;

    for (unsigned burst = writer->core; !stopping; burst++) {
        const unsigned records = burst % LONG_EVERY == LONG_EVERY - 1 ? BURST_LONG : BURST;

        go_to(writer->core);
        for (unsigned i = 0; i < records; i++)
            shmlog_info(every_log, "core %u number %" PRIu64, writer->core, ++writer->logged);
        if (burst == writer->core)
            __atomic_add_fetch(&begun, 1, __ATOMIC_RELEASE);
        nanosleep(&pause, NULL);
    }
    writer->lost = shmlog_thread_lost(every_log);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct writer writer[CORES_MAX];
    const struct sigaction action = {.sa_handler = on_term};
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    const unsigned cores = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    uint64_t logged = 0, lost = 0;
    int r;

    if (!cores || cores > CORES_MAX) {
        fprintf(stderr, "usage: every_core SEGMENT CORES\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    r = shmlog_open(&every_log, argv[1], NULL);
    if (r < 0) {
        fprintf(stderr, "every_core: %s: %s\n", argv[1], shmlog_strerror(r));
        return 1;
    }
    for (unsigned i = 0; i < cores; i++) {
        writer[i].core = i;
        r = pthread_create(&writer[i].thread, NULL, write_bursts, &writer[i]);
        if (r) {
            fprintf(stderr, "every_core: thread %u: %s\n", i, strerror(r));
            return 1;
        }
    }
    while (!stopping && __atomic_load_n(&begun, __ATOMIC_ACQUIRE) < cores)
        nanosleep(&pause, NULL);
    printf("every_core: ready\n");
    fflush(stdout);
    for (unsigned i = 0; i < cores; i++) {
        pthread_join(writer[i].thread, NULL);
        printf("core %u logged %" PRIu64 "\n", i, writer[i].logged);
        logged += writer[i].logged;
        lost += writer[i].lost;
    }
    printf("every_core: logged %" PRIu64 " lost %" PRIu64 "\n", logged, lost);
    shmlog_close(every_log);
    return 0;
}
