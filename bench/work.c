/* SPDX-License-Identifier: MIT
 *
 * The common work: see work.h.
 */
#include "bench/work.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

const uint32_t bench_sizes[8] = {1, 2, 5, 10, 20, 50, 100, 200};
struct bench_order bench_orders[BENCH_ORDERS];

void bench_die(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

uint64_t bench_number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value < min || value > max) {
        fprintf(stderr, "%s: %s: a number from %lu to %lu, not '%s'\n",
                program_invocation_short_name, name, min, max, text);
        exit(2);
    }
    return value;
}

void bench_orders_fill(void)
{
    struct bench_walk walk = BENCH_WALK_START;

    for (unsigned i = 0; i < BENCH_ORDERS; i++)
        bench_walk_next(&walk, &bench_orders[i]);
}

/* ---- Memory ---- */

/* Is the page at `address` part of a transparent huge page? The kernel tells per mapping only. */
static bool is_transparent_huge(const void *address)
{
    const uint64_t want = (uint64_t)(uintptr_t)address;
    char line[256];
    bool inside = false, huge = false;
    unsigned long from, to, kib;
    FILE *const f = fopen("/proc/self/smaps", "re");

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = want >= from && want < to;
        else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
            huge = kib != 0;
    }
    if (f)
        fclose(f);
    return huge;
}

void bench_floor_open(struct bench_floor *ret_floor)
{
    const size_t huge = 2u << 20, size = BENCH_FLOOR_SLOTS * 64;
    struct bench_floor floor = {.page = "hugetlb 2 MiB"};
    void *memory = mmap(NULL, huge, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

    if (memory == MAP_FAILED) {
        memory = aligned_alloc(huge, huge);
        if (!memory)
            bench_die("out of memory");
        madvise(memory, huge, MADV_HUGEPAGE);
        memset(memory, 1, huge);
        floor.page = is_transparent_huge(memory) ? "transparent 2 MiB" : "4 KiB";
    }
    memset(memory, 1, size);
    floor.slots = memory;
    *ret_floor = floor;
}

/* ---- Time ---- */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

double bench_ns_per_tick(void)
{
    const uint64_t ns = clock_ns(CLOCK_MONOTONIC_RAW), ticks = bench_tsc_fenced();
    uint64_t end_ns;

    do
        end_ns = clock_ns(CLOCK_MONOTONIC_RAW);
    while (end_ns - ns < 100000000);
    return (double)(end_ns - ns) / (double)(bench_tsc_fenced() - ticks);
}

void bench_pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        bench_die("cannot run on core %u: %s", cpu, strerror(errno));
}

/* ---- Figures ---- */

static int compare_u32(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void bench_sort(uint32_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_u32);
}

static int compare_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_double);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
