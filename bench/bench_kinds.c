/* SPDX-License-Identifier: MIT
 *
 * What each kind of log call costs back to back, all of them in turns.
 *
 *     bench_kinds SEGMENT CORE ROUNDS
 *
 * The segment has the overwrite policy and nobody who reads it, so that a figure is that of the
 * call and not of the way between the cores. Only names that users have are used here: the same
 * source measures any version of the header.
 *
 *     floor    the TSC and eight stores, no log call
 *     one      four numbers, a record of one slot; what the others are compared with
 *     at       the same with the caller's timestamp
 *     string   a string of 8 bytes
 *     ints     12 int
 *     longs    12 unsigned long: a record of two slots
 *     no_rseq  as one, by a process in which glibc registers no restartable sequences
 */
#ifndef SHMLOG_IMPLEMENTATION
#define SHMLOG_IMPLEMENTATION
#endif
#include "bench/bench.h"
#include "bench/burst.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 4096u
#define WARM_UP 3u /* rounds that do not count */
#define NO_RSEQ "GLIBC_TUNABLES=glibc.pthread.rseq=0"

/* Of glibc from 2.35 on: 0 if it has registered none. */
extern const unsigned int __rseq_size __attribute__((weak));

static struct bench_floor floor_;

__attribute__((noinline)) static void one_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void at_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;
    const uint64_t time = shmlog_now(log);

    for (unsigned i = 0; i < count; i++, id++)
        BENCH_LOG_AT(log, time + i, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) static void string_burst(void *context, uint64_t id, unsigned count)
{
    static const char *const states[] = {"accepted", "rejected", "replaced", "canceled"};
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++)
        shmlog_info(log, "order is %s", states[id % 4]);
}

__attribute__((noinline)) static void ints_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++) {
        const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];
        const int n = (int)id, q = (int)order->qty;

        shmlog_info(log, "book %d %d %d %d %d %d %d %d %d %d %d %d", n, q, n + 1, q + 1, n + 2,
                    q + 2, n + 3, q + 3, n + 4, q + 4, n + 5, q + 5);
    }
}

__attribute__((noinline)) static void longs_burst(void *context, uint64_t id, unsigned count)
{
    struct shmlog *const log = context;

    for (unsigned i = 0; i < count; i++, id++) {
        const unsigned long n = id, q = bench_orders[id % BENCH_ORDERS].qty;

        shmlog_info(log, "book %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu", n, q, n + 1, q + 1,
                    n + 2, q + 2, n + 3, q + 3, n + 4, q + 4, n + 5, q + 5);
    }
}

/* ---- The process without rseq ---- */

struct helper {
    int ask, answer;
    pid_t pid;
};

/* In the helper: a burst for each byte, whose ticks a record go back. */
static void serve(struct shmlog *log, int ask, int answer)
{
    char byte;

    while (read(ask, &byte, 1) == 1) {
        const double ticks = bench_burst_run(one_burst, log, BENCH_BURST);

        if (write(answer, &ticks, sizeof(ticks)) != sizeof(ticks))
            bench_die("the burst was asked for by nobody: %s", strerror(errno));
    }
    if (shmlog_lost(log))
        bench_die("%lu records were lost, nothing was measured", shmlog_lost(log));
    shmlog_close(log);
}

/* This program once more, which sees the third argument "ASK,ANSWER": the ends of two pipes. */
static void start_helper(char **argv, struct helper *ret_helper)
{
    int ask[2], answer[2];
    char ends[32];
    char *const arguments[] = {argv[0], argv[1], argv[2], ends, NULL};

    if (pipe(ask) < 0 || pipe(answer) < 0)
        bench_die("no pipe: %s", strerror(errno));
    snprintf(ends, sizeof(ends), "%d,%d", ask[0], answer[1]);
    ret_helper->pid = fork();
    if (ret_helper->pid < 0)
        bench_die("no process: %s", strerror(errno));
    if (ret_helper->pid == 0) {
        close(ask[1]);
        close(answer[0]);
        putenv((char[]){NO_RSEQ});
        execv("/proc/self/exe", arguments);
        bench_die("cannot start itself: %s", strerror(errno));
    }
    close(ask[0]);
    close(answer[1]);
    ret_helper->ask = ask[1];
    ret_helper->answer = answer[0];
}

static double ask_helper(const struct helper *helper)
{
    double ticks;

    if (write(helper->ask, "", 1) != 1 ||
        read(helper->answer, &ticks, sizeof(ticks)) != sizeof(ticks))
        bench_die("the process without rseq has ended");
    return ticks;
}

static void end_helper(const struct helper *helper)
{
    int status;

    close(helper->ask);
    if (waitpid(helper->pid, &status, 0) != helper->pid || status)
        bench_die("the process without rseq failed");
}

/* ---- Rounds ---- */

static const struct kind {
    const char *name;
    bench_burst_fn *burst; /* NULL: by the helper */
} kinds[] = {
    {"one", one_burst},   {"floor", bench_floor_burst}, {"at", at_burst},  {"string", string_burst},
    {"ints", ints_burst}, {"longs", longs_burst},       {"no_rseq", NULL},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Each kind once, another one first in every round, so that none always follows the same. */
static void run_round(struct shmlog *log, const struct helper *helper, unsigned round,
                      double *ret_ticks)
{
    for (unsigned i = 0; i < KINDS; i++) {
        const unsigned k = (round + i) % KINDS;
        bench_burst_fn *const burst = kinds[k].burst;

        void *const context = burst == bench_floor_burst ? (void *)&floor_ : log;

        ret_ticks[k] = burst ? bench_burst_run(burst, context, BENCH_BURST) : ask_helper(helper);
    }
}

static void print_kind(unsigned k, double rounds[][KINDS], unsigned count)
{
    static double ticks[ROUNDS_MAX], ratios[ROUNDS_MAX];
    double median;

    for (unsigned i = 0; i < count; i++) {
        ticks[i] = rounds[i][k];
        ratios[i] = rounds[i][k] / rounds[i][0];
    }
    median = bench_median(ticks, count); /* and in order */
    printf(", \"%s\": {\"ticks\": %.3f, \"quarter\": %.3f, \"three_quarters\": %.3f, "
           "\"ratio\": %.4f}",
           kinds[k].name, median, ticks[count / 4], ticks[count * 3 / 4],
           bench_median(ratios, count));
}

static struct shmlog *open_log(const char *segment)
{
    const struct shmlog_options options = {.wait_ms = 1000};
    struct shmlog *log;
    const int r = shmlog_open(&log, segment, &options);

    if (r < 0)
        bench_die("segment %s: %s", segment, shmlog_strerror(r));
    return log;
}

int main(int argc, char **argv)
{
    static double rounds[ROUNDS_MAX + WARM_UP][KINDS];
    struct helper helper;
    struct shmlog *log;
    unsigned count, core;
    int ask, answer;
    double tick_ns;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_kinds SEGMENT CORE ROUNDS\n");
        return 2;
    }
    core = (unsigned)bench_number("CORE", argv[2], 0, SHMLOG_CPUS_MAX - 1);
    bench_pin(core);
    bench_orders_fill();
    if (sscanf(argv[3], "%d,%d", &ask, &answer) == 2) {
        if (&__rseq_size && __rseq_size)
            bench_die("glibc has registered rseq although it was told not to");
        serve(open_log(argv[1]), ask, answer);
        return 0;
    }
    count = (unsigned)bench_number("ROUNDS", argv[3], 1, ROUNDS_MAX);
    tick_ns = bench_ns_per_tick();
    bench_floor_open(&floor_);
    start_helper(argv, &helper);
    log = open_log(argv[1]);
    for (unsigned i = 0; i < WARM_UP + count; i++)
        run_round(log, &helper, i, rounds[i < WARM_UP ? 0 : i - WARM_UP]);
    end_helper(&helper);
    if (shmlog_lost(log))
        bench_die("%lu records were lost, nothing was measured", shmlog_lost(log));
    printf("{\"bench\": \"kinds\", \"tsc_ghz\": %.4f, \"burst\": %u, \"rounds\": %u, "
           "\"rseq\": %s, \"floor_page\": \"%s\"",
           1 / tick_ns, BENCH_BURST, count, &__rseq_size && __rseq_size ? "true" : "false",
           floor_.page);
    for (unsigned k = 0; k < KINDS; k++)
        print_kind(k, rounds, count);
    printf("}\n");
    shmlog_close(log);
    return 0;
}
