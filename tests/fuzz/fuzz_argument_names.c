/* SPDX-License-Identifier: MIT
 *
 * The text of a call that becomes names of arguments.
 *
 * Input: the first byte says how the rest is taken: as a site's bytes as they are; or as the text
 * alone, behind a head that is sound. Then what comes out is a site that is sound, whose names
 * differ.
 */
#include "logfile/site.h"
#include "shm/argument_names.h"
#include "tests/fuzz/fuzz.h"

static size_t make_site(struct fuzz_in *in, unsigned kind, uint8_t bytes[SHMLOG_SITE_MAX])
{
    struct shmlog_site head = {.kind = (uint8_t)kind, .flags = SHMLOG_SITE_FLAG_TEXT};
    size_t at = sizeof(head);

    head.args = (uint8_t)(fuzz_take(in, 1) % (SHMLOG_ARGS_MAX + 1));
    for (unsigned i = 0; i < head.args; i++) {
        const struct shmlog_site_arg arg = {
            .type = SHMLOG_TYPE_I32,
            .offset = (uint16_t)(SHMLOG_PAYLOAD_ARGS + 4 * i),
            .size = 4,
        };

        memcpy(bytes + at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    memset(bytes + at, 0, 4); /* empty strings */
    at += 4;
    while (fuzz_left(in) && at < SHMLOG_SITE_MAX - 1 && *in->at)
        bytes[at++] = (uint8_t)fuzz_take(in, 1);
    bytes[at++] = 0;
    head.size = (uint16_t)at;
    memcpy(bytes, &head, sizeof(head));
    return at;
}

static void check_sound(const uint8_t *bytes, size_t size)
{
    static struct file_site site;

    FUZZ_CHECK(file_site_parse(bytes, size, &site) == 0);
    FUZZ_CHECK(!(site.flags & SHMLOG_SITE_FLAG_TEXT));
    for (unsigned i = 0; i < site.args; i++)
        for (unsigned k = 0; k < i; k++)
            FUZZ_CHECK(strcmp(site.name[i], site.name[k]) != 0 || size == SHMLOG_SITE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    const unsigned first = (unsigned)fuzz_take(&in, 1);
    uint8_t bytes[SHMLOG_SITE_MAX], *raw, *named;
    size_t raw_size, named_size;

    if (first & 1) {
        raw_size = make_site(&in, first & 2 ? SHMLOG_SITE_EVENT : SHMLOG_SITE_PRINTF, bytes);
    } else {
        raw_size = fuzz_left(&in) < sizeof(bytes) ? fuzz_left(&in) : sizeof(bytes);
        if (raw_size)
            memcpy(bytes, in.at, raw_size);
    }
    raw = fuzz_copy(bytes, raw_size);
    named = fuzz_copy(bytes, sizeof(bytes)); /* of the size that is promised to be enough */
    shm_argument_names(raw, raw_size, named, &named_size);
    FUZZ_CHECK(named_size <= SHMLOG_SITE_MAX);
    if (first & 1)
        check_sound(named, named_size);
    free(named);
    free(raw);
    return 0;
}
