/* SPDX-License-Identifier: MIT
 *
 * Filters, field lists, formats and counting.
 */
#include "tests/unit/log_kit.h"
#include "tools/count.h"
#include "reader/filter.h"
#include "reader/level.h"

#include <errno.h>

static struct file_site site;
static struct shmlog_producer producer = {.id = 1, .pid = 100, .tid = 101, .process = "gateway"};
static uint8_t payload[SHMLOG_SLOT_PAYLOAD];
static struct line line;

static void make_line(void)
{
    static const struct log_kit_site made = {
        .kind = SHMLOG_SITE_PRINTF,
        .level = SHMLOG_WARN,
        .format = "order %d sent",
        .category = "order",
        .args = 1,
        .type = {SHMLOG_TYPE_I32},
        .name = {"id"},
    };
    struct cursor_record record = {
        .time_ns = 5,
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
    int32_t id = 4711;
    uint8_t bytes[SHMLOG_SITE_MAX];

    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&made, bytes), &site), 0);
    memcpy(payload + SHMLOG_PAYLOAD_ARGS, &id, sizeof(id));
    line_set(&line, &record);
}

static bool passes(struct filter filter)
{
    make_line();
    return filter_passes(&filter, &line);
}

static bool passes_category(const char *list)
{
    struct filter filter = {0};
    bool r;

    cr_assert_eq(filter_globs_add(&filter.category, list, true), 0);
    r = passes(filter);
    filter_done(&filter);
    return r;
}

static bool passes_site(const char *glob)
{
    struct filter filter = {0};
    bool r;

    cr_assert_eq(filter_globs_add(&filter.site, glob, false), 0);
    r = passes(filter);
    filter_done(&filter);
    return r;
}

Test(filter, categories_and_sites)
{
    cr_expect(passes((struct filter){0}));
    cr_expect(passes_category("order"));
    cr_expect(passes_category("O*"));
    cr_expect(!passes_category("risk"));
    cr_expect(passes_category("risk,ord*,x"));
    cr_expect(!passes_category("risk,x"));
    cr_expect(passes_site("17"));
    cr_expect(!passes_site("1"));
    cr_expect(passes_site("strategy.c"));
    cr_expect(passes_site("strategy.c:42"));
    cr_expect(passes_site("src/*:42"));
    cr_expect(!passes_site("strategy.c:43"));
    cr_expect(passes_site("on_*"));
    cr_expect(passes_site("order * sent"));
    cr_expect(!passes_site("order"));
    cr_expect(!passes_site("17,18"), "a comma is a character of formats");
}

Test(filter, several_patterns)
{
    struct filter filter = {0};

    cr_expect_eq(filter_globs_add(&filter.site, "nothing", false), 0);
    cr_expect(!passes(filter));
    cr_expect_eq(filter_globs_add(&filter.site, "17", false), 0);
    cr_expect(passes(filter));
    cr_expect_eq(filter_globs_add(&filter.category, "a", true), 0);
    for (const char *const *bad = (const char *const[]){"", ",", "a,", ",a", "a,,b", NULL}; *bad;
         bad++)
        cr_expect_eq(filter_globs_add(&filter.category, *bad, true), -EINVAL, "%s", *bad);
    cr_expect_eq(filter.category.count, 1);
    cr_expect(!passes(filter));
    cr_expect_eq(filter_globs_add(&filter.category, "b,order", true), 0);
    cr_expect(passes(filter));
    filter_done(&filter);
}

Test(filter, numbers)
{
    struct filter filter = {0};

    cr_expect_eq(filter_numbers_add(&filter.pid, "0-2,100"), 0);
    cr_expect(passes(filter));
    cr_expect_eq(filter_numbers_add(&filter.tid, "100"), 0);
    cr_expect(!passes(filter));
    cr_expect_eq(filter_numbers_add(&filter.tid, "101"), 0); /* adds up */
    cr_expect(passes(filter));
    cr_expect_eq(filter_numbers_add(&filter.cpu, "4-8"), 0);
    cr_expect(!passes(filter));
    for (const char *const *bad =
             (const char *const[]){"", "a", "1-", "3-1", "1,", "-1", "4294967296", "1 2", NULL};
         *bad; bad++)
        cr_expect_eq(filter_numbers_add(&filter.cpu, *bad), -EINVAL, "%s", *bad);
    cr_expect_eq(filter.cpu.range[0].first, 4);
    cr_expect_eq(filter.cpu.count, 1);
    while (filter.cpu.count < FILTER_RANGES_MAX)
        cr_assert_eq(filter_numbers_add(&filter.cpu, "4"), 0);
    cr_expect_eq(filter_numbers_add(&filter.cpu, "4"), -ENOBUFS);
    cr_expect_eq(filter.cpu.count, FILTER_RANGES_MAX);
}

Test(filter, grep)
{
    char message[128] = "";
    struct filter filter = {0};

    cr_expect_eq(filter_grep(&filter, "47[0-9]+ sent$", message, sizeof(message)), 0);
    cr_expect(passes(filter));
    cr_expect_eq(filter_grep(&filter, "^sent", message, sizeof(message)), 0);
    cr_expect(!passes(filter));
    cr_expect_eq(filter_grep(&filter, "(", message, sizeof(message)), -EINVAL);
    cr_expect_neq(*message, 0);
    cr_expect(!passes(filter), "as before");
    filter_done(&filter);
}

Test(filter, unknown_producer_and_site)
{
    struct filter filter = {0};

    make_line();
    line.record.producer = NULL;
    line.record.site = NULL;
    cr_expect(filter_passes(&filter, &line));
    cr_expect_eq(filter_globs_add(&filter.category, "*", true), 0);
    cr_expect(!filter_passes(&filter, &line));
    filter_done(&filter);
    cr_expect_eq(filter_numbers_add(&filter.pid, "0-4294967295"), 0);
    cr_expect(!filter_passes(&filter, &line));
}

Test(filter, levels)
{
    uint32_t level = 99;

    cr_expect_eq(level_parse("warn", &level), 0);
    cr_expect_eq(level, SHMLOG_WARN);
    cr_expect_eq(level_parse("CRIT", &level), 0);
    cr_expect_eq(level, SHMLOG_CRITICAL);
    cr_expect_eq(level_parse("warning", &level), 0);
    cr_expect_eq(level, SHMLOG_WARN);
    cr_expect_eq(level_parse("0", &level), 0);
    cr_expect_eq(level, SHMLOG_TRACE);
    for (const char *const *bad = (const char *const[]){"", "x", "7", "infos", NULL}; *bad; bad++)
        cr_expect_eq(level_parse(*bad, &level), -EINVAL, "%s", *bad);
}

/* Print the line in a format with these fields (NULL: all). */
static const char *print(enum print_format format, const char *fields, char *to, size_t size)
{
    struct printer printer = {.format = format, .chosen = fields};
    char message[256];

    memset(to, 0, size);
    printer.out = fmemopen(to, size, "w");
    if (fields)
        cr_assert_eq(field_list_add(&printer.fields, fields, message, sizeof(message)), 0);
    else
        field_list_all(&printer.fields);
    cr_assert_eq(print_line(&printer, &line), 0);
    cr_assert_eq(print_flush(&printer), 0);
    fclose(printer.out);
    printer_done(&printer);
    return to;
}

Test(filter, formats)
{
    char to[1024];

    make_line();
    cr_expect_str_eq(print(PRINT_TEXT, NULL, to, sizeof(to)),
                     "1970-01-01T00:00:00.000000005Z WARN  cpu 3  gateway[100:101] [order] "
                     "order 4711 sent\n");
    cr_expect_str_eq(print(PRINT_TEXT, "seq,fields.id,thread,message", to, sizeof(to)),
                     "9\t4711\t\torder 4711 sent\n");
    cr_expect_str_eq(
        print(PRINT_JSON, NULL, to, sizeof(to)),
        "{\"time_ns\":5,\"level\":\"warn\",\"site\":\"order %d sent\",\"category\":\"order\","
        "\"file\":\"src/strategy.c\",\"line\":42,\"function\":\"on_tick\",\"pid\":100,\"tid\":101,"
        "\"process\":\"gateway\",\"thread\":null,\"cpu\":3,\"ring\":2,\"seq\":9,"
        "\"message\":\"order 4711 sent\",\"fields\":{\"id\":4711},"
        "\"host\":\"node7\",\"segment\":\"trading\"}\n");
    cr_expect_str_eq(print(PRINT_CSV, "seq,fields,fields.none,segment,host", to, sizeof(to)),
                     "seq,fields,fields.none,segment,host\r\n"
                     "9,\"{\"\"id\"\":4711}\",,trading,node7\r\n");
}

/* ---- What lines have alike is made once, and serves those lines only ---- */

enum { SITES = 4, PRODUCERS = 4, PLACES = 6 };

/* Of two sites with one id, which differ in a little each, one has names that are not UTF-8. */
static void make_sites(struct file_site sites[SITES])
{
    static const struct log_kit_site made[SITES] = {
        {.format = "a %d", .name = {"id"}, .category = "order"},
        {.format = "a %d", .name = {"ib"}, .category = "order"},
        {.format = "a %d", .name = {"id"}, .category = "\xff", .level = SHMLOG_ERROR},
        {.format = "a %d", .name = {"\"\xfe"}, .category = "order"},
    };

    for (unsigned i = 0; i < SITES; i++) {
        struct log_kit_site of = made[i];
        uint8_t bytes[SHMLOG_SITE_MAX];

        of.kind = SHMLOG_SITE_PRINTF;
        of.args = 1;
        of.type[0] = SHMLOG_TYPE_I32;
        cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&of, bytes), &sites[i]), 0);
    }
}

/* Set the record to one of all combinations; the last of each kind is unknown, or very long. */
static void combine(unsigned number, const struct file_site sites[SITES])
{
    static const struct shmlog_producer producers[PRODUCERS - 1] = {
        {.id = 1, .pid = 100, .tid = 101, .process = "gateway"},
        {.id = 1, .pid = 100, .tid = 101, .process = "gateway", .thread = "t"},
        {.id = 1, .pid = 101, .tid = 101, .process = "\xff,"},
    };
    static const struct { /* the next one differs in one thing */
        const char *host, *segment;
        uint32_t cpu;
    } places[PLACES] = {
        {"node7", "trading", 3},
        {"node8", "trading", 3},
        {"node8", "x", 3},
        {"node8", "x", ~UINT32_C(0)},
        {NULL, "", 3},
        {"0123456789012345678901234567890123456789012345678901234567890123456789", "x", 3},
    };
    const unsigned site_number = number % SITES, producer_number = number / SITES % PRODUCERS,
                   place = number / SITES / PRODUCERS % PLACES;
    struct cursor_record *const record = &line.record;

    make_line();
    record->site = site_number || number % 5 ? &sites[site_number] : NULL;
    record->producer = producer_number < PRODUCERS - 1 ? &producers[producer_number] : NULL;
    record->host = places[place].host;
    record->segment_name = places[place].segment;
    record->cpu = places[place].cpu;
    record->seq = number;
}

static void expect_alike(enum print_format format, const char *fields)
{
    enum { ROUNDS = 4 * SITES * PRODUCERS * PLACES };
    static char all[ROUNDS * 1024];
    struct printer printer = {.format = format, .chosen = fields, .headed = true};
    struct file_site sites[SITES];
    struct text want = {0};
    char message[256], to[1024];
    unsigned invalid = 0;

    make_sites(sites);
    memset(all, 0, sizeof(all));
    printer.out = fmemopen(all, sizeof(all), "w");
    if (fields)
        cr_assert_eq(field_list_add(&printer.fields, fields, message, sizeof(message)), 0);
    else
        field_list_all(&printer.fields);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const unsigned number = i / 2 * 7 + i % 2; /* now and then the same again */
        const char *row;

        combine(number, sites);
        invalid += (line.record.site && line.record.site >= &sites[2]) ||
                   (line.record.producer && line.record.producer->pid == line.record.producer->tid);
        cr_assert_eq(print_line(&printer, &line), 0);
        line_done(&line); /* nothing is made yet */
        line = (struct line){0};
        combine(number, sites);
        row = print(format, fields, to, sizeof(to));
        text_puts(&want, format == PRINT_CSV ? strchr(row, '\n') + 1 : row);
        if (i % 3) { /* what was made for one printer's lines serves the others' */
            line_done(&line);
            line = (struct line){0};
        }
    }
    cr_assert_eq(print_flush(&printer), 0);
    fclose(printer.out);
    printer_done(&printer);
    cr_assert_str_eq(all, text_string(&want));
    for (const char *at = all;
         format == PRINT_JSON && !fields && (at = strstr(at, "\"invalid_utf8\"")); at++)
        invalid--;
    if (format == PRINT_JSON && !fields)
        cr_assert_eq(invalid, 0);
    text_done(&want);
}

Test(filter, rows_alike)
{
    expect_alike(PRINT_JSON, NULL);
    expect_alike(PRINT_CSV, NULL);
    expect_alike(PRINT_TEXT, "host,level,seq,fields,category,file,pid,process,cpu,message,site");
    expect_alike(PRINT_JSON, "ring,seq,time,site,pid,tid,segment,fields.id,fields,host,level");
    expect_alike(PRINT_CSV, "seq,site,time,segment,fields.id,process");
    expect_alike(PRINT_JSON, "level");
    expect_alike(PRINT_TEXT, "thread,seq"); /* begins with nothing, mostly */
}

/* The message alone is what the program printed, whatever bytes that are. */
Test(filter, bare_message)
{
    char to[64];

    make_line();
    text_clear(&line.message);
    text_put(&line.message, "a\tb\x1b\xff\\", 6);
    line.have_message = true;
    line.cut = true;
    cr_expect_str_eq(print(PRINT_TEXT, "message", to, sizeof(to)), "a\tb\x1b\xff\\\n");
    cr_expect_str_eq(print(PRINT_TEXT, "message,seq", to, sizeof(to)), "a\\tb\\x1b\\xff\\\t9\n");
    cr_expect_not_null(strstr(print(PRINT_TEXT, NULL, (char[256]){0}, 256), "\\\xe2\x80\xa6\n"));
}

/* A long message goes out in parts: the same bytes as in one piece. */
Test(filter, long_messages)
{
    enum { SIZE = 1 << 20 };
    static char to[8 * SIZE];
    struct text whole = {0};

    for (unsigned shift = 0; shift < 3; shift++) {
        make_line();
        text_clear(&line.message);
        text_clear(&whole);
        text_put(&line.message, "\"ab", shift + 1);
        while (line.message.size < SIZE)
            text_puts(&line.message, "\xe2\x82\xac\xe2\x80\xae\xe2\x82\"\xff\n");
        line.have_message = true;
        text_put_json(&whole, line.message.data, line.message.size, NULL);
        cr_expect_not_null(
            strstr(print(PRINT_JSON, "message", to, sizeof(to)), text_string(&whole)));
        text_clear(&whole);
        text_put_csv(&whole, line.message.data, line.message.size);
        cr_expect_not_null(
            strstr(print(PRINT_CSV, "message", to, sizeof(to)), text_string(&whole)));
        text_clear(&whole);
        text_put_plain(&whole, line.message.data, line.message.size);
        cr_expect_not_null(strstr(print(PRINT_TEXT, NULL, to, sizeof(to)), text_string(&whole)));
    }
    text_done(&whole);
}

/* Whatever comes from outside, no terminal is told what to do by it. */
#define TRICK "x\x1b]0;\xe2\x80\xae\xc2\x9b\xff"

static void expect_tame(enum print_format format)
{
    static const uint8_t bidi[] = "\xe2\x80\xae", csi[] = "\xc2\x9b";
    char to[4096];

    print(format, NULL, to, sizeof(to));
    cr_expect_null(strchr(to, '\x1b'), "%d: %s", format, to);
    cr_expect_null(strstr(to, (const char *)bidi), "%d: %s", format, to);
    cr_expect_null(strstr(to, (const char *)csi), "%d: %s", format, to);
    cr_expect_null(strchr(to, '\xff'), "%d: %s", format, to);
    cr_expect_not_null(strstr(to, format == PRINT_JSON ? "x\\u001b]0;\\u202e\\u009b\\\\xff"
                                                       : "x\\x1b]0;\\u202e\\u009b\\xff"),
                       "%d: %s", format, to);
}

Test(filter, what_comes_from_outside_is_escaped)
{
    static const struct log_kit_site tricky = {
        .kind = SHMLOG_SITE_EVENT,
        .level = SHMLOG_WARN,
        .format = TRICK,
        .category = TRICK,
        .function = TRICK,
        .args = 1,
        .type = {SHMLOG_TYPE_I32},
        .name = {TRICK},
    };
    uint8_t bytes[SHMLOG_SITE_MAX];

    make_line();
    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&tricky, bytes), &site), 0);
    line.record.host = line.record.segment_name = TRICK;
    strcpy(producer.process, TRICK);
    strcpy(producer.thread, TRICK TRICK);
    expect_tame(PRINT_TEXT);
    expect_tame(PRINT_JSON);
    expect_tame(PRINT_CSV);
}

Test(filter, counting)
{
    struct field_list by = {0};
    struct answer *count;
    char message[256], to[256] = {0};
    FILE *f = fmemopen(to, sizeof(to), "w");

    cr_assert_eq(field_list_add(&by, "fields.id", message, sizeof(message)), 0);
    cr_assert_eq(count_open(&by, PRINT_TEXT, f, &count), 0);
    for (int32_t i = 0; i < 3000; i++) {
        int32_t id = i % 3 == 2 ? 7 : i % 3;

        make_line();
        memcpy(payload + SHMLOG_PAYLOAD_ARGS, &id, sizeof(id));
        cr_assert_eq(count->take(count, &line), 0);
    }
    make_line();
    cr_assert_eq(count->take(count, &line), 0);
    line.record.site = NULL;
    line.have_values = false;
    cr_assert_eq(count->take(count, &line), 0);
    cr_assert_eq(count->end(count), 0);
    fclose(f);
    cr_expect_str_eq(to, "1000\t0\n1000\t1\n1000\t7\n1\t-\n1\t4711\n");
    count->close(count);
    field_list_done(&by);
}

/* What lines of these times, and with the site or without, come to. */
static void check_counts(const char *list, enum print_format format, const char *want)
{
    static const int64_t times[] = {60, 119, -1, 0, -60, 59, 119, 119};
    struct field_list by = {0};
    struct answer *count;
    char message[256], to[1024] = {0};
    FILE *f = fmemopen(to, sizeof(to), "w");

    cr_assert_eq(field_list_add(&by, list, message, sizeof(message)), 0);
    cr_assert_eq(count_open(&by, format, f, &count), 0);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        make_line();
        line.record.time_ns = times[i] * 1000000000;
        if (i == 7)
            line.record.site = NULL;
        cr_assert_eq(count->take(count, &line), 0);
    }
    cr_assert_eq(count->end(count), 0);
    fclose(f);
    cr_expect_str_eq(to, want, "%s: %s", list, to);
    count->close(count);
    field_list_done(&by);
}

Test(filter, counting_by_several)
{
#define M(minute) "1970-01-01T00:0" #minute ":00.000000000Z"
#define BEFORE "1969-12-31T23:59:00.000000000Z"
    check_counts("level,time:1m", PRINT_TEXT,
                 "2\twarn\t" BEFORE "\n2\twarn\t" M(0) "\n3\twarn\t" M(1) "\n1\t-\t" M(1) "\n");
    check_counts("time:1m", PRINT_JSON,
                 "{\"value\":\"" BEFORE "\",\"count\":2}\n{\"value\":\"" M(
                     0) "\",\"count\":2}\n{\"value\":\"" M(1) "\",\"count\":4}\n");
    check_counts("pid,level", PRINT_JSON,
                 "{\"pid\":100,\"level\":\"warn\",\"count\":7}\n"
                 "{\"pid\":100,\"level\":null,\"count\":1}\n");
    check_counts("fields.id,level,cpu", PRINT_CSV,
                 "fields.id,level,cpu,count\r\n4711,warn,3,7\r\n,,3,1\r\n");
}
