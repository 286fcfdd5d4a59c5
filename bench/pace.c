/* SPDX-License-Identifier: MIT
 *
 * The tail: see pace.h.
 */
#include "bench/pace.h"

#include <stdlib.h>

#define TURN 50000u

static inline __attribute__((always_inline)) void call_nothing(void *context, uint64_t id,
                                                               const struct bench_order *order)
{
    (void)context;
    (void)id;
    (void)order;
}

static inline __attribute__((always_inline)) void call_floor(void *context, uint64_t id,
                                                             const struct bench_order *order)
{
    bench_floor_store((struct bench_floor *)context, id, order, bench_tsc());
}

__attribute__((noinline)) void bench_pace_timer(struct bench_pace *pace,
                                                struct bench_pace_work *work, size_t count)
{
    bench_pace_turn(pace, work, count, call_nothing);
}

__attribute__((noinline)) void bench_pace_floor(struct bench_pace *pace,
                                                struct bench_pace_work *work, size_t count)
{
    bench_pace_turn(pace, work, count, call_floor);
}

void bench_pace_run(struct bench_pace *pace, size_t samples)
{
    size_t turn;

    for (unsigned i = 0; i < pace->works; i++) {
        struct bench_pace_work *const work = &pace->work[i];

        work->samples = malloc(samples * sizeof(*work->samples));
        if (!work->samples)
            bench_die("out of memory for %zu samples", samples);
        memset(work->samples, 1, samples * sizeof(*work->samples)); /* touched */
    }
    for (size_t done = 0; done < samples; done += turn) {
        turn = samples - done < TURN ? samples - done : TURN;
        for (unsigned i = 0; i < pace->works; i++)
            pace->work[i].turn(pace, &pace->work[i], turn);
    }
    for (unsigned i = 0; i < pace->works; i++)
        bench_sort(pace->work[i].samples, pace->work[i].count);
}

double bench_pace_step_ns(const struct bench_pace *pace)
{
    uint32_t step = 0;

    for (unsigned work = 0; work < pace->works; work++)
        for (size_t i = 0; i < pace->work[work].count; i++)
            for (uint32_t a = pace->work[work].samples[i]; a;) {
                const uint32_t rest = step % a;

                step = a;
                a = rest;
            }
    return step * pace->tick_ns;
}

/* Mean of the lower 99 %: finer than a percentile where the TSC's steps are coarse. Sorted. */
static double mean_p99(const struct bench_pace_work *work)
{
    const size_t count = work->count * 99 / 100;
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += work->samples[i];
    return sum / (double)count;
}

void bench_pace_print(struct bench_pace *pace, struct bench_pace_work *work)
{
    static const double at[] = {50, 90, 99, 99.9, 99.99};
    static const char *const names[] = {"p50", "p90", "p99", "p99_9", "p99_99"};
    const struct bench_pace_work *const timer = &pace->work[0];
    const double cost = work == timer ? 0 : timer->samples[timer->count / 2];
    const double mean_cost = work == timer ? 0 : mean_p99(timer);
    const size_t last = work->count - 1;

    printf("\"mean_p99\": %.2f, ", (mean_p99(work) - mean_cost) * pace->tick_ns);
    for (unsigned i = 0; i < 5; i++)
        printf("\"%s\": %.2f, ", names[i],
               (work->samples[(size_t)((double)last * at[i] / 100)] - cost) * pace->tick_ns);
    printf("\"max\": %.2f", (work->samples[last] - cost) * pace->tick_ns);
}

void bench_pace_done(struct bench_pace *pace)
{
    for (unsigned i = 0; i < pace->works; i++)
        free(pace->work[i].samples);
}
