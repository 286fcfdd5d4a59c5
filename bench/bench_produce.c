/* SPDX-License-Identifier: MIT
 *
 * A producer of orders: as fast as it can, or one every PERIOD_NS. Price, quantity and side of each
 * order are new; none repeats.
 *
 *     bench_produce SEGMENT CORE RECORDS PERIOD_NS
 *
 * Prints when the first record was about to be logged and when the last one was in the ring, in ns
 * of CLOCK_MONOTONIC. It does not wait for the collector: bench/run stops that and takes the time
 * when its files are sealed.
 */
#include "bench/bench.h"

static void produce(struct shmlog *log, uint64_t records, uint64_t period)
{
    struct bench_walk walk = BENCH_WALK_START;
    uint64_t due = shmlog_tsc_();

    for (uint64_t id = 1; id <= records; id++) {
        struct bench_order order;

        bench_walk_next(&walk, &order);
        if (period) {
            while (shmlog_tsc_() < due)
                __builtin_ia32_pause();
            due += period;
        }
        BENCH_LOG(log, id, &order);
    }
}

int main(int argc, char **argv)
{
    uint64_t records, period_ns, period, since, until;
    struct shmlog *log;
    unsigned cpu;

    if (argc != 5) {
        fprintf(stderr, "usage: bench_produce SEGMENT CORE RECORDS PERIOD_NS\n");
        return 2;
    }
    cpu = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    records = bench_number("RECORDS", argv[3], 1, UINT64_C(1) << 40);
    period_ns = bench_number("PERIOD_NS", argv[4], 0, 1000000000);
    bench_pin(cpu);
    log = bench_attach(argv[1]);

    period = period_ns ? (uint64_t)((double)period_ns / bench_ns_per_tick()) : 0;
    since = bench_now_ns();
    produce(log, records, period);
    until = bench_now_ns();
    bench_check_lossless(log);

    printf("{\"bench\": \"produce\", \"records\": %lu, \"period_ns\": %lu, \"first_ns\": %lu, "
           "\"last_ns\": %lu, \"ring_page_kib\": %u}\n",
           records, period_ns, since, until, bench_ring_page_kib(log, bench_ring(log, cpu)));
    shmlog_close(log);
    return 0;
}
