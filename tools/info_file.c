/* SPDX-License-Identifier: MIT
 *
 * A log file's own words, see info_file.h.
 */
#include "tools/info_file.h"

#include "logfile/read/reader.h"
#include "tools/info.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct facts {
    const struct file_identity *identity;
    const struct file_origin *origin; /* NULL: a collector's */
    uint64_t records;                 /* of a sealed file */
    bool sealed, bad;
};

static void look(const struct file_reader *reader, struct facts *ret_facts)
{
    size_t rings, rings_at_end;
    const struct file_ledger_entry *const start = file_reader_start(reader, &rings);
    const struct file_ledger_entry *const end = file_reader_end(reader, &rings_at_end);

    *ret_facts = (struct facts){
        .identity = file_reader_identity(reader),
        .origin = file_reader_origin(reader),
        .sealed = file_reader_whole(reader),
        .bad = file_reader_sealed_bad(reader),
    };
    for (size_t i = 0; start && end && i < rings && i < rings_at_end; i++)
        ret_facts->records += end[i].written - start[i].written;
}

static void put_name(struct text *out, const char *key, const char *value, size_t room)
{
    text_printf(out, "%-12s", key);
    text_put_plain(out, value, strnlen(value, room));
    text_putc(out, '\n');
}

static void put_text(const struct facts *facts, const char *path, uint64_t size, struct text *out)
{
    const struct file_identity *const identity = facts->identity;

    put_name(out, "file", path, strlen(path));
    if (facts->origin) {
        put_name(out, "service", facts->origin->service, sizeof(facts->origin->service));
        put_name(out, "reason", facts->origin->reason, sizeof(facts->origin->reason));
        if (facts->origin->pid)
            text_printf(out, "pid         %" PRIu32 "\n", facts->origin->pid);
    }
    put_name(out, "host", identity->host, sizeof(identity->host));
    put_name(out, "segment", identity->segment, sizeof(identity->segment));
    put_name(out, "at", identity->segment_path, sizeof(identity->segment_path));
    text_puts(out, "uuid        ");
    text_put_hex(out, identity->segment_uuid, 16);
    text_printf(out, "\nnumber      %" PRIu64 "\nbegun       ", identity->file_number);
    text_put_time(out, (int64_t)identity->created_ns, NULL);
    text_printf(out, "\nstate       %s\nsize        %" PRIu64 " bytes\n",
                facts->bad      ? "finished, after an error of writing"
                : facts->sealed ? "finished"
                                : "not finished, or damaged at its end",
                size);
    if (facts->sealed)
        text_printf(out, "records     %" PRIu64 "\n", facts->records);
    text_printf(out, "when full   %s\nclock       %s, %" PRIu64 ".%03" PRIu64 " MHz\n",
                info_on_full(identity->on_full),
                identity->clock == SHMLOG_CLOCK_TSC ? "tsc" : "monotonic",
                identity->clock_hz / 1000000, identity->clock_hz / 1000 % 1000);
}

static void put_string(struct text *out, const char *key, const char *value, size_t room)
{
    text_printf(out, ",\"%s\":", key);
    text_put_json(out, value, strnlen(value, room), NULL);
}

static void put_json(const struct facts *facts, const char *path, uint64_t size, struct text *out)
{
    const struct file_identity *const identity = facts->identity;

    text_puts(out, "{\"file\":");
    text_put_json(out, path, strlen(path), NULL);
    if (facts->origin) {
        put_string(out, "service", facts->origin->service, sizeof(facts->origin->service));
        put_string(out, "reason", facts->origin->reason, sizeof(facts->origin->reason));
        text_printf(out, ",\"pid\":%" PRIu32, facts->origin->pid);
    }
    put_string(out, "host", identity->host, sizeof(identity->host));
    put_string(out, "segment", identity->segment, sizeof(identity->segment));
    put_string(out, "segment_path", identity->segment_path, sizeof(identity->segment_path));
    text_puts(out, ",\"segment_uuid\":\"");
    text_put_hex(out, identity->segment_uuid, 16);
    text_printf(out, "\",\"number\":%" PRIu64 ",\"created_ns\":%" PRIu64 ",\"finished\":%s",
                identity->file_number, identity->created_ns, facts->sealed ? "true" : "false");
    text_printf(out, ",\"bad\":%s,\"size\":%" PRIu64, facts->bad ? "true" : "false", size);
    if (facts->sealed)
        text_printf(out, ",\"records\":%" PRIu64, facts->records);
    text_printf(out, ",\"on_full\":\"%s\",\"clock\":\"%s\",\"clock_hz\":%" PRIu64 "}\n",
                info_on_full(identity->on_full),
                identity->clock == SHMLOG_CLOCK_TSC ? "tsc" : "monotonic", identity->clock_hz);
}

int info_file(const char *path, bool json, struct text *out)
{
    struct file_reader *reader;
    struct facts facts;
    int r = file_reader_open(path, &reader);

    if (r < 0)
        return r;
    look(reader, &facts);
    (json ? put_json : put_text)(&facts, path, file_reader_size(reader), out);
    file_reader_close(reader);
    return out->failed ? -ENOMEM : 0;
}
