/* SPDX-License-Identifier: MIT
 *
 * Levels and sampling by rules: which calls are logged, and how many are left out.
 */
#include "tests/unit/producer_kit.h"

#include "shm/rules.h"
#include "tools/rules.h"

#include <pthread.h>

static void open_all(void)
{
    struct shm_params params = kit_producer_params();

    kit_attach(&params);
}

TestSuite(rules, .init = open_all, .fini = kit_detach, .timeout = 120);

/* What a rule says beside its patterns. */
struct says {
    const char *process, *category, *site, *one_in, *per_second;
    uint32_t level; /* 0: nothing; else plus 1 */
};
static struct shmlog_rule made(struct says says)
{
    struct shmlog_rule rule = {.level = says.level ? says.level - 1 : SHMLOG_RULE_KEEP};

    cr_assert(!says.process || !rules_take_process(says.process, &rule));
    cr_assert(!says.category || !rules_take_category(says.category, &rule));
    cr_assert(!says.site || !rules_take_site(says.site, &rule));
    cr_assert(!says.one_in || !rules_take_one_in(says.one_in, &rule));
    cr_assert(!says.per_second || !rules_take_per_second(says.per_second, &rule));
    return rule;
}
#define SET(...)                                                           \
    do {                                                                   \
        const struct shmlog_rule rule_ = made((struct says){__VA_ARGS__}); \
        cr_assert_eq(shm_rules_set(segment, &rule_), 0);                   \
    } while (0)
#define UNSET(...)                                                         \
    do {                                                                   \
        const struct shmlog_rule rule_ = made((struct says){__VA_ARGS__}); \
        cr_assert_eq(shm_rules_unset(segment, &rule_), 0);                 \
    } while (0)
#define LEVEL(level_) .level = (level_) + 1

static uint64_t skipped(uint32_t cause)
{
    return shm_rules_skipped(segment, cause);
}

/* A debug call each; the segment is at info. */
static void call_db(void)
{
    shmlog_log(logger, SHMLOG_DEBUG, "db.query", "select %d", 1);
}
static void call_net(void)
{
    shmlog_log(logger, SHMLOG_DEBUG, "net", "packet %s of some length", "by a text");
}

/* Which of them is logged: "", "d", "n" or "dn". */
static const char *logged(void)
{
    static char which[3];
    size_t count = 0;

    call_db();
    while (kit_take())
        which[count++] = *kit_site.category;
    call_net();
    while (kit_take())
        which[count++] = *kit_site.category;
    which[count] = '\0';
    return which;
}

/* ---- Levels ---- */

Test(rules, level_of_a_category)
{
    cr_assert_str_eq(logged(), "");
    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    cr_assert_str_eq(logged(), "d");
    SET(.category = "net", LEVEL(SHMLOG_TRACE));
    cr_assert_str_eq(logged(), "dn");
    UNSET(.category = "db.*");
    cr_assert_str_eq(logged(), "n");
    SET(.category = "net", LEVEL(SHMLOG_INFO));
    cr_assert_str_eq(logged(), "");
    cr_assert_eq(segment->control->level, SHMLOG_INFO, "such calls are a load and a branch again");
    shmlog_info(logger, "of no rule");
    cr_assert_eq(kit_take_all(), 1);
}

/* All that matches a pattern, and nothing else: by the category db.query. */
Test(rules, patterns)
{
    static const char *const right[] = {"db.query", "*",          "**",       "db*",   "*query",
                                        "d*y",      "db?query",   "*?",       "*b*u*", "????????",
                                        "*.q*",     "d*b.query*", "*db.query"};
    static const char *const wrong[] = {"db",        "query",   "?",         "db.quer",
                                        "db.queryy", "b*",      "*quer",     "?????????",
                                        "*x*",       "d?query", "db.query?", "DB.query"};

    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
        SET(.category = right[i], LEVEL(SHMLOG_DEBUG));
        call_db();
        cr_assert_eq(kit_take_all(), 1, "%s", right[i]);
        UNSET(.category = right[i]);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        SET(.category = wrong[i], LEVEL(SHMLOG_DEBUG));
        call_db();
        cr_assert_eq(kit_take_all(), 0, "%s", wrong[i]);
        UNSET(.category = wrong[i]);
    }
}

Test(rules, level_of_sites)
{
    const struct {
        const char *site, *logged;
    } of[] = {
        {"test_rules.c", "dn"}, {"*/test_rules.c", "dn"}, {"rules.c", ""},  {"call_net", "n"},
        {"call_*", "dn"},       {"select %d", "d"},       {"packet*", "n"}, {"test_rules.c:1", ""},
    };

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        SET(.site = of[i].site, LEVEL(SHMLOG_DEBUG));
        cr_assert_str_eq(logged(), of[i].logged, "%s", of[i].site);
        UNSET(.site = of[i].site);
    }
}

Test(rules, level_of_a_line)
{
    char site[32];

    SET(.category = "db*", LEVEL(SHMLOG_DEBUG));
    call_db();
    cr_assert(kit_take());
    snprintf(site, sizeof(site), "test_rules.c:%u", kit_site.line);
    SET(.site = site, LEVEL(SHMLOG_OFF));
    cr_assert_str_eq(logged(), "");
    SET(.category = "net", LEVEL(SHMLOG_DEBUG));
    cr_assert_str_eq(logged(), "n");
}

Test(rules, level_of_a_process)
{
    const struct shmlog_options options = {.process_name = "gateway-7"};
    struct shmlog *const first = logger;

    SET(.process = "gateway-*", LEVEL(SHMLOG_DEBUG));
    cr_assert_str_eq(logged(), "");
    cr_assert_eq(shmlog_open(&logger, kit_path, &options), 0);
    cr_assert_str_eq(logged(), "dn", "a program that starts later");
    SET(.process = "gateway-*", .category = "net", LEVEL(SHMLOG_OFF));
    cr_assert_str_eq(logged(), "d");
    shmlog_close(logger);
    logger = first;
    cr_assert_str_eq(logged(), "");
}

Test(rules, the_last_counts)
{
    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    SET(.site = "*", LEVEL(SHMLOG_OFF));
    cr_assert_str_eq(logged(), "");
    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    cr_assert_str_eq(logged(), "d", "set again, it is the last");
    SET(.category = "db.*", .one_in = "1");
    cr_assert_str_eq(logged(), "d", "its level is as it was");
    cr_assert_eq(shm_rules_unset(segment, NULL), 0);
    cr_assert_str_eq(logged(), "");
}

/* A program's own level and the segment's are of what no rule is about. */
Test(rules, level_of_the_rest)
{
    uint32_t before;

    SET(.category = "db.*", LEVEL(SHMLOG_WARN));
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_DEBUG), 0);
    cr_assert_str_eq(logged(), "n");
    cr_assert_eq(shm_rules_level(segment), SHMLOG_DEBUG);
    cr_assert_eq(shmlog_set_level(logger, SHMLOG_ERROR), 0);
    cr_assert_eq(segment->control->level, SHMLOG_WARN);
    cr_assert_eq(shm_rules_set_level(segment, SHMLOG_TRACE, &before), 0);
    cr_assert_eq(before, SHMLOG_ERROR);
    cr_assert_str_eq(logged(), "n");
    cr_assert_eq(shm_rules_unset(segment, NULL), 0);
    cr_assert_str_eq(logged(), "dn");
    cr_assert_eq(segment->control->level, SHMLOG_TRACE);
}

/* A log that attaches later goes by the rules of the segment that it is at. */
Test(rules, later)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_LATER};
    struct shmlog *const first = logger;

    cr_assert_eq(shmlog_open(&logger, kit_path, &options), 0);
    cr_assert_str_eq(logged(), "");
    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    cr_assert_eq(shmlog_poll(logger), 0);
    cr_assert_str_eq(logged(), "d");
    SET(.category = "db.*", .one_in = "2");
    cr_assert_str_eq(logged(), "d");
    cr_assert_str_eq(logged(), "");
    shmlog_close(logger);
    logger = first;
}

/* ---- Sampling ---- */

Test(rules, one_in_n)
{
    SET(.category = "net", .one_in = "4");
    for (int i = 0; i < 10; i++)
        shmlog_log(logger, SHMLOG_INFO, "net", "packet %d", i);
    for (int i = 0; i < 10; i += 4) {
        cr_assert(kit_take());
        expect_number(0, i);
    }
    cr_assert_not(kit_take());
    cr_assert_eq(skipped(SHMLOG_SKIPPED_ONE_IN), 7);
    call_net(); /* below the level: nothing that sampling left out */
    SET(.site = "*", LEVEL(SHMLOG_TRACE));
    SET(.category = "net", LEVEL(SHMLOG_OFF));
    call_net();
    cr_assert_eq(kit_take_all(), 0);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_ONE_IN), 7);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_GAP), 0);
}

static void call_packets(void)
{
    for (int i = 0; i < 10; i++)
        shmlog_log(logger, SHMLOG_INFO, "net", "packet %s", "x");
}

/* Once in 11 days. */
Test(rules, per_second)
{
    SET(.site = "packet*", .per_second = "0.000001");
    call_packets();
    cr_assert_eq(kit_take_all(), 1);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_GAP), 9);
    SET(.site = "packet*", .one_in = "1");
    call_packets();
    cr_assert_eq(kit_take_all(), 10, "all again");
    cr_assert_eq(skipped(SHMLOG_SKIPPED_GAP), 9);
}

struct order {
    uint64_t id, quantity;
};
SHMLOG_RECORD(order_record, struct order, SHMLOG_INFO, "orders", "order",
              SHMLOG_FIELD(struct order, id), SHMLOG_FIELD(struct order, quantity));

/* A batch is one call, and counts as so many records as it has. */
Test(rules, raw_records)
{
    const struct order order[3] = {{1, 2}, {3, 4}, {5, 6}};

    SET(.category = "orders", .one_in = "2");
    for (int i = 0; i < 4; i++)
        shmlog_record_n(logger, &order_record, order, NULL, 3);
    cr_assert_eq(kit_take_all(), 6);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_ONE_IN), 6);
    SET(.category = "orders", LEVEL(SHMLOG_WARN));
    shmlog_record_n(logger, &order_record, order, NULL, 3);
    cr_assert_eq(kit_take_all(), 0);
}

#define THREADS 4
#define CALLS 400
static void *call_often(void *category)
{
    for (int i = 0; i < CALLS; i++)
        if (category)
            shmlog_log(logger, SHMLOG_INFO, "counted", "call %d", i);
        else
            shmlog_log(logger, SHMLOG_INFO, "timed", "call %d", i);
    return NULL;
}

static void call_in_threads(void *argument)
{
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&thread[i], NULL, call_often, argument), 0);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(thread[i], NULL), 0);
}

/* A site's calls are counted together, whichever thread makes them. */
Test(rules, sampling_in_threads)
{
    SET(.category = "counted", .one_in = "4");
    SET(.category = "timed", .per_second = "0.000001");
    call_in_threads(logger);
    cr_assert_eq(kit_take_all(), THREADS * CALLS / 4);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_ONE_IN), THREADS * CALLS * 3 / 4);
    call_in_threads(NULL);
    cr_assert_eq(kit_take_all(), 1);
    cr_assert_eq(skipped(SHMLOG_SKIPPED_GAP), THREADS * CALLS - 1);
}

/* ---- The rules of a segment ---- */

Test(rules, there_is_room_for_so_many)
{
    char site[16];

    for (unsigned i = 0; i <= SHMLOG_RULES_MAX; i++) {
        struct shmlog_rule rule;

        snprintf(site, sizeof(site), "site-%u", i);
        rule = made((struct says){.site = site, LEVEL(SHMLOG_DEBUG)});
        cr_assert_eq(shm_rules_set(segment, &rule), i < SHMLOG_RULES_MAX ? 0 : -ENOSPC);
    }
    SET(.site = "site-3", LEVEL(SHMLOG_OFF));
    UNSET(.site = "site-4");
    SET(.site = "site-16", LEVEL(SHMLOG_OFF));
    {
        const struct shmlog_rule rule = made((struct says){.site = "site-4"});

        cr_assert_eq(shm_rules_unset(segment, &rule), -ENOENT);
    }
}

/* Two that change them at once lose nothing. */
Test(rules, several_at_once)
{
    struct shm_rules rules;

    for (unsigned child = 0; child < 4; child++)
        if (fork() == 0) {
            struct shm_segment *own;
            char site[16];

            if (shm_segment_open(kit_path, true, &own) < 0)
                _exit(1);
            for (unsigned i = 0; i < 200; i++) {
                struct shmlog_rule rule;

                snprintf(site, sizeof(site), "%u-%u", child, i % 4);
                rule = made((struct says){.site = site, LEVEL(SHMLOG_WARN)});
                if (shm_rules_set(own, &rule) < 0)
                    _exit(1);
            }
            _exit(0);
        }
    for (unsigned child = 0; child < 4; child++) {
        int status;

        cr_assert_gt(wait(&status), 0);
        cr_assert_eq(status, 0);
    }
    shm_rules_read(segment, &rules);
    cr_assert_eq(rules.count, 16);
    cr_assert_eq(segment->control->generation, 2 * 4 * 200);
}

/* Another geometry, the same rules. */
Test(rules, stay_in_a_segment_that_is_made_anew)
{
    struct shm_params params = kit_producer_params();
    struct shm_rules rules;

    cr_assert_not(shm_rules_steered(segment));
    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    cr_assert(shm_rules_steered(segment));
    shmlog_close(logger);
    shm_segment_close(segment);
    params.ring_bytes *= 2;
    params.level = SHMLOG_ERROR;
    segment = kit_create(&params);
    cr_assert(segment->created);
    shm_rules_read(segment, &rules);
    cr_assert_eq(rules.count, 1);
    cr_assert_eq(rules.level, SHMLOG_INFO);
    cr_assert_str_eq(rules.rule[0].category, "db.*");
    cr_assert_eq(shmlog_open(&logger, kit_path, NULL), 0);
    cr_assert_str_eq(logged(), "d");
}

/* What is in the control file may be anything. */
Test(rules, that_are_damaged)
{
    struct shm_rules rules;

    SET(.category = "db.*", LEVEL(SHMLOG_DEBUG));
    memset(segment->control->rule, 'x', sizeof(segment->control->rule));
    segment->control->rules = UINT32_MAX;
    segment->control->generation++;
    shm_rules_read(segment, &rules);
    cr_assert_eq(rules.count, SHMLOG_RULES_MAX);
    cr_assert_eq(strlen(rules.rule[15].site), sizeof(rules.rule[15].site) - 1);
    cr_assert_leq(strlen(logged()), 2);
}
