/* SPDX-License-Identifier: MIT
 *
 * What shmlog-dump --info says of producers: the rings that they own, and why.
 */
#include "tests/unit/segment_kit.h"

#include "shm/tables.h"
#include "tools/info.h"
#include "tools/options.h"

#include <errno.h>

static struct shm_segment *s;
static struct text out;

static void open_info(void)
{
    struct shm_params params = kit_params();

    kit_open();
    s = kit_create(&params);
    out = (struct text){0};
}

static void close_info(void)
{
    text_done(&out);
    shm_segment_close(s);
    kit_close();
}

TestSuite(info, .init = open_info, .fini = close_info, .timeout = 120);

/* Entry 0, as if of a program in another pid namespace. */
static void put_producer(uint32_t why)
{
    struct shmlog_producer p = {
        .claim = UINT64_C(77) << 32 | SHMLOG_PRODUCER_LIVE,
        .id = 1u << 16 | 1,
        .pid = 70,
        .tid = 77,
        .process = "feed",
        .thread = "main",
        .why = why,
    };

    shm_producers(s)[0] = p;
    s->control->producers_used = 1;
}

/* The text from `from` on must begin with this. */
static void check(int (*print)(const struct shm_segment *, unsigned, struct text *),
                  const char *from, const char *want)
{
    const char *at;

    text_clear(&out);
    cr_assert_eq(print(s, SHOW_PRODUCERS, &out), 0);
    text_putc(&out, 0);
    at = strstr(out.data, from);
    cr_assert_not_null(at, "%s in %s", from, out.data);
    cr_assert_eq(strncmp(at, want, strlen(want)), 0, "%s: %s", want, out.data);
}

Test(info, why_it_shares_rings)
{
    static const char *const names[] = {NULL,     "asked",  "no-rseq",
                                        "no-tsc", "aborts", "no-core-ring"};
    char want[128];

    for (uint32_t why = 1; why < sizeof(names) / sizeof(names[0]); why++) {
        put_producer(why);
        snprintf(want, sizeof(want), "      77 %-12s  feed/main\n", names[why]);
        check(info_text, "      77 ", want);
        snprintf(want, sizeof(want), "\"why\":\"%s\",", names[why]);
        check(info_json, "\"why\"", want);
    }
}

Test(info, rings_that_are_not_mapped)
{
    char want[128];

    put_producer(0);
    check(info_json, "\"thread\"", "\"thread\":\"main\",\"rings_missing\":0}");
    shm_producers(s)[0].rings_missing = 1;
    snprintf(want, sizeof(want), "feed/main; degraded: 1 of %u rings not mapped\n",
             s->geometry.rings);
    check(info_text, "feed/main", want);
    check(info_json, "\"thread\"", "\"thread\":\"main\",\"rings_missing\":1}");
}

Test(info, it_shares_none_or_says_nonsense)
{
    put_producer(0);
    check(info_text, "      77 ", "      77 -             feed/main\n");
    check(info_json, "\"why\"", "\"why\":null,");
    put_producer(UINT32_MAX); /* of a later version, or nonsense */
    check(info_text, "      77 ", "      77 ?             feed/main\n");
    check(info_json, "\"why\"", "\"why\":\"?\",");
}
