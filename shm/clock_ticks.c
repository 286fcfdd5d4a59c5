/* SPDX-License-Identifier: MIT
 *
 * Reading the clocks themselves: ticks, their rate, and both clocks at one moment; see clock.h.
 */
#include "shm/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#define NS_PER_S 1000000000u
#define BRACKETS 32
#define MEASURE_NS 10000000u

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__) || defined(__i386__)
static bool has_invariant_tsc(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

/* Neither earlier nor later than where it stands. */
static uint64_t ticks_ordered(void)
{
    uint64_t ticks;

    _mm_lfence();
    ticks = __rdtsc();
    _mm_lfence();
    return ticks;
}
#else
static bool has_invariant_tsc(void)
{
    return false;
}

static uint64_t ticks_ordered(void)
{
    return 0;
}
#endif

/* Does a list of words in a file hold "tsc"? -1: no such file. */
static int lists_tsc(const char *path)
{
    char text[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *save = NULL;
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        if (strcmp(word, "tsc") == 0)
            return 1;
    }
    return 0;
}

bool shm_clock_tsc_usable(void)
{
    static const char folder[] = "/sys/devices/system/clocksource/clocksource0/";
    char path[128];

    if (!has_invariant_tsc())
        return false;
    strcpy(path, folder);
    if (lists_tsc(strcat(path, "current_clocksource")) == 1)
        return true;
    /* The kernel takes it off this list when it finds it unstable. Without the file, what the
     * processor promises has to do. */
    strcpy(path, folder);
    return lists_tsc(strcat(path, "available_clocksource")) != 0;
}

uint64_t shm_clock_now(uint32_t clock)
{
    return clock == SHMLOG_CLOCK_TSC ? ticks_ordered() : clock_ns(CLOCK_MONOTONIC);
}

/* Ticks in the middle of the narrowest of some brackets of `id`. */
static void sample(uint32_t clock, clockid_t id, struct shmlog_clock_pair *ret_pair)
{
    struct shmlog_clock_pair best = {.error_ns = UINT64_MAX};

    for (int i = 0; i < BRACKETS; i++) {
        uint64_t before = clock_ns(id);
        uint64_t ticks = shm_clock_now(clock);
        uint64_t after = clock_ns(id);
        uint64_t half = (after - before + 1) / 2;

        if (after < before) /* set back between the two */
            continue;
        if (half < best.error_ns) {
            best.ticks = ticks;
            best.realtime_ns = before + (after - before) / 2;
            best.error_ns = half;
        }
    }
    *ret_pair = best;
}

void shm_clock_sample(uint32_t clock, struct shmlog_clock_pair *ret_pair)
{
    sample(clock, CLOCK_REALTIME, ret_pair);
}

uint64_t shm_clock_hz(uint32_t clock)
{
    struct timespec pause = {0, MEASURE_NS};
    struct shmlog_clock_pair begin, end;

    if (clock != SHMLOG_CLOCK_TSC)
        return NS_PER_S;
    sample(clock, CLOCK_MONOTONIC_RAW, &begin);
    nanosleep(&pause, NULL); /* cut short by a signal, the figure is coarser */
    sample(clock, CLOCK_MONOTONIC_RAW, &end);
    if (end.realtime_ns <= begin.realtime_ns || end.ticks <= begin.ticks)
        return NS_PER_S;
    return (uint64_t)((__int128)(end.ticks - begin.ticks) * NS_PER_S /
                      (end.realtime_ns - begin.realtime_ns));
}
