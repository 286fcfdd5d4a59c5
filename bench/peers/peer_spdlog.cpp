/* SPDX-License-Identifier: MIT
 *
 * spdlog, asynchronous: one backend thread on a core of its own, a queue of as many messages as a
 * ring has slots, a text file with nanoseconds in each line. Where nothing may be lost a full queue
 * makes the caller wait; else the oldest messages are overrun, its policy for low latency.
 */
#include "bench/peers/peer.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <sched.h>

#define QUEUE 16384u

static std::shared_ptr<spdlog::details::thread_pool> pool;
static std::shared_ptr<spdlog::async_logger> logger;

static void open_logger(const struct peer_job *job)
{
    const unsigned core = job->backend_core;
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(std::string(job->directory) +
                                                                        "/spdlog.log",
                                                                    true);

    pool = std::make_shared<spdlog::details::thread_pool>(QUEUE, 1, [core] { bench_pin(core); });
    logger =
        std::make_shared<spdlog::async_logger>("bench", sink, pool,
                                               job->lossless
                                                   ? spdlog::async_overflow_policy::block
                                                   : spdlog::async_overflow_policy::overrun_oldest);
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%F %L %v");
}

static inline __attribute__((always_inline)) void call_order(void *, uint64_t id,
                                                             const struct bench_order *order)
{
    logger->info("order {} px {:.2f} qty {} side {}", id, order->px, order->qty, order->side);
}

static inline __attribute__((always_inline)) void call_event(void *, const struct bench_event *e)
{
    switch (e->site) {
    case BENCH_QUOTE:
        logger->info("quote {} bid {:.2f} x {} ask {:.2f} x {}", e->text, e->px, e->qty, e->px2,
                     e->qty2);
        break;
    case BENCH_ORDER:
        logger->info("order {} px {:.2f} qty {} side {}", e->id, e->px, e->qty, e->side);
        break;
    case BENCH_ACK:
        logger->info("ack {} in {} ns", e->id, e->qty);
        break;
    case BENCH_TRADE:
        logger->info("trade {} px {:.2f} qty {}", e->text, e->px, e->qty);
        break;
    case BENCH_FILL:
        logger->info("fill {} {} px {:.2f} qty {} left {} venue {}", e->id, e->text, e->px, e->qty,
                     e->qty2, e->text2);
        break;
    case BENCH_CANCEL:
        logger->info("cancel {} reason {}", e->id, e->text);
        break;
    case BENCH_POSITION:
        logger->info("position {} {}", e->text, e->net);
        break;
    case BENCH_RISK:
        logger->info("risk {} exposure {:.2f} limit {:.2f} ok {}", e->text, e->px, e->px2, e->net);
        break;
    case BENCH_BEAT:
        logger->info("heartbeat {}", e->qty);
        break;
    case BENCH_LATENCY:
        logger->info("latency p50 {} p99 {} max {} ns", e->qty, e->qty2, e->qty3);
        break;
    case BENCH_SESSION:
        logger->info("session {} state {}", e->text, e->text2);
        break;
    case BENCH_QUEUE:
        logger->info("queue depth {} of {}, {} waits", e->id, e->id2, e->qty);
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

static void settle(void *)
{
    while (pool->queue_size() > 0)
        sched_yield();
}

__attribute__((noinline)) static void turn(struct bench_pace *pace, struct bench_pace_work *work,
                                           size_t count)
{
    bench_pace_turn(pace, work, count, call_order);
}

static void produce(const struct bench_stream *stream)
{
    bench_produce(stream, nullptr, call_order, call_event);
}

/* The thread pool writes out what is queued before its thread ends. */
static uint64_t close_logger()
{
    const uint64_t lost = pool->overrun_counter();

    logger->flush();
    pool.reset();
    logger.reset();
    return lost;
}

int main(int argc, char **argv)
{
    struct peer peer = {};

    peer.open = open_logger;
    peer.burst = burst;
    peer.settle = settle;
    peer.turn = turn;
    peer.produce = produce;
    peer.close = close_logger;
    return peer_main(argc, argv, &peer);
}
