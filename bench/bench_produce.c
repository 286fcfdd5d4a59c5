/* SPDX-License-Identifier: MIT
 *
 * A producer of orders, or of mixed events: as fast as it can, or one every PERIOD_NS.
 *
 *     bench_produce SEGMENT CORE orders|mixed RECORDS PERIOD_NS
 *
 * Prints when the first record was about to be logged and when the last one was in the ring, in ns
 * of CLOCK_MONOTONIC, and how many records the segment has lost so far. It does not wait for the
 * collector: bench/run stops that and takes the time when its files are sealed.
 */
#include "bench/bench.h"
#include "bench/events.h"
#include "bench/produce.h"

static inline __attribute__((always_inline)) void call_order(void *context, uint64_t id,
                                                             const struct bench_order *order)
{
    struct shmlog *const log = context;

    BENCH_LOG(log, id, order);
}

static inline __attribute__((always_inline)) void call_event(void *context,
                                                             const struct bench_event *e)
{
    struct shmlog *const log = context;

#define SAY(...) shmlog_info(log, __VA_ARGS__)
    BENCH_SAY_EVENT(SAY, e);
#undef SAY
}

int main(int argc, char **argv)
{
    struct bench_stream stream = {0};
    uint64_t period_ns, since, until;
    struct shmlog *log;
    unsigned cpu;

    if (argc != 6 || (strcmp(argv[3], "orders") != 0 && strcmp(argv[3], "mixed") != 0)) {
        fprintf(stderr, "usage: bench_produce SEGMENT CORE orders|mixed RECORDS PERIOD_NS\n");
        return 2;
    }
    cpu = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    stream.mixed = strcmp(argv[3], "mixed") == 0;
    stream.records = bench_number("RECORDS", argv[4], 1, UINT64_C(1) << 40);
    period_ns = bench_number("PERIOD_NS", argv[5], 0, 1000000000);
    bench_pin(cpu);
    log = bench_attach(argv[1]);

    stream.period = period_ns ? (uint64_t)((double)period_ns / bench_ns_per_tick()) : 0;
    since = bench_now_ns();
    bench_produce(&stream, log, call_order, call_event);
    until = bench_now_ns();

    printf("{\"bench\": \"produce\", \"work\": \"%s\", \"records\": %lu, \"period_ns\": %lu, "
           "\"first_ns\": %lu, \"last_ns\": %lu, \"lost\": %lu, \"ring_page_kib\": %u}\n",
           argv[3], stream.records, period_ns, since, until, shmlog_lost(log),
           bench_ring_page_kib(log, bench_ring(log, cpu)));
    shmlog_close(log);
    return 0;
}
