/* SPDX-License-Identifier: MIT
 *
 * What the demo's producers have in common: attaching, pacing, and ending at SIGTERM.
 */
#ifndef TOOLS_DEMO_D_DEMO_H
#define TOOLS_DEMO_D_DEMO_H

#include "producer/shmlog.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t demo_ended;

static inline void demo_on_signal(int signal_number)
{
    (void)signal_number;
    demo_ended = 1;
}

/* Attach to the segment named on the command line; ends the program if that does not work. */
static inline struct shmlog *demo_attach(int argc, char **argv, const char *process)
{
    struct shmlog_options options;
    struct shmlog *log = NULL;
    int error;

    if (argc != 2) {
        fprintf(stderr, "usage: %s SEGMENT\n", process);
        exit(2);
    }
    memset(&options, 0, sizeof(options));
    options.wait_ms = 5000;
    options.process_name = process;
    error = shmlog_open(&log, argv[1], &options);
    if (error < 0) {
        fprintf(stderr, "%s: %s: %s\n", process, argv[1], shmlog_strerror(error));
        exit(1);
    }
    signal(SIGTERM, demo_on_signal);
    signal(SIGINT, demo_on_signal);
    return log;
}

static inline void demo_pause(long ns)
{
    struct timespec t;

    t.tv_sec = 0;
    t.tv_nsec = ns;
    nanosleep(&t, NULL);
}

/* xorshift64: chance enough for made-up markets */
static inline uint64_t demo_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
