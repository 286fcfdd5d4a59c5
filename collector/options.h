/* SPDX-License-Identifier: MIT
 *
 * The collector's options: one table makes parsing, --help and the checks.
 */
#ifndef COLLECTOR_OPTIONS_H
#define COLLECTOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_CPUS_MAX 1024

enum io_choice { IO_AUTO, IO_URING, IO_PLAIN };
enum idle_choice { IDLE_SPIN, IDLE_PAUSE, IDLE_SLEEP };

struct options_room { /* one of the two; both 0: none */
    uint64_t bytes, percent;
};

struct options {
    uint64_t given; /* a bit for each option: see options_given() */
    const char *segment;
    const char *output;
    const char *instance;            /* NULL: none */
    uint32_t cpus[OPTIONS_CPUS_MAX]; /* that get a ring */
    uint32_t cpu_count;
    uint64_t ring_bytes;
    uint32_t spare_rings;
    uint64_t page_kib; /* 0: auto */
    uint32_t on_full;
    uint32_t reserve; /* percent */
    uint64_t wait_ms; /* UINT64_MAX: for ever */
    uint32_t level;
    const char *group;
    uint64_t rotate_bytes, rotate_s;
    uint64_t retain_count, retain_bytes, retain_s, retain_min;
    struct options_room keep_free; /* of the filesystem of the output */
    uint64_t flush_ms;
    uint64_t outbox_bytes;
    uint64_t zstd_level;
    bool durable;
    enum io_choice io;
    int64_t pin;       /* -1: not pinned */
    uint64_t realtime; /* SCHED_FIFO priority, 0: none */
    bool mlock;
    enum idle_choice idle;
    const char *metrics;           /* file for Prometheus; NULL: none */
    const char *print;             /* a condition; NULL: nothing is printed */
    uint64_t print_json;           /* 1: as JSON, else text */
    const char *exec_on, *command; /* a condition, and what is run for it; NULL: nothing */
    bool quiet;
    bool no_alarm_records; /* what it says unasked is on stderr alone */
    bool remove_orphans;   /* that, and nothing else */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Parse; --help and --version print to `out` (OPTIONS_DONE), a mistake gives one line on `err`
 * (OPTIONS_WRONG). */
enum options_result options_parse(int argc, char *const *argv, struct options *ret_options,
                                  FILE *out, FILE *err);

/* Was this option given, as "ring-size"? Else its value is the default. */
bool options_given(const struct options *options, const char *name);

/* "0-3,8": ascending or not, no number twice; all < OPTIONS_CPUS_MAX. How many, or -EINVAL. */
int options_cpu_list(const char *text, uint32_t *ret_cpus);

/* The cores that this machine has or may get while it runs, or those that it has now; those below
 * OPTIONS_CPUS_MAX. Returns how many, at least 1. */
uint32_t options_possible_cpus(uint32_t *ret_cpus);
uint32_t options_online_cpus(uint32_t *ret_cpus);

#endif
