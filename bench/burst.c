/* SPDX-License-Identifier: MIT
 *
 * Calls back to back: see burst.h.
 */
#include "bench/burst.h"

#define WARM_UP 3u /* bursts that do not count */

__attribute__((noinline)) void bench_floor_burst(void *context, uint64_t id, unsigned count)
{
    struct bench_floor floor = *(struct bench_floor *)context; /* in registers */

    for (unsigned i = 0; i < count; i++, id++)
        bench_floor_store(&floor, id, &bench_orders[id % BENCH_ORDERS], bench_tsc());
    ((struct bench_floor *)context)->at = floor.at;
}

double bench_burst_run(bench_burst_fn *burst, void *context, unsigned count)
{
    static uint64_t next_id = 1000000;
    const uint64_t since = bench_tsc_fenced();

    burst(context, next_id, count);
    next_id += count;
    return (double)(bench_tsc_fenced() - since) / count;
}

static double mean(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

void bench_pair_run(const struct bench_pair_params *params, struct bench_pair *ret_pair)
{
    static double base[BENCH_BURSTS_MAX], cont[BENCH_BURSTS_MAX];
    const unsigned bursts = params->bursts;

    for (unsigned i = 0; i < bursts + WARM_UP; i++) {
        const unsigned at = i < WARM_UP ? 0 : i - WARM_UP;

        params->settle(params->contender_context);
        cont[at] = bench_burst_run(params->contender, params->contender_context, BENCH_BURST) *
                   params->tick_ns;
        base[at] = bench_burst_run(params->baseline, params->baseline_context, BENCH_BURST) *
                   params->tick_ns;
    }
    ret_pair->baseline_mean = mean(base, bursts);
    ret_pair->contender_mean = mean(cont, bursts);
    ret_pair->baseline = bench_median(base, bursts);
    ret_pair->contender = bench_median(cont, bursts);
    ret_pair->ratio = ret_pair->contender / ret_pair->baseline;
}
