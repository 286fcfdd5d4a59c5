/* SPDX-License-Identifier: MIT
 *
 * The common work as LTTng-UST tracepoints, each argument as a typed field. Read several times over
 * by LTTng's own headers, hence no plain include guard.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "bench/peers/lttng_events.h"

#if !defined(BENCH_PEERS_LTTNG_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_PEERS_LTTNG_EVENTS_H

#include <lttng/tracepoint.h>
#include <stdint.h>

/* clang-format off */
LTTNG_UST_TRACEPOINT_EVENT(bench, order,
    LTTNG_UST_TP_ARGS(uint64_t, id, double, px, uint32_t, qty, char, side),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, id, id)
        lttng_ust_field_float(double, px, px)
        lttng_ust_field_integer(uint32_t, qty, qty)
        lttng_ust_field_integer(char, side, side)))

LTTNG_UST_TRACEPOINT_EVENT(bench, quote,
    LTTNG_UST_TP_ARGS(const char *, symbol, double, bid, uint32_t, bid_size, double, ask,
                      uint32_t, ask_size),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_string(symbol, symbol)
        lttng_ust_field_float(double, bid, bid)
        lttng_ust_field_integer(uint32_t, bid_size, bid_size)
        lttng_ust_field_float(double, ask, ask)
        lttng_ust_field_integer(uint32_t, ask_size, ask_size)))

LTTNG_UST_TRACEPOINT_EVENT(bench, ack,
    LTTNG_UST_TP_ARGS(uint64_t, id, uint32_t, ns),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, id, id)
        lttng_ust_field_integer(uint32_t, ns, ns)))

LTTNG_UST_TRACEPOINT_EVENT(bench, trade,
    LTTNG_UST_TP_ARGS(const char *, symbol, double, px, uint32_t, qty),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_string(symbol, symbol)
        lttng_ust_field_float(double, px, px)
        lttng_ust_field_integer(uint32_t, qty, qty)))

LTTNG_UST_TRACEPOINT_EVENT(bench, fill,
    LTTNG_UST_TP_ARGS(uint64_t, id, const char *, symbol, double, px, uint32_t, qty,
                      uint32_t, left, const char *, venue),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, id, id)
        lttng_ust_field_string(symbol, symbol)
        lttng_ust_field_float(double, px, px)
        lttng_ust_field_integer(uint32_t, qty, qty)
        lttng_ust_field_integer(uint32_t, left, left)
        lttng_ust_field_string(venue, venue)))

LTTNG_UST_TRACEPOINT_EVENT(bench, cancel,
    LTTNG_UST_TP_ARGS(uint64_t, id, const char *, reason),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, id, id)
        lttng_ust_field_string(reason, reason)))

LTTNG_UST_TRACEPOINT_EVENT(bench, position,
    LTTNG_UST_TP_ARGS(const char *, symbol, int32_t, net),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_string(symbol, symbol)
        lttng_ust_field_integer(int32_t, net, net)))

LTTNG_UST_TRACEPOINT_EVENT(bench, risk,
    LTTNG_UST_TP_ARGS(const char *, symbol, double, exposure, double, limit, int32_t, ok),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_string(symbol, symbol)
        lttng_ust_field_float(double, exposure, exposure)
        lttng_ust_field_float(double, limit, limit)
        lttng_ust_field_integer(int32_t, ok, ok)))

LTTNG_UST_TRACEPOINT_EVENT(bench, heartbeat,
    LTTNG_UST_TP_ARGS(uint32_t, number),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, number, number)))

LTTNG_UST_TRACEPOINT_EVENT(bench, latency,
    LTTNG_UST_TP_ARGS(uint32_t, p50, uint32_t, p99, uint32_t, max),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint32_t, p50, p50)
        lttng_ust_field_integer(uint32_t, p99, p99)
        lttng_ust_field_integer(uint32_t, max, max)))

LTTNG_UST_TRACEPOINT_EVENT(bench, session,
    LTTNG_UST_TP_ARGS(const char *, name, const char *, state),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_string(name, name)
        lttng_ust_field_string(state, state)))

LTTNG_UST_TRACEPOINT_EVENT(bench, queue,
    LTTNG_UST_TP_ARGS(uint64_t, depth, uint64_t, size, uint32_t, waits),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, depth, depth)
        lttng_ust_field_integer(uint64_t, size, size)
        lttng_ust_field_integer(uint32_t, waits, waits)))
/* clang-format on */

#endif

#include <lttng/tracepoint-event.h>
