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
#define PARTNER_PER_S 10    /* pairs that tell a rate are a tenth of a second apart */
#define PARTNERS 8          /* pairs looked at for one */
#define RATE_TOLERANCE 1000 /* 1/1000: slewing is at most half of it; more is a step */

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

/* Along the line through two pairs, a before b. */
static __int128 by_line(const struct shmlog_clock_pair *a, const struct shmlog_clock_pair *b,
                        uint64_t ticks)
{
    __int128 rise = realtime_of(b) - realtime_of(a);

    return realtime_of(a) + ticks_from(a, ticks) * rise / ticks_from(a, b->ticks);
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

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Number of pairs at or before `ticks`. */
static size_t pairs_before(const struct shmlog_clock_pair *pairs, size_t count, uint64_t ticks)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pairs[middle].ticks <= ticks)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The pair nearest to the outermost one, `step` away from it in direction, that is far enough from
 * it to tell the rate; the outermost one itself if none of the next few is. */
static const struct shmlog_clock_pair *partner(const struct shmlog_clock_pair *outermost, int step,
                                               size_t others, uint64_t hz)
{
    const struct shmlog_clock_pair *pair = outermost;

    for (size_t i = 0; i < others && i < PARTNERS; i++) {
        uint64_t apart;

        pair += step;
        apart = step > 0 ? pair->ticks - outermost->ticks : outermost->ticks - pair->ticks;
        if (apart >= hz / PARTNER_PER_S)
            return pair;
    }
    return outermost;
}

int64_t shm_clock_to_ns(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                        uint64_t ticks, uint64_t *ret_error_ns)
{
    const struct shmlog_clock_pair *a, *b, *nearest;
    size_t before;
    uint64_t error;
    __int128 ns;

    if (count == 0) {
        if (ret_error_ns)
            *ret_error_ns = UINT64_MAX;
        return 0;
    }
    before = pairs_before(pairs, count, ticks);
    if (before == 0) {
        a = nearest = pairs;
        b = partner(a, 1, count - 1, hz);
    } else if (before == count) {
        b = nearest = &pairs[count - 1];
        a = partner(b, -1, count - 1, hz);
    } else {
        a = &pairs[before - 1];
        b = &pairs[before];
        nearest = ticks - a->ticks < b->ticks - ticks ? a : b;
    }
    if (a != b && ran(a, b, hz)) {
        ns = by_line(a, b, ticks);
        error = larger(a->error_ns, b->error_ns);
    } else {
        ns = by_hz(nearest, hz, ticks);
        error = nearest->error_ns;
        if (a != b && before > 0 && before < count)
            error = larger(error, disagreement(a, b, hz)); /* set some time between the two */
    }
    if (ret_error_ns)
        *ret_error_ns = error;
    return clamp(ns);
}

bool shm_clock_line(const struct shmlog_clock_pair *pairs, size_t count, uint64_t hz,
                    uint64_t ticks, struct shm_clock_line *ret_line)
{
    const size_t before = pairs_before(pairs, count, ticks);
    const struct shmlog_clock_pair *a, *b;

    if (before == 0 || before == count)
        return false;
    a = &pairs[before - 1];
    b = &pairs[before];
    if (!ran(a, b, hz) || b->realtime_ns > INT64_MAX || a->realtime_ns > b->realtime_ns)
        return false;
    *ret_line = (struct shm_clock_line){
        .from = a->ticks,
        .ticks = b->ticks - a->ticks,
        .base_ns = a->realtime_ns,
        .rise_ns = b->realtime_ns - a->realtime_ns,
    };
    return true;
}
