/* SPDX-License-Identifier: MIT
 *
 * Every call of the public header once, in what C and C++ have in common. Compiled by the header
 * checks under each compiler, standard and optimisation, and linked into one program from several
 * files.
 */
#ifndef TESTS_CHECKS_HEADER_USE_H
#define TESTS_CHECKS_HEADER_USE_H

#include "producer/shmlog.h"

struct use_fill {
    uint64_t id;
    double px;
    uint32_t qty;
    char sym[8];
};
SHMLOG_RECORD(use_fill_record, struct use_fill, SHMLOG_INFO, SHMLOG_TRADE, "fill",
              SHMLOG_FIELD(struct use_fill, id), SHMLOG_FIELD(struct use_fill, px),
              SHMLOG_FIELD(struct use_fill, qty), SHMLOG_FIELD(struct use_fill, sym));

static inline void use_levels(struct shmlog *log)
{
    const void *const address = log;

    shmlog_trace(log, "trace");
    shmlog_debug(log, "debug %d", 1);
    shmlog_info(log, "info %s %d", "one", 2);
    shmlog_warn(log, "warn %.2f", 1.5);
    shmlog_error(log, "error %c", 'x');
    shmlog_critical(log, "critical %p", address);
    shmlog_info_at(log, shmlog_now(log), "at %d", 1);
    shmlog_log(log, SHMLOG_INFO, SHMLOG_ORDER, "order %lu px %.2f qty %u side %c", 1ul, 2.5, 3u,
               'B');
    shmlog_log_at(log, shmlog_now(log), SHMLOG_WARN, "own", "own category %d", 1);
}

static inline void use_types(struct shmlog *log)
{
    const signed char sc = -1;
    const unsigned char uc = 1;
    const short s = -2;
    const unsigned short us = 2;
    const long long ll = -3;
    const unsigned long long ull = 3;
    const float f = 1.5f;
    const double wide = 1.5;
    const char *text = "text";
    const void *const address = text;
    char array[8] = "array";

    shmlog_info(log, "%d %u %d %u %lld %llu %f", sc, uc, s, us, ll, ull, wide);
    shmlog_info(log, "%s %s %.*s %p", text, array, 3, text, address);
    shmlog_info(log, "%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9,
                10, 11, 12, 13, 14, 15, 16);
    shmlog_event(log, SHMLOG_INFO, SHMLOG_RISK, "limit", "account", 7, "used", 0.5, "name", text,
                 "part", shmlog_text(text, 2), "raw", shmlog_bytes(array, sizeof(array)), "f", f,
                 "s", s, "us", us);
    shmlog_event_at(log, shmlog_now(log), SHMLOG_INFO, SHMLOG_PORTFOLIO, "position", "qty", ll);
    shmlog_event(log, SHMLOG_INFO, SHMLOG_MARKET_DATA, "empty");
}

static inline void use_records(struct shmlog *log)
{
    struct use_fill fill;

    memset(&fill, 0, sizeof(fill));
    fill.id = 1;
    shmlog_record(log, &use_fill_record, &fill);
    shmlog_record_at(log, shmlog_now(log), &use_fill_record, &fill);
    shmlog_record_n(log, &use_fill_record, &fill, SHMLOG_NULL_, 1);
}

static inline void use_some(struct shmlog *log)
{
    shmlog_every_n(log, 2, SHMLOG_INFO, "every other");
    shmlog_every_ms(log, 1000, SHMLOG_INFO, "each second %d", 1);
    shmlog_once(log, SHMLOG_INFO, "once %s", "x");
}

static inline void use_all(struct shmlog *log)
{
    use_levels(log);
    use_types(log);
    use_records(log);
    use_some(log);
}
#define USE_CALLS 21u /* log calls in use_all() */

#ifdef __cplusplus
extern "C"
#endif
    uint64_t
    use_other(void); /* the other file's use_all(), then the count of calls without a segment */

#endif
