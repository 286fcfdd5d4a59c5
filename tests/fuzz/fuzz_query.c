/* SPDX-License-Identifier: MIT
 *
 * A condition as --where takes it, on a record. What passes does not pass the opposite.
 *
 * Input: the text up to a NUL, then the record's payload.
 */
#include "logfile/site.h"
#include "reader/query.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

/* Arguments id (I32), name (STRING), px (F64), side (CHAR). */
static void make_site(struct file_site *ret_site)
{
    static const struct shmlog_site_arg arg[] = {
        {.type = SHMLOG_TYPE_I32, .size = 4, .offset = SHMLOG_PAYLOAD_ARGS},
        {.type = SHMLOG_TYPE_STRING, .size = 4, .offset = SHMLOG_PAYLOAD_ARGS + 4},
        {.type = SHMLOG_TYPE_F64, .size = 8, .offset = SHMLOG_PAYLOAD_ARGS + 12},
        {.type = SHMLOG_TYPE_CHAR, .size = 1, .offset = SHMLOG_PAYLOAD_ARGS + 20}};
    static const char strings[] = "fill\0a.c\0f\0trade\0id\0name\0px\0side";
    struct shmlog_site head = {.kind = SHMLOG_SITE_EVENT, .level = SHMLOG_WARN, .args = 4};
    uint8_t bytes[SHMLOG_SITE_MAX];

    head.size = sizeof(head) + sizeof(arg) + sizeof(strings);
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), arg, sizeof(arg));
    memcpy(bytes + sizeof(head) + sizeof(arg), strings, sizeof(strings));
    FUZZ_CHECK(file_site_parse(bytes, head.size, ret_site) == 0);
}

static bool passes(const char *text, struct line *line, bool *ret_refused)
{
    struct query *query;
    char message[256] = "";
    const int r =
        query_compile(text, INT64_C(1795594028000000000), &query, message, sizeof(message));
    bool yes;

    *ret_refused = r < 0;
    FUZZ_CHECK(r == 0 || (r == -EINVAL && !strncmp(message, "column ", 7)));
    if (r < 0)
        return false;
    yes = query_passes(query, line);
    FUZZ_CHECK(query_passes(query, line) == yes);
    query_has_stranger(query, message, sizeof(message));
    query_narrow(query, &(struct cursor_options){0});
    query_close(query);
    return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct shmlog_producer producer = {.id = 1, .pid = 2, .tid = 3, .process = "p"};
    static struct file_site site;
    struct cursor_record record = {.site_id = 1, .site = &site, .producer = &producer};
    const size_t text_size = strnlen((const char *)data, size);
    struct line line = {0};
    uint8_t *payload;
    char *text, *opposite;
    bool refused, yes;

    if (!site.args)
        make_site(&site);
    text = calloc(1, text_size + 1);
    FUZZ_CHECK(text);
    memcpy(text, data, text_size);
    opposite = malloc(text_size + 4);
    FUZZ_CHECK(opposite);
    sprintf(opposite, "!(%s)", text);
    record.payload_size = (uint32_t)(size - (text_size < size ? text_size + 1 : size));
    record.payload = payload = fuzz_copy(data + size - record.payload_size, record.payload_size);
    line_set(&line, &record);
    yes = passes(text, &line, &refused);
    if (yes)
        FUZZ_CHECK(!passes(opposite, &line, &refused) || refused);
    line_done(&line);
    free(payload);
    free(opposite);
    free(text);
    return 0;
}
