/* SPDX-License-Identifier: MIT
 *
 * LTTng-UST: the traced program. Its session, channel and consumer daemon are made and taken down
 * around it by the script `lttng` beside this file, which also waits for the trace to be on disk
 * and counts what was discarded. The script starts it on the backend's core, where LTTng's own
 * threads stay.
 */
#include "bench/peers/lttng_events.h"
#include "bench/peers/peer.h"

#include <time.h>

static void open_trace(const struct peer_job *job)
{
    const uint64_t since = bench_now_ns();

    (void)job;
    while (!lttng_ust_tracepoint_enabled(bench, order))
        if (bench_now_ns() - since > UINT64_C(10000000000))
            bench_die("the session daemon did not enable the tracepoints in 10 s");
}

static inline __attribute__((always_inline)) void call_order(void *context, uint64_t id,
                                                             const struct bench_order *order)
{
    (void)context;
    lttng_ust_tracepoint(bench, order, id, order->px, order->qty, order->side);
}

static inline __attribute__((always_inline)) void call_event(void *context,
                                                             const struct bench_event *e)
{
    (void)context;
    switch (e->site) {
    case BENCH_QUOTE:
        lttng_ust_tracepoint(bench, quote, e->text, e->px, e->qty, e->px2, e->qty2);
        break;
    case BENCH_ORDER:
        lttng_ust_tracepoint(bench, order, e->id, e->px, e->qty, e->side);
        break;
    case BENCH_ACK:
        lttng_ust_tracepoint(bench, ack, e->id, e->qty);
        break;
    case BENCH_TRADE:
        lttng_ust_tracepoint(bench, trade, e->text, e->px, e->qty);
        break;
    case BENCH_FILL:
        lttng_ust_tracepoint(bench, fill, e->id, e->text, e->px, e->qty, e->qty2, e->text2);
        break;
    case BENCH_CANCEL:
        lttng_ust_tracepoint(bench, cancel, e->id, e->text);
        break;
    case BENCH_POSITION:
        lttng_ust_tracepoint(bench, position, e->text, e->net);
        break;
    case BENCH_RISK:
        lttng_ust_tracepoint(bench, risk, e->text, e->px, e->px2, e->net);
        break;
    case BENCH_BEAT:
        lttng_ust_tracepoint(bench, heartbeat, e->qty);
        break;
    case BENCH_LATENCY:
        lttng_ust_tracepoint(bench, latency, e->qty, e->qty2, e->qty3);
        break;
    case BENCH_SESSION:
        lttng_ust_tracepoint(bench, session, e->text, e->text2);
        break;
    case BENCH_QUEUE:
        lttng_ust_tracepoint(bench, queue, e->id, e->id2, e->qty);
        break;
    case BENCH_SITES:
        break;
    }
}

__attribute__((noinline)) static void burst(void *context, uint64_t id, unsigned count)
{
    for (unsigned i = 0; i < count; i++, id++)
        call_order(context, id, &bench_orders[id % BENCH_ORDERS]);
}

/* Nothing tells how far the consumer is: give it ten times what a burst takes it. */
static void settle(void *context)
{
    const struct timespec pause = {.tv_nsec = 2000000};

    (void)context;
    nanosleep(&pause, NULL);
}

__attribute__((noinline)) static void turn(struct bench_pace *pace, struct bench_pace_work *work,
                                           size_t count)
{
    bench_pace_turn(pace, work, count, call_order);
}

static void produce(const struct bench_stream *stream)
{
    bench_produce(stream, NULL, call_order, call_event);
}

static uint64_t close_trace(void)
{
    return 0; /* the script asks the consumer */
}

int main(int argc, char **argv)
{
    const struct peer peer = {
        .open = open_trace,
        .burst = burst,
        .settle = settle,
        .turn = turn,
        .produce = produce,
        .close = close_trace,
    };

    return peer_main(argc, argv, &peer);
}
