/* SPDX-License-Identifier: MIT
 *
 * A producer's loop over the streams of orders and of mixed events: as fast as it can, or one
 * record each period. Price, quantity and side of each order are new; none repeats.
 */
#ifndef BENCH_PRODUCE_H
#define BENCH_PRODUCE_H

#include "bench/mixed.h"

struct bench_stream {
    bool mixed;
    uint64_t records;
    uint64_t period; /* ticks; 0: flat out */
};

/* The calls are inlined. */
static inline __attribute__((always_inline)) void
bench_produce(const struct bench_stream *stream, void *context,
              void (*order_call)(void *context, uint64_t id, const struct bench_order *order),
              void (*event_call)(void *context, const struct bench_event *event))
{
    struct bench_walk walk = BENCH_WALK_START;
    uint64_t due = bench_tsc();
    struct bench_mixed mixed;

    bench_mixed_start(&mixed);
    for (uint64_t id = 1; id <= stream->records; id++) {
        struct bench_order order;
        struct bench_event event;

        if (stream->mixed)
            bench_mixed_next(&mixed, &event);
        else
            bench_walk_next(&walk, &order);
        if (stream->period) {
            while (bench_tsc() < due)
                __builtin_ia32_pause();
            due += stream->period;
        }
        if (stream->mixed)
            event_call(context, &event);
        else
            order_call(context, id, &order);
    }
}

#endif
