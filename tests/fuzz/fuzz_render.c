/* SPDX-License-Identifier: MIT
 *
 * A site and the payload of a record of it: parsing both, and everything that prints them.
 *
 * Input: the first byte says how the rest is taken: as a site's bytes as they are, behind their
 * size; or as types and a format, of which a site is made that is sound, so that the format and the
 * values are what is tried. What is left is the payload.
 */
#include "logfile/site.h"
#include "tests/fuzz/fuzz.h"
#include "reader/print.h"

#define NAMES "f\0g\0h\0"

static FILE *sink;

/* A site of a printf-style call or an event: types, then its format up to a NUL. */
static size_t make_site(struct fuzz_in *in, unsigned kind, uint8_t bytes[SHMLOG_SITE_MAX])
{
    struct shmlog_site head = {.kind = (uint8_t)kind};
    size_t at = sizeof(head);
    uint32_t end = SHMLOG_PAYLOAD_ARGS;

    head.level = (uint8_t)(fuzz_take(in, 1) % 6);
    head.args = (uint8_t)(fuzz_take(in, 1) % (SHMLOG_ARGS_MAX + 1));
    for (unsigned i = 0; i < head.args; i++) {
        struct shmlog_site_arg arg = {.type = (uint8_t)(1 + fuzz_take(in, 1) % SHMLOG_TYPE_BYTES)};

        arg.size = (uint16_t)file_type_size(arg.type);
        end = (end + arg.size - 1) & ~(arg.size - 1u);
        arg.offset = (uint16_t)end;
        end += arg.size;
        memcpy(bytes + at, &arg, sizeof(arg));
        at += sizeof(arg);
    }
    while (fuzz_left(in) && at < SHMLOG_SITE_MAX - 128) {
        bytes[at] = (uint8_t)fuzz_take(in, 1);
        if (!bytes[at])
            break;
        at++;
    }
    bytes[at++] = 0;
    memcpy(bytes + at, NAMES, sizeof(NAMES) - 1);
    at += sizeof(NAMES) - 1;
    for (unsigned i = 0; i < head.args; i++) { /* some alike, some empty */
        if (i % 4)
            bytes[at++] = (uint8_t)('a' + i % 3);
        bytes[at++] = 0;
    }
    head.size = (uint16_t)at;
    memcpy(bytes, &head, sizeof(head));
    return at;
}

static void print(const struct cursor_record *record, enum print_format format, bool chosen)
{
    struct printer printer = {.format = format, .chosen = chosen, .out = sink};
    struct line line = {0};
    char message[256];

    if (chosen)
        FUZZ_CHECK(field_list_add(&printer.fields, "time,message,fields.a,fields.arg1,cpu,process",
                                  message, sizeof(message)) == 0);
    else
        field_list_all(&printer.fields);
    line_set(&line, record);
    FUZZ_CHECK(print_line(&printer, &line) == 0);
    line_done(&line);
    printer_done(&printer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct shmlog_producer producer = {.id = 1, .pid = 2, .tid = 3, .process = "p"};
    static struct file_site site;
    struct fuzz_in in = {data, data + size};
    struct cursor_record record = {.site_id = 1, .site = &site, .producer = &producer};
    uint8_t bytes[SHMLOG_SITE_MAX], *exact, *payload;
    unsigned first = (unsigned)fuzz_take(&in, 1);
    size_t site_size;
    int r;

    if (!sink) {
        sink = fopen("/dev/null", "we");
        FUZZ_CHECK(sink);
        setvbuf(sink, NULL, _IOFBF, 1 << 16);
    }
    if (first & 1) {
        site_size = make_site(&in, first & 2 ? SHMLOG_SITE_EVENT : SHMLOG_SITE_PRINTF, bytes);
    } else {
        site_size = fuzz_take(&in, 2) % (SHMLOG_SITE_MAX + 2);
        if (site_size > fuzz_left(&in))
            site_size = fuzz_left(&in);
        memcpy(bytes, in.at, site_size < sizeof(bytes) ? site_size : sizeof(bytes));
        in.at += site_size;
    }
    exact = fuzz_copy(bytes, site_size < sizeof(bytes) ? site_size : sizeof(bytes));
    r = file_site_parse(exact, site_size, &site);
    free(exact);
    FUZZ_CHECK(r == 0 || !(first & 1));
    if (r < 0)
        return 0;
    record.payload_size = (uint32_t)fuzz_left(&in);
    record.payload = payload = fuzz_copy(in.at, fuzz_left(&in));
    record.time_ns = (int64_t)size << 40;
    print(&record, (enum print_format)(first >> 2 & 3) % 3, first & 16);
    free(payload);
    return 0;
}
