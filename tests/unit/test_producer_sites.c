/* SPDX-License-Identifier: MIT
 *
 * Call sites: what is registered of them, once each, and what becomes of the call when there is no
 * room for another one.
 */
#include "tests/unit/producer_kit.h"

#include <criterion/criterion.h>

static struct shm_params parameters;

static void open_all(void)
{
    parameters = kit_producer_params();
    kit_attach(&parameters);
}

TestSuite(producer_sites, .init = open_all, .fini = kit_detach);

static int two(int a, int b)
{
    return a + b;
}

static void expect_name(unsigned i, const char *name)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_str_eq(kit_site.name[i], name, "name %u is '%s', not '%s'", i, kit_site.name[i],
                     name);
}

Test(producer_sites, what_is_registered)
{
    const unsigned line = __LINE__ + 1;
    shmlog_log(logger, SHMLOG_ERROR, SHMLOG_ORDER, "refused %d", 1);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.kind, SHMLOG_SITE_PRINTF);
    cr_assert_eq(kit_site.level, SHMLOG_ERROR);
    cr_assert_eq(kit_site.line, line);
    cr_assert_str_eq(kit_site.format, "refused %d");
    cr_assert_str_eq(kit_site.file, __FILE__);
    cr_assert_str_eq(kit_site.function, __func__);
    cr_assert_str_eq(kit_site.category, "order");
    expect_name(0, "arg1");
    cr_assert_str_eq(kit_site.expression[0], "1");
}

static void expect_expression(unsigned i, const char *expression)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_str_eq(kit_site.expression[i], expression, "expression %u is '%s', not '%s'", i,
                     kit_site.expression[i], expression);
}

struct book {
    struct {
        int px;
    } level[2];
    int qty, *top;
    struct book *next;
};

/* The last identifier that stands in no brackets. */
Test(producer_sites, names_from_the_source)
{
    struct book all = {{{7}, {8}}, 4, &all.qty, &all}, *const o = &all;
    const int order[2] = {1, 2}, i = 0;
    int n = 0;

    shmlog_info(logger, "comma, \"quoted, %d\" %d %d %d %d %d", order[two(0, 0)], two(1, 2),
                (int)all.next->level[i].px, o->qty, ((struct { int x, y; }){5, 6}).y, *o->top);
    shmlog_info(logger,
                "spread"
                ", over lines %d %d %d %d %d %d",
                /* a comment, too */ -(long)i == 0, (int)(n), n++, !n, (o->next)->next->qty, ~n);
    cr_assert(kit_take());
    expect_name(0, "order");
    expect_expression(0, "order[two(0, 0)]");
    expect_name(1, "two");
    expect_name(2, "px");
    expect_expression(2, "(int)all.next->level[i].px");
    expect_name(3, "qty");
    expect_name(4, "y");
    expect_expression(4, "((struct { int x, y; }){5, 6}).y");
    expect_name(5, "top");
    cr_assert(kit_take());
    expect_name(0, "i");
    expect_expression(0, "-(long)i == 0");
    expect_name(1, "n");
    expect_name(2, "n_2");
    expect_name(3, "n_3");
    expect_name(4, "qty");
    expect_name(5, "n_4");
    expect_expression(5, "~n");
}

/* Literals, and what has more names than one, are called by their position. */
Test(producer_sites, names_by_position)
{
    const int a = 1, b = 2;

    shmlog_info(logger, "%d %s %c %d %d %d %s %f %d %s", 5, "price, collar", ',', a + b, a * a,
                a < b, a ? "yes" : "no", 1.5e+3, ({ b; }), "BS" + (a % 2));
    shmlog_info(logger, "%s %d %d %d %d %d %d %d %d %d %d %d", ")\\\"(", 2, 3, 4, 5, 6, 7, 8, 9, 10,
                11, 12);
    cr_assert(kit_take());
    expect_name(0, "arg1");
    expect_name(1, "arg2");
    expect_expression(1, "\"price, collar\"");
    expect_name(2, "arg3");
    expect_name(3, "arg4");
    expect_expression(3, "a + b");
    expect_name(4, "a");
    expect_name(5, "arg6");
    expect_name(6, "a_2");
    expect_name(7, "arg8");
    expect_name(8, "arg9");
    expect_expression(8, "({ b; })");
    expect_name(9, "a_3");
    cr_assert(kit_take());
    expect_name(0, "arg1");
    expect_expression(0, "\")\\\\\\\"(\"");
    expect_name(11, "arg12");
}

#define PASSED_ON(log, ...) shmlog_info(log, __VA_ARGS__)

/* Names given in the call; another macro between it and the header does not lose them. */
Test(producer_sites, names_given)
{
    const struct book book = {.qty = 4};
    int evaluated = 0;

    shmlog_info(logger, "%d %s %d", SHMLOG_NAMED("order_qty", book.qty),
                SHMLOG_NAMED("why", "x, y"), SHMLOG_NAMED("order_qty", ++evaluated));
    PASSED_ON(logger, "%d %d", SHMLOG_NAMED("order qty", book.qty), book.qty);
    shmlog_event(logger, SHMLOG_INFO, "c", "event", "qty", 1, "qty", 2, "qty_2", 3, "", 4);
    cr_assert_eq(evaluated, 1);
    cr_assert(kit_take());
    expect_name(0, "order_qty");
    expect_expression(0, "book.qty");
    expect_name(1, "why");
    expect_expression(1, "\"x, y\"");
    expect_name(2, "order_qty_2");
    cr_assert_eq(kit_value[2].u, 1);
    cr_assert(kit_take());
    expect_name(0, "order qty");
    expect_expression(0, "(book.qty)");
    expect_name(1, "qty");
    cr_assert(kit_take());
    expect_name(0, "qty");
    expect_name(1, "qty_2");
    expect_name(2, "qty_2_2");
    expect_name(3, "");
    cr_assert_not(kit_site.flags & SHMLOG_SITE_FLAG_EXPRESSIONS);
}

static void expect_parsed(const char *text, uint32_t args, const char *names)
{
    struct shmlog_callsite_ site = {.format = "", .text = text};
    struct shmlog_blob_ blob = {.size = 0};
    char joined[512] = "";

    shmlog_add_names_(&blob, &site, args, NULL);
    for (const char *at = (const char *)blob.bytes; args--; at += strlen(at) + 1) {
        strcat(joined, *joined ? " " : "");
        strcat(joined, at);
    }
    cr_assert_str_eq(joined, names, "'%s' has '%s', not '%s'", text, joined, names);
}

/* What only C++ has, and what is not C at all. */
Test(producer_sites, names_of_other_text)
{
    expect_parsed("\"f\", px.value(), ns::side(), this->id_, *this", 4, "value side id_ this");
    expect_parsed("\"f\", g<int, int>(1), std::get<0>(t), v<a, b>::value", 3, "g get value");
    expect_parsed("\"f\", a < b, c > (d)", 2, "arg1 arg2");
    expect_parsed("\"f\", a < b, x, c > d", 3, "arg1 x arg3");
    expect_parsed("\"f\", static_cast<double>(o.px), int(qty), uint8_t{flags}", 3,
                  "px qty uint8_t");
    expect_parsed("\"f\", [&, a] (int x, int y) { return x, y; }(1, z), [] { return 1; }()", 2,
                  "arg1 arg2");
    expect_parsed("\"f\", P{1, 2}.a, nullptr, true, 1'000'000, u8\"a,b\", L','", 6,
                  "a arg2 arg3 arg4 arg5 arg6");
    expect_parsed("R\"x({\"a\", %d)x\", a, R\"(,\")\"", 2, "a arg2");
    expect_parsed("\"f\", sizeof(x), sizeof x, (a), ((b)), (const char *)c, &d[0]", 6,
                  "sizeof x a b c d");
    expect_parsed("\"f\", (((((((((deep)))))))))", 1, "arg1");
    /* fewer or more arguments than there are, brackets without end, nothing */
    expect_parsed("\"f\", a", 2, "arg1 arg2");
    expect_parsed("\"f\", a, b", 1, "arg1");
    expect_parsed("\"f\", a((((", 1, "a");
    expect_parsed("\"f\", \"a", 1, "arg1");
    expect_parsed("\"f\", a)), b", 1, "arg1");
    expect_parsed("", 1, "arg1");
    expect_parsed("\"f\", ", 1, "arg1");
    expect_parsed("\"f\", SHMLOG_NAMED(, SHMLOG_NAMED, ((void)", 1, "SHMLOG_NAMED");
    expect_parsed("\"f\", SHMLOG_NAMED(\"\", x), ((void)\"\" \"y\", (z)), ((int)\"n\", (z))", 3,
                  "SHMLOG_NAMED y z");
}

#define TIMES_4(s) s s s s
#define LONG TIMES_4(TIMES_4(TIMES_4(TIMES_4("0123456789abcdef"))))

/* More text than a site has room for: each part gets its share, and all of them end. */
Test(producer_sites, more_than_fits)
{
    shmlog_event(logger, SHMLOG_INFO, "category: " LONG, "format: " LONG, "first: " LONG, 1,
                 "second: " LONG, 2L, "third", 3);
    cr_assert(kit_take());
    cr_assert_leq(kit_site.size, SHMLOG_SITE_MAX);
    cr_assert_eq(kit_site.args, 3);
    cr_assert_eq(strncmp(kit_site.format, "format: 0123", 12), 0);
    cr_assert_eq(strncmp(kit_site.category, "category: 0123", 14), 0);
    cr_assert_str_eq(kit_site.function, __func__);
    cr_assert_str_eq(kit_site.file, __FILE__);
    cr_assert_eq(strncmp(kit_site.name[0], "first: 0123", 11), 0);
    cr_assert_eq(kit_value[2].u, 3);
}

static void log_here(int i)
{
    shmlog_info(logger, "here %d", i);
}

static uint32_t id_taken(void)
{
    cr_assert(kit_take());
    return kit_slots->site & SHMLOG_SITE_ID_MASK;
}

#define TWICE(call) \
    call;           \
    call

Test(producer_sites, one_id_for_each)
{
    uint32_t id, pairs[2];

    log_here(1);
    log_here(2);
    id = id_taken();
    cr_assert_eq(id_taken(), id);
    /* two call sites on one line differ in nothing that is registered */
    TWICE(shmlog_info(logger, "twin"));
    pairs[0] = id_taken();
    pairs[1] = id_taken();
    cr_assert_eq(pairs[0], pairs[1]);
    cr_assert_neq(pairs[0], id);
}

/* A site registered by one process is found by the next one: no second copy in the arena. */
Test(producer_sites, shared_by_processes)
{
    uint64_t used;
    uint32_t id;
    int status;
    pid_t child = fork();

    cr_assert_geq(child, 0);
    if (child == 0) {
        log_here(1);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    id = id_taken();
    used = segment->control->arena_used;
    log_here(2);
    cr_assert_eq(id_taken(), id);
    cr_assert_eq(segment->control->arena_used, used);
}

static void fill_table(void)
{
    uint64_t *const words = shm_site_words(segment);

    for (uint32_t i = 1; i < segment->geometry.sites_max; i++)
        words[i] = words[i] ? words[i] : UINT64_C(1) << 32;
}

/* The table is full: records bring their sites along; the sites in it go on. */
Test(producer_sites, full_table)
{
    log_here(1);
    cr_assert(kit_take());
    cr_assert_not(kit_brought);
    fill_table();
    for (int i = 0; i < 5; i++) {
        shmlog_log(logger, SHMLOG_WARN, SHMLOG_TRADE, "one too many %d %s", i, "with a string");
        cr_assert(kit_take());
        cr_assert(kit_brought);
        cr_assert_str_eq(kit_site.format, "one too many %d %s");
        cr_assert_str_eq(kit_site.category, SHMLOG_TRADE);
        cr_assert_str_eq(kit_site.function, __func__);
        cr_assert_eq(kit_site.level, SHMLOG_WARN);
        cr_assert_eq(kit_slots->site & SHMLOG_SITE_ID_MASK, SHMLOG_SITE_INLINE + SHMLOG_WARN);
        expect_name(0, "i");
        cr_assert_eq(kit_value[0].i, i);
        cr_assert(kit_value[1].size == 13 && !memcmp(kit_value[1].data, "with a string", 13));
    }
    shmlog_info(logger, "no argument");
    cr_assert(kit_take());
    cr_assert(kit_brought);
    cr_assert_str_eq(kit_site.format, "no argument");
    cr_assert_eq(shmlog_thread_lost(logger), 0);
    cr_assert_eq(shmlog_lost(logger), 0);
    log_here(2);
    cr_assert(kit_take());
    cr_assert_not(kit_brought);
}

/* What does not fit beside the site is cut, to the byte. */
Test(producer_sites, full_table_long_string)
{
    static char text[SHMLOG_RECORD_PAYLOAD];
    uint32_t room;

    memset(text, 'x', sizeof(text) - 1);
    fill_table();
    shmlog_info(logger, "%s", text);
    cr_assert(kit_take());
    cr_assert(kit_brought);
    cr_assert_eq(kit_slots->site >> SHMLOG_SITE_SLOTS_SHIFT, SHMLOG_RECORD_SLOTS);
    room = SHMLOG_RECORD_PAYLOAD - SHMLOG_PAYLOAD_ARGS - SHMLOG_INLINE_LENGTHS -
           (uint32_t)kit_site.size - 4;
    cr_assert(kit_value[0].cut);
    cr_assert_eq(kit_value[0].size, room);
    cr_assert_eq(memcmp(kit_value[0].data, text, room), 0);
    shmlog_line(logger, SHMLOG_INFO, 1, text, room);
    cr_assert(kit_take());
    cr_assert_eq(kit_site.flags, SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE);
    cr_assert_leq(kit_value[0].size, room);
    cr_assert_eq(shmlog_lost(logger), 0);
}

#define TIMES_10(text) text text text text text text text text text text
#define TEXT_700           \
    TIMES_10("abcdefghij") \
    TIMES_10("abcdefghij") \
    TIMES_10("abcdefghij") \
    TIMES_10("abcdefghij") TIMES_10("abcdefghij") TIMES_10("abcdefghij") TIMES_10("abcdefghij")
#define TEXT_1500 TEXT_700 TEXT_700 TIMES_10("abcdefghij")

/* A site of the most bytes. */
Test(producer_sites, full_table_long_site)
{
    const char *const text = "0123456789";

    fill_table();
    shmlog_event(logger, SHMLOG_INFO, TEXT_1500, "order", "a", 1, TEXT_700, 2.5, "c", text);
    cr_assert(kit_take());
    cr_assert(kit_brought);
    cr_assert_gt(kit_site.size, 1900);
    cr_assert_eq(kit_value[0].i, 1);
    cr_assert(kit_value[1].f > 2.4 && kit_value[1].f < 2.6);
    cr_assert(kit_value[2].size == 10 && !memcmp(kit_value[2].data, text, 10));
}

struct large {
    char text[3568];
};
struct fitting {
    uint64_t id;
    char text[3300];
};
SHMLOG_RECORD(large_record, struct large, SHMLOG_INFO, "", "large",
              SHMLOG_FIELD(struct large, text));
SHMLOG_RECORD(fitting_record, struct fitting, SHMLOG_ERROR, "", "fitting",
              SHMLOG_FIELD(struct fitting, id), SHMLOG_FIELD(struct fitting, text));

/* A struct is whole, or lost and counted. */
Test(producer_sites, full_table_struct)
{
    static struct large large;
    static struct fitting fitting = {.id = 77};

    memset(fitting.text, 'y', sizeof(fitting.text));
    fill_table();
    shmlog_record(logger, &large_record, &large);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 1);
    cr_assert_eq(shmlog_thread_lost(logger), 1);
    shmlog_record(logger, &fitting_record, &fitting);
    cr_assert_eq(shmlog_lost(logger), 1);
    cr_assert(kit_take());
    cr_assert(kit_brought);
    cr_assert_str_eq(kit_site.format, "fitting");
    cr_assert_eq(kit_value[0].u, 77);
    cr_assert_eq(kit_value[1].size, sizeof(fitting.text));
}

/* Words that make no sense must not lead out of the arena. */
Test(producer_sites, hostile_table)
{
    uint64_t *const words = shm_site_words(segment);

    for (uint32_t i = 1; i < segment->geometry.sites_max; i++)
        words[i] = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
    shmlog_info(logger, "not registered");
    memset(words, 0, segment->geometry.sites_max * sizeof(*words));
    segment->control->arena_used = UINT64_MAX - 7;
    shmlog_info(logger, "not this one either");
    segment->control->arena_used = segment->geometry.arena_size - 8;
    shmlog_info(logger, "this one as well");
    segment->control->arena_used = 3;
    shmlog_info(logger, "and this");
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(kit_take());
        cr_assert(kit_brought);
    }
    segment->control->arena_used = 0;
    shmlog_info(logger, "kept");
    cr_assert(kit_take());
    cr_assert_not(kit_brought);
    cr_assert_str_eq(kit_site.format, "kept");
    cr_assert_eq(shmlog_lost(logger), 0);
}

/* Log once from so many call sites of one kind, from line `first` on; how many were registered. */
static unsigned log_from_many(struct shmlog *log, unsigned first, unsigned count)
{
    static const uint8_t types[1] = {0};
    unsigned registered = 0;

    for (unsigned i = 0; i < count; i++) {
        struct shmlog_callsite_ site = {
            .format = "made",
            .file = "made.c",
            .category = "",
            .line = first + i,
            .kind = SHMLOG_SITE_EVENT,
            .level = SHMLOG_INFO,
        };
        struct shmlog_staged_ stage = SHMLOG_STAGED_EMPTY_;

        shmlog_put_elsewhere_(log, &site, types, NULL, "made", &stage, NULL, 0, 0);
        cr_assert(kit_take());
        cr_assert_eq(kit_site.line, first + i);
        registered += !kit_brought;
    }
    return registered;
}

/* One that registers without end leaves the others room. */
Test(producer_sites, share)
{
    struct shmlog *second;
    uint32_t share;

    parameters.sites_max = 1024;
    kit_detach();
    kit_attach(&parameters);
    share = SHMLOG_SITES_SHARE(1024);
    cr_assert_eq(share, 256);
    cr_assert_eq(log_from_many(logger, 1, 1025), share);
    cr_assert_eq(log_from_many(logger, 1, 1025), share, "those that are there, and no other");
    cr_assert_eq(shmlog_open(&second, kit_path, NULL), 0);
    cr_assert_eq(log_from_many(second, 1, 1025), 2 * share);
    cr_assert_eq(log_from_many(logger, 1, 1025), 2 * share,
                 "what others register counts as theirs");
    shmlog_close(second);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(shmlog_open(&second, kit_path, NULL), 0);
        log_from_many(second, 1, 1025);
        shmlog_close(second);
    }
    cr_assert_eq(log_from_many(logger, 1, 1025), 1023, "four of them fill it");
    cr_assert_eq(shmlog_lost(logger), 0);
}

static void log_to(struct shmlog *log)
{
    shmlog_warn(log, "to whichever segment %d", 1);
}

/* One call site, two segments: each has it in its own table. */
Test(producer_sites, two_segments)
{
    char other_path[160], message[256];
    uint64_t slots = 0;
    struct shm_segment *other;
    struct shmlog *second;

    snprintf(other_path, sizeof(other_path), "%s/other", kit_folder);
    cr_assert_eq(shm_segment_create(other_path, &parameters, NULL, &other, message,
                                    sizeof(message)),
                 0);
    cr_assert_eq(shmlog_open(&second, other_path, NULL), 0);
    shmlog_warn(second, "shifts the ids");
    for (int i = 0; i < 3; i++) {
        log_to(logger);
        log_to(second);
    }
    cr_assert_eq(kit_take_all(), 3);
    cr_assert_str_eq(kit_site.format, "to whichever segment %d");
    cr_assert_eq(shmlog_lost(second), 0);
    for (uint32_t i = 0; i < other->geometry.rings; i++)
        slots += shm_ring_head(other->rings[i].header);
    cr_assert_eq(slots, 4);
    shmlog_close(second);
    shm_segment_close(other);
}
