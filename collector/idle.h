/* SPDX-License-Identifier: MIT
 *
 * What the collector does between two rounds with nothing to do.
 */
#ifndef COLLECTOR_IDLE_H
#define COLLECTOR_IDLE_H

#include "collector/options.h"

#include <sched.h>
#include <time.h>

struct idle {
    enum idle_choice choice;
    uint32_t rounds; /* idle ones in a row */
};

#define IDLE_PAUSES 64u /* idle rounds before the sleeping strategy sleeps */
#define IDLE_SLEEP_MIN_NS 20000u
#define IDLE_SLEEP_MAX_NS 250000u
/* After 0.1 s without work: an idle host is not woken more often than this. A ring of the default
 * size takes the first 16,384 records of a burst meanwhile. */
#define IDLE_DEEP 480u /* idle rounds */
#define IDLE_SLEEP_DEEP_NS 1000000u

static inline void idle_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

static inline void idle_step(struct idle *idle, bool worked)
{
    struct timespec ts = {0};

    if (worked) {
        idle->rounds = 0;
        return;
    }
    idle->rounds += idle->rounds < UINT32_MAX;
    switch (idle->choice) {
    case IDLE_SPIN:
        break;
    case IDLE_PAUSE:
        for (int i = 0; i < 32; i++)
            idle_pause();
        break;
    case IDLE_SLEEP:
        if (idle->rounds < IDLE_PAUSES) {
            for (int i = 0; i < 32; i++)
                idle_pause();
            break;
        }
        ts.tv_nsec = idle->rounds < IDLE_PAUSES + 16 ? IDLE_SLEEP_MIN_NS
                     : idle->rounds < IDLE_DEEP      ? IDLE_SLEEP_MAX_NS
                                                     : IDLE_SLEEP_DEEP_NS;
        nanosleep(&ts, NULL);
        break;
    }
}

#endif
