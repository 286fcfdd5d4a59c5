/* SPDX-License-Identifier: MIT
 *
 * The tail: what single log calls cost when there is time between them, beside the floor.
 *
 *     bench_pace SEGMENT CORE PERIOD_NS SAMPLES
 *
 * Every PERIOD_NS one sample is taken: the TSC, the work, the TSC, each read fenced, so that a
 * sample holds all of the work and nothing else but the reads. Samples without work tell what the
 * reads cost; their median is taken off the others. The four kinds of work take turns of 50,000
 * samples:
 *
 *     timer    nothing
 *     floor    the TSC and eight stores
 *     core     a log call into the per-core ring
 *     owned    a log call into a ring of the thread's own
 */
#include "bench/bench.h"

#define TURN 50000u
#define WARM_UP 2000u /* samples at the start of a turn that do not count */
#define SAMPLES_MAX 20000000u

enum work { TIMER, FLOOR, CORE, OWNED, WORKS };
static const char *const work_names[WORKS] = {"timer", "floor", "core", "owned"};

struct pace {
    struct shmlog *log[WORKS]; /* of CORE and OWNED */
    struct bench_floor floor;
    uint64_t period; /* in ticks */
    uint64_t next_id;
    uint32_t *samples[WORKS]; /* ticks */
    size_t count[WORKS];
};

static inline __attribute__((always_inline)) uint64_t take_sample(struct pace *p, enum work work)
{
    const uint64_t id = p->next_id++;
    const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];
    const uint64_t since = bench_tsc_fenced();

    if (work == FLOOR)
        bench_floor_store(&p->floor, id, order, shmlog_tsc_());
    else if (work == CORE || work == OWNED)
        BENCH_LOG(p->log[work], id, order);
    return bench_tsc_fenced() - since;
}

/* `count` samples of one kind, one each period. A period that was missed is left out: samples are
 * never closer together than that. */
static inline __attribute__((always_inline)) void run_turn(struct pace *p, enum work work,
                                                           size_t count)
{
    uint32_t *const to = p->samples[work] + p->count[work];
    uint64_t due = shmlog_tsc_();

    for (size_t i = 0; i < WARM_UP + count; i++) {
        uint64_t now, ticks;

        do {
            __builtin_ia32_pause();
            now = shmlog_tsc_();
        } while (now < due);
        ticks = take_sample(p, work);
        due = now + p->period;
        if (i >= WARM_UP)
            to[i - WARM_UP] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
    }
    p->count[work] += count;
}

/* Each kind of work in a loop of its own. */
__attribute__((noinline)) static void run_timer(struct pace *p, size_t count)
{
    run_turn(p, TIMER, count);
}
__attribute__((noinline)) static void run_floor(struct pace *p, size_t count)
{
    run_turn(p, FLOOR, count);
}
__attribute__((noinline)) static void run_core(struct pace *p, size_t count)
{
    run_turn(p, CORE, count);
}
__attribute__((noinline)) static void run_owned(struct pace *p, size_t count)
{
    run_turn(p, OWNED, count);
}

static void open_samples(struct pace *p, size_t samples)
{
    for (unsigned work = 0; work < WORKS; work++) {
        p->samples[work] = malloc(samples * sizeof(*p->samples[work]));
        if (!p->samples[work])
            bench_die("out of memory for %zu samples", samples);
        memset(p->samples[work], 1, samples * sizeof(*p->samples[work])); /* touched */
    }
}

/* The samples are multiples of this: some machines' TSC advances in large steps. */
static uint32_t common_step(const struct pace *p)
{
    uint32_t step = 0;

    for (unsigned work = 0; work < WORKS; work++)
        for (size_t i = 0; i < p->count[work]; i++)
            for (uint32_t a = p->samples[work][i]; a;) {
                const uint32_t rest = step % a;

                step = a;
                a = rest;
            }
    return step;
}

/* Mean of the lower 99 %: finer than a percentile where the TSC's steps are coarse. Sorted. */
static double mean_p99(const struct pace *p, enum work work)
{
    const size_t count = p->count[work] * 99 / 100;
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += p->samples[work][i];
    return sum / (double)count;
}

/* In ns over what the timer costs; the timer's own as they are. Sorted samples. */
static void print_work(const struct pace *p, enum work work, double tick_ns)
{
    static const double at[] = {50, 99, 99.9, 99.99};
    static const char *const names[] = {"p50", "p99", "p99_9", "p99_99"};
    const double cost = work == TIMER ? 0 : p->samples[TIMER][p->count[TIMER] / 2];
    const double mean_cost = work == TIMER ? 0 : mean_p99(p, TIMER);
    const uint32_t *const samples = p->samples[work];
    const size_t last = p->count[work] - 1;

    printf(", \"%s\": {\"mean_p99\": %.2f, ", work_names[work],
           (mean_p99(p, work) - mean_cost) * tick_ns);
    for (unsigned i = 0; i < 4; i++)
        printf("\"%s\": %.2f, ", names[i],
               (samples[(size_t)((double)last * at[i] / 100)] - cost) * tick_ns);
    printf("\"max\": %.2f}", (samples[last] - cost) * tick_ns);
}

int main(int argc, char **argv)
{
    static void (*const run[WORKS])(struct pace *, size_t) = {run_timer, run_floor, run_core,
                                                              run_owned};
    struct pace p = {.next_id = 1000000};
    unsigned cpu, period_ns;
    size_t samples;
    double tick_ns;

    if (argc != 5) {
        fprintf(stderr, "usage: bench_pace SEGMENT CORE PERIOD_NS SAMPLES\n");
        return 2;
    }
    cpu = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    period_ns = (unsigned)bench_number("PERIOD_NS", argv[3], 100, 1000000);
    samples = bench_number("SAMPLES", argv[4], 1000, SAMPLES_MAX);
    bench_pin(cpu);
    tick_ns = bench_ns_per_tick();
    p.period = (uint64_t)(period_ns / tick_ns);
    bench_orders_fill();
    bench_floor_open(&p.floor);
    open_samples(&p, samples);
    p.log[CORE] = bench_attach(argv[1]);
    p.log[OWNED] = bench_attach(argv[1]);
    if (shmlog_own_ring(p.log[OWNED]) < 0)
        bench_die("the segment has no spare ring; the collector needs --spare-rings 1");

    for (size_t done = 0, turn; done < samples; done += turn) {
        turn = samples - done < TURN ? samples - done : TURN;
        for (unsigned work = 0; work < WORKS; work++)
            run[work](&p, turn);
    }
    bench_check_lossless(p.log[CORE]);

    printf("{\"bench\": \"pace\", \"tsc_ghz\": %.4f, \"period_ns\": %u, \"samples\": %zu, "
           "\"step_ns\": %.2f, \"rseq\": %s, \"floor_page\": \"%s\", \"ring_page_kib\": %u",
           1 / tick_ns, period_ns, samples, common_step(&p) * tick_ns,
           bench_ring(p.log[CORE], cpu)->kind == SHMLOG_RING_CPU ? "true" : "false", p.floor.page,
           bench_ring_page_kib(p.log[CORE], bench_ring(p.log[CORE], cpu)));
    for (unsigned work = 0; work < WORKS; work++)
        bench_sort(p.samples[work], p.count[work]);
    for (unsigned work = 0; work < WORKS; work++)
        print_work(&p, work, tick_ns);
    printf("}\n");
    for (unsigned work = 0; work < WORKS; work++)
        free(p.samples[work]);
    shmlog_close(p.log[OWNED]);
    shmlog_close(p.log[CORE]);
    return 0;
}
