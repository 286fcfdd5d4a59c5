/* SPDX-License-Identifier: MIT
 *
 * A producer as the README has it, with marks around a million log calls: getppid() before and
 * after, for strace, and page faults counted by the kernel. Prints the faults.
 *
 * usage: quiet SEGMENT CALLS
 */
#include "producer/shmlog.h"

#include <stdio.h>
#include <sys/resource.h>

static void log_orders(struct shmlog *log, unsigned long calls)
{
    double px = 58710.20;

    for (unsigned long id = 0; id < calls; id++) {
        const unsigned qty = (unsigned)(id % 5 + 1) * 100;
        const char side = id % 3 ? 'B' : 'S';

        px += id % 2 ? 0.1 : -0.1;
        shmlog_info(log, "order %lu px %.2f qty %u side %c", id, px, qty, side);
        if (id % 64 == 0)
            shmlog_event(log, SHMLOG_INFO, SHMLOG_ORDER, "ack", "id", id, "venue", "XNAS");
    }
}

int main(int argc, char **argv)
{
    struct rusage before, after;
    struct shmlog *log;
    int error = shmlog_open(&log, argc > 1 ? argv[1] : "trading", NULL);
    unsigned long calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;

    if (error < 0) {
        fprintf(stderr, "quiet: %s\n", shmlog_strerror(error));
        return 1;
    }
    log_orders(log, 1000); /* warm up: this thread, these sites */
    getrusage(RUSAGE_SELF, &after);
    getrusage(RUSAGE_SELF, &before);
    (void)!getppid();
    log_orders(log, calls);
    (void)!getppid();
    getrusage(RUSAGE_SELF, &after);
    printf("faults=%ld lost=%lu\n",
           after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt,
           (unsigned long)shmlog_lost(log));
    shmlog_close(log);
    return 0;
}
