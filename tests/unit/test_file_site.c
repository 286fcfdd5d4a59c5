/* SPDX-License-Identifier: MIT
 *
 * Sites: what is right is taken apart, what is wrong is refused.
 */
#include "tests/unit/file_kit.h"

#include <errno.h>

static const uint8_t order_types[] = {SHMLOG_TYPE_U64, SHMLOG_TYPE_F64, SHMLOG_TYPE_U32,
                                      SHMLOG_TYPE_CHAR};

Test(site, parses)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size = make_printf_site(bytes, SHMLOG_WARN, 4, order_types);
    struct file_site site;

    cr_assert_eq(file_site_parse(bytes, size, &site), 0);
    cr_assert_eq(site.level, SHMLOG_WARN);
    cr_assert_eq(site.args, 4);
    cr_assert_eq(site.arg[0].offset, 16);
    cr_assert_eq(site.fixed_size, 37 - 12);
    cr_assert_not(site.strings);
    cr_assert_str_eq(site.format, "some %d format");
    cr_assert_str_eq(site.file, "orders.c");
    cr_assert_str_eq(site.function, "send_order");
    cr_assert_str_eq(site.category, "trade");
    cr_assert_str_eq(site.name[3], "arg3");
}

Test(site, refuses)
{
    uint8_t bytes[SHMLOG_SITE_MAX], bad[SHMLOG_SITE_MAX];
    size_t size = make_printf_site(bytes, SHMLOG_WARN, 4, order_types);
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {
        {0, 1},   /* size */
        {2, 0},   /* kind */
        {2, 4},   /* kind */
        {3, 6},   /* level */
        {6, 17},  /* arguments */
        {12, 1},  /* record size of what is not RAW */
        {16, 0},  /* type */
        {16, 16}, /* TEXT outside RAW */
        {16, 17}, /* type */
        {18, 17}, /* offset: not aligned */
        {18, 8},  /* offset: in the head */
        {26, 16}, /* offset: overlaps the one before */
        {20, 4},  /* size */
    };
    struct file_site site;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(bad, bytes, size);
        bad[wrong[i].at] = wrong[i].value;
        cr_assert_eq(file_site_parse(bad, size, &site), -EBADMSG, "wrong byte %zu", i);
    }
    bytes[size - 1] = 'x'; /* the last name does not end */
    cr_assert_eq(file_site_parse(bytes, size, &site), -EBADMSG);
    for (size_t cut = 0; cut < size; cut++) {
        uint16_t cut_size = (uint16_t)cut;

        memcpy(bad, bytes, size);
        memcpy(bad, &cut_size, sizeof(cut_size));
        cr_assert_eq(file_site_parse(bad, cut, &site), -EBADMSG);
    }
}

Test(site, hostile_bytes)
{
    rng_seed(1);
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t bytes[SHMLOG_SITE_MAX];
        size_t size = rng_below(2) ? random_arguments_site(bytes) : random_raw_site(bytes);
        struct file_site site;
        struct file_value values[FILE_SITE_ARGS_MAX];
        uint8_t payload[SHMLOG_RECORD_PAYLOAD];

        for (unsigned flips = (unsigned)rng_below(4); flips; flips--)
            bytes[rng_below(size)] ^= (uint8_t)(1u << rng_below(8));
        if (file_site_parse(bytes, size, &site) < 0)
            continue;
        for (unsigned i = 0; i < 64; i++)
            payload[i] = (uint8_t)rng();
        memset(payload + 64, (int)rng_below(3), sizeof(payload) - 64);
        file_site_values(&site, payload, rng_below(sizeof(payload) + 1), values);
    }
}

Test(site, values)
{
    static const uint8_t types[] = {SHMLOG_TYPE_I8, SHMLOG_TYPE_STRING, SHMLOG_TYPE_F32,
                                    SHMLOG_TYPE_BYTES, SHMLOG_TYPE_STRING};
    uint8_t bytes[SHMLOG_SITE_MAX], payload[SHMLOG_RECORD_PAYLOAD] = {0};
    size_t size = make_printf_site(bytes, SHMLOG_INFO, 5, types);
    struct file_value v[5];
    struct file_site site;
    uint32_t words[] = {3, 0, SHMLOG_LENGTH_NULL, SHMLOG_LENGTH_CUT | 2};
    float f = 2.5f;

    cr_assert_eq(file_site_parse(bytes, size, &site), 0);
    cr_assert_eq(site.fixed_size, 32 - 12);
    memcpy(&words[1], &f, sizeof(f));
    payload[12] = 0xff;
    memcpy(payload + 16, words, sizeof(words));
    memcpy(payload + 32, "abcde", 5);
    cr_assert_eq(file_site_values(&site, payload, 37, v), 0);
    cr_assert_eq(v[0].i, -1);
    cr_assert(v[1].size == 3 && !memcmp(v[1].data, "abc", 3));
    cr_assert(v[2].f > 2.4 && v[2].f < 2.6);
    cr_assert(v[3].is_null && v[3].size == 0);
    cr_assert(v[4].cut && v[4].size == 2 && !memcmp(v[4].data, "de", 2));
    cr_assert_eq(file_site_values(&site, payload, 36, v), -EBADMSG);
    cr_assert_eq(file_site_values(&site, payload, 31, v), -EBADMSG);
}

Test(site, table_keeps_the_first)
{
    struct file_sites sites = {0};
    uint8_t a[SHMLOG_SITE_MAX], b[SHMLOG_SITE_MAX];
    size_t a_size = make_printf_site(a, SHMLOG_INFO, 4, order_types);
    size_t b_size = make_printf_site(b, SHMLOG_INFO, 2, order_types);
    const struct file_site *first;

    cr_assert_null(file_sites_get(&sites, 5));
    cr_assert_eq(file_sites_put(&sites, 5, a, a_size), 0);
    first = file_sites_get(&sites, 5);
    cr_assert_eq(file_sites_put(&sites, 5, a, a_size), 0);
    cr_assert_eq(file_sites_put(&sites, 5, b, b_size), -EEXIST);
    cr_assert_eq(file_sites_put(&sites, SHMLOG_SITE_ID_MASK, b, b_size), 0);
    cr_assert_eq(file_sites_put(&sites, SHMLOG_SITE_ID_MASK + 1, b, b_size), -EBADMSG);
    cr_assert_eq(file_sites_get(&sites, 5), first);
    cr_assert_eq(first->args, 4);
    cr_assert_eq(file_sites_get(&sites, SHMLOG_SITE_ID_MASK)->args, 2);
    cr_assert_null(file_sites_get(&sites, SHMLOG_SITE_ID_MASK + 1));
    file_sites_done(&sites);
}

/* Every id has a place of its own, wherever the ones before it were. */
Test(site, table_has_all_ids)
{
    enum { STEP = 10007 }; /* a prime: ids come far from each other, and leave pages out */
    static uint8_t of[SHMLOG_SITE_ID_MASK + 1];
    static const uint8_t types[] = {SHMLOG_TYPE_U8, SHMLOG_TYPE_U8, SHMLOG_TYPE_U8};
    struct file_sites sites = {0};
    uint32_t id = 0, next;

    cr_assert_eq(file_sites_next(&sites, 0), 0);
    for (uint32_t i = 1; i <= 3000; i++) {
        uint8_t bytes[SHMLOG_SITE_MAX];

        id = (id + STEP) & SHMLOG_SITE_ID_MASK;
        cr_assert_null(file_sites_get(&sites, id));
        of[id] = (uint8_t)(1 + i % 3);
        cr_assert_eq(file_sites_put(&sites, id, bytes,
                                    make_printf_site(bytes, SHMLOG_INFO, of[id], types)),
                     0);
    }
    next = file_sites_next(&sites, 0);
    for (id = 1; id <= SHMLOG_SITE_ID_MASK; id++) {
        const struct file_site *const site = file_sites_get(&sites, id);

        cr_assert_eq(site ? site->args : 0, of[id], "id %u", id);
        if (!site)
            continue;
        cr_assert_eq(next, id);
        next = file_sites_next(&sites, id);
    }
    cr_assert_eq(next, 0);
    cr_assert_eq(file_sites_next(&sites, UINT32_MAX - 1), 0);
    file_sites_done(&sites);
}
