/* SPDX-License-Identifier: MIT
 *
 * Rendering: as printf does it where the types fit, bounded and without harm where they do not.
 */
#include "tests/unit/log_kit.h"
#include "reader/render.h"
#include "reader/when.h"

#include <errno.h>
#include <math.h>

static struct text out;

/* A site as parsed from bytes, so that nothing here knows more than the tools do. */
static void parse(uint8_t kind, const char *format, unsigned args, const uint8_t *types,
                  struct file_site *site)
{
    struct log_kit_site made = {.kind = kind, .format = format, .args = args};
    uint8_t bytes[SHMLOG_SITE_MAX];
    static const char *const names[] = {"a", "b", "c", "d", "e"};

    for (unsigned i = 0; i < args; i++) {
        made.type[i] = types[i];
        made.name[i] = names[i];
    }
    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&made, bytes), site), 0);
}

/* All formats take turns in one place of the plans. */
static struct render_plans plans;
static struct text planned;

static const char *render(const char *format, unsigned args, const struct file_value *values)
{
    struct file_site site;
    uint8_t types[16];

    for (unsigned i = 0; i < args; i++)
        types[i] = values[i].type == SHMLOG_TYPE_TEXT ? SHMLOG_TYPE_STRING : values[i].type;
    parse(SHMLOG_SITE_PRINTF, format, args, types, &site);
    text_clear(&out);
    render_message(&site, 0, values, NULL, &out);
    text_clear(&planned);
    render_message(&site, 7, values, &plans, &planned);
    cr_assert(planned.size == out.size && !memcmp(planned.data, out.data, out.size),
              "by its plan '%s' gives '%.*s'", format, (int)planned.size, planned.data);
    text_putc(&out, 0);
    cr_assert(!out.failed);
    return out.data;
}

static struct file_value i32(int32_t v)
{
    return (struct file_value){.type = SHMLOG_TYPE_I32, .i = v};
}
static struct file_value u32(uint32_t v)
{
    return (struct file_value){.type = SHMLOG_TYPE_U32, .u = v};
}
static struct file_value i64(int64_t v)
{
    return (struct file_value){.type = SHMLOG_TYPE_I64, .i = v};
}
static struct file_value f64(double v)
{
    return (struct file_value){.type = SHMLOG_TYPE_F64, .f = v};
}
static struct file_value chr(char v)
{
    return (struct file_value){.type = SHMLOG_TYPE_CHAR, .i = v};
}
static struct file_value str(const char *v)
{
    return (struct file_value){.type = SHMLOG_TYPE_STRING,
                               .is_null = !v,
                               .data = (const uint8_t *)v,
                               .size = v ? (uint32_t)strlen(v) : 0};
}

#define RENDER(format, ...)                                                                \
    render(format, sizeof((struct file_value[]){__VA_ARGS__}) / sizeof(struct file_value), \
           (struct file_value[]){__VA_ARGS__})

/* The C library is the oracle: the same format and value must give the same bytes. */
#define SAME(format, value, number)                    \
    do {                                               \
        char want[8192];                               \
        snprintf(want, sizeof(want), format, number);  \
        cr_expect_str_eq(RENDER(format, value), want); \
    } while (0)

Test(render, integers_as_printf)
{
    static const int32_t numbers[] = {0, 1, -1, 42, -42, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        SAME("%d", i32(numbers[i]), numbers[i]);
        SAME("<%8d>", i32(numbers[i]), numbers[i]);
        SAME("<%-12d>", i32(numbers[i]), numbers[i]);
        SAME("<%+.5d>", i32(numbers[i]), numbers[i]);
        SAME("<%012d>", i32(numbers[i]), numbers[i]);
        SAME("<% d>", i32(numbers[i]), numbers[i]);
        SAME("%u", u32((uint32_t)numbers[i]), (uint32_t)numbers[i]);
        SAME("%#x", i32(numbers[i]), (unsigned)numbers[i]);
        SAME("%#o", u32((uint32_t)numbers[i]), (uint32_t)numbers[i]);
        SAME("%hhd", i32(numbers[i]), (signed char)numbers[i]);
        SAME("%hu", i32(numbers[i]), (unsigned short)numbers[i]);
        SAME("%ld", i64(numbers[i]), (long)numbers[i]);
        SAME("%lx", i64(numbers[i]), (unsigned long)numbers[i]);
        SAME("%jd", i64(numbers[i]), (intmax_t)numbers[i]);
    }
    SAME("%lld", i64(INT64_MIN), (long long)INT64_MIN);
    cr_expect_str_eq(RENDER("%zu", ((struct file_value){.type = SHMLOG_TYPE_U64, .u = UINT64_MAX})),
                     "18446744073709551615");
    cr_expect_str_eq(RENDER("%x", ((struct file_value){.type = SHMLOG_TYPE_I8, .i = -1})),
                     "ffffffff");
}

Test(render, floats_as_printf)
{
    static const double numbers[] = {0, -0.0, 1, 0.1, -1234.5678, 1e300, 1e-300, INFINITY, NAN};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        SAME("%f", f64(numbers[i]), numbers[i]);
        SAME("<%12.3f>", f64(numbers[i]), numbers[i]);
        SAME("<%-+12.3e>", f64(numbers[i]), numbers[i]);
        SAME("%G", f64(numbers[i]), numbers[i]);
        SAME("%a", f64(numbers[i]), numbers[i]);
    }
}

Test(render, strings_and_chars)
{
    cr_expect_str_eq(RENDER("<%s>", str("gateway")), "<gateway>");
    cr_expect_str_eq(RENDER("<%10s|%-10s>", str("ab"), str("cd")), "<        ab|cd        >");
    cr_expect_str_eq(RENDER("<%.3s>", str("gateway")), "<gat>");
    cr_expect_str_eq(RENDER("%s", str(NULL)), "(null)");
    cr_expect_str_eq(RENDER("<%c%3c%-3c>", chr('B'), chr('x'), chr('y')), "<B  xy  >");
    cr_expect_str_eq(RENDER("%lc", u32(0x20ac)), "\xe2\x82\xac");
    cr_expect_str_eq(RENDER("%lc", u32(0x1f4c8)), "\xf0\x9f\x93\x88");
    cr_expect_str_eq(RENDER("%lc", u32(0xe9)), "\xc3\xa9");
    cr_expect_str_eq(RENDER("%s", ((struct file_value){.type = SHMLOG_TYPE_TEXT,
                                                       .data = (const uint8_t *)"AAPL\0\0\0\0",
                                                       .size = 8})),
                     "AAPL");
    cr_expect_str_eq(RENDER("%p %p",
                            ((struct file_value){.type = SHMLOG_TYPE_POINTER, .u = 0xbeef}),
                            ((struct file_value){.type = SHMLOG_TYPE_POINTER})),
                     "0xbeef (nil)");
}

Test(render, stars_take_arguments)
{
    cr_expect_str_eq(RENDER("<%*d>", i32(6), i32(42)), "<    42>");
    cr_expect_str_eq(RENDER("<%*d>", i32(-6), i32(42)), "<42    >");
    cr_expect_str_eq(RENDER("<%.*f>", i32(2), f64(3.14159)), "<3.14>");
    cr_expect_str_eq(RENDER("<%*.*s>", i32(5), i32(2), str("abc")), "<   ab>");
    cr_expect_str_eq(RENDER("<%.*s>", i32(-1), str("abc")), "<abc>");
    cr_expect_str_eq(RENDER("<%2$*1$d>", i32(4), i32(7)), "<   7>");
    cr_expect_str_eq(RENDER("%2$s %1$s", str("a"), str("b")), "b a");
}

Test(render, hostile_formats)
{
    size_t size;

    cr_expect_str_eq(RENDER("%d %d %s", i32(1)), "1 <missing> <missing>");
    cr_expect_str_eq(RENDER("done", i32(1), i32(2)), "done");
    cr_expect_str_eq(RENDER("%n%d", i64(7), i32(8)), "%n8");
    cr_expect_str_eq(RENDER("%y %", i32(1)), "%y %");
    cr_expect_str_eq(RENDER("100%% %5%", i32(1)), "100% %");
    cr_expect_str_eq(RENDER("%9$d %0$d", i32(1)), "<missing> %0$d");
    cr_expect_str_eq(RENDER("%s", i32(5)), "5");
    cr_expect_str_eq(RENDER("%d", str("x y")), "\"x y\"");
    cr_expect_str_eq(RENDER("%f", i32(5)), "5");
    cr_expect_str_eq(RENDER("%*d", str("x"), i32(5)), "5");
    cr_expect_str_eq(RENDER("%hhhhllLqjzt-+", i32(5)), "%hhhhllLqjzt-+");
    size = strlen(RENDER("%99999999999999999999d", i32(5)));
    cr_expect_eq(size, RENDER_WIDTH_MAX);
    size = strlen(RENDER("%*s", i32(INT32_MAX), str("a")));
    cr_expect_eq(size, RENDER_WIDTH_MAX);
    size = strlen(RENDER("%*s", i32(INT32_MIN), str("a")));
    cr_expect_eq(size, RENDER_WIDTH_MAX);
    size = strlen(RENDER("%.2000000000f", f64(1e308)));
    cr_expect_lt(size, (size_t)RENDER_WIDTH_MAX + 320);
    cr_expect_str_eq(RENDER("%-+ #0'-+ #0'-+ #0'5d|", i32(5)), "+5   |");
}

/* Random formats and values end, stay bounded, and touch nothing that is not theirs (under ASan).
 */
Test(render, random_formats)
{
    static const char alphabet[] = "%%%%%ddiuoxXcsfgeapn*.-+ #0'123456789hlLqjzt$ab";
    unsigned seed = 20261121;

    cr_log_info("seed %u", seed);
    for (int round = 0; round < 20000; round++) {
        char format[24];
        struct file_value values[4];
        size_t size = (size_t)rand_r(&seed) % sizeof(format);
        unsigned args = (unsigned)rand_r(&seed) % 5;

        for (size_t i = 0; i < size; i++)
            format[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        format[size < sizeof(format) ? size : sizeof(format) - 1] = 0;
        for (unsigned i = 0; i < args; i++) {
            uint64_t bits = (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed);

            values[i] = (struct file_value){.type = (uint8_t)(1 + rand_r(&seed) % 15),
                                            .u = bits,
                                            .data = (const uint8_t *)"some bytes",
                                            .size = 10};
        }
        cr_assert_lt(strlen(render(format, args, values)), (size_t)16 * (RENDER_WIDTH_MAX + 512));
    }
}

static const char *event(const struct file_value *values, unsigned args)
{
    struct file_site site;
    uint8_t types[16];

    for (unsigned i = 0; i < args; i++)
        types[i] = values[i].type;
    parse(SHMLOG_SITE_EVENT, "order_sent", args, types, &site);
    text_clear(&out);
    render_message(&site, 0, values, NULL, &out);
    text_putc(&out, 0);
    return out.data;
}

Test(render, events)
{
    struct file_value values[] = {
        {.type = SHMLOG_TYPE_BOOL, .u = 1},
        i64(INT64_MIN),
        f64(0.1),
        str("a \"b\""),
        {.type = SHMLOG_TYPE_BYTES, .data = (const uint8_t *)"\x00\xff", .size = 2},
    };

    cr_expect_str_eq(event(values, 5),
                     "order_sent a=true b=-9223372036854775808 c=0.1 d=\"a \\\"b\\\"\" e=0x00ff");
    values[0] = str("");
    values[1] = str(NULL);
    values[2] = (struct file_value){.type = SHMLOG_TYPE_F32, .f = (double)0.1f};
    values[3] = chr('B');
    values[4] = str("plain");
    cr_expect_str_eq(event(values, 5), "order_sent a=\"\" b=(null) c=0.1 d=B e=plain");
}

static const char *json(struct file_value value)
{
    text_clear(&out);
    render_value_json(&value, &out, NULL);
    text_putc(&out, 0);
    return out.data;
}

Test(render, json_values)
{
    cr_expect_str_eq(json(f64(NAN)), "\"NaN\"");
    cr_expect_str_eq(json(f64(-INFINITY)), "\"-Infinity\"");
    cr_expect_str_eq(json(f64(0.1)), "0.1");
    cr_expect_str_eq(json(f64(1.0 / 3)), "0.3333333333333333");
    cr_expect_str_eq(json(i64(INT64_MIN)), "-9223372036854775808");
    cr_expect_str_eq(json((struct file_value){.type = SHMLOG_TYPE_U64, .u = UINT64_MAX}),
                     "18446744073709551615");
    cr_expect_str_eq(json(str(NULL)), "null");
    cr_expect_str_eq(json(str("a\"\\\n\x01\xff\xc3\xa9")),
                     "\"a\\\"\\\\\\n\\u0001\\\\xff\xc3\xa9\"");
    cr_expect_str_eq(json((struct file_value){.type = SHMLOG_TYPE_BOOL, .u = 0}), "false");
    cr_expect_str_eq(json((struct file_value){.type = 77}), "null");
}

/* Keys are unique, whatever names a site has, and lead back to their arguments. */
Test(render, keys)
{
    static const struct log_kit_site made = {
        .kind = SHMLOG_SITE_EVENT,
        .format = "e",
        .args = 8,
        .type = {[0 ... 7] = SHMLOG_TYPE_U8},
        .name = {"px", "px#3", "px", "PX", "", "\"price collar\"", "arg5", "px#3"},
    };
    static const char *const keys[] = {"px",     "px#3",  "px#3#3",
                                       "PX#4",   "arg5",  "\"price collar\"",
                                       "arg5#7", "px#3#8"};
    struct file_value values[8];
    struct file_site site;
    uint8_t bytes[SHMLOG_SITE_MAX];

    for (unsigned i = 0; i < 8; i++)
        values[i] = (struct file_value){.type = SHMLOG_TYPE_U8, .u = i};
    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&made, bytes), &site), 0);
    text_clear(&out);
    render_fields_json(&site, values, &out, NULL);
    text_putc(&out, 0);
    cr_expect_str_eq(out.data, "{\"px\":0,\"px#3\":1,\"px#3#3\":2,\"PX#4\":3,\"arg5\":4,"
                               "\"\\\"price collar\\\"\":5,\"arg5#7\":6,\"px#3#8\":7}");
    for (int i = 0; i < 8; i++)
        cr_expect_eq(render_find_key(&site, keys[i]), i, "%s", keys[i]);
    cr_expect_eq(render_find_key(&site, "PX"), -1);
}

Test(render, longest_keys)
{
    struct log_kit_site made = {.kind = SHMLOG_SITE_EVENT, .format = "e", .args = 16};
    static char name[16][112];
    struct file_value values[16] = {0};
    struct file_site site;
    uint8_t bytes[2 * SHMLOG_SITE_MAX];

    memset(name, 'n', sizeof(name));
    for (unsigned i = 0; i < 16; i++) {
        name[i][110] = 0;
        made.name[i] = name[i];
        made.type[i] = values[i].type = SHMLOG_TYPE_U8;
    }
    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&made, bytes), &site), 0);
    text_clear(&out);
    render_fields_json(&site, values, &out, NULL);
    cr_expect_not_null(memmem(out.data, out.size, "nn#16\":0}", 9));
}

static const char *plain(const char *string, size_t size)
{
    text_clear(&out);
    text_put_plain(&out, string, size);
    return text_string(&out);
}

static const char *csv(const char *string, size_t size)
{
    text_clear(&out);
    text_put_csv(&out, string, size);
    return text_string(&out);
}

static const char *json_string(const char *string, size_t size)
{
    text_clear(&out);
    text_put_json(&out, string, size, NULL);
    return text_string(&out);
}

Test(render, escapes)
{
    static const char bytes[] = "a\n\t\x1b[31m\x7f\xff\xc2\x85\xe2\x82\xac\xed\xa0\x80\0";
    static const char escaped[] = "\\x1b[31m\\x7f\\xff\\u0085\xe2\x82\xac\\xed\\xa0\\x80\\x00";

    cr_expect_str_eq(plain(bytes, sizeof(bytes) - 1) + 5, escaped);
    cr_expect_eq(memcmp(out.data, "a\\n\\t", 5), 0);
    cr_expect_str_eq(csv(bytes + 3, sizeof(bytes) - 4), escaped);
    cr_expect_str_eq(csv("a,\"b\"\n", 6), "\"a,\"\"b\"\"\n\"");
    cr_expect_str_eq(csv("\"\xe2\"\x1b\r", 5), "\"\"\"\\xe2\"\"\\x1b\r\"");
    cr_expect_str_eq(csv("a\tb c", 5), "a\tb c");
    cr_expect_str_eq(json_string("\x7f\xc2\x80\xe2\x82\xac\xff", 7),
                     "\"\\u007f\\u0080\xe2\x82\xac\\\\xff\"");
}

/* Every character of two and three bytes is shown as it is, but for those that hide. */
Test(render, hidden_characters)
{
    unsigned hidden = 0;

    for (unsigned c = 0x80; c < 0x10000; c++) {
        const char two[] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63)), 0};
        const char three[] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
                              (char)(0x80 | (c & 63)), 0};
        const char *const utf8 = c < 0x800 ? two : three;
        const bool hides = c < 0xa0 || c == 0x61c || c == 0x200e || c == 0x200f ||
                           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
                           c == 0xfeff;
        char wanted[16];

        if (c >= 0xd800 && c < 0xe000)
            snprintf(wanted, sizeof(wanted), "\\xed\\x%02x\\x%02x", 0x80 | (c >> 6 & 63),
                     0x80 | (c & 63));
        else if (hides)
            snprintf(wanted, sizeof(wanted), "\\u%04x", c);
        else
            strcpy(wanted, utf8);
        hidden += hides;
        cr_expect_str_eq(plain(utf8, strlen(utf8)), wanted, "U+%04X", c);
        cr_expect_str_eq(csv(utf8, strlen(utf8)), wanted, "U+%04X", c);
        if (hides)
            cr_expect_eq(memcmp(json_string(utf8, strlen(utf8)) + 1, wanted, strlen(wanted)), 0,
                         "U+%04X", c);
    }
    cr_expect_eq(hidden, 32 + 3 + 7 + 4 + 1);
}

Test(render, times)
{
    static const struct {
        int64_t ns;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {INT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z"},
        {INT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z"},
        {INT64_C(1795226950123456789), "2026-11-21T02:09:10.123456789Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t ns = 1;

        text_clear(&out);
        text_put_time(&out, times[i].ns, NULL);
        text_putc(&out, 0);
        cr_expect_str_eq(out.data, times[i].text);
        if (times[i].ns != INT64_MIN) { /* its second begins before the range does */
            cr_expect_eq(when_parse(times[i].text, 0, &ns), 0);
            cr_expect_eq(ns, times[i].ns);
        }
    }
}

Test(render, times_from_the_command_line)
{
    static const struct {
        const char *text;
        int r;
        int64_t ns;
    } times[] = {
        {"@1.5", 0, 1500000000},
        {"-10s", 0, 90000000000},
        {"-1m", 0, 40000000000},
        {"1970-01-02", 0, INT64_C(86400000000000)},
        {"1970-01-01T01:00+01:00", 0, 0},
        {"1970-01-01 00:00:01Z", 0, 1000000000},
        {"1970-01-01T00:00:00-00:30", 0, INT64_C(1800000000000)},
        {"2026-02-30", -EINVAL, 7},
        {"2026-13-01", -EINVAL, 7},
        {"now", -EINVAL, 7},
        {"", -EINVAL, 7},
        {"-10", -EINVAL, 7},
        {"@", -EINVAL, 7},
        {"@99999999999999", -ERANGE, 7},
        {"1970-01-01T00:00:00.1234567890", -EINVAL, 7},
        {"9999-01-01", -ERANGE, 7},
        {"1970-01-01x", -EINVAL, 7},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t ns = 7;

        cr_expect_eq(when_parse(times[i].text, 100000000000, &ns), times[i].r, "%s", times[i].text);
        cr_expect_eq(ns, times[i].ns, "%s: %ld", times[i].text, (long)ns);
    }
}
