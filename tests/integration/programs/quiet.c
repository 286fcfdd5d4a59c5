/* SPDX-License-Identifier: MIT
 *
 * A producer as the README has it, with getrusage() before and after a million log calls: a
 * mark for strace, and the page faults as the kernel counts them. Prints the faults.
 *
 * usage: quiet SEGMENT CALLS WARM_UP PACE [later|never]
 *
 * WARM_UP: calls before the first mark; PACE: ticks between calls, spun through, 0 none, or `room`:
 * each call waits, by looking at the rings, until the collector has drained half of them. later:
 * the segment comes after the program; never: it does not come.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Calls of the allocator, counted on its way; the sanitizers have one of their own. */
static unsigned long allocations;
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern void *__libc_malloc(size_t size);
extern void *malloc(size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}
#endif

/* A full ring would lose, however slow its collector is on a machine that does other things as
 * well. */
static void wait_for_room(const struct shmlog *log)
{
    const struct shmlog_control *const geometry = &log->local.geometry;

    for (uint32_t i = 0; i < geometry->rings; i++)
        while (shmlog_load_relaxed_(&log->local.ring[i]->head) -
                   shmlog_load_acquire_(&log->local.ring[i]->tail) >
               geometry->ring_slots / 2)
            ;
}

static void log_orders(struct shmlog *log, unsigned long calls, uint64_t pace, int room)
{
    uint64_t next = shmlog_now(log);
    double px = 58710.20;

    for (unsigned long id = 0; id < calls; id++) {
        const unsigned qty = (unsigned)(id % 5 + 1) * 100;
        const char side = id % 3 ? 'B' : 'S';

        if (room)
            wait_for_room(log);
        px += id % 2 ? 0.1 : -0.1;
        shmlog_info(log, "order %lu px %.2f qty %u side %c", id, px, qty, side);
        if (id % 64 == 0)
            shmlog_event(log, SHMLOG_INFO, SHMLOG_ORDER, "ack", "id", id, "venue", "XNAS");
        for (next += pace; pace && shmlog_now(log) < next;)
            ;
    }
}

int main(int argc, char **argv)
{
    struct shmlog_options options = {0, 0, NULL};
    struct rusage before, after;
    struct shmlog *log;
    unsigned long calls, warm_up, allocated;
    uint64_t pace;
    int error, room;

    if (argc != 5 && argc != 6)
        return 2;
    calls = strtoul(argv[2], NULL, 10);
    warm_up = strtoul(argv[3], NULL, 10);
    room = strcmp(argv[4], "room") == 0;
    pace = strtoull(argv[4], NULL, 10); /* 0 for `room` */
    if (argc == 6)
        options.flags = SHMLOG_OPEN_LATER;
    error = shmlog_open(&log, argv[1], &options);
    if (error < 0) {
        fprintf(stderr, "quiet: %s\n", shmlog_strerror(error));
        return 1;
    }
    if (argc == 6)
        fprintf(stderr, "quiet: waiting\n");
    while (argc == 6 && strcmp(argv[5], "later") == 0 && shmlog_poll(log) < 0)
        usleep(1000);
    log_orders(log, warm_up, pace, room);
    getrusage(RUSAGE_SELF, &after); /* its own code and data are there from here on */
    allocated = allocations;
    getrusage(RUSAGE_SELF, &before);
    log_orders(log, calls, pace, room);
    getrusage(RUSAGE_SELF, &after);
    allocated = allocations - allocated;
    printf("faults=%ld lost=%lu allocations=%lu\n",
           after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt,
           (unsigned long)shmlog_lost(log), allocated);
    shmlog_close(log);
    return 0;
}
