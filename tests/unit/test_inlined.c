/* SPDX-License-Identifier: MIT
 *
 * Records of older programs that bring their site along, made by hand: they become those that they
 * stand for, and those that make no sense stay as they are.
 */
#include "tests/unit/log_kit.h"

#include "shm/inline_site.h"
#include "reader/inlined.h"

static const struct log_kit_site site = {
    .kind = SHMLOG_SITE_PRINTF,
    .level = SHMLOG_WARN,
    .format = "one too many %d %s",
    .category = "trade",
    .args = 2,
    .type = {SHMLOG_TYPE_I32, SHMLOG_TYPE_STRING},
    .name = {"i", "text"},
};

static uint8_t payload[SHMLOG_RECORD_PAYLOAD];
static struct file_site outer;
static struct cursor_record record;
static struct inlined inlined;

/* The outer site is of this level; `bytes` are the inner one's, then come its arguments. */
static void put(uint32_t level, const void *bytes, uint32_t size, const void *args, uint32_t more)
{
    uint8_t outer_bytes[SHMLOG_SITE_MAX];
    const uint32_t outer_size = shm_inline_site(SHMLOG_SITE_INLINE + level, outer_bytes);
    size_t at = SHMLOG_PAYLOAD_ARGS;

    cr_assert_eq(file_site_parse(outer_bytes, outer_size, &outer), 0);
    memset(payload, 0, sizeof(payload));
    memcpy(payload, &(uint64_t){12345}, 8);
    memcpy(payload + SHMLOG_PAYLOAD_PRODUCER, &(uint32_t){65537}, 4);
    memcpy(payload + at, &size, 4);
    memcpy(payload + at + 4, &more, 4);
    memcpy(payload + at + 8, bytes, size);
    if (more && more != SHMLOG_LENGTH_NULL)
        memcpy(payload + at + 8 + size, args, more);
    at += 8 + size + (more == SHMLOG_LENGTH_NULL ? 0 : more);
    record = (struct cursor_record){
        .site_id = SHMLOG_SITE_INLINE + level,
        .site = &outer,
        .payload = payload,
        .payload_size = at,
    };
    inlined_take_out(&inlined, &record);
}

static const struct {
    int32_t i;
    uint32_t length;
    char text[13];
} values = {-7, 13, {'w', 'i', 't', 'h', ' ', 'a', ' ', 's', 't', 'r', 'i', 'n', 'g'}};
#define VALUES_SIZE (offsetof(__typeof__(values), text) + sizeof(values.text))

Test(inlined, takes_out)
{
    struct file_value value[FILE_SITE_ARGS_MAX];
    uint8_t bytes[SHMLOG_SITE_MAX];
    const size_t size = log_kit_site_bytes(&site, bytes);

    put(SHMLOG_WARN, bytes, (uint32_t)size, &values, VALUES_SIZE);
    cr_assert_eq(record.site_id, 0);
    cr_assert_str_eq(record.site->format, "one too many %d %s");
    cr_assert_str_eq(record.site->category, "trade");
    cr_assert_eq(record.payload_size, SHMLOG_PAYLOAD_ARGS + VALUES_SIZE);
    cr_assert_eq(memcmp(record.payload, payload, SHMLOG_PAYLOAD_ARGS), 0, "time and producer");
    cr_assert_eq(file_site_values(record.site, record.payload, record.payload_size, value), 0);
    cr_assert_eq(value[0].i, -7);
    cr_assert_eq(value[1].size, 13);
    cr_assert_eq(memcmp(value[1].data, "with a string", 13), 0);
}

Test(inlined, without_arguments)
{
    const struct log_kit_site none = {.kind = SHMLOG_SITE_PRINTF,
                                      .level = SHMLOG_TRACE,
                                      .format = "no argument"};
    uint8_t bytes[SHMLOG_SITE_MAX];

    put(SHMLOG_TRACE, bytes, (uint32_t)log_kit_site_bytes(&none, bytes), NULL, 0);
    cr_assert_str_eq(record.site->format, "no argument");
    cr_assert_eq(record.payload_size, SHMLOG_PAYLOAD_ARGS);
}

static void expect_unchanged(const char *what)
{
    cr_assert_eq(record.site, &outer, "%s", what);
    cr_assert_eq(record.payload, payload, "%s", what);
    cr_assert_neq(record.site_id, 0, "%s", what);
}

/* Another level than the record was chosen by, one site in the other, cut, no arguments at all. */
Test(inlined, makes_no_sense)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    const uint32_t size = (uint32_t)log_kit_site_bytes(&site, bytes);

    put(SHMLOG_INFO, bytes, size, &values, VALUES_SIZE);
    expect_unchanged("level");
    for (uint32_t cut = 0; cut < size; cut++) {
        put(SHMLOG_WARN, bytes, cut, &values, VALUES_SIZE);
        expect_unchanged("cut");
    }
    put(SHMLOG_WARN, bytes, size, NULL, SHMLOG_LENGTH_NULL);
    expect_unchanged("no arguments");
    bytes[offsetof(struct shmlog_site, flags)] |= SHMLOG_SITE_FLAG_INLINE;
    put(SHMLOG_WARN, bytes, size, &values, VALUES_SIZE);
    expect_unchanged("nested");
}

/* Sites of the table are no business of this. */
Test(inlined, others)
{
    uint8_t bytes[SHMLOG_SITE_MAX];

    cr_assert_eq(file_site_parse(bytes, log_kit_site_bytes(&site, bytes), &outer), 0);
    memcpy(payload + SHMLOG_PAYLOAD_ARGS, &values, VALUES_SIZE);
    record = (struct cursor_record){.site_id = 5,
                                    .site = &outer,
                                    .payload = payload,
                                    .payload_size = SHMLOG_PAYLOAD_ARGS + VALUES_SIZE};
    inlined_take_out(&inlined, &record);
    expect_unchanged("of the table");
    record.site = NULL;
    inlined_take_out(&inlined, &record);
    cr_assert_null(record.site);
}
