/* SPDX-License-Identifier: MIT
 *
 * The frame of a peer: see peer.h.
 */
#include "bench/peers/peer.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

static uint64_t from_environment(const char *name, uint64_t min, uint64_t max)
{
    const char *const text = getenv(name);

    if (!text)
        bench_die("%s is not set; bench/run sets it", name);
    return bench_number(name, text, min, max);
}

static double cpu_seconds(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of all threads but this one. */
static double backend_cpu_seconds(void)
{
    return cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void measure_burst(const struct peer *peer, const struct peer_job *job)
{
    struct bench_floor floor;
    struct bench_pair_params params = {
        .baseline = bench_floor_burst,
        .contender = peer->burst,
        .baseline_context = &floor,
        .settle = peer->settle,
        .bursts = job->bursts,
        .tick_ns = bench_ns_per_tick(),
    };
    struct bench_pair pair;
    uint64_t lost;

    bench_floor_open(&floor);
    bench_pair_run(&params, &pair);
    lost = peer->close();
    printf("{\"call_ns\": %.3f, \"floor_ns\": %.3f, \"ratio\": %.4f, \"call_mean_ns\": %.3f, "
           "\"lost\": %lu}\n",
           pair.contender, pair.baseline, pair.ratio, pair.contender_mean, lost);
}

static void measure_pace(const struct peer *peer, const struct peer_job *job)
{
    struct bench_pace pace = {.tick_ns = bench_ns_per_tick(), .works = 2};
    uint64_t lost;

    pace.period = (uint64_t)((double)job->period_ns / pace.tick_ns);
    pace.work[0].name = "timer";
    pace.work[0].turn = bench_pace_timer;
    pace.work[1].name = "call";
    pace.work[1].turn = peer->turn;
    bench_pace_run(&pace, job->samples);
    lost = peer->close();
    printf("{");
    bench_pace_print(&pace, &pace.work[1]);
    printf(", \"lost\": %lu}\n", lost);
    bench_pace_done(&pace);
}

static void measure_files(const struct peer *peer, const struct peer_job *job, const char *work)
{
    const struct bench_stream stream = {
        .mixed = strcmp(work, "mixed") == 0,
        .records = job->records,
        .period = strcmp(work, "paced") == 0
                      ? (uint64_t)((double)job->period_ns / bench_ns_per_tick())
                      : 0,
    };
    const double cpu = backend_cpu_seconds();
    const uint64_t first_ns = bench_now_ns();
    uint64_t last_ns, lost;

    peer->produce(&stream);
    last_ns = bench_now_ns();
    lost = peer->close();
    printf("{\"records\": %lu, \"first_ns\": %lu, \"last_ns\": %lu, \"sealed_ns\": %lu, "
           "\"backend_cpu_s\": %.4f, \"lost\": %lu}\n",
           job->records, first_ns, last_ns, bench_now_ns(), backend_cpu_seconds() - cpu, lost);
}

int peer_main(int argc, char **argv, const struct peer *peer)
{
    static const char *const works[] = {"burst", "pace", "disk", "paced", "mixed"};
    struct peer_job job = {.directory = getenv("BENCH_DIR")};
    unsigned work = 0;

    while (argc == 2 && work < 5 && strcmp(argv[1], works[work]) != 0)
        work++;
    if (argc != 2 || work == 5 || !job.directory) {
        fprintf(stderr, "usage: BENCH_DIR=... PEER burst|pace|disk|paced|mixed (by bench/run)\n");
        return 2;
    }
    job.lossless = work >= 2;
    job.core = (unsigned)from_environment("BENCH_CORE", 0, CPU_SETSIZE - 1);
    job.backend_core = (unsigned)from_environment("BENCH_BACKEND_CORE", 0, CPU_SETSIZE - 1);
    job.bursts = (unsigned)from_environment("BENCH_BURSTS", 1, BENCH_BURSTS_MAX);
    job.samples = from_environment("BENCH_SAMPLES", 1, BENCH_PACE_SAMPLES_MAX);
    job.period_ns = from_environment("BENCH_PERIOD_NS", 100, 1000000);
    job.records = from_environment("BENCH_RECORDS", 1, UINT64_C(1) << 40);
    bench_orders_fill();
    peer->open(&job);
    bench_pin(job.core);
    if (work == 0)
        measure_burst(peer, &job);
    else if (work == 1)
        measure_pace(peer, &job);
    else
        measure_files(peer, &job, argv[1]);
    return 0;
}
