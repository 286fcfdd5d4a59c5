/* SPDX-License-Identifier: MIT
 *
 * The query language: what passes, what is refused and where, what it narrows.
 */
#include "tests/unit/log_kit.h"
#include "reader/query.h"

#include <errno.h>
#include <math.h>

#define NOW INT64_C(1795594028000000000) /* 2026-11-25T08:07:08Z */

static struct file_site site;
static struct shmlog_producer producer = {
    .id = 1, .pid = 100, .tid = 101, .process = "gateway", .thread = "io"};
static uint8_t payload[2 * SHMLOG_SLOT_PAYLOAD];
static struct line line;

static const struct log_kit_site made = {
    .kind = SHMLOG_SITE_EVENT,
    .level = SHMLOG_WARN,
    .format = "fill",
    .category = "trade",
    .args = 8,
    .type = {SHMLOG_TYPE_I32, SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_STRING,
             SHMLOG_TYPE_CHAR, SHMLOG_TYPE_BOOL, SHMLOG_TYPE_F64, SHMLOG_TYPE_STRING},
    .name = {"id", "big", "px", "symbol", "side", "live", "odd", "note"},
};

static void set(unsigned index, const void *value, size_t size)
{
    memcpy(payload + site.arg[index].offset, value, size);
}

static void make_line(void)
{
    const int32_t id = -4711;
    const uint64_t big = UINT64_MAX;
    const double px = 101.25, odd = NAN;
    const uint32_t length = 7, null = SHMLOG_LENGTH_NULL;
    const char side = 'B', live = 1;
    struct cursor_record record = {
        .time_ns = NOW - 2000000000,
        .seq = 9,
        .ring = 2,
        .cpu = 3,
        .site_id = 17,
        .producer_id = 1,
        .site = &site,
        .producer = &producer,
        .host = "node7",
        .segment_name = "trading",
        .payload = payload,
        .payload_size = sizeof(payload),
    };
    uint8_t bytes[SHMLOG_SITE_MAX];

    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&made, bytes), &site), 0);
    set(0, &id, sizeof(id));
    set(1, &big, sizeof(big));
    set(2, &px, sizeof(px));
    set(3, &length, sizeof(length));
    set(4, &side, 1);
    set(5, &live, 1);
    set(6, &odd, sizeof(odd));
    set(7, &null, sizeof(null));
    memcpy(payload + SHMLOG_PAYLOAD_ARGS + site.fixed_size, "BTCUSDT", 7);
    line_set(&line, &record);
}

static bool passes(const char *text)
{
    struct query *query;
    char message[256] = "";
    bool r;

    make_line();
    cr_assert_eq(query_compile(text, NOW, &query, message, sizeof(message)), 0, "%s: %s", text,
                 message);
    r = query_passes(query, &line);
    cr_expect_eq(query_passes(query, &line), r, "%s: another time", text);
    query_close(query);
    return r;
}

Test(query, passes)
{
    static const char *const yes[] = {
        "id == -4711",
        "id < 0",
        "-id == 4711",
        "id in (1, 2, -4711)",
        "id not in (1, 2)",
        "fields.id == -4711",
        "`id` == -4711",
        "id + 1 == -4710",
        "id * 2 == -9422",
        "id % 10 == -1",
        "2 + 3 * 4 == 14",
        "(2 + 3) * 4 == 20",
        "10 - 3 - 2 == 5",
        "7 / 2 == 3.5",
        "5 % -1 == 0",
        "big == 18446744073709551615",
        "big == 0xffffffffffffffff",
        "big + 1 > big",
        "big * big > big",
        "big != 18446744073709551614.0",
        "big > id",
        /* 2^64 - 1 as a double is 2^64: not equal, though it looks so */
        "big < 18446744073709551616.0",
        "px == 101.25",
        "px > 101",
        "px < 1.02e2",
        "px >= 101.25",
        "symbol == \"BTCUSDT\"",
        "symbol == 'BTCUSDT'",
        "symbol != \"ETH\"",
        "symbol < \"BTD\"",
        "symbol > \"BTC\"",
        "symbol in (\"ETHUSDT\", \"BTCUSDT\")",
        "symbol =~ \"^BTC\"",
        "symbol !~ \"ETH\"",
        "symbol =~ \"\\w+T$\"",
        "symbol == \"\\x42TCUSDT\"",
        "side == \"B\"",
        "live",
        "live == true",
        "!live == false",
        "!!live",
        "live == 1",
        "has(px) && has(note)",
        "!has(qty)",
        "level >= warn",
        "level == \"warn\"",
        "level == 3",
        "warn <= level",
        "level in (warn, error)",
        "process == \"gateway\"",
        "thread == 'io'",
        "pid == 100",
        "tid == 101",
        "cpu == 3",
        "ring == 2",
        "seq == 9",
        "line == 42",
        "file == \"src/strategy.c\"",
        "function == \"on_tick\"",
        "category == \"trade\"",
        "site == \"fill\"",
        "host == \"node7\"",
        "segment == \"trading\"",
        "message =~ \"px=101.25\"",
        "time < now",
        "time > now - 5s",
        "time == now - 2s",
        "now - time == 2s",
        "now - time < 2.5s",
        "time > \"2026-11-25\"",
        "time < \"2026-11-25T08:07:08Z\"",
        "\"2026-11-25\" <= time",
        "time >= \"-5m\"",
        "time_ns == 1795594026000000000",
        "px * 1s > 100s",
        "2 * 1m == 120s",
        "90m / 1h == 1.5",
        "id == 1 || px > 1",
        "false || true && true",
        "!(id == 1)",
        "!(id == 1 && px > 1)",
        "qty > 1 || id < 0",
        "id < 0 || qty > 1",
        "true",
    };
    static const char *const no[] = {
        "id == 4711",
        "id in (1, 2)",
        "symbol == \"btcusdt\"",
        "symbol == 5",
        "px == \"101.25\"",
        "big == 18446744073709551616.0",
        "level > warn",
        "false",
        "!true",
        "time > now",
        /* what the record has not got */
        "qty == 1",
        "qty != 1",
        "!(qty == 1)",
        "qty == qty",
        "qty in (1)",
        "qty not in (1)",
        "note == \"\"",
        "note =~ \".*\"",
        "!(note =~ \"x\")",
        "qty > 1 && id < 0",
        "px",
        "symbol",
        /* NaN is not to be compared, and nothing divided by 0 is */
        "odd == odd",
        "odd < 1",
        "odd > 1",
        "id / 0 == 1",
        "id % 0 == 0",
        "px % 0 == 0",
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        cr_expect(passes(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        cr_expect_not(passes(no[i]), "%s", no[i]);
    line_done(&line);
}

Test(query, refused)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "column 1: a value is missing at the end"},
        {"px >", "column 5: a value is missing at the end"},
        {"px > )", "column 6: a value is missing before ')'"},
        {"(px > 3", "column 8: ')' is missing"},
        {"px = 3", "column 4: '=' is no comparison: =="},
        {"px > 3 qty", "column 8: '&&' or '||' is missing before 'qty'"},
        {"px not 3", "column 8: 'in' is missing after 'not'"},
        {"px in 3", "column 7: '(' is missing"},
        {"px & 3", "column 4: '&' means nothing here"},
        {"px > 5q", "column 7: 'q' is no unit of time: ns us ms s m h d"},
        {"px > 99999999999999999999", "column 6: more than 64 bits"},
        {"px > 0x", "column 6: no number of up to 64 bits"},
        {"px > 300000d", "column 6: longer than 292 years"},
        {"\"abc", "column 1: a string that does not end"},
        {"has(3)", "column 5: has() takes the name of a field"},
        {"level >= wran", "column 10: wran is no level: trace debug info warn error critical"},
        {"level == now", "column 10: a time is no level: trace debug info warn error critical"},
        {"time > \"noon\"", "column 8: not a time, as \"2026-11-21T02:09:10\" or now - 5m"},
        {"time > 5m", "column 6: a time cannot be compared with a duration"},
        {"pid == \"a\"", "column 5: a number cannot be compared with a text"},
        {"pid + process > 3", "column 5: a number cannot be added to a text"},
        {"time * 2 > now", "column 6: a time cannot be multiplied by a number"},
        {"-symbol == -process", "column 12: a text has no sign"},
        {"pid =~ \"1\"", "column 5: a number has no text to match"},
        {"process =~ thread", "column 12: not a regular expression in quotes"},
        {"process =~ \"(\"", "column 12: missing ): ("},
        {"pid", "column 1: a number alone is no condition: compare it with something"},
        {"live && process", "column 9: a text alone is no condition: compare it with something"},
        {"!pid", "column 2: a number alone is no condition: compare it with something"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct query *query = NULL;
        char message[256] = "";

        cr_expect_eq(query_compile(cases[i].text, NOW, &query, message, sizeof(message)), -EINVAL,
                     "%s", cases[i].text);
        cr_expect_str_eq(message, cases[i].message, "%s: %s", cases[i].text, message);
    }
}

/* A text of `count` times `piece`, and `end`. */
static char *repeated(const char *piece, size_t count, const char *end)
{
    char *const text = malloc(count * strlen(piece) + strlen(end) + 1), *at = text;

    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, piece);
    strcpy(at, end);
    return text;
}

static void check_large(const char *piece, size_t count, const char *end, const char *want)
{
    char *const text = repeated(piece, count, end);
    struct query *query = NULL;
    char message[256] = "";
    const int r = query_compile(text, NOW, &query, message, sizeof(message));

    cr_expect_eq(r, want ? -EINVAL : 0, "%zu of %s: %s", count, piece, message);
    cr_expect(!want || strstr(message, want), "%zu of %s: %s", count, piece, message);
    if (!r) {
        make_line();
        cr_expect(query_passes(query, &line));
        query_close(query);
    }
    free(text);
}

Test(query, large)
{
    check_large("(", 90, "true", "')' is missing");
    check_large("(", 1000, "true", "within each other");
    check_large("!", 1000, "true", "within each other");
    check_large("-", 1000, "1 == 1", "within each other");
    check_large("true && ", 2000, "true", NULL);
    check_large("true && ", 3000, "true", "more than 4096 parts");
    check_large(" ", 65000, "true", NULL);
    check_large(" ", 66000, "true", "a longer one is not taken");
    line_done(&line);
}

static struct cursor_options narrowed(const char *text)
{
    struct cursor_options options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX};
    struct query *query;
    char message[256] = "";

    cr_assert_eq(query_compile(text, NOW, &query, message, sizeof(message)), 0, "%s", message);
    query_narrow(query, &options);
    query_close(query);
    return options;
}

Test(query, narrows)
{
    struct cursor_options o = narrowed("time >= now - 5m && px > 1 && now > time && level > info");

    cr_expect_eq(o.since_ns, NOW - INT64_C(300000000000));
    cr_expect_eq(o.until_ns, NOW);
    cr_expect_eq(o.min_level, SHMLOG_INFO);
    o = narrowed("time >= now || level >= error"); /* neither decides alone */
    cr_expect_eq(o.since_ns, INT64_MIN);
    cr_expect_eq(o.min_level, 0);
    o = narrowed("!(time >= now) && time != now && level <= error");
    cr_expect_eq(o.since_ns, INT64_MIN);
    cr_expect_eq(o.until_ns, INT64_MAX);
    cr_expect_eq(o.min_level, 0);
    o = narrowed("time_ns == 5 && critical == level");
    cr_expect_eq(o.since_ns, 5);
    cr_expect_eq(o.until_ns, 5);
    cr_expect_eq(o.min_level, SHMLOG_CRITICAL);
}

static void check_stranger(const char *text, const char *want)
{
    struct query *query;
    char message[256] = "";
    bool r;

    make_line();
    cr_assert_eq(query_compile(text, NOW, &query, message, sizeof(message)), 0, "%s", message);
    cr_expect_not(query_has_stranger(query, message, sizeof(message)), "before any record");
    query_passes(query, &line);
    r = query_has_stranger(query, message, sizeof(message));
    cr_expect_eq(r, want != NULL, "%s", text);
    cr_expect(!want || !strcmp(message, want), "%s: %s", text, message);
    query_close(query);
}

Test(query, strangers)
{
    check_stranger("px > 1 && symbol == 'x'", NULL);
    check_stranger("level >= warn", NULL); /* `warn` is no field */
    check_stranger("simbol == 'x'", "no record has a field 'simbol'; the nearest is 'symbol'");
    check_stranger("proces == 'x'", "no record has a field 'proces'; the nearest is 'process'");
    check_stranger("counterparty == 1", "no record has a field 'counterparty'");
    line_done(&line);
}

/* Ids come again in another segment, and with files that contradict each other. */
Test(query, another_site)
{
    static const struct log_kit_site other = {.kind = SHMLOG_SITE_EVENT,
                                              .level = SHMLOG_WARN,
                                              .format = "fill",
                                              .args = 8,
                                              .type = {SHMLOG_TYPE_I32, SHMLOG_TYPE_I32,
                                                       SHMLOG_TYPE_I32, SHMLOG_TYPE_I32,
                                                       SHMLOG_TYPE_I32, SHMLOG_TYPE_I32,
                                                       SHMLOG_TYPE_I32, SHMLOG_TYPE_I32},
                                              .name = {"a", "b", "c", "d", "e", "f", "g", "id"}};
    struct query *query;
    uint8_t bytes[SHMLOG_SITE_MAX];
    char message[256] = "";
    struct cursor_record record;
    const int32_t id = 5;

    make_line();
    cr_assert_eq(query_compile("id == 5 || id == -4711", NOW, &query, message, sizeof(message)), 0);
    cr_expect(query_passes(query, &line));
    record = line.record;
    record.segment = 1;
    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&other, bytes), &site), 0);
    set(7, &id, sizeof(id));
    line_set(&line, &record);
    cr_expect(query_passes(query, &line));
    query_close(query);
    line_done(&line);
}
