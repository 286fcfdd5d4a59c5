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
    expect_name(0, "1");
}

Test(producer_sites, names_from_the_source)
{
    const int order[2] = {1, 2};
    const struct {
        int qty;
    } all = {4}, *const o = &all;

    shmlog_info(logger, "comma, \"quoted, %d\" (%d %d %s %c %d %d", order[two(0, 1)], two(1, 2),
                (int)all.qty, "a, b", ',', o->qty, ((struct { int x, y; }){5, 6}).y);
    shmlog_info(logger,
                "spread"
                ", over lines %d %s",
                /* a comment, too */ two(1, 2) + 1, ")\\\"(");
    cr_assert(kit_take());
    expect_name(0, "order[two(0, 1)]");
    expect_name(1, "two(1, 2)");
    expect_name(2, "(int)all.qty");
    expect_name(3, "\"a, b\"");
    expect_name(4, "','");
    expect_name(5, "o->qty");
    expect_name(6, "((struct { int x, y; }){5, 6}).y");
    cr_assert(kit_take());
    expect_name(0, "two(1, 2) + 1");
    expect_name(1, "\")\\\\\\\"(\"");
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

/* The table is full: calls are lost and counted, one by one; the sites in it go on. */
Test(producer_sites, full_table)
{
    uint64_t *const words = shm_site_words(segment);

    log_here(1);
    cr_assert(kit_take());
    for (uint32_t i = 1; i < segment->geometry.sites_max; i++)
        words[i] = words[i] ? words[i] : UINT64_C(1) << 32;
    for (int i = 0; i < 5; i++)
        shmlog_info(logger, "one too many %d %s", i, "with a string");
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 5);
    cr_assert_eq(shmlog_thread_lost(logger), 5);
    cr_assert_eq(shmlog_lost(logger), 5);
    log_here(2);
    cr_assert_eq(kit_take_all(), 1);
}

/* Words that make no sense must not lead out of the arena. */
Test(producer_sites, hostile_table)
{
    uint64_t *const words = shm_site_words(segment);

    for (uint32_t i = 1; i < segment->geometry.sites_max; i++)
        words[i] = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
    shmlog_info(logger, "lost");
    memset(words, 0, segment->geometry.sites_max * sizeof(*words));
    segment->control->arena_used = UINT64_MAX - 7;
    shmlog_info(logger, "lost, too");
    segment->control->arena_used = segment->geometry.arena_size - 8;
    shmlog_info(logger, "this one as well");
    segment->control->arena_used = 3;
    shmlog_info(logger, "and this");
    cr_assert_eq(kit_lost(SHMLOG_LOST_NO_SITE), 4);
    segment->control->arena_used = 0;
    shmlog_info(logger, "kept");
    cr_assert_eq(kit_take_all(), 1);
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
