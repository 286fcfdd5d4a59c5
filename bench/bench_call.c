/* SPDX-License-Identifier: MIT
 *
 * What a log call costs back to back, beside the floor.
 *
 *     bench_call SEGMENT CORE BURSTS
 *
 * Before each burst of log calls the collector has taken everything there was, and it takes the
 * first half of the burst while the second is written; nothing can be dropped. See burst.h.
 *
 *     core     log calls into the per-core ring               beside the floor
 *     shared   the same into a shared ring                    beside the floor
 *     timed    with the caller's timestamp, per-core ring     beside the stores alone
 *     off      log calls below the segment's level
 */
#include "bench/bench.h"
#include "bench/burst.h"

#define OFF_BURST 65536u

static struct bench_floor floor_;
static unsigned core;

__attribute__((noinline)) static void store_burst(void *context, uint64_t id, unsigned count)
{
    struct bench_floor floor = *(struct bench_floor *)context; /* in registers */
    const uint64_t time = bench_tsc();

    for (unsigned i = 0; i < count; i++, id++)
        bench_floor_store(&floor, id, &bench_orders[id % BENCH_ORDERS], time + i);
    ((struct bench_floor *)context)->at = floor.at;
}

__attribute__((noinline)) static void call_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void timed_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;
    const uint64_t time = shmlog_tsc_();

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG_AT(log, time + i, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void off_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++) {
        const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];

        shmlog_trace(log, "order %lu px %.2f qty %u side %c", id, order->px, order->qty,
                     order->side);
    }
}

static void settle(void *context)
{
    struct shmlog *const log = context;

    bench_wait_drained(bench_ring(log, core));
}

static void run_pair(bench_burst_fn *baseline, bench_burst_fn *contender, struct shmlog *log,
                     unsigned bursts, double tick_ns, struct bench_pair *ret_pair)
{
    const struct bench_pair_params params = {
        .baseline = baseline,
        .contender = contender,
        .baseline_context = &floor_,
        .contender_context = log,
        .settle = settle,
        .bursts = bursts,
        .tick_ns = tick_ns,
    };

    bench_pair_run(&params, ret_pair);
}

/* Log until the ring's doorbell has just rung, so that bursts end on it and the collector takes all
 * of them at once rather than when they have come of age. */
static void align_to_doorbell(struct shmlog *log, const struct shmlog_ring *ring)
{
    const uint64_t mask = (ring->slots >> SHMLOG_DOORBELL_SHIFT) - 1;

    while (shmlog_load_relaxed_(&ring->head) & mask)
        call_burst(log, 1, 1);
}

static void print_pair(const char *name, const char *baseline, const struct bench_pair *pair)
{
    printf(", \"%s\": {\"%s_ns\": %.3f, \"call_ns\": %.3f, \"ratio\": %.4f, "
           "\"%s_mean_ns\": %.3f, \"call_mean_ns\": %.3f}",
           name, baseline, pair->baseline, pair->contender, pair->ratio, baseline,
           pair->baseline_mean, pair->contender_mean);
}

static double run_off(struct shmlog *log, unsigned bursts, double tick_ns)
{
    static double values[BENCH_BURSTS_MAX];

    off_burst(log, 1, OFF_BURST);
    for (unsigned i = 0; i < bursts; i++)
        values[i] = bench_burst_run(off_burst, log, OFF_BURST) * tick_ns;
    return bench_median(values, bursts);
}

int main(int argc, char **argv)
{
    struct shmlog_ring *ring;
    struct bench_pair by_core, shared, timed;
    struct shmlog *log;
    unsigned bursts, page_kib;
    double tick_ns, off;
    bool rseq;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_call SEGMENT CORE BURSTS\n");
        return 2;
    }
    core = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    bursts = (unsigned)bench_number("BURSTS", argv[3], 1, BENCH_BURSTS_MAX);
    bench_pin(core);
    tick_ns = bench_ns_per_tick();
    bench_orders_fill();
    bench_floor_open(&floor_);

    log = bench_attach(argv[1]);
    shmlog_set_level(log, SHMLOG_DEBUG);
    call_burst(log, 1, 1);
    timed_burst(log, 1, 1);
    ring = bench_ring(log, core);
    page_kib = bench_ring_page_kib(log, ring);
    rseq = ring->kind == SHMLOG_RING_CPU;
    if (ring->slots < 2 * BENCH_BURST)
        bench_die("rings of %lu slots are too small; %u are needed", ring->slots, 2 * BENCH_BURST);
    align_to_doorbell(log, ring);
    run_pair(bench_floor_burst, call_burst, log, bursts, tick_ns, &by_core);
    run_pair(store_burst, timed_burst, log, bursts, tick_ns, &timed);
    off = run_off(log, bursts, tick_ns);
    bench_check_lossless(log);
    shmlog_close(log);

    log = bench_attach(argv[1]);
    bench_share(log);
    call_burst(log, 1, 1);
    align_to_doorbell(log, bench_ring(log, core));
    run_pair(bench_floor_burst, call_burst, log, bursts, tick_ns, &shared);
    bench_check_lossless(log);

    printf("{\"bench\": \"call\", \"tsc_ghz\": %.4f, \"burst\": %u, \"bursts\": %u, "
           "\"rseq\": %s, \"floor_page\": \"%s\", \"ring_page_kib\": %u",
           1 / tick_ns, BENCH_BURST, bursts, rseq ? "true" : "false", floor_.page, page_kib);
    print_pair("core", "floor", &by_core);
    print_pair("shared", "floor", &shared);
    print_pair("timed", "store", &timed);
    printf(", \"off_ns\": %.3f}\n", off);
    shmlog_close(log);
    return 0;
}
