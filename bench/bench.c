/* SPDX-License-Identifier: MIT
 *
 * The segment of a bench program: see bench.h.
 */
#include "bench/bench.h"
#include "producer/segment_tables.h"

struct shmlog *bench_attach(const char *segment)
{
    const struct shmlog_options options = {.wait_ms = 1000};
    struct shmlog *log;
    const int r = shmlog_open(&log, segment, &options);

    if (r < 0)
        bench_die("segment %s: %s", segment, shmlog_strerror(r));
    if (log->local.geometry.clock != SHMLOG_CLOCK_TSC)
        bench_die("the segment does not use the TSC; there is no floor to compare with");
    return log;
}

void bench_share(struct shmlog *log)
{
    if (!log->local.shared_count)
        bench_die("the segment has no shared ring");
    log->local.cpus = 0;
    log->key += 4; /* the thread registers anew */
}

struct shmlog_ring *bench_ring(struct shmlog *log, unsigned cpu)
{
    struct shmlog_ring *ring = log->local.ring_of_cpu[cpu];

    if (!log->local.cpus)
        ring =
            log->local.ring[log->local.shared_begin + (uint32_t)gettid() % log->local.shared_count];
    if (ring == &log->local.none)
        bench_die("core %u has no ring in the segment", cpu);
    return ring;
}

unsigned bench_ring_page_kib(struct shmlog *log, const struct shmlog_ring *ring)
{
    const uint8_t *const table = (const uint8_t *)&log->control + log->local.geometry.rings_offset;
    struct shmlog_ring_entry entry;

    memcpy(&entry, table + ring->index * sizeof(entry), sizeof(entry));
    return entry.page_kib;
}

void bench_wait_drained(const struct shmlog_ring *ring)
{
    const uint64_t since = bench_now_ns();

    while (shmlog_load_acquire_(&ring->tail) != shmlog_load_relaxed_(&ring->head)) {
        for (int i = 0; i < 64; i++)
            __builtin_ia32_pause();
        if (bench_now_ns() - since > UINT64_C(5000000000))
            bench_die("the collector took nothing for 5 s; does it still run?");
    }
}

void bench_check_lossless(struct shmlog *log)
{
    const uint64_t lost = shmlog_lost(log);

    if (lost)
        bench_die("%lu records were lost: the collector could not keep up, nothing was measured",
                  lost);
}
