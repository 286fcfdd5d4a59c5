/* SPDX-License-Identifier: MIT
 *
 * The common work of all contenders, ours and the peers, and what it is measured with: orders, the
 * floor, time, pinning. Knows no logger.
 *
 * Each program makes one repetition of its measurement and prints one line of JSON on standard
 * output; bench/run repeats and puts together. A program that cannot measure says why on standard
 * error and exits 1, wrong usage exits 2: a figure is printed only if all of it holds.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The work ---- */

struct bench_order {
    double px;
    uint32_t qty;
    char side;
};

extern const uint32_t bench_sizes[8]; /* quantities, of orders and of the mixed stream */

/* Prices walk at random in ticks of 0.01, quantities come from a set of eight, sides are drawn: 6.6
 * bits of chance in each order. Fixed seed. */
struct bench_walk {
    uint64_t state;
    uint64_t tick;
};
#define BENCH_WALK_START                                       \
    {                                                          \
        .state = UINT64_C(0x243f6a8885a308d3), .tick = 6400000 \
    }

static inline uint64_t bench_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline void bench_walk_next(struct bench_walk *walk, struct bench_order *ret_order)
{
    const uint64_t r = bench_random(&walk->state);

    walk->tick += (r & 3) - (r >> 2 & 3); /* -3 .. 3 ticks, most often 0 */
    ret_order->px = (double)walk->tick / 100.0;
    ret_order->qty = bench_sizes[r >> 8 & 7];
    ret_order->side = r & 0x10000 ? 'B' : 'S';
}

/* Orders made beforehand, few enough to stay in the first-level cache, so that what is timed is
 * logging them and not making them. Indexed by id % BENCH_ORDERS. */
#define BENCH_ORDERS 256u
extern struct bench_order bench_orders[BENCH_ORDERS];
void bench_orders_fill(void);

/* ---- The floor ---- */

/* 1 MiB of slots on a huge page, if one can be had. */
struct bench_floor {
    uint64_t *slots;
    uint64_t at;      /* slots written so far */
    const char *page; /* what the memory lies on, in words */
};
#define BENCH_FLOOR_SLOTS 16384u

void bench_floor_open(struct bench_floor *ret_floor);

static inline void bench_store_(uint64_t *to, uint64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/* The record of an order as a log call leaves it, in eight 8-byte stores. Relaxed atomic stores are
 * plain ones that compilers may not gather into wider ones. */
static inline void bench_floor_store(struct bench_floor *floor, uint64_t id,
                                     const struct bench_order *order, uint64_t time)
{
    uint64_t *const slot = floor->slots + (floor->at & (BENCH_FLOOR_SLOTS - 1)) * 8;
    uint64_t px;

    memcpy(&px, &order->px, sizeof(px));
    bench_store_(&slot[0], ++floor->at);
    bench_store_(&slot[1], time);
    bench_store_(&slot[2], 1);
    bench_store_(&slot[3], id);
    bench_store_(&slot[4], px);
    bench_store_(&slot[5], order->qty | (uint64_t)(uint8_t)order->side << 32);
    bench_store_(&slot[6], 0);
    bench_store_(&slot[7], 0);
}

/* ---- Time ---- */

static inline uint64_t bench_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* The TSC with everything before it done and nothing after it begun. */
static inline uint64_t bench_tsc_fenced(void)
{
    uint64_t t;

    __asm__ volatile("lfence" ::: "memory");
    t = bench_tsc();
    __asm__ volatile("lfence" ::: "memory");
    return t;
}

double bench_ns_per_tick(void); /* of the TSC, over 100 ms of CLOCK_MONOTONIC_RAW */
uint64_t bench_now_ns(void);    /* CLOCK_MONOTONIC */
void bench_pin(unsigned cpu);   /* the calling thread */

/* ---- Programs ---- */

void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Exits with a message unless the argument is a number in the range. */
uint64_t bench_number(const char *name, const char *text, uint64_t min, uint64_t max);

/* ---- Figures ---- */

void bench_sort(uint32_t *values, size_t count);
double bench_median(double *values, size_t count); /* sorts them */

#ifdef __cplusplus
}
#endif

#endif
