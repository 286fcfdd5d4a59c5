/* SPDX-License-Identifier: MIT
 *
 * Call sites: what is registered of them, once each, and what becomes of the calls of one that
 * there is no room for.
 */
#include "tests/unit/producer_kit.h"

static struct shm_params parameters;

static void open_all(void)
{
    parameters = kit_producer_params();
    kit_attach(&parameters);
}

TestSuite(producer_sites, .init = open_all, .fini = kit_detach);

/* ---- What is registered ---- */

static void expect_name(unsigned i, const char *name, const char *expression)
{
    cr_assert_lt(i, kit_site.args);
    cr_assert_str_eq(kit_site.name[i], name, "name %u is '%s', not '%s'", i, kit_site.name[i],
                     name);
    cr_assert_str_eq(kit_site.expression[i], expression, "expression %u is '%s', not '%s'", i,
                     kit_site.expression[i], expression);
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
    expect_name(0, "arg1", "1");
}

static void log_text(struct shmlog *log, const char *text)
{
    shmlog_info(log, "text %s, number %d", text, 7);
}

/* The next record is that of log_text(). */
static void expect_log_text(const char *text)
{
    cr_assert(kit_take());
    expect_text(0, text, strlen(text), false);
    expect_number(1, 7);
}

/* Each attachment has its own plans for the strings of a site, also where it is to the same
 * segment. */
Test(producer_sites, in_several_attachments)
{
    struct shmlog *other;

    log_text(logger, "first");
    expect_log_text("first");
    cr_assert_eq(shmlog_open(&other, kit_path, NULL), 0);
    log_text(other, "second");
    expect_log_text("second");
    log_text(logger, "third");
    expect_log_text("third");
    shmlog_close(other);
    shmlog_close(logger);
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    log_text(logger, "opened again");
    expect_log_text("opened again");
}

struct book {
    struct {
        int px;
    } level[2];
    int qty;
    struct book *next;
};

/* Through the preprocessor to the reader; test_argument_names.c has the rules. */
Test(producer_sites, names_from_the_source)
{
    struct book all = {{{7}, {8}}, 4, &all}, *const o = &all;
    const int i = 0;
    int n = 0;

    shmlog_info(logger, "comma, \"quoted, %d\" %d %s", (int)all.next->level[i].px,
                ((struct { int x, y; }){5, 6}).y, ")\\\"(");
    shmlog_info(logger,
                "spread"
                ", over lines %d %d %d",
                /* a comment, too */ -(long)i == 0, n++, o->next->qty);
    cr_assert(kit_take());
    expect_name(0, "px", "(int)all.next->level[i].px");
    expect_name(1, "y", "((struct { int x, y; }){5, 6}).y");
    expect_name(2, "arg3", "\")\\\\\\\"(\"");
    cr_assert(kit_take());
    expect_name(0, "i", "-(long)i == 0");
    expect_name(1, "n", "n++");
    expect_name(2, "qty", "o->next->qty");
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
    expect_name(0, "order_qty", "book.qty");
    expect_name(1, "why", "\"x, y\"");
    expect_name(2, "order_qty_2", "++evaluated");
    expect_number(2, 1);
    cr_assert(kit_take());
    expect_name(0, "order qty", "(book.qty)");
    expect_name(1, "qty", "book.qty");
    cr_assert(kit_take());
    expect_name(0, "qty", "qty");
    expect_name(1, "qty_2", "qty_2");
    expect_name(2, "qty_2_2", "qty_2_2");
    expect_name(3, "", "");
}

/* The site that was taken last, as it lies in the arena; its strings are one after the other. */
static struct shmlog_site in_arena(const char **ret_strings)
{
    const uint64_t word = shm_site_words(segment)[kit_slots->site & SHMLOG_SITE_ID_MASK];
    const uint8_t *const at = shm_arena(segment) + (word & UINT32_MAX) * 8;
    struct shmlog_site head;

    memcpy(&head, at, sizeof(head));
    *ret_strings = (const char *)at + sizeof(head) + head.args * sizeof(struct shmlog_site_arg);
    return head;
}

static void log_sixteen(int a)
{
    shmlog_info(logger, "%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d", a, a, a, a, a, a, a, a, a, a, a, a, a,
                a, a, a + 1);
}

/* The names are made by readers; where those of the segment do not, arguments have numbers. */
Test(producer_sites, text_of_the_call)
{
    const char *strings;
    struct shmlog_site head;

    log_sixteen(1);
    cr_assert(kit_take());
    head = in_arena(&strings);
    cr_assert_eq(head.flags, SHMLOG_SITE_FLAG_TEXT);
    for (unsigned i = 0; i < 4; i++)
        strings += strlen(strings) + 1;
    cr_assert_str_eq(strings, "a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a + 1");

    kit_detach();
    kit_open();
    segment = kit_create(&parameters);
    segment->control->compatible &= ~SHMLOG_COMPATIBLE_TEXT;
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    log_sixteen(1);
    cr_assert(kit_take());
    head = in_arena(&strings);
    cr_assert_eq(head.flags, 0);
    for (unsigned i = 0; i < 16; i++) {
        char name[16];

        snprintf(name, sizeof(name), "arg%u", i + 1);
        expect_name(i, name, name);
    }
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
    for (unsigned i = 0; i < 3; i++) { /* of the text too little is left for a name */
        cr_assert_eq(kit_site.name[i][3], (char)('1' + i));
        expect_number(i, (int64_t)i + 1);
    }
}

/* ---- Once each ---- */

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

static void log_to(struct shmlog *log)
{
    shmlog_warn(log, "to whichever segment %d", 1);
}

/* One call site, two segments: each has it in its own table, or has no room. */
Test(producer_sites, two_segments)
{
    uint64_t *const words = shm_site_words(segment);
    char other_path[160], message[256];
    struct shm_segment *other;
    struct shmlog *second;
    uint64_t slots = 0;

    snprintf(other_path, sizeof(other_path), "%s/other", kit_folder);
    cr_assert_eq(shm_segment_create(other_path, &parameters, NULL, &other, message,
                                    sizeof(message)),
                 0);
    cr_assert_eq(shmlog_open(&second, other_path, NULL), 0);
    shmlog_warn(second, "shifts the ids");
    for (uint32_t i = 1; i < parameters.sites_max; i++)
        words[i] = UINT64_C(1) << 32;
    for (int i = 0; i < 3; i++) {
        log_to(logger);
        log_to(second);
    }
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 3);
    memset(words, 0, parameters.sites_max * sizeof(*words));
    for (int i = 0; i < 3; i++) {
        log_to(logger);
        log_to(second);
    }
    cr_assert_eq(kit_take_all(), 3);
    cr_assert_str_eq(kit_site.format, "to whichever segment %d");
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 3);
    cr_assert_eq(shmlog_lost(second), 0);
    for (uint32_t i = 0; i < other->geometry.rings; i++)
        slots += shm_ring_head(other->rings[i].header);
    cr_assert_eq(slots, 7);
    shmlog_close(second);
    shm_segment_close(other);
}

/* ---- A full table ---- */

/* A call site as the compiler makes them. */
struct made {
    struct shmlog_site_ site;
    uint8_t types[2];
    char strings[1000]; /* format, text, category */
};

static struct made make(unsigned line, unsigned format_size)
{
    struct made made = {
        .site = {.file = "made.c",
                 .function = "f",
                 .line = line,
                 .kind = SHMLOG_SITE_PRINTF,
                 .level = SHMLOG_INFO},
        .types = {1, SHMLOG_TYPE_U32},
    };

    memset(made.strings, 'f', format_size);
    return made;
}

static void log_made(struct shmlog *log, struct made *made)
{
    shmlog_put4_(log, &made->site, UINT64_C(77) << 32, 0, 0, 0);
}

/* There is no room: calls are counted, those of the sites in it go on. It is not looked for again,
 * not even when there would be some. */
Test(producer_sites, full_table)
{
    uint64_t *const words = shm_site_words(segment);
    uint32_t lost = 0;

    log_here(1);
    for (uint32_t i = 1; i < parameters.sites_max; i++)
        words[i] = words[i] ? words[i] : UINT64_C(1) << 32;
    for (uint32_t turn = 0; turn < 10; turn++) {
        shmlog_log(logger, SHMLOG_WARN, SHMLOG_TRADE, "one too many %s", "with a string");
        shmlog_event(logger, SHMLOG_INFO, "", "two too many", "turn", turn);
        log_here(2);
        lost += 2;
        if (turn == 5)
            for (uint32_t i = 1; i < parameters.sites_max; i++)
                words[i] = words[i] == UINT64_C(1) << 32 ? 0 : words[i];
        cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), lost);
        cr_assert_eq(shmlog_thread_lost(logger), lost);
        cr_assert_eq(shmlog_lost(logger), lost);
        cr_assert_eq(kit_take_all(), turn ? 1 : 2);
    }
}

struct number {
    uint64_t number;
};
SHMLOG_RECORD(number_record, struct number, SHMLOG_INFO, "", "number",
              SHMLOG_FIELD(struct number, number));

/* A batch for whose kind there is no room: each of its records counts. */
Test(producer_sites, full_table_batch)
{
    const struct number numbers[3] = {{1}, {2}, {3}};

    for (uint32_t i = 1; i < parameters.sites_max; i++)
        shm_site_words(segment)[i] = UINT64_C(1) << 32;
    shmlog_record_n(logger, &number_record, numbers, NULL, 3);
    shmlog_record_n(logger, &number_record, numbers, NULL, 0);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 3);
    cr_assert_eq(shmlog_thread_lost(logger), 3);
}

/* Words that make no sense must not lead out of the arena. */
Test(producer_sites, hostile_table)
{
    static const uint32_t wild[] = {UINT32_MAX, 0x80000000, 0, 1};
    uint64_t *const words = shm_site_words(segment);
    struct made made = make(1, 10);
    uint64_t word;
    uint32_t id;

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
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 4);
    cr_assert_not(kit_take());
    segment->control->arena_used = 0;
    log_made(logger, &made);
    id = id_taken();
    expect_number(0, 77);
    /* the right hash, and an offset that leads nowhere: it is another one's */
    word = words[id];
    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        words[id] = (word & ~UINT64_C(0xffffffff)) | ((uint32_t)word + wild[i]);
        made.site.word = 0;
        log_made(logger, &made);
        cr_assert_eq(id_taken() == id, wild[i] == 0);
    }
    cr_assert_eq(shmlog_lost(logger), 4);
}

/* Log once from so many call sites; how many of them are registered. */
static unsigned log_from_many(struct shmlog *log, unsigned count, unsigned format_size)
{
    unsigned registered = 0;

    for (unsigned i = 1; i <= count; i++) {
        struct made made = make(i, format_size);

        log_made(log, &made);
        registered += kit_take();
        cr_assert(made.site.word, "looked for once");
    }
    return registered;
}

/* One that registers without end leaves the others room. */
Test(producer_sites, share_of_the_table)
{
    const unsigned calls = 1025;
    uint64_t registered = 0;
    struct shmlog *second;
    uint32_t share;

    parameters.sites_max = 1024;
    kit_detach();
    kit_attach(&parameters);
    share = SHMLOG_SITES_SHARE(1024);
    cr_assert_eq(share, 256);
    for (unsigned i = 0; i < 2; i++) /* those that are there, and no other */
        cr_assert_eq(log_from_many(logger, calls, 1), share);
    cr_assert_eq(shmlog_open(&second, kit_path, NULL), 0);
    cr_assert_eq(log_from_many(second, calls, 1), 2 * share);
    cr_assert_eq(log_from_many(logger, calls, 1), 2 * share, "what others register is theirs");
    shmlog_close(second);
    for (unsigned i = 3; i <= 4; i++) {
        cr_assert_eq(shmlog_open(&second, kit_path, NULL), 0);
        registered += log_from_many(second, calls, 1);
        shmlog_close(second);
    }
    cr_assert_eq(registered, 3 * share + 1023);
    cr_assert_eq(log_from_many(logger, calls, 1), 1023, "four of them fill it");
    registered += (share + 2 * share) * 2 + 1023;
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 7 * calls - registered);
    cr_assert_eq(shmlog_lost(logger), 7 * calls - registered);
}

Test(producer_sites, share_of_the_arena)
{
    const uint64_t share = SHMLOG_ARENA_SHARE(segment->geometry.arena_size);
    uint64_t size;

    cr_assert_eq(log_from_many(logger, 1, 900), 1);
    size = segment->control->arena_used;
    cr_assert_eq(log_from_many(logger, 100, 900), share / size);
    cr_assert_eq(segment->control->arena_used, share / size * size);
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 100 - share / size);
}
