/* SPDX-License-Identifier: MIT
 *
 * Searching, see search.h: what shmlog-dump does, with other words around it.
 */
#include "gateway/search.h"

#include "reader/filter.h"
#include "reader/join.h"
#include "reader/level.h"
#include "reader/when.h"
#include "tools/count.h"
#include "tools/rows.h"
#include "tools/stats.h"

#include <inttypes.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES (16u << 20) /* of messages; a page is not longer */

/* One at work. */
struct work {
    const struct search *search;
    struct cursor_options options;
    struct filter filter;
    struct field_list fields, by, of;
    struct answer *answer;
    FILE *out; /* a line of JSON for each row or group */
    char *lines;
    size_t size;
    /* where the page before ended, and this one does: a time, and rows of just that time */
    int64_t after_ns, last_ns;
    uint64_t after_rows, last_rows, bytes;
    bool more;
    uint64_t damages;
    char message[512];
};

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    struct work *const work = arg;

    work->damages++;
}

/* ---- What is asked for ---- */

__attribute__((format(printf, 2, 3))) static int wrong(struct work *work, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(work->message, sizeof(work->message), format, args);
    va_end(args);
    return -EINVAL;
}

static int take_times(struct work *work)
{
    const struct search *const search = work->search;
    const int64_t now = when_now();

    if (search->since && when_parse(search->since, now, &work->options.since_ns) < 0)
        return wrong(work, "since: " WHEN_WANTED);
    if (search->until && when_parse(search->until, now, &work->options.until_ns) < 0)
        return wrong(work, "until: " WHEN_WANTED);
    if (search->after) {
        char end;

        if (sscanf(search->after, "%" SCNd64 "-%" SCNu64 "%c", &work->after_ns, &work->after_rows,
                   &end) != 2)
            return wrong(work, "after: must be what `next` was");
        if (work->after_ns > work->options.since_ns)
            work->options.since_ns = work->after_ns;
    }
    return 0;
}

static int take_conditions(struct work *work)
{
    const struct search *const search = work->search;
    char message[256];

    if (search->where &&
        query_compile(search->where, when_now(), &work->filter.where, message, sizeof(message)) < 0)
        return wrong(work, "where: %s", message);
    if (search->text) {
        struct text literal = {0};
        int r;

        for (const char *at = search->text; *at; at++) { /* each letter stands for itself */
            if (strchr("\\^$.|?*+()[]{}", *at))
                text_putc(&literal, '\\');
            text_putc(&literal, *at);
        }
        r = text_string(&literal)
                ? filter_grep(&work->filter, literal.data, message, sizeof(message))
                : -ENOMEM;
        text_done(&literal);
        if (r < 0)
            return wrong(work, "q: %s", message);
    }
    work->options.min_level = search->level;
    work->options.where = work->filter.where;
    if (work->filter.where)
        query_narrow(work->filter.where, &work->options);
    work->filter.min_level = search->level;
    if (search->newest && filter_is_open(&work->filter) && !search->since && !search->until)
        work->options.tail = search->limit;
    return 0;
}

static int take_fields(struct work *work)
{
    const struct search *const search = work->search;
    char message[256];

    if (search->fields &&
        field_list_add_arguments(&work->fields, search->fields, message, sizeof(message)) < 0)
        return wrong(work, "fields: %s", message);
    if (search->count_by &&
        field_list_add_arguments(&work->by, search->count_by, message, sizeof(message)) < 0)
        return wrong(work, "count_by: %s", message);
    if (search->stats &&
        field_list_add_arguments(&work->of, search->stats, message, sizeof(message)) < 0)
        return wrong(work, "stats: %s", message);
    return 0;
}

static int open_answer(struct work *work)
{
    const struct rows_params rows = {
        .format = PRINT_JSON,
        .tail = work->search->newest ? work->search->limit : 0,
        .fields = &work->fields,
        .out = work->out,
    };

    if (work->of.count)
        return stats_open(&work->of, &work->by, PRINT_JSON, work->out, &work->answer);
    if (work->by.count)
        return count_open(&work->by, PRINT_JSON, work->out, &work->answer);
    return rows_open(&rows, &work->answer);
}

/* ---- Doing it ---- */

static int next_record(void *arg, struct cursor_record *ret_record)
{
    return cursor_next(arg, ret_record);
}

/* A row that the page before had. */
static bool is_before(const struct work *work, int64_t time_ns, uint64_t rows_of_it)
{
    return work->search->after && time_ns == work->after_ns && rows_of_it <= work->after_rows;
}

static int take_rows(struct work *work, struct join *join)
{
    const bool pages = !work->of.count && !work->by.count && !work->search->newest;
    struct line line = {0};
    uint64_t rows = 0, of_time = 0;
    int r;

    while ((r = join_next(join, &line)) > 0 && !http_closing()) {
        if (!filter_passes(&work->filter, &line))
            continue;
        of_time = line.record.time_ns == work->last_ns ? of_time + 1 : 1;
        if (pages && is_before(work, line.record.time_ns, of_time)) {
            work->last_ns = line.record.time_ns;
            continue;
        }
        if (pages && (rows == work->search->limit || work->bytes > PAGE_BYTES)) {
            work->more = true;
            break;
        }
        work->last_ns = line.record.time_ns;
        work->last_rows = of_time;
        rows++;
        work->bytes += line_message(&line)->size;
        r = work->answer->take(work->answer, &line);
        if (r < 0)
            break;
    }
    line_done(&line);
    return r < 0 ? r : work->answer->end(work->answer);
}

static int read_all(struct work *work, const struct gateway *gateway)
{
    const char *const path = gateway->logs ? gateway->logs : gateway->segment;
    const struct join_options join_options = {0};
    struct cursor *cursor;
    struct join *join = NULL;
    int r = cursor_open(&path, 1, &work->options, &cursor, work->message, sizeof(work->message));

    if (r < 0)
        return r;
    r = open_answer(work);
    if (r == 0)
        r = join_open(next_record, cursor, &join_options, &join);
    if (r == 0)
        r = take_rows(work, join);
    join_close(join);
    cursor_close(cursor);
    return r;
}

static int run(struct work *work, const struct gateway *gateway)
{
    int r = take_times(work);

    if (r == 0)
        r = take_conditions(work);
    if (r == 0)
        r = take_fields(work);
    if (r == 0 && !(work->out = open_memstream(&work->lines, &work->size)))
        r = -ENOMEM;
    if (r == 0)
        r = read_all(work, gateway);
    if (work->out && fclose(work->out) && r == 0)
        r = -ENOMEM;
    return r;
}

/* Lines of JSON as a list. */
static void put_list(const struct work *work, struct text *body)
{
    const bool rows = !work->of.count && !work->by.count;

    text_printf(body, "{\"%s\":[", rows ? "records" : "groups");
    for (const char *at = work->lines, *end; at < work->lines + work->size; at = end + 1) {
        end = memchr(at, '\n', (size_t)(work->lines + work->size - at));
        if (!end)
            break;
        if (at != work->lines)
            text_putc(body, ',');
        text_put(body, at, (size_t)(end - at));
    }
    text_putc(body, ']');
    if (work->more)
        text_printf(body, ",\"next\":\"%" PRId64 "-%" PRIu64 "\"", work->last_ns, work->last_rows);
    else if (rows)
        text_puts(body, ",\"next\":null");
    if (work->answer->missing) {
        text_puts(body, ",\"missing\":");
        text_put_json(body, work->answer->missing, strlen(work->answer->missing), NULL);
    }
    if (work->answer->left_out)
        text_printf(body, ",\"left_out\":%" PRIu64, work->answer->left_out);
    if (work->damages)
        text_printf(body, ",\"damages\":%" PRIu64, work->damages);
    text_puts(body, "}\n");
}

void search_run(const struct gateway *gateway, const struct search *search,
                struct http_reply *reply)
{
    struct work work = {
        .search = search,
        .options = {.since_ns = INT64_MIN, .until_ns = INT64_MAX, .on_damage = on_damage},
        .last_ns = INT64_MIN,
    };
    int r;

    work.options.arg = &work;
    r = run(&work, gateway);
    if (r == 0)
        put_list(&work, &reply->body);
    else if (r == -EINVAL)
        http_error(reply, MHD_HTTP_BAD_REQUEST, "%s", work.message);
    else
        http_error(reply, r == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_INTERNAL_SERVER_ERROR, "%s",
                   *work.message ? work.message : strerror(-r));
    if (work.answer)
        work.answer->close(work.answer);
    free(work.lines);
    field_list_done(&work.fields);
    field_list_done(&work.by);
    field_list_done(&work.of);
    filter_done(&work.filter);
}

/* ---- Requests ---- */

/* NULL or a level: false says so. */
static bool take_level(const char *text, struct search *search, struct http_reply *reply)
{
    if (!text || (level_parse(text, &search->level) == 0 && search->level <= SHMLOG_CRITICAL))
        return true;
    http_error(reply, MHD_HTTP_BAD_REQUEST, "level: " LEVEL_WANTED);
    return false;
}

static bool take_limit(const char *text, struct search *search, struct http_reply *reply)
{
    char *end;

    search->limit = text ? strtoull(text, &end, 10) : SEARCH_LIMIT;
    if (!text || (*text >= '0' && *text <= '9' && !*end && search->limit &&
                  search->limit <= SEARCH_LIMIT_MAX))
        return true;
    http_error(reply, MHD_HTTP_BAD_REQUEST, "limit: must be a number from 1 to %u",
               SEARCH_LIMIT_MAX);
    return false;
}

/* Names as "a,b" or ["a","b"]. */
static const char *take_names(const json_t *value, struct text *text)
{
    const json_t *name;
    size_t i;

    if (!json_is_array(value))
        return json_string_value(value);
    json_array_foreach(value, i, name)
        text_printf(text, "%s%s", i ? "," : "", json_string_value(name));
    return json_array_size(value) ? text_string(text) : "";
}

static bool are_names(const json_t *value)
{
    const json_t *name;
    size_t i;

    json_array_foreach(value, i, name) if (!json_is_string(name)) return false;
    return json_is_string(value) || json_is_array(value);
}

/* What a key of the body must be; NULL: it is. */
static const char *check_key(const char *key, const json_t *value)
{
    static const char *const texts[] = {"where", "q", "since", "until", "level", "after"};
    static const char *const names[] = {"fields", "stats", "count_by"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!strcmp(key, texts[i]))
            return json_is_string(value) ? NULL : "must be a text";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(key, names[i]))
            return are_names(value) ? NULL : "must be a text or a list of texts";
    if (!strcmp(key, "limit"))
        return json_is_integer(value) ? NULL : "must be a number";
    if (!strcmp(key, "newest"))
        return json_is_boolean(value) ? NULL : "must be true or false";
    return "there is no such key";
}

static void query_body(const struct gateway *gateway, json_t *body, struct http_reply *reply)
{
    struct text fields = {0}, by = {0}, of = {0};
    struct search search = {
        .where = json_string_value(json_object_get(body, "where")),
        .text = json_string_value(json_object_get(body, "q")),
        .since = json_string_value(json_object_get(body, "since")),
        .until = json_string_value(json_object_get(body, "until")),
        .after = json_string_value(json_object_get(body, "after")),
        .fields = take_names(json_object_get(body, "fields"), &fields),
        .count_by = take_names(json_object_get(body, "count_by"), &by),
        .stats = take_names(json_object_get(body, "stats"), &of),
        .newest = json_is_true(json_object_get(body, "newest")),
    };
    const json_t *const limit = json_object_get(body, "limit");
    char number[24];

    snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(limit));
    if (take_level(json_string_value(json_object_get(body, "level")), &search, reply) &&
        take_limit(limit ? number : NULL, &search, reply))
        search_run(gateway, &search, reply);
    text_done(&fields);
    text_done(&by);
    text_done(&of);
}

void search_query(void *arg, const struct http_request *request, struct http_reply *reply)
{
    json_error_t error;
    json_t *const body =
        json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);
    const char *key, *wants = NULL;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        wants = check_key(key, value);
        if (wants)
            break;
    }
    if (!body)
        http_error(reply, MHD_HTTP_BAD_REQUEST, "the body is no JSON: line %d: %s", error.line,
                   error.text);
    else if (!json_is_object(body))
        http_error(reply, MHD_HTTP_BAD_REQUEST, "the body must be an object");
    else if (wants)
        http_error(reply, MHD_HTTP_BAD_REQUEST, "%s: %s", key, wants);
    else
        query_body(arg, body, reply);
    json_decref(body);
}

static void search_params(const struct gateway *gateway, const struct http_request *request,
                          struct search *search, struct http_reply *reply)
{
    search->since = http_param(request, "since");
    search->until = http_param(request, "until");
    search->after = http_param(request, "after");
    search->fields = http_param(request, "fields");
    if (take_level(http_param(request, "level"), search, reply) &&
        take_limit(http_param(request, "limit"), search, reply))
        search_run(gateway, search, reply);
}

void search_text(void *arg, const struct http_request *request, struct http_reply *reply)
{
    struct search search = {.text = http_param(request, "q"),
                            .where = http_param(request, "where")};

    if (!search.text || !*search.text)
        http_error(reply, MHD_HTTP_BAD_REQUEST, "q: what to look for is missing");
    else
        search_params(arg, request, &search, reply);
}

void search_logs(void *arg, const struct http_request *request, struct http_reply *reply)
{
    struct search search = {.where = http_param(request, "where")};

    search_params(arg, request, &search, reply);
}

void search_recent(void *arg, const struct http_request *request, struct http_reply *reply)
{
    struct search search = {.where = http_param(request, "where"), .newest = true};

    search_params(arg, request, &search, reply);
}

void search_stats(void *arg, const struct http_request *request, struct http_reply *reply)
{
    struct search search = {.count_by = "level,category", .where = http_param(request, "where")};

    search_params(arg, request, &search, reply);
}
