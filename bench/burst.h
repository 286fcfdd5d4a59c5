/* SPDX-License-Identifier: MIT
 *
 * Calls back to back: a contender and its baseline in turns, a burst of 8,192 records each, half of
 * a default ring. Before each burst of the contender's its backend has caught up. The figure is the
 * median over the bursts, which interrupts do not move.
 */
#ifndef BENCH_BURST_H
#define BENCH_BURST_H

#include "bench/work.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_BURST 8192u
#define BENCH_BURSTS_MAX 100000u

/* `count` records with ids from `id` on. To be noinline: each loop is compiled on its own, as it
 * would be in a program of a user's. */
typedef void bench_burst_fn(void *context, uint64_t id, unsigned count);

/* The floor; the context is a struct bench_floor. */
void bench_floor_burst(void *context, uint64_t id, unsigned count);

struct bench_pair_params {
    bench_burst_fn *baseline, *contender;
    void *baseline_context, *contender_context;
    void (*settle)(void *contender_context); /* wait until the backend has caught up */
    unsigned bursts;
    double tick_ns;
};

struct bench_pair {
    double baseline, contender, ratio; /* medians, the first two in ns for each record */
    double baseline_mean, contender_mean;
};

void bench_pair_run(const struct bench_pair_params *params, struct bench_pair *ret_pair);
/* One burst: ticks of the TSC for each record. Ids go on from one burst to the next. */
double bench_burst_run(bench_burst_fn *burst, void *context, unsigned count);

#ifdef __cplusplus
}
#endif
#endif
