/* SPDX-License-Identifier: MIT
 *
 * The mixed stream: what a trading process logs, from 12 sites with 1 to 6 arguments, short strings
 * among them, some sites far more often than others. Fixed seed; the same for all contenders.
 */
#ifndef BENCH_MIXED_H
#define BENCH_MIXED_H

#include "bench/work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Each site with how often it comes in 1,000, as printf would have it, and what it takes of an
 * event:
 *
 *     QUOTE     300  "quote %s bid %.2f x %u ask %.2f x %u"           text px qty px2 qty2
 *     ORDER     200  "order %lu px %.2f qty %u side %c"               id px qty side
 *     ACK       120  "ack %lu in %u ns"                               id qty
 *     TRADE     100  "trade %s px %.2f qty %u"                        text px qty
 *     FILL       80  "fill %lu %s px %.2f qty %u left %u venue %s"    id text px qty qty2 text2
 *     CANCEL     60  "cancel %lu reason %s"                           id text
 *     POSITION   50  "position %s %d"                                 text net
 *     RISK       40  "risk %s exposure %.2f limit %.2f ok %d"         text px px2 net
 *     BEAT       20  "heartbeat %u"                                   qty
 *     LATENCY    15  "latency p50 %u p99 %u max %u ns"                qty qty2 qty3
 *     SESSION    10  "session %s state %s"                            text text2
 *     QUEUE       5  "queue depth %lu of %lu, %u waits"               id id2 qty
 */
enum bench_site {
    BENCH_QUOTE,
    BENCH_ORDER,
    BENCH_ACK,
    BENCH_TRADE,
    BENCH_FILL,
    BENCH_CANCEL,
    BENCH_POSITION,
    BENCH_RISK,
    BENCH_BEAT,
    BENCH_LATENCY,
    BENCH_SESSION,
    BENCH_QUEUE,
    BENCH_SITES
};

struct bench_event {
    enum bench_site site;
    const char *text, *text2;
    uint64_t id, id2;
    double px, px2;
    uint32_t qty, qty2, qty3;
    int32_t net;
    char side;
};

#define BENCH_SYMBOLS 16u

struct bench_mixed {
    uint64_t random;
    uint64_t orders, beats;
    uint64_t tick[BENCH_SYMBOLS];
    int32_t net[BENCH_SYMBOLS];
};

void bench_mixed_start(struct bench_mixed *ret_mixed);
void bench_mixed_next(struct bench_mixed *mixed, struct bench_event *ret_event);

#ifdef __cplusplus
}
#endif
#endif
