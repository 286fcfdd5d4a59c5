/* SPDX-License-Identifier: MIT
 *
 * The log calls of the mixed stream: `SAY` is the call with the log, and the time if it takes one,
 * put in. Call sites are per use.
 */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "bench/mixed.h"

#define BENCH_SAY_EVENT(SAY, e)                                                                   \
    switch ((e)->site) {                                                                          \
    case BENCH_QUOTE:                                                                             \
        SAY("quote %s bid %.2f x %u ask %.2f x %u", (e)->text, (e)->px, (e)->qty, (e)->px2,       \
            (e)->qty2);                                                                           \
        break;                                                                                    \
    case BENCH_ORDER:                                                                             \
        SAY("order %lu px %.2f qty %u side %c", (e)->id, (e)->px, (e)->qty, (e)->side);           \
        break;                                                                                    \
    case BENCH_ACK:                                                                               \
        SAY("ack %lu in %u ns", (e)->id, (e)->qty);                                               \
        break;                                                                                    \
    case BENCH_TRADE:                                                                             \
        SAY("trade %s px %.2f qty %u", (e)->text, (e)->px, (e)->qty);                             \
        break;                                                                                    \
    case BENCH_FILL:                                                                              \
        SAY("fill %lu %s px %.2f qty %u left %u venue %s", (e)->id, (e)->text, (e)->px, (e)->qty, \
            (e)->qty2, (e)->text2);                                                               \
        break;                                                                                    \
    case BENCH_CANCEL:                                                                            \
        SAY("cancel %lu reason %s", (e)->id, (e)->text);                                          \
        break;                                                                                    \
    case BENCH_POSITION:                                                                          \
        SAY("position %s %d", (e)->text, (e)->net);                                               \
        break;                                                                                    \
    case BENCH_RISK:                                                                              \
        SAY("risk %s exposure %.2f limit %.2f ok %d", (e)->text, (e)->px, (e)->px2, (e)->net);    \
        break;                                                                                    \
    case BENCH_BEAT:                                                                              \
        SAY("heartbeat %u", (e)->qty);                                                            \
        break;                                                                                    \
    case BENCH_LATENCY:                                                                           \
        SAY("latency p50 %u p99 %u max %u ns", (e)->qty, (e)->qty2, (e)->qty3);                   \
        break;                                                                                    \
    case BENCH_SESSION:                                                                           \
        SAY("session %s state %s", (e)->text, (e)->text2);                                        \
        break;                                                                                    \
    case BENCH_QUEUE:                                                                             \
        SAY("queue depth %lu of %lu, %u waits", (e)->id, (e)->id2, (e)->qty);                     \
        break;                                                                                    \
    case BENCH_SITES:                                                                             \
        break;                                                                                    \
    }

#endif
