/* SPDX-License-Identifier: MIT
 *
 * The tail: what single pieces of work cost when there is time between them.
 *
 * Every period one sample is taken: the TSC, the work, the TSC, each read fenced, so that a sample
 * holds all of the work and nothing else but the reads. Samples without work tell what the reads
 * cost; their median is taken off the others. The kinds of work take turns of 50,000 samples. The
 * first kind is to be the one without work.
 */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include "bench/work.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_PACE_WORKS 4u
#define BENCH_PACE_WARM_UP 2000u /* samples at the start of a turn that do not count */
#define BENCH_PACE_SAMPLES_MAX 20000000u

struct bench_pace;
struct bench_pace_work {
    const char *name;
    void *context;
    void (*turn)(struct bench_pace *pace, struct bench_pace_work *work, size_t count);
    uint32_t *samples; /* ticks */
    size_t count;
};

struct bench_pace {
    uint64_t period; /* in ticks */
    double tick_ns;
    uint64_t next_id;
    unsigned works;
    struct bench_pace_work work[BENCH_PACE_WORKS];
};

/* `count` samples of one kind, one each period. A period that was missed is left out: samples are
 * never closer together than that. Each kind of work instantiates this in a noinline function of
 * its own; `call` is inlined there. */
static inline __attribute__((always_inline)) void
bench_pace_turn(struct bench_pace *pace, struct bench_pace_work *work, size_t count,
                void (*call)(void *context, uint64_t id, const struct bench_order *order))
{
    uint32_t *const to = work->samples + work->count;
    void *const context = work->context;
    uint64_t due = bench_tsc();

    for (size_t i = 0; i < BENCH_PACE_WARM_UP + count; i++) {
        const uint64_t id = pace->next_id++;
        const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];
        uint64_t now, ticks;

        do {
            __builtin_ia32_pause();
            now = bench_tsc();
        } while (now < due);
        ticks = bench_tsc_fenced();
        call(context, id, order);
        ticks = bench_tsc_fenced() - ticks;
        due = now + pace->period;
        if (i >= BENCH_PACE_WARM_UP)
            to[i - BENCH_PACE_WARM_UP] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
    }
    work->count += count;
}

/* Turns without work, and of the floor (context: a struct bench_floor). */
void bench_pace_timer(struct bench_pace *pace, struct bench_pace_work *work, size_t count);
void bench_pace_floor(struct bench_pace *pace, struct bench_pace_work *work, size_t count);

/* Takes `samples` of each kind of work; all but samples and counts is set by the caller. */
void bench_pace_run(struct bench_pace *pace, size_t samples);
/* The samples are multiples of this: some machines' TSC advances in large steps. */
double bench_pace_step_ns(const struct bench_pace *pace);
/* Percentiles of one kind as members of a JSON object: in ns over what the timer costs; the timer's
 * own as they are. After bench_pace_run(), which sorts the samples. */
void bench_pace_print(struct bench_pace *pace, struct bench_pace_work *work);
void bench_pace_done(struct bench_pace *pace);

#ifdef __cplusplus
}
#endif
#endif
