/* SPDX-License-Identifier: MIT
 *
 * The segment's clock: calibrating ticks against CLOCK_REALTIME, and converting back.
 *
 * The collector publishes a pair at start, then twice a second. A moment is converted by pairs that
 * precede it alone, so that it has one time whenever that is asked for (docs/format.md, section
 * 10): the last pair that is 0.1 s older or more, and the two before that one.
 */
#ifndef SHM_CLOCK_H
#define SHM_CLOCK_H

#include "shm/segment.h"

/* True if the TSC is invariant (CPUID 0x80000007 EDX bit 8) and in use by the kernel or at least
 * not marked unstable by it (current_clocksource and available_clocksource under
 * /sys/devices/system/clocksource). */
bool shm_clock_tsc_usable(void);

/* Ticks now, of SHMLOG_CLOCK_*. */
uint64_t shm_clock_now(uint32_t clock);

/* Nominal ticks a second, measured over about 10 ms against CLOCK_MONOTONIC_RAW. */
uint64_t shm_clock_hz(uint32_t clock);

/* Read ticks and CLOCK_REALTIME together: the tightest of several brackets. */
void shm_clock_sample(uint32_t clock, struct shmlog_clock_pair *ret_pair);

/* Publish a pair in the segment (collector only). */
void shm_clock_publish(const struct shm_segment *segment, const struct shmlog_clock_pair *pair);

/* Take a pair and publish it (the drain only). False: there is none, because the newest is less
 * than 0.1 s old, or publishing this one took so long; try again. */
bool shm_clock_calibrate(const struct shm_segment *segment);

/* The newest published pair; false if there is none. */
bool shm_clock_newest(const struct shm_segment *segment, struct shmlog_clock_pair *ret_pair);

/* Readers take at most so many pairs, the newest; the collector makes no larger table. */
#define SHM_CLOCK_PAIRS 1024u

/* Copy the published pairs, oldest first, at most `max`; returns how many. Pairs that were torn
 * or make no sense are left out. */
size_t shm_clock_read(const struct shm_segment *segment, struct shmlog_clock_pair *ret_pairs,
                      size_t max);

enum shm_clock_change {
    SHM_CLOCK_RAN,
    SHM_CLOCK_SET,  /* the wall clock was set, or slewed faster than any daemon does */
    SHM_CLOCK_BACK, /* the ticks went back or stood still: not one clock for all cores */
};

/* What happened between two pairs, in the order in which they were taken. *ret_by_ns is by how much
 * the wall clock was set (RAN: 0), BACK: by how many ticks. */
enum shm_clock_change shm_clock_between(const struct shmlog_clock_pair *a,
                                        const struct shmlog_clock_pair *b, uint64_t hz,
                                        int64_t *ret_by_ns);

/* CLOCK_REALTIME in ns of `ticks`, by pairs sorted by ticks; with no pair 0, with one, by `hz`.
 * ret_error_ns (may be NULL): that of the pairs at this distance from them. Any input gives some
 * answer without overflow traps. */
int64_t shm_clock_to_ns(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                        uint64_t ticks, uint64_t *ret_error_ns);

/* Those of the pairs by which moments from `first` to `last` are converted: with them alone, all
 * such moments have the times that they have with all pairs. */
void shm_clock_needed(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                      uint64_t first, uint64_t last, size_t *ret_begin, size_t *ret_end);

/* The stretch for which one pair counts, kept so that many moments in it cost a division each.
 * Zeroed, it holds no moment. It holds as long as no pair is added. */
struct shm_clock_line {
    uint64_t from, ticks;  /* moments from .. from + ticks - 1 */
    uint64_t ahead;        /* of the pair, is `from` */
    uint64_t base_ns;      /* the pair's */
    uint64_t rise_ns, run; /* ns in so many ticks */
    uint64_t least_ns;
};

/* The line that `ticks` is on; false where there is none: before the first pair, and beyond 64
 * bits. */
bool shm_clock_line(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                    uint64_t ticks, struct shm_clock_line *ret_line);

/* What shm_clock_to_ns() says of a moment on the line; false if it is not on it. */
static inline bool shm_clock_on_line(const struct shm_clock_line *line, uint64_t ticks,
                                     int64_t *ret_ns)
{
    const uint64_t at = ticks - line->from;
    uint64_t product, ns;

    if (at >= line->ticks)
        return false;
    if (__builtin_mul_overflow(at + line->ahead, line->rise_ns, &product))
        ns = line->base_ns +
             (uint64_t)((unsigned __int128)(at + line->ahead) * line->rise_ns / line->run);
    else
        ns = line->base_ns + product / line->run;
    *ret_ns = (int64_t)(ns < line->least_ns ? line->least_ns : ns);
    return true;
}

#endif
