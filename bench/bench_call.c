/* SPDX-License-Identifier: MIT
 *
 * What a log call costs back to back, beside the floor.
 *
 *     bench_call SEGMENT CORE BURSTS
 *
 * A contender and its baseline take turns, a burst of 8,192 records each: half of a default ring,
 * so that nothing can be dropped. Before each burst of log calls the collector has taken
 * everything there was, and it takes the first half of the burst while the second is written. The
 * figure is the median over the bursts, which interrupts do not move.
 *
 *     core     log calls into the per-core ring               beside the floor
 *     owned    the same into a ring of the thread's own       beside the floor
 *     timed    with the caller's timestamp, per-core ring     beside the stores alone
 *     off      log calls below the segment's level
 */
#include "bench/bench.h"

#define BURST 8192u
#define OFF_BURST 65536u
#define WARM_UP 3u /* bursts that do not count */
#define BURSTS_MAX 100000u

static struct bench_floor floor_;
static uint64_t next_id = 1000000;

typedef void burst_fn(struct shmlog *log, uint64_t id, unsigned count);

/* noinline: each loop is compiled on its own, as it would be in a program of a user's. */
__attribute__((noinline)) static void floor_burst(struct shmlog *log, uint64_t id, unsigned count)
{
    (void)log;
    for (unsigned i = 0; i < count; i++, id++)
        bench_floor_store(&floor_, id, &bench_orders[id % BENCH_ORDERS], shmlog_tsc_());
}

__attribute__((noinline)) static void store_burst(struct shmlog *log, uint64_t id, unsigned count)
{
    const uint64_t time = shmlog_tsc_();

    (void)log;
    for (unsigned i = 0; i < count; i++, id++)
        bench_floor_store(&floor_, id, &bench_orders[id % BENCH_ORDERS], time + i);
}

__attribute__((noinline)) static void call_burst(struct shmlog *log, uint64_t id, unsigned count)
{
    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void timed_burst(struct shmlog *log, uint64_t id, unsigned count)
{
    const uint64_t time = shmlog_tsc_();

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG_AT(log, time + i, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void off_burst(struct shmlog *log, uint64_t id, unsigned count)
{
    for (unsigned i = 0; i < count; i++, id++) {
        const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];

        shmlog_trace(log, "order %lu px %.2f qty %u side %c", id, order->px, order->qty,
                     order->side);
    }
}

/* One burst: ticks of the TSC for each record. */
static double run_burst(burst_fn *burst, struct shmlog *log, unsigned count)
{
    const uint64_t since = bench_tsc_fenced();

    burst(log, next_id, count);
    next_id += count;
    return (double)(bench_tsc_fenced() - since) / count;
}

struct pair {
    double baseline, contender, ratio; /* medians, the first two in ns */
    double baseline_mean, contender_mean;
};

static double mean(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

/* Both in turns; `ring` is the contender's. */
static void run_pair(burst_fn *baseline, burst_fn *contender, struct shmlog *log,
                     const struct shmlog_ring *ring, unsigned bursts, double tick_ns,
                     struct pair *ret_pair)
{
    static double base[BURSTS_MAX], cont[BURSTS_MAX];

    for (unsigned i = 0; i < bursts + WARM_UP; i++) {
        const unsigned at = i < WARM_UP ? 0 : i - WARM_UP;

        bench_wait_drained(ring);
        cont[at] = run_burst(contender, log, BURST) * tick_ns;
        base[at] = run_burst(baseline, log, BURST) * tick_ns;
    }
    ret_pair->baseline_mean = mean(base, bursts);
    ret_pair->contender_mean = mean(cont, bursts);
    ret_pair->baseline = bench_median(base, bursts);
    ret_pair->contender = bench_median(cont, bursts);
    ret_pair->ratio = ret_pair->contender / ret_pair->baseline;
}

/* Log until the ring's doorbell has just rung, so that bursts end on it and the collector takes all
 * of them at once rather than when they have come of age. */
static void align_to_doorbell(struct shmlog *log, const struct shmlog_ring *ring)
{
    const uint64_t mask = (ring->slots >> SHMLOG_DOORBELL_SHIFT) - 1;

    while (shmlog_load_relaxed_(&ring->head) & mask)
        call_burst(log, next_id++, 1);
}

static void print_pair(const char *name, const char *baseline, const struct pair *pair)
{
    printf(", \"%s\": {\"%s_ns\": %.3f, \"call_ns\": %.3f, \"ratio\": %.4f, "
           "\"%s_mean_ns\": %.3f, \"call_mean_ns\": %.3f}",
           name, baseline, pair->baseline, pair->contender, pair->ratio, baseline,
           pair->baseline_mean, pair->contender_mean);
}

static double run_off(struct shmlog *log, unsigned bursts, double tick_ns)
{
    static double values[BURSTS_MAX];

    off_burst(log, next_id, OFF_BURST);
    for (unsigned i = 0; i < bursts; i++)
        values[i] = run_burst(off_burst, log, OFF_BURST) * tick_ns;
    return bench_median(values, bursts);
}

int main(int argc, char **argv)
{
    struct shmlog_ring *ring, *own_ring;
    struct pair core, owned, timed;
    struct shmlog *log, *own_log;
    unsigned bursts, cpu;
    double tick_ns, off;
    bool rseq;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_call SEGMENT CORE BURSTS\n");
        return 2;
    }
    cpu = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    bursts = (unsigned)bench_number("BURSTS", argv[3], 1, BURSTS_MAX);
    bench_pin(cpu);
    tick_ns = bench_ns_per_tick();
    bench_orders_fill();
    bench_floor_open(&floor_);

    /* Two attachments of one thread: one logs to the core's ring, the other to a ring of its own.
     */
    log = bench_attach(argv[1]);
    own_log = bench_attach(argv[1]);
    if (shmlog_own_ring(own_log) < 0)
        bench_die("the segment has no spare ring; the collector needs --spare-rings 1");
    shmlog_set_level(log, SHMLOG_DEBUG);
    call_burst(log, next_id++, 1);
    timed_burst(log, next_id++, 1);
    ring = bench_ring(log, cpu);
    own_ring = bench_ring(own_log, cpu);
    rseq = ring->kind == SHMLOG_RING_CPU;
    if (ring->slots < 2 * BURST)
        bench_die("rings of %lu slots are too small; %u are needed", ring->slots, 2 * BURST);
    align_to_doorbell(log, ring);
    align_to_doorbell(own_log, own_ring);

    run_pair(floor_burst, call_burst, log, ring, bursts, tick_ns, &core);
    run_pair(floor_burst, call_burst, own_log, own_ring, bursts, tick_ns, &owned);
    run_pair(store_burst, timed_burst, log, ring, bursts, tick_ns, &timed);
    off = run_off(log, bursts, tick_ns);
    bench_check_lossless(log);

    printf("{\"bench\": \"call\", \"tsc_ghz\": %.4f, \"burst\": %u, \"bursts\": %u, "
           "\"rseq\": %s, \"floor_page\": \"%s\", \"ring_page_kib\": %u",
           1 / tick_ns, BURST, bursts, rseq ? "true" : "false", floor_.page,
           bench_ring_page_kib(log, ring));
    print_pair("core", "floor", &core);
    print_pair("owned", "floor", &owned);
    print_pair("timed", "store", &timed);
    printf(", \"off_ns\": %.3f}\n", off);
    shmlog_close(own_log);
    shmlog_close(log);
    return 0;
}
