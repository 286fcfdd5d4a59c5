/* SPDX-License-Identifier: MIT
 *
 * The TSC as LTTng's clock, by its plugin for that: its own reads CLOCK_MONOTONIC, which costs
 * more. So both sides of the comparison pay for the same clock.
 */
#include <lttng/ust-clock.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

void lttng_ust_clock_plugin_init(void);

static uint64_t read_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Ticks in a second, over 50 ms: good enough for a trace that nobody reads. */
static uint64_t frequency(void)
{
    static uint64_t known;

    if (!known) {
        const uint64_t since = monotonic_ns(), ticks = read_ticks();
        uint64_t ns;

        do
            ns = monotonic_ns() - since;
        while (ns < 50000000);
        known = (uint64_t)((double)(read_ticks() - ticks) * 1e9 / (double)ns);
    }
    return known;
}

static int uuid(char *ret_uuid)
{
    memcpy(ret_uuid, "5f0c1b66-30ad-4f0e-9a3c-6d1f1be2a7c4", LTTNG_UST_UUID_STR_LEN);
    return 0;
}

static const char *name(void)
{
    return "tsc";
}

static const char *description(void)
{
    return "Time-stamp counter";
}

void lttng_ust_clock_plugin_init(void)
{
    if (lttng_ust_trace_clock_set_read64_cb(read_ticks) == 0 &&
        lttng_ust_trace_clock_set_freq_cb(frequency) == 0 &&
        lttng_ust_trace_clock_set_uuid_cb(uuid) == 0 &&
        lttng_ust_trace_clock_set_name_cb(name) == 0 &&
        lttng_ust_trace_clock_set_description_cb(description) == 0)
        lttng_ust_enable_trace_clock_override();
}
