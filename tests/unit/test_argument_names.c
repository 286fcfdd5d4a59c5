/* SPDX-License-Identifier: MIT
 *
 * Names of arguments, from the text of a call as it lies in a site.
 */
#include "tests/unit/file_kit.h"

#include "shm/argument_names.h"

#include <errno.h>
#include <stdlib.h>

#define HEAD_STRINGS "some format\0orders.c\0send_order\0trade" /* and the last one's NUL */

static uint8_t raw[SHMLOG_SITE_MAX], named[SHMLOG_SITE_MAX];
static size_t raw_size, named_size;
static struct file_site site; /* parsed from `named` */

/* A site of so many arguments, with these strings before its text, into `raw`. */
static void put_raw(unsigned kind, unsigned args, const char *strings, size_t strings_size,
                    const char *text, size_t text_size)
{
    struct shmlog_site head = {
        .kind = (uint8_t)kind,
        .level = SHMLOG_INFO,
        .args = (uint8_t)args,
        .flags = SHMLOG_SITE_FLAG_TEXT,
        .line = 42,
    };

    raw_size = sizeof(head);
    for (unsigned i = 0; i < args; i++) {
        const struct shmlog_site_arg arg = {
            .type = SHMLOG_TYPE_I32,
            .offset = (uint16_t)(SHMLOG_PAYLOAD_ARGS + 4 * i),
            .size = 4,
        };

        memcpy(raw + raw_size, &arg, sizeof(arg));
        raw_size += sizeof(arg);
    }
    cr_assert_leq(raw_size + strings_size + text_size, sizeof(raw));
    memcpy(raw + raw_size, strings, strings_size);
    raw_size += strings_size;
    memcpy(raw + raw_size, text, text_size);
    raw_size += text_size;
    head.size = (uint16_t)raw_size;
    memcpy(raw, &head, sizeof(head));
}

/* From memory of just its size, so that reading on is found. */
static void name_raw(void)
{
    uint8_t *exact = malloc(raw_size);

    cr_assert_not_null(exact);
    memcpy(exact, raw, raw_size);
    memset(named, 0xee, sizeof(named));
    shm_argument_names(exact, raw_size, named, &named_size);
    free(exact);
}

static void name_text(unsigned kind, unsigned args, const char *text)
{
    put_raw(kind, args, HEAD_STRINGS, sizeof(HEAD_STRINGS), text, strlen(text) + 1);
    name_raw();
    cr_assert_eq(file_site_parse(named, named_size, &site), 0, "'%s'", text);
    cr_assert_not(site.flags & SHMLOG_SITE_FLAG_TEXT);
    cr_assert_eq(site.args, args);
    cr_assert_eq(site.line, 42);
    cr_assert_str_eq(site.format, "some format");
    cr_assert_str_eq(site.category, "trade");
}

/* Are these its strings, with a | behind each? */
static void expect_strings(const char *text, const char *what, const char *const *strings,
                           const char *expected)
{
    char joined[1024] = "";
    size_t size = 0;

    for (unsigned i = 0; i < site.args; i++)
        size += (size_t)snprintf(joined + size, sizeof(joined) - size, "%s|", strings[i]);
    cr_assert_str_eq(joined, expected, "%s of '%s': '%s', not '%s'", what, text, joined, expected);
}

static void expect_names(unsigned args, const char *text, const char *names)
{
    name_text(SHMLOG_SITE_PRINTF, args, text);
    expect_strings(text, "names", site.name, names);
}

static void expect(unsigned args, const char *text, const char *names, const char *expressions)
{
    expect_names(args, text, names);
    expect_strings(text, "expressions", site.expression, expressions);
}

static void expect_event(unsigned args, const char *text, const char *names)
{
    name_text(SHMLOG_SITE_EVENT, args, text);
    expect_strings(text, "names", site.name, names);
    cr_assert_not(site.flags & SHMLOG_SITE_FLAG_EXPRESSIONS, "'%s'", text);
}

/* The last identifier that stands in no brackets. */
Test(argument_names, last_identifier)
{
    expect(6,
           "order[two(0, 0)], two(1, 2), (int)all.next->level[i].px, o->qty, "
           "((struct { int x, y; }){5, 6}).y, *o->top",
           "order|two|px|qty|y|top|",
           "order[two(0, 0)]|two(1, 2)|(int)all.next->level[i].px|o->qty|"
           "((struct { int x, y; }){5, 6}).y|*o->top|");
    expect(6, "-(long)i == 0, (int)(n), n++, !n, (o->next)->next->qty, ~n", "i|n|n_2|n_3|qty|n_4|",
           "-(long)i == 0|(int)(n)|n++|!n|(o->next)->next->qty|~n|");
    expect_names(6, "sizeof(x), sizeof x, (a), ((b)), (const char *)c, &d[0]", "sizeof|x|a|b|c|d|");
    expect_names(5, "((((deep)))), (((((deeper))))), get_px(a[i]), px * 2, 100 / px",
                 "deep|arg2|get_px|px|px_2|");
}

/* Literals, and what has more names than one. */
Test(argument_names, by_position)
{
    expect(10,
           "5, \"price, collar\", ',', a + b, a * a, a < b, a ? \"yes\" : \"no\", 1.5e+3, "
           "({ b; }), \"BS\" + (a % 2)",
           "arg1|arg2|arg3|arg4|a|arg6|a_2|arg8|arg9|a_3|",
           "5|\"price, collar\"|','|a + b|a * a|a < b|a ? \"yes\" : \"no\"|1.5e+3|({ b; })|"
           "\"BS\" + (a % 2)|");
    expect(12, "\")\\\\\\\"(\", 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
           "arg1|arg2|arg3|arg4|arg5|arg6|arg7|arg8|arg9|arg10|arg11|arg12|",
           "\")\\\\\\\"(\"|2|3|4|5|6|7|8|9|10|11|12|");
    expect_names(6, "true, NULL, 0x1p-3, '\\'', .5, 10 + 20", "arg1|arg2|arg3|arg4|arg5|arg6|");
}

Test(argument_names, given)
{
    expect(3,
           "SHMLOG_NAMED(\"order_qty\", book.qty), SHMLOG_NAMED(\"why\", \"x, y\"), "
           "SHMLOG_NAMED(\"order_qty\", ++evaluated)",
           "order_qty|why|order_qty_2|", "book.qty|\"x, y\"|++evaluated|");
    /* what it expands to, where a macro of the user's own passes it on */
    expect(2, "((void)\"\" \"order qty\", (book.qty)), book.qty", "order qty|qty|",
           "(book.qty)|book.qty|");
    expect_names(3, "SHMLOG_NAMED(\"\", x), ((void)\"\" \"y\", (z)), ((int)\"n\", (z))",
                 "SHMLOG_NAMED|y|z|");
    expect_names(3, "SHMLOG_NAMED(\"a\" b, x), SHMLOG_NAMED(\"a\"), SHMLOG_NAMED",
                 "SHMLOG_NAMED|SHMLOG_NAMED_2|SHMLOG_NAMED_3|");
    expect_names(2, "SHMLOG_NAMED(\"pair\", g<int, int>(1)), SHMLOG_NAMED(\"p\", {1, 2})",
                 "pair|p|");
}

Test(argument_names, of_cpp)
{
    expect_names(4, "px.value(), ns::side(), this->id_, *this", "value|side|id_|this|");
    expect_names(3, "g<int, int>(1), std::get<0>(t), v<a, b>::value", "g|get|value|");
    expect_names(3, "static_cast<double>(o.px), int(qty), uint8_t{flags}", "px|qty|uint8_t|");
    expect_names(2, "[&, a] (int x, int y) { return x, y; }(1, z), [] { return 1; }()",
                 "arg1|arg2|");
    expect_names(6, "P{1, 2}.a, nullptr, true, 1'000'000, u8\"a,b\", L','",
                 "a|arg2|arg3|arg4|arg5|arg6|");
    expect_names(2, "a, R\"x(,\")\" )x\"", "a|arg2|");
    expect(4, "both<char, short>(1), pair{6, 7, 0}.b, f(1, 2), std::string(\"text\").c_str()",
           "both|b|f|c_str|",
           "both<char, short>(1)|pair{6, 7, 0}.b|f(1, 2)|std::string(\"text\").c_str()|");
}

/* A < b may begin a template's arguments or compare: as many arguments as there are decide. */
Test(argument_names, angles)
{
    expect_names(2, "a < b, c > (d)", "arg1|arg2|");
    expect_names(1, "a < b, c > (d)", "a|");
    expect_names(3, "a < b, x, c > d", "arg1|x|arg3|");
    expect_names(1, "a<b<c, d>, e>(f)", "a|");
    expect_names(2, "a<(b > c)>(d, e), (a<b, c>(d))", "a|a_2|");
}

/* Fewer or more arguments than there are, brackets and literals without end, nothing. */
Test(argument_names, what_is_not_c)
{
    expect(2, "a", "arg1|arg2|", "arg1|arg2|");
    expect(1, "a, b", "arg1|", "arg1|");
    expect_names(1, "a((((", "a|");
    expect_names(1, "\"a", "arg1|");
    expect_names(1, "\"a\\", "arg1|");
    expect_names(1, "R\"a", "arg1|");
    expect_names(1, "a)), b", "arg1|");
    expect_names(2, "a)), b", "a|b|");
    expect_names(1, "", "arg1|");
    expect_names(2, ", ", "arg1|arg2|");
    expect_names(1, "SHMLOG_NAMED(, SHMLOG_NAMED, ((void)", "SHMLOG_NAMED|");
    expect_names(1, "((void)", "void|");
    expect_names(1, "((void)\"n\"", "void|");
    expect_names(1, "SHMLOG_NAMED()", "SHMLOG_NAMED|");
    expect_names(1, "SHMLOG_NAMED)", "SHMLOG_NAMED|");
    expect_names(1, "<", "arg1|");
    expect_names(1, ">", "arg1|");
    expect_names(0, "a, b", "");
}

Test(argument_names, unique)
{
    expect(16, "a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a",
           "a|a_2|a_3|a_4|a_5|a_6|a_7|a_8|a_9|a_10|a_11|a_12|a_13|a_14|a_15|a_16|",
           "a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|a|");
    expect_names(4, "a_2, a, a, arg4", "a_2|a|a_3|arg4|");
    expect_names(3, "arg2, 1, arg2", "arg2|arg2_2|arg2_3|");
    /* the last finds 15 taken */
    expect_names(16,
                 "a, a_2, a_3, a_4, a_5, a_6, a_7, a_8, a_9, a_10, a_11, a_12, a_13, a_14, "
                 "a_15, a",
                 "a|a_2|a_3|a_4|a_5|a_6|a_7|a_8|a_9|a_10|a_11|a_12|a_13|a_14|a_15|a_16|");
}

/* The bytes themselves: no string and no flag but those that are needed. */
Test(argument_names, bytes)
{
    static const char with[] = HEAD_STRINGS "\0id\0arg2\0px\0o->id\0"
                                            "7\0"; /* the last one is its name */
    static const char without[] = HEAD_STRINGS "\0id\0px";
    const size_t args_end = sizeof(struct shmlog_site) + 3 * sizeof(struct shmlog_site_arg);

    name_text(SHMLOG_SITE_PRINTF, 3, "o->id, 7, px");
    cr_assert_eq(site.flags, SHMLOG_SITE_FLAG_EXPRESSIONS);
    cr_assert_eq(named_size, args_end + sizeof(with));
    cr_assert_eq(memcmp(named + args_end, with, sizeof(with)), 0);
    name_text(SHMLOG_SITE_PRINTF, 2, "id, px");
    cr_assert_eq(site.flags, 0);
    cr_assert_eq(named_size, args_end - sizeof(struct shmlog_site_arg) + sizeof(without));
    cr_assert_eq(memcmp(named + named_size - sizeof(without), without, sizeof(without)), 0);
    name_text(SHMLOG_SITE_PRINTF, 0, "");
    cr_assert_eq(named_size, sizeof(struct shmlog_site) + sizeof(HEAD_STRINGS));
}

Test(argument_names, other_flags_stay)
{
    const uint16_t flags = SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE | SHMLOG_SITE_FLAG_TEXT |
                           SHMLOG_SITE_FLAG_EXPRESSIONS | 0x8000;

    put_raw(SHMLOG_SITE_PRINTF, 1, HEAD_STRINGS, sizeof(HEAD_STRINGS), "text", 5);
    memcpy(raw + offsetof(struct shmlog_site, flags), &flags, sizeof(flags));
    name_raw();
    cr_assert_eq(file_site_parse(named, named_size, &site), 0);
    cr_assert_eq(site.flags, SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE | 0x8000);
    cr_assert_str_eq(site.name[0], "text");
}

Test(argument_names, of_events)
{
    expect_event(2, "\"id\", o->id, \"px\", px * 2", "id|px|");
    expect_event(4, "\"qty\", 1, \"qty\", 2, \"qty_2\", 3, \"\", 4", "qty|qty_2|qty_2_2||");
    expect_event(3,
                 "\"both\", both<char, char>(2), \"pair\", pair{6, 7, 0}.a, \"lambda\", "
                 "[] { return 8; }()",
                 "both|pair|lambda|");
    expect_event(2, "\"a\" \"_\" \"b\", 1, \"\" \"c\", 2", "a_b|c|");
    expect_event(3, "\"say \\\"x, y\\\"\", 1, \"back\\\\slash\", 2, \"line\\nend\\t\\x41\", 3",
                 "say \"x, y\"|back\\slash|line\nend\\t\\x41|");
    /* not to be found: a macro, another kind of literal, nothing, another number of them */
    expect_event(3, "FIELD_ID, 1, \"px\" SUFFIX, 2, \"qty\", 3", "arg1|arg2|qty|");
    expect_event(3, "u8\"a\", 1, 'b', 2, , 3", "arg1|arg2|arg3|");
    expect_event(2, "\"id\", 1, \"px\"", "arg1|arg2|");
    expect_event(1, "\"id\", 1, \"px\", 2", "arg1|");
    expect_event(1, "\"id, 1", "arg1|");
    expect_event(0, "", "");
}

static void expect_unchanged(const char *why)
{
    name_raw();
    cr_assert_eq(named_size, raw_size, "%s", why);
    cr_assert_eq(memcmp(named, raw, raw_size), 0, "%s", why);
}

static void set_byte(size_t at, unsigned value, const char *why)
{
    const uint8_t before = raw[at];

    raw[at] = (uint8_t)value;
    expect_unchanged(why);
    raw[at] = before;
}

/* What is behind judges damaged sites; here they pass. */
Test(argument_names, others_pass)
{
    static const uint8_t types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_STRING};

    raw_size = make_printf_site(raw, SHMLOG_WARN, 2, types);
    expect_unchanged("no text");
    put_raw(SHMLOG_SITE_PRINTF, 2, HEAD_STRINGS, sizeof(HEAD_STRINGS), "a, b", 5);
    name_raw();
    cr_assert_eq(file_site_parse(named, named_size, &site), 0);
    set_byte(offsetof(struct shmlog_site, kind), SHMLOG_SITE_RAW, "raw");
    set_byte(offsetof(struct shmlog_site, kind), 0, "no kind");
    set_byte(offsetof(struct shmlog_site, size), (unsigned)raw_size - 1, "another size");
    set_byte(offsetof(struct shmlog_site, args), SHMLOG_ARGS_MAX + 1, "too many arguments");
    set_byte(offsetof(struct shmlog_site, args), 255, "far too many");
    set_byte(offsetof(struct shmlog_site, args), 12, "more than its bytes");
    set_byte(raw_size - 1, 'x', "a text without end");
    for (size_t size = 0; size < raw_size; size++) {
        const uint16_t cut = (uint16_t)size;
        const size_t whole = raw_size;

        memcpy(raw, &cut, sizeof(cut));
        raw_size = size;
        expect_unchanged("cut");
        cr_assert_neq(file_site_parse(named, named_size, &site), 0);
        raw_size = whole;
    }
}

/* Strings of a site of the most bytes, of which the text takes `text_size` with its NUL. */
static void fill_strings(unsigned args, size_t text_size, char *ret_strings, size_t *ret_size)
{
    *ret_size = SHMLOG_SITE_MAX - sizeof(struct shmlog_site) -
                args * sizeof(struct shmlog_site_arg) - text_size;
    memset(ret_strings, 'f', *ret_size);
    for (unsigned i = 1; i <= 4; i++)
        ret_strings[*ret_size - i] = 0;
}

/* More names and expressions than there is room for: all of them end, and all arguments have one.
 * At each size at which terminators begin not to fit. */
Test(argument_names, little_room)
{
    static const char text[] = "a->price, b->price, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, z";
    char strings[SHMLOG_SITE_MAX], long_text[SHMLOG_SITE_MAX - 1460 - 1];
    size_t strings_size;

    for (size_t size = 1; size < sizeof(text); size++) {
        char cut[sizeof(text)] = "";

        memcpy(cut, text, size - 1);
        fill_strings(16, size, strings, &strings_size);
        put_raw(SHMLOG_SITE_PRINTF, 16, strings, strings_size, cut, size);
        cr_assert_eq(raw_size, SHMLOG_SITE_MAX);
        name_raw();
        cr_assert_leq(named_size, SHMLOG_SITE_MAX);
        cr_assert_eq(file_site_parse(named, named_size, &site), size < 16 ? -EBADMSG : 0, "%zu",
                     size);
    }
    /* strings that end at byte 1460, as producers see to, and a text that just fits behind them */
    memset(strings, 'f', sizeof(strings));
    for (unsigned i = 0; i < 4; i++)
        strings[1460 - 32 - 1 - i] = 0;
    memset(long_text, 'n', sizeof(long_text));
    memcpy(long_text + 280, ", -", 3);
    long_text[sizeof(long_text) - 1] = 0;
    put_raw(SHMLOG_SITE_PRINTF, 2, strings, 1460 - 32, long_text, sizeof(long_text));
    name_raw();
    cr_assert_eq(file_site_parse(named, named_size, &site), 0);
    cr_assert_eq(strlen(site.name[0]), 280);
    cr_assert_eq(strlen(site.name[1]), sizeof(long_text) - 1 - 283);
    cr_assert_eq(site.flags, SHMLOG_SITE_FLAG_EXPRESSIONS);
    cr_assert_str_eq(site.expression[1], "-", "cut: there was room for this");
    cr_assert_eq(named_size, SHMLOG_SITE_MAX);
}

/* The names of a text that goes on and on, until the site is full. */
static void name_cut(unsigned kind, unsigned args, const char *begin)
{
    char strings[SHMLOG_SITE_MAX], text[600];
    size_t size;

    memset(text, 'x', sizeof(text));
    memcpy(text, begin, strlen(begin));
    text[sizeof(text) - 1] = 0;
    fill_strings(args, sizeof(text), strings, &size);
    put_raw(kind, args, strings, size, text, sizeof(text));
    cr_assert_eq(raw_size, SHMLOG_SITE_MAX);
    name_raw();
    cr_assert_eq(file_site_parse(named, named_size, &site), 0);
}

/* A text that fills the site was cut: what is whole has its name. */
Test(argument_names, cut)
{
    static const char message[] = "o->id, g<int, int>(1), px, si";
    static const char event[] = "\"id\", o->id, \"px\", px, \"si";

    name_cut(SHMLOG_SITE_PRINTF, 6, message);
    expect_strings(message, "names", site.name, "id|g|px|arg4|arg5|arg6|");
    expect_strings(message, "expressions", site.expression,
                   "o->id|g<int, int>(1)|px|arg4|arg5|arg6|");
    name_cut(SHMLOG_SITE_EVENT, 4, event);
    expect_strings(event, "names", site.name, "id|px|arg3|arg4|");
    name_cut(SHMLOG_SITE_EVENT, 2, message);
    expect_strings(message, "names", site.name, "arg1|arg2|");
}

/* Text that is made of what the parser looks at, and bits turned over anywhere: what comes out is
 * no larger than a site, and names are those of a site that is sound. */
Test(argument_names, hostile_bytes)
{
    static const char *const pieces[] = {
        "a",     ", ", "(",   ")",  "[",    "]",           "{",     "}",  "<",
        ">",     "\"", "'",   "\\", "R\"",  "((void)",     "->",    "::", "SHMLOG_NAMED(",
        "\"n\"", "1",  "int", " ",  "\xff", "static_cast", "\"\" ", "+",
    };

    rng_seed(1);
    for (unsigned round = 0; round < 50000; round++) {
        char text[1200] = "";
        size_t size = 0;
        const unsigned args = (unsigned)rng_below(SHMLOG_ARGS_MAX + 1);
        bool sound = true;

        for (unsigned n = (unsigned)rng_below(rng_below(8) ? 40 : 90); n; n--)
            size += (size_t)snprintf(text + size, sizeof(text) - size, "%s",
                                     pieces[rng_below(sizeof(pieces) / sizeof(pieces[0]))]);
        put_raw(rng_below(2) ? SHMLOG_SITE_PRINTF : SHMLOG_SITE_EVENT, args, HEAD_STRINGS,
                sizeof(HEAD_STRINGS), text, size + 1);
        for (unsigned flips = (unsigned)rng_below(4); flips; flips--) {
            raw[rng_below(raw_size)] ^= (uint8_t)(1u << rng_below(8));
            sound = false;
        }
        name_raw();
        cr_assert_leq(named_size, SHMLOG_SITE_MAX);
        cr_assert(file_site_parse(named, named_size, &site) == 0 || !sound, "'%s'", text);
        for (unsigned i = 0; sound && i < args; i++)
            for (unsigned k = 0; k < i; k++)
                cr_assert_str_neq(site.name[i], site.name[k], "'%s'", text);
    }
}
