/* SPDX-License-Identifier: MIT
 *
 * Clock pairs in the segment, and converting ticks by them; see clock.h.
 *
 * A pair is written under a sequence lock: seq is 2n+1 while pair n is being written and 2n+2 when
 * it is whole. Readers take pairs for what a stranger may have written: every input to the
 * arithmetic is bounded before it, and results are clamped to 64 bits.
 */
#include "shm/clock.h"

#define NS_PER_S 1000000000
#define SETTLE_PER_S 10      /* a pair counts from a tenth of a second on: settle() */
#define RATE_TOLERANCE 1000  /* 1/1000: slewing is at most half of it; more is a step */
#define HELD_MAX_NS 50000000 /* more than that is a step, too */
#define LINE_TICKS_MAX (UINT64_C(1) << 62)

/* How long a pair takes to count, in ticks: long enough for it to be published before that. Pairs
 * that tell a rate are at least as far from each other. */
static uint64_t settle(uint64_t hz)
{
    return hz / SETTLE_PER_S;
}

void shm_clock_publish(const struct shm_segment *segment, const struct shmlog_clock_pair *pair)
{
    struct shmlog_control *control = segment->control;
    uint64_t number = shmlog_load_relaxed_(&control->clock_count);
    struct shmlog_clock_pair *slot =
        &shm_clock_pairs(segment)[number & (segment->geometry.clock_pairs - 1)];

    /* Each release keeps the stores before it before itself: odd, then the values, then even. */
    shmlog_store_relaxed_(&slot->seq, 2 * number + 1);
    shmlog_store_release_(&slot->ticks, pair->ticks);
    shmlog_store_release_(&slot->realtime_ns, pair->realtime_ns);
    shmlog_store_release_(&slot->error_ns, pair->error_ns);
    shmlog_store_release_(&slot->seq, 2 * number + 2);
    shmlog_store_release_(&control->clock_count, number + 1);
}

bool shm_clock_calibrate(const struct shm_segment *segment)
{
    const uint32_t clock = segment->geometry.clock;
    const uint64_t settled = settle(segment->geometry.clock_hz);
    struct shmlog_control *control = segment->control;
    struct shmlog_clock_pair pair, before;

    shm_clock_sample(clock, &pair);
    if (pair.error_ns == UINT64_MAX)
        return false;
    if (shm_clock_newest(segment, &before) && pair.ticks - before.ticks < settled)
        return false;
    shm_clock_publish(segment, &pair);
    if (shm_clock_now(clock) - pair.ticks < settled)
        return true;
    /* interrupted on the way: records that it counts for may have been read without it */
    shmlog_store_release_(&control->clock_count, shmlog_load_relaxed_(&control->clock_count) - 1);
    return false;
}

/* Copy pair `number`; false if it is torn or another one by now. */
static bool copy_pair(const struct shm_segment *segment, uint64_t number,
                      struct shmlog_clock_pair *ret_pair)
{
    const struct shmlog_clock_pair *slot =
        &shm_clock_pairs(segment)[number & (segment->geometry.clock_pairs - 1)];
    struct shmlog_clock_pair pair;

    /* pairs with the release of the even seq; the acquires keep the second look at seq last */
    pair.seq = shmlog_load_acquire_(&slot->seq);
    pair.ticks = shmlog_load_acquire_(&slot->ticks);
    pair.realtime_ns = shmlog_load_acquire_(&slot->realtime_ns);
    pair.error_ns = shmlog_load_acquire_(&slot->error_ns);
    if (pair.seq != 2 * number + 2 || shmlog_load_relaxed_(&slot->seq) != pair.seq)
        return false;
    *ret_pair = pair;
    return true;
}

bool shm_clock_newest(const struct shm_segment *segment, struct shmlog_clock_pair *ret_pair)
{
    const uint64_t count = shmlog_load_acquire_(&segment->control->clock_count);

    return count && copy_pair(segment, count - 1, ret_pair);
}

size_t shm_clock_read(const struct shm_segment *segment, struct shmlog_clock_pair *ret_pairs,
                      size_t max)
{
    /* pairs with the release in shm_clock_publish() */
    uint64_t count = shmlog_load_acquire_(&segment->control->clock_count);
    uint64_t pairs = segment->geometry.clock_pairs;
    size_t n = 0;

    if (pairs > count)
        pairs = count;
    if (pairs > max)
        pairs = max;
    for (uint64_t number = count - pairs; number != count; number++) {
        struct shmlog_clock_pair pair;

        if (!copy_pair(segment, number, &pair) || pair.realtime_ns > INT64_MAX)
            continue;
        if (n > 0 && pair.ticks <= ret_pairs[n - 1].ticks)
            continue;
        ret_pairs[n++] = pair;
    }
    return n;
}

/* ---- conversion ---- */

static int64_t clamp(__int128 ns)
{
    return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

/* Bounded so that products with a difference of ticks fit 127 bits. */
static __int128 realtime_of(const struct shmlog_clock_pair *pair)
{
    return pair->realtime_ns > INT64_MAX ? INT64_MAX : (__int128)pair->realtime_ns;
}

static __int128 ticks_from(const struct shmlog_clock_pair *pair, uint64_t ticks)
{
    return (__int128)ticks - (__int128)pair->ticks;
}

/* By the nominal rate, from one pair. */
static __int128 by_hz(const struct shmlog_clock_pair *pair, uint64_t hz, uint64_t ticks)
{
    return realtime_of(pair) + (hz ? ticks_from(pair, ticks) * NS_PER_S / (__int128)hz : 0);
}

/* How far the wall clock and the nominal rate are apart over the way from a to b. */
static uint64_t disagreement(const struct shmlog_clock_pair *a, const struct shmlog_clock_pair *b,
                             uint64_t hz)
{
    __int128 apart = by_hz(a, hz, b->ticks) - realtime_of(b);

    if (apart < 0)
        apart = -apart;
    return apart > INT64_MAX ? INT64_MAX : (uint64_t)apart;
}

/* Did the wall clock run between these two, or was it set? */
static bool ran(const struct shmlog_clock_pair *a, const struct shmlog_clock_pair *b, uint64_t hz)
{
    __int128 rise = realtime_of(b) - realtime_of(a);
    uint64_t apart = disagreement(a, b, hz);

    if (b->ticks <= a->ticks)
        return false;
    if (hz == 0)
        return true;
    if (rise < 0)
        rise = -rise;
    return apart <= rise / RATE_TOLERANCE + a->error_ns / 2 + b->error_ns / 2 + 1000;
}

enum shm_clock_change shm_clock_between(const struct shmlog_clock_pair *a,
                                        const struct shmlog_clock_pair *b, uint64_t hz,
                                        int64_t *ret_by_ns)
{
    *ret_by_ns = 0;
    if (b->ticks <= a->ticks) {
        *ret_by_ns = clamp(ticks_from(a, b->ticks));
        return SHM_CLOCK_BACK;
    }
    if (ran(a, b, hz))
        return SHM_CLOCK_RAN;
    *ret_by_ns = clamp(realtime_of(b) - by_hz(a, hz, b->ticks));
    return SHM_CLOCK_SET;
}

/* Number of pairs that count at `ticks`. */
static size_t pairs_settled(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                            uint64_t ticks)
{
    size_t low = 0, high = count;

    if (ticks < settle(hz))
        return 0;
    ticks -= settle(hz);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pairs[middle].ticks <= ticks)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void shm_clock_needed(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                      uint64_t first, uint64_t last, size_t *ret_begin, size_t *ret_end)
{
    const size_t before = pairs_settled(pairs, count, hz, first);
    const size_t end = pairs_settled(pairs, count, hz, last);

    *ret_begin = before > 3 ? before - 3 : 0;
    *ret_end = end == 0 && count ? 1 : end;
}

/* A line from a pair on: `rise` ns in `run` ticks. */
struct slope {
    const struct shmlog_clock_pair *pair;
    __int128 rise;
    uint64_t run;
    bool measured; /* against the pair before; else the nominal rate */
};

static struct slope slope_of(const struct shmlog_clock_pair *pairs, size_t index, uint64_t hz)
{
    const struct shmlog_clock_pair *const b = &pairs[index], *const a = index ? b - 1 : b;

    if (b->ticks > a->ticks && b->ticks - a->ticks >= settle(hz) &&
        realtime_of(b) > realtime_of(a) && ran(a, b, hz))
        return (struct slope){b, realtime_of(b) - realtime_of(a), b->ticks - a->ticks, true};
    return hz ? (struct slope){b, NS_PER_S, hz, false} : (struct slope){b, 0, 1, false};
}

static __int128 along(const struct slope *slope, uint64_t ticks)
{
    return realtime_of(slope->pair) +
           ticks_from(slope->pair, ticks) * slope->rise / (__int128)slope->run;
}

/* What the moment at which pair `index` begins to count had by the pair before: the least that
 * moments after it have, so that time does not go back. INT64_MIN if the clock did. */
static __int128 floor_of(const struct shmlog_clock_pair *pairs, size_t index, uint64_t hz,
                         const struct slope *slope)
{
    const uint64_t begin = slope->pair->ticks + settle(hz);
    struct slope before;
    __int128 held;

    if (!slope->measured)
        return INT64_MIN;
    before = slope_of(pairs, index - 1, hz);
    held = along(&before, begin);
    return held - along(slope, begin) <= HELD_MAX_NS ? held : INT64_MIN;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of the pair, and of the rate over the time since. */
static uint64_t error_of(const struct slope *slope, uint64_t ticks)
{
    const uint64_t bound = UINT64_C(1) << 62; /* the product fits 127 bits */
    const uint64_t error = smaller(slope->pair->error_ns, bound);
    __int128 sum = error;

    if (slope->measured)
        sum += (__int128)(smaller(slope->pair[-1].error_ns, bound) + error) *
               ticks_from(slope->pair, ticks) / (__int128)slope->run;
    return (uint64_t)clamp(sum);
}

int64_t shm_clock_to_ns(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                        uint64_t ticks, uint64_t *ret_error_ns)
{
    const size_t settled = pairs_settled(pairs, count, hz, ticks);
    uint64_t error = UINT64_MAX;
    __int128 ns = 0;

    if (count) {
        const size_t index = settled ? settled - 1 : 0;
        const struct slope slope = slope_of(pairs, index, hz);
        const __int128 least = floor_of(pairs, index, hz, &slope);

        ns = along(&slope, ticks);
        error = error_of(&slope, ticks);
        if (ns < least) {
            error += (uint64_t)(least - ns);
            ns = least;
        }
    }
    if (ret_error_ns)
        *ret_error_ns = error;
    return clamp(ns);
}

bool shm_clock_line(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                    uint64_t ticks, struct shm_clock_line *ret_line)
{
    const size_t settled = pairs_settled(pairs, count, hz, ticks);
    const size_t index = settled ? settled - 1 : 0;
    uint64_t from, end = UINT64_MAX;
    struct slope slope;
    __int128 least;

    if (!count)
        return false;
    from = pairs[index].ticks + (settled ? settle(hz) : 0);
    if (index + 1 < count && pairs[index + 1].ticks < UINT64_MAX - settle(hz))
        end = pairs[index + 1].ticks + settle(hz);
    if (end - from > LINE_TICKS_MAX)
        end = from + LINE_TICKS_MAX;
    slope = slope_of(pairs, index, hz);
    least = floor_of(pairs, index, hz, &slope);
    if (ticks < from || ticks >= end || along(&slope, end) > INT64_MAX || least > INT64_MAX)
        return false;
    *ret_line = (struct shm_clock_line){
        .from = from,
        .ticks = end - from,
        .ahead = from - pairs[index].ticks,
        .base_ns = (uint64_t)realtime_of(&pairs[index]),
        .rise_ns = (uint64_t)slope.rise,
        .run = slope.run,
        .least_ns = least < 0 ? 0 : (uint64_t)least,
    };
    return true;
}
