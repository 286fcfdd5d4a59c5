/* SPDX-License-Identifier: MIT
 *
 * The library's face: see shmlog_reader.h.
 */
#include "reader/shmlog_reader.h"
#include "reader/arrow.h"
#include "reader/fileset.h"
#include "reader/filter.h"
#include "reader/join.h"
#include "reader/level.h"
#include "reader/print.h"
#include "reader/when.h"
#include "shm/losses.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define HOLD_NS UINT64_C(5000000000) /* FOLLOW: for the rest of a line */

struct shmlog_reader {
    struct shmlog_reader_options options;
    char **path;
    size_t paths;
    struct query *where;
    struct position position;
    bool has_position;
    struct cursor *cursor;
    struct join *join;
    bool passed; /* something */
    struct line line;
    struct shmlog_reader_record record;
    char process[sizeof(((struct shmlog_producer *)0)->process) + 1];
    char thread[sizeof(((struct shmlog_producer *)0)->thread) + 1];
    struct shmlog_reader_value value[FILE_SITE_ARGS_MAX];
    char name[FILE_SITE_ARGS_MAX][16]; /* of arguments that have none */
    struct printer printer;            /* of JSON */
};

static void tell(const struct shmlog_reader *reader, int kind, const char *text, uint64_t records)
{
    const struct shmlog_reader_notice notice = {kind, text, records};

    if (reader->options.notice)
        reader->options.notice(reader->options.arg, &notice);
}

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    struct text text = {0};

    text_printf(&text, "%s: at %" PRIu64 ": %s%s%s", where, offset, fileset_strerror(error),
                reason ? ": " : "", reason ? reason : "");
    tell(arg, SHMLOG_READER_DAMAGE, text_string(&text) ? text.data : where, 0);
    text_done(&text);
}

static void on_gap(void *arg, const struct file_gap *gap)
{
    tell(arg, SHMLOG_READER_LOST,
         gap->cause < SHMLOG_LOST_CAUSES ? shm_losses_name(gap->cause) : "unknown", gap->count);
}

static void on_missed(void *arg, uint32_t ring, uint64_t records, uint64_t unread)
{
    tell(arg, SHMLOG_READER_MISSED, "this reader was too slow", records);
}

static void on_change(void *arg, const char *line)
{
    tell(arg, SHMLOG_READER_CHANGE, line, 0);
}

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(((struct shmlog_reader *)arg)->cursor, ret_record);
}

static int copy_paths(struct shmlog_reader *reader, const char *const *paths, size_t count)
{
    reader->path = calloc(count + 1, sizeof(char *));
    if (!reader->path)
        return -ENOMEM;
    for (; reader->paths < count; reader->paths++) {
        reader->path[reader->paths] = strdup(paths[reader->paths]);
        if (!reader->path[reader->paths])
            return -ENOMEM;
    }
    return 0;
}

static int take_position(struct shmlog_reader *reader, char *message, size_t message_size)
{
    const char *const text = reader->options.position;
    unsigned line;
    int r;

    reader->has_position = text != NULL;
    reader->options.position = NULL; /* the caller's */
    if (!text || !*text)
        return 0;
    r = position_parse(text, strlen(text), &reader->position, &line);
    if (r == -EBADMSG)
        snprintf(message, message_size, "the position is none: line %u", line);
    return r == -EBADMSG ? -EINVAL : r;
}

static int open_sources(struct shmlog_reader *reader, char *message, size_t message_size)
{
    const struct shmlog_reader_options *const options = &reader->options;
    const bool follow = options->flags & SHMLOG_READER_FOLLOW;
    struct cursor_options cursor = {
        .since_ns = options->since_ns ? options->since_ns : INT64_MIN,
        .until_ns = options->until_ns ? options->until_ns : INT64_MAX,
        .min_level = options->min_level,
        .where = reader->where,
        .follow = follow,
        .position = reader->has_position ? &reader->position : NULL,
        .on_change = on_change,
        .on_damage = on_damage,
        .on_gap = on_gap,
        .on_missed = on_missed,
        .arg = reader,
    };
    const struct join_options hold = {.hold_ns = follow ? HOLD_NS : 0, .gives_up = follow};
    int r;

    if (reader->where)
        query_narrow(reader->where, &cursor);
    r = cursor_open((const char *const *)reader->path, reader->paths, &cursor, &reader->cursor,
                    message, message_size);
    return r < 0 ? r : join_open(next_record, reader, &hold, &reader->join);
}

int shmlog_reader_open(struct shmlog_reader **ret_reader, const char *const *paths, size_t count,
                       const struct shmlog_reader_options *options, char *message,
                       size_t message_size)
{
    struct shmlog_reader *const reader = calloc(1, sizeof(*reader));
    char unused[8];
    int r = reader ? 0 : -ENOMEM;

    if (!message) {
        message = unused;
        message_size = sizeof(unused);
    }
    snprintf(message, message_size, "%s", strerror(ENOMEM));
    if (r == 0 && !count) {
        snprintf(message, message_size, "nothing to read");
        r = -EINVAL;
    }
    if (r == 0 && options)
        reader->options = *options;
    if (r == 0)
        r = copy_paths(reader, paths, count);
    if (r == 0)
        r = take_position(reader, message, message_size);
    if (r == 0 && reader->options.where)
        r = query_compile(reader->options.where, when_now(), &reader->where, message, message_size);
    if (r == 0)
        r = open_sources(reader, message, message_size);
    if (r < 0) {
        shmlog_reader_close(reader);
        return r;
    }
    reader->options.where = NULL; /* the caller's */
    reader->printer = (struct printer){.format = PRINT_JSON, .hold = true};
    field_list_all(&reader->printer.fields);
    *ret_reader = reader;
    return 0;
}

void shmlog_reader_close(struct shmlog_reader *reader)
{
    if (!reader)
        return;
    join_close(reader->join);
    cursor_close(reader->cursor);
    line_done(&reader->line);
    printer_done(&reader->printer);
    query_close(reader->where);
    position_done(&reader->position);
    for (size_t i = 0; i < reader->paths; i++)
        free(reader->path[i]);
    free(reader->path);
    free(reader);
}

static const char *name_of(char *to, size_t size, const char *from, size_t from_size)
{
    snprintf(to, size, "%.*s", (int)strnlen(from, from_size), from);
    return to;
}

static void describe(struct shmlog_reader *reader)
{
    const struct cursor_record *const from = &reader->line.record;
    const struct file_site *const site = from->site;
    const struct shmlog_producer *const producer = from->producer;

    reader->record = (struct shmlog_reader_record){
        .time_ns = from->time_ns,
        .seq = from->seq,
        .ring = from->ring,
        .cpu = from->cpu == ~UINT32_C(0) ? -1 : (int32_t)from->cpu,
        .pid = producer ? producer->pid : 0,
        .tid = producer ? producer->tid : 0,
        .level = site ? site->level : 0,
        .line = site ? site->line : 0,
        .level_name = site ? level_name(site->level) : "",
        .category = site ? site->category : "",
        .file = site ? site->file : "",
        .function = site ? site->function : "",
        .site = site ? site->format : "",
        .process = producer ? name_of(reader->process, sizeof(reader->process), producer->process,
                                      sizeof(producer->process))
                            : "",
        .thread = producer ? name_of(reader->thread, sizeof(reader->thread), producer->thread,
                                     sizeof(producer->thread))
                           : "",
        .host = from->host ? from->host : "",
        .segment = from->segment_name ? from->segment_name : "",
        .parts = reader->line.parts,
        .flags = reader->line.unfinished ? SHMLOG_READER_UNFINISHED : 0,
    };
    if (reader->line.parts > 1)
        return;
    line_values(&reader->line);
    reader->record.flags |=
        (reader->line.cut ? SHMLOG_READER_CUT : 0) | (reader->line.bad ? SHMLOG_READER_BAD : 0);
}

int shmlog_reader_next(struct shmlog_reader *reader, const struct shmlog_reader_record **ret_record)
{
    char message[256];
    int r;

    do {
        r = join_next(reader->join, &reader->line);
        if (r == 0 && reader->where && !reader->passed &&
            query_has_stranger(reader->where, message, sizeof(message)))
            tell(reader, SHMLOG_READER_NO_FIELD, message, 0);
        if (r <= 0)
            return r;
    } while (reader->where && !query_passes(reader->where, &reader->line));
    reader->passed = true;
    describe(reader);
    *ret_record = &reader->record;
    return 1;
}

static int kind_of(const struct file_value *value)
{
    if (value->is_null)
        return SHMLOG_READER_NULL;
    switch (value->type) {
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
        return SHMLOG_READER_INT;
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        return SHMLOG_READER_DOUBLE;
    case SHMLOG_TYPE_BOOL:
        return SHMLOG_READER_BOOL;
    case SHMLOG_TYPE_CHAR:
        return SHMLOG_READER_CHAR;
    case SHMLOG_TYPE_POINTER:
        return SHMLOG_READER_POINTER;
    case SHMLOG_TYPE_STRING:
    case SHMLOG_TYPE_TEXT:
        return SHMLOG_READER_STRING;
    case SHMLOG_TYPE_BYTES:
        return SHMLOG_READER_BYTES;
    default:
        return SHMLOG_READER_UINT;
    }
}

const struct shmlog_reader_value *shmlog_reader_values(struct shmlog_reader *reader,
                                                       size_t *ret_count)
{
    const struct file_site *const site = reader->line.record.site;
    const unsigned count = line_values(&reader->line);

    for (unsigned i = 0; i < count; i++) {
        const struct file_value *const from = &reader->line.value[i];
        struct shmlog_reader_value *const value = &reader->value[i];

        *value = (struct shmlog_reader_value){.name = site->name[i],
                                              .kind = kind_of(from),
                                              .u = from->u};
        if (!*value->name) {
            snprintf(reader->name[i], sizeof(reader->name[i]), "arg%u", i + 1);
            value->name = reader->name[i];
        }
        if (value->kind == SHMLOG_READER_STRING || value->kind == SHMLOG_READER_BYTES) {
            value->data = (const char *)from->data;
            value->size = render_string_size(from);
        }
    }
    *ret_count = count;
    return count ? reader->value : NULL;
}

const char *shmlog_reader_message(struct shmlog_reader *reader, size_t *ret_size)
{
    struct text *const message = line_message(&reader->line);
    const char *const string = message->failed ? NULL : text_string(message);

    if (ret_size)
        *ret_size = message->size;
    return string;
}

const char *shmlog_reader_json(struct shmlog_reader *reader, size_t *ret_size)
{
    struct text *const row = &reader->printer.row;
    const char *string;

    text_clear(row);
    if (print_line(&reader->printer, &reader->line) < 0)
        return NULL;
    row->size--; /* the newline */
    string = text_string(row);
    if (ret_size)
        *ret_size = row->size;
    return string;
}

#define ARROW_FIELDS "time_ns,level,site,process,thread,pid,tid,fields"

int64_t shmlog_reader_arrow(struct shmlog_reader *reader, const char *site, const char *fields,
                            size_t max, struct ArrowSchema *ret_schema,
                            struct ArrowArray *ret_array)
{
    const struct shmlog_reader_record *record;
    struct columns *columns = NULL;
    struct field_list list = {0};
    char message[256];
    int64_t taken = 0;
    int r = field_list_add(&list, fields ? fields : ARROW_FIELDS, message, sizeof(message));

    if (r == 0)
        r = columns_open(&list, &columns);
    field_list_done(&list);
    while (r >= 0 && (size_t)taken < max) {
        r = shmlog_reader_next(reader, &record);
        if (r <= 0)
            break;
        if (site && !filter_site_matches(site, &reader->line.record))
            continue;
        r = columns_take(columns, &reader->line);
        taken++;
    }
    if (r == -EAGAIN && taken) /* some for now */
        r = 0;
    if (r >= 0 && taken)
        r = arrow_export(columns, ret_schema, ret_array);
    columns_close(columns);
    return r < 0 ? r : taken;
}

int shmlog_reader_position(struct shmlog_reader *reader, char **ret_text)
{
    struct position_held *held;
    size_t count, size;
    int r;

    if (!reader->has_position)
        return -EINVAL;
    r = join_held(reader->join, &held, &count);
    if (r < 0)
        return r;
    r = position_text(&reader->position, held, count, ret_text, &size);
    free(held);
    return r;
}

struct shmlog_query {
    struct query *query;
};

int shmlog_query_compile(struct shmlog_query **ret_query, const char *where, char *message,
                         size_t message_size)
{
    struct shmlog_query *const query = calloc(1, sizeof(*query));
    char unused[8];
    int r = -ENOMEM;

    if (query)
        r = query_compile(where, when_now(), &query->query, message ? message : unused,
                          message ? message_size : sizeof(unused));
    if (r < 0) {
        free(query);
        return r;
    }
    *ret_query = query;
    return 0;
}

int shmlog_query_passes(struct shmlog_query *query, struct shmlog_reader *reader)
{
    return query_passes(query->query, &reader->line);
}

void shmlog_query_close(struct shmlog_query *query)
{
    if (query)
        query_close(query->query);
    free(query);
}
