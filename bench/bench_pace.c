/* SPDX-License-Identifier: MIT
 *
 * The tail: what single log calls cost when there is time between them, beside the floor.
 *
 *     bench_pace SEGMENT CORE PERIOD_NS SAMPLES
 *
 *     timer    nothing
 *     floor    the TSC and eight stores
 *     core     a log call into the per-core ring
 *     shared   a log call into a shared ring, as where there is no rseq
 */
#include "bench/bench.h"
#include "bench/pace.h"

enum work { TIMER, FLOOR, CORE, SHARED, WORKS };

static inline __attribute__((always_inline)) void call_log(void *context, uint64_t id,
                                                           const struct bench_order *order)
{
    struct shmlog *const log = context;

    BENCH_LOG(log, id, order);
}

/* Each kind of work in a loop, and with a call site, of its own. */
__attribute__((noinline)) static void turn_core(struct bench_pace *pace,
                                                struct bench_pace_work *work, size_t count)
{
    bench_pace_turn(pace, work, count, call_log);
}
__attribute__((noinline)) static void turn_shared(struct bench_pace *pace,
                                                  struct bench_pace_work *work, size_t count)
{
    bench_pace_turn(pace, work, count, call_log);
}

int main(int argc, char **argv)
{
    struct bench_pace pace = {.next_id = 1000000, .works = WORKS};
    struct shmlog *log, *shared;
    struct bench_floor floor;
    unsigned cpu, period_ns;
    size_t samples;

    if (argc != 5) {
        fprintf(stderr, "usage: bench_pace SEGMENT CORE PERIOD_NS SAMPLES\n");
        return 2;
    }
    cpu = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    period_ns = (unsigned)bench_number("PERIOD_NS", argv[3], 100, 1000000);
    samples = bench_number("SAMPLES", argv[4], 1000, BENCH_PACE_SAMPLES_MAX);
    bench_pin(cpu);
    pace.tick_ns = bench_ns_per_tick();
    pace.period = (uint64_t)(period_ns / pace.tick_ns);
    bench_orders_fill();
    bench_floor_open(&floor);
    log = bench_attach(argv[1]);
    shared = bench_attach(argv[1]);
    bench_share(shared);

    pace.work[TIMER] = (struct bench_pace_work){.name = "timer", .turn = bench_pace_timer};
    pace.work[FLOOR] =
        (struct bench_pace_work){.name = "floor", .context = &floor, .turn = bench_pace_floor};
    pace.work[CORE] = (struct bench_pace_work){.name = "core", .context = log, .turn = turn_core};
    pace.work[SHARED] =
        (struct bench_pace_work){.name = "shared", .context = shared, .turn = turn_shared};
    bench_pace_run(&pace, samples);
    bench_check_lossless(log);

    printf("{\"bench\": \"pace\", \"tsc_ghz\": %.4f, \"period_ns\": %u, \"samples\": %zu, "
           "\"step_ns\": %.2f, \"rseq\": %s, \"floor_page\": \"%s\", \"ring_page_kib\": %u",
           1 / pace.tick_ns, period_ns, samples, bench_pace_step_ns(&pace),
           bench_ring(log, cpu)->kind == SHMLOG_RING_CPU ? "true" : "false", floor.page,
           bench_ring_page_kib(log, bench_ring(log, cpu)));
    for (unsigned work = 0; work < WORKS; work++) {
        printf(", \"%s\": {", pace.work[work].name);
        bench_pace_print(&pace, &pace.work[work]);
        printf("}");
    }
    printf("}\n");
    bench_pace_done(&pace);
    shmlog_close(shared);
    shmlog_close(log);
    return 0;
}
