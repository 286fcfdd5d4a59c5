/* SPDX-License-Identifier: MIT
 *
 * Logs one of everything, and writes what should come out to an oracle file of its own, formatted
 * by libc's printf: one JSON object a line. Compiled as C and, through e2e_producer_cpp.cpp, as
 * C++.
 *
 * usage: e2e_producer SEGMENT ORACLE
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/shared_rings.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

static FILE *oracle;

struct fill {
    uint64_t id;
    double px;
    uint32_t qty;
    char sym[8];
    int16_t venue;
    bool maker;
};
SHMLOG_RECORD(fill_record, struct fill, SHMLOG_INFO, SHMLOG_TRADE, "fill",
              SHMLOG_FIELD(struct fill, id), SHMLOG_FIELD(struct fill, px),
              SHMLOG_FIELD(struct fill, qty), SHMLOG_FIELD(struct fill, sym),
              SHMLOG_FIELD(struct fill, venue), SHMLOG_FIELD(struct fill, maker));

/* A JSON string of what is there, of plain text only. */
static void put_string(const char *text)
{
    fputc('"', oracle);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', oracle);
        fputc(*text, oracle);
    }
    fputc('"', oracle);
}

static void expect_open(const char *level, const char *category, const char *key, const char *text)
{
    fprintf(oracle, "{\"level\": \"%s\", \"category\": \"%s\", \"%s\": ", level, category, key);
    put_string(text);
}

/* Log, and expect the message that printf makes of the same arguments. */
#define EXPECT(level_name, category_name, call, ...)              \
    do {                                                          \
        char want_[8192];                                         \
        snprintf(want_, sizeof(want_), __VA_ARGS__);              \
        expect_open(level_name, category_name, "message", want_); \
        fputs("}\n", oracle);                                     \
        call;                                                     \
    } while (0)
#define INFO(log, ...) EXPECT("info", "", shmlog_info(log, __VA_ARGS__), __VA_ARGS__)

static void log_levels(struct shmlog *log)
{
    EXPECT("trace", "", shmlog_trace(log, "level %d", 0), "level %d", 0);
    EXPECT("debug", "", shmlog_debug(log, "level %d", 1), "level %d", 1);
    EXPECT("info", "", shmlog_info(log, "level %d", 2), "level %d", 2);
    EXPECT("warn", "", shmlog_warn(log, "level %d", 3), "level %d", 3);
    EXPECT("error", "", shmlog_error(log, "level %d", 4), "level %d", 4);
    EXPECT("critical", "", shmlog_critical(log, "level %d", 5), "level %d", 5);
    EXPECT("warn", "trade", shmlog_log(log, SHMLOG_WARN, SHMLOG_TRADE, "cat %d", 1), "cat %d", 1);
    EXPECT("info", "order", shmlog_log(log, SHMLOG_INFO, SHMLOG_ORDER, "cat %d", 2), "cat %d", 2);
    EXPECT("info", "market_data", shmlog_log(log, SHMLOG_INFO, SHMLOG_MARKET_DATA, "md"), "md");
    EXPECT("info", "risk", shmlog_log(log, SHMLOG_INFO, SHMLOG_RISK, "cat %d", 4), "cat %d", 4);
    EXPECT("info", "portfolio", shmlog_log(log, SHMLOG_INFO, SHMLOG_PORTFOLIO, "p"), "p");
    EXPECT("error", "latency", shmlog_log(log, SHMLOG_ERROR, "latency", "own %d", 6), "own %d", 6);
}

static void log_integers(struct shmlog *log)
{
    INFO(log, "no arguments, 100%%");
    INFO(log, "%hhd %hhu %hd %hu", (signed char)-128, (unsigned char)255, (short)-32768,
         (unsigned short)65535);
    INFO(log, "%d %u %x %X %o %i", INT32_MIN, UINT32_MAX, 0xdeadbeefu, 0xdeadbeefu, 8u, INT32_MAX);
    INFO(log, "%ld %lu %lx %lld %llu", INT64_MIN, UINT64_MAX, 0x123456789abcdefl, -1ll, ~0ull);
    INFO(log, "%zu %zd %jd %ju %td", (size_t)1 << 40, (ssize_t)-5, (intmax_t)-6, (uintmax_t)7,
         (ptrdiff_t)-8);
    INFO(log, "%" PRId8 " %" PRIu16 " %" PRId32 " %" PRIu64, (int8_t)-1, (uint16_t)2, (int32_t)-3,
         (uint64_t)4);
    INFO(log, "[%5d] [%-5d] [%05d] [%+d] [% d] [%#x] [%#o] [%.3d]", 42, 42, 42, 42, 42, 42u, 42u,
         7);
    INFO(log, "[%*d] [%-*d] [%.*f]", 8, 42, 8, 42, 3, 3.14159);
    INFO(log, "%c%c%c %5c %-5c|", 'a', '%', 'z', 'r', 'l');
    INFO(log, "%d %d", (int)true, (int)false);
    INFO(log, "%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
         12, 13, 14, 15, 16);
    INFO(log, "%ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", 1l, -2l, 3l, -4l,
         5l, -6l, 7l, -8l, 9l, -10l, 11l, -12l, 13l, -14l, 15l, INT64_MIN);
}

static void log_floats(struct shmlog *log)
{
    INFO(log, "%f %.2f %10.3f %e %.3E %g %G %a", 1.5, 58710.2, -2.0, 1e300, 1e-300, 0.1, 1e20, 0.5);
    INFO(log, "%f %f %f %g", 0.0, -0.0, 1.0 / 3, 5e-324);
    INFO(log, "%.2f %.1f", (double)1.25f, (double)-0.5f);
    INFO(log, "%f %f", __builtin_inf(), -__builtin_inf());
    INFO(log, "order %lu px %.2f qty %u side %c", 7ul, 58710.25, 300u, 'B');
}

static void log_strings(struct shmlog *log)
{
    static char longer[3000];
    char array[16] = "an array";
    const char *text = "a pointer";
    const char *none = "";
    const char not_ended[4] = {'f', 'o', 'u', 'r'};

    memset(longer, 'x', sizeof(longer) - 1);
    INFO(log, "%s, %s, [%s]", array, text, none);
    INFO(log, "[%12s] [%-12s] [%.3s] [%12.3s]", text, text, text, text);
    INFO(log, "[%.*s] [%.*s]", 4, not_ended, 0, text);
    INFO(log, "%s %d %s %f %s", "one", 1, "two", 2.0, "three");
    INFO(log, "%s", longer);
    INFO(log, "%.2000s and %s", longer, "more");
    INFO(log, "pointer %p", (void *)0x1234abcd);
    INFO(log, "utf-8: %s", "\xc3\xa9\xe2\x82\xac");
}

static void log_events(struct shmlog *log)
{
    const float f = 0.5f;
    const signed char i8 = -1;
    const unsigned short u16 = 65535;

    expect_open("info", "order", "starts", "new_order");
    fputs(", \"fields\": {\"id\": 18446744073709551615, \"px\": 58710.25, \"qty\": -3, \"sym\": "
          "\"BTC\"}}\n",
          oracle);
    shmlog_event(log, SHMLOG_INFO, SHMLOG_ORDER, "new_order", "id", UINT64_MAX, "px", 58710.25,
                 "qty", -3, "sym", "BTC");
    expect_open("warn", "risk", "starts", "limit");
    fputs(", \"fields\": {\"f\": 0.5, \"i8\": -1, \"u16\": 65535, \"part\": \"par\", \"empty\": "
          "\"\"}}\n",
          oracle);
    shmlog_event(log, SHMLOG_WARN, SHMLOG_RISK, "limit", "f", f, "i8", i8, "u16", u16, "part",
                 shmlog_text("partial", 3), "empty", "");
    expect_open("info", "", "starts", "bare");
    fputs(", \"fields\": {}}\n", oracle);
    shmlog_event(log, SHMLOG_INFO, "", "bare");
    expect_open("info", "latency", "starts", "min");
    fprintf(oracle, ", \"fields\": {\"min\": %" PRId64 "}}\n", INT64_MIN);
    shmlog_event(log, SHMLOG_INFO, "latency", "min", "min", (int64_t)INT64_MIN);
}

static void log_records(struct shmlog *log)
{
    struct fill fill;

    memset(&fill, 0, sizeof(fill));
    fill.id = 77;
    fill.px = 0.125;
    fill.qty = 4000000000u;
    memcpy(fill.sym, "ETHUSDT", 8);
    fill.venue = -2;
    fill.maker = true;
    expect_open("info", "trade", "starts", "fill");
    fputs(", \"fields\": {\"id\": 77, \"px\": 0.125, \"qty\": 4000000000, \"sym\": \"ETHUSDT\", "
          "\"venue\": -2, \"maker\": true}}\n",
          oracle);
    shmlog_record(log, &fill_record, &fill);
}

/* The caller's own times: those of the call before and the call after enclose them. */
static void log_times(struct shmlog *log)
{
    const uint64_t ticks = shmlog_now(log);
    struct fill fill;

    memset(&fill, 0, sizeof(fill));
    EXPECT("info", "", shmlog_info_at(log, ticks, "at %d", 1), "at %d", 1);
    EXPECT("error", "own", shmlog_log_at(log, ticks, SHMLOG_ERROR, "own", "at %d", 2), "at %d", 2);
    expect_open("info", "risk", "starts", "at");
    fputs(", \"fields\": {\"n\": 3}, \"same_time\": true}\n", oracle);
    shmlog_event_at(log, ticks, SHMLOG_INFO, SHMLOG_RISK, "at", "n", 3);
    expect_open("info", "trade", "starts", "fill");
    fputs(", \"same_time\": true}\n", oracle);
    shmlog_record_at(log, ticks, &fill_record, &fill);
}

int main(int argc, char **argv)
{
    struct shmlog_options options;
    struct shmlog *log;
    int error;

    if (argc != 3)
        return 2;
    memset(&options, 0, sizeof(options));
    options.wait_ms = 10000;
    options.process_name = "e2e";
    oracle = fopen(argv[2], "w");
    error = shmlog_open(&log, argv[1], &options);
    if (error < 0 || !oracle) {
        fprintf(stderr, "e2e_producer: %s\n", shmlog_strerror(error));
        return 1;
    }
    for (int round = 0; round < 3; round++) {
        log_levels(log);
        log_integers(log);
        log_floats(log);
        log_strings(log);
        log_events(log);
        log_records(log);
        log_times(log);
        kit_share(log); /* the later rounds: the same through shared rings */
    }
    shmlog_close(log);
    return fclose(oracle) ? 1 : 0;
}
