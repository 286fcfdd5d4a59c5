/* SPDX-License-Identifier: MIT
 *
 * Taking records in, see ingest.h. All of a request are looked at before the first is logged.
 */
#include "gateway/ingest.h"

#include "producer/shmlog.h"
#include "reader/level.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define UNPACKED_MAX (16u << 20)
#define SIMULATED_MAX 100000u

/* What a body comes to: records, with their levels. */
struct incoming {
    json_t *records; /* an array */
    struct text unpacked;
    char wrong[512];
};

static int unpack(const struct http_request *request, struct text *unpacked)
{
    z_stream stream = {.next_in = (Bytef *)request->body, .avail_in = (uInt)request->body_size};
    int r = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK ? Z_OK : Z_MEM_ERROR;

    while (r == Z_OK) {
        char block[16384];

        stream.next_out = (Bytef *)block;
        stream.avail_out = sizeof(block);
        r = inflate(&stream, Z_NO_FLUSH);
        text_put(unpacked, block, sizeof(block) - stream.avail_out);
        if (unpacked->size > UNPACKED_MAX || (r == Z_OK && stream.avail_out == sizeof(block)))
            r = Z_DATA_ERROR;
    }
    inflateEnd(&stream);
    return r == Z_STREAM_END && !stream.avail_in && !unpacked->failed ? 0 : -EBADMSG;
}

/* One object, an array of them, or one after the other with blanks or lines between. */
static bool parse(struct incoming *incoming, const char *body, size_t size)
{
    json_error_t error;
    size_t at = 0;

    incoming->records = json_array();
    for (;;) {
        json_t *value;

        while (at < size && strchr(" \t\r\n", body[at]))
            at++;
        if (at >= size)
            break;
        value = json_loadb(body + at, size - at, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK,
                           &error);
        if (!value) {
            snprintf(incoming->wrong, sizeof(incoming->wrong), "byte %zu of the body: %s",
                     at + (size_t)error.position, error.text);
            return false;
        }
        if (json_is_array(value))
            json_array_extend(incoming->records, value);
        else
            json_array_append(incoming->records, value);
        json_decref(value);
        at += (size_t)error.position; /* where it ended */
    }
    if (json_array_size(incoming->records))
        return true;
    snprintf(incoming->wrong, sizeof(incoming->wrong), "the body has no record");
    return false;
}

/* NULL: it can be logged. */
static const char *check(const json_t *record)
{
    const json_t *const level = json_object_get(record, "level");
    uint32_t number;

    if (!json_is_object(record))
        return "must be an object";
    if (!json_is_string(json_object_get(record, "message")))
        return "message: must be a text";
    if (level && (!json_is_string(level) || level_parse(json_string_value(level), &number) < 0 ||
                  number > SHMLOG_CRITICAL))
        return "level: " LEVEL_WANTED;
    return NULL;
}

static bool check_all(struct incoming *incoming)
{
    const json_t *record;
    size_t i;

    json_array_foreach(incoming->records, i, record)
    {
        const char *const wants = check(record);

        if (!wants)
            continue;
        snprintf(incoming->wrong, sizeof(incoming->wrong), "record %zu: %s", i + 1, wants);
        return false;
    }
    return true;
}

/* A call has its level in its place in the program: one for each. */
static void log_text(struct shmlog *log, uint32_t level, const char *text, const char *rest)
{
#define CALL(level_)                                                                           \
    case level_:                                                                               \
        shmlog_log(log, level_, "ingest", "%s%s%s", SHMLOG_NAMED("text", text),                \
                   SHMLOG_NAMED("separator", *rest ? " " : ""), SHMLOG_NAMED("fields", rest)); \
        break
    switch (level) {
        CALL(SHMLOG_TRACE);
        CALL(SHMLOG_DEBUG);
        CALL(SHMLOG_INFO);
        CALL(SHMLOG_WARN);
        CALL(SHMLOG_ERROR);
    default:
        CALL(SHMLOG_CRITICAL);
    }
#undef CALL
}

/* Of a record that was looked at. */
static uint32_t level_of(const json_t *record)
{
    const char *const word = json_string_value(json_object_get(record, "level"));
    uint32_t level = SHMLOG_INFO;

    if (word)
        (void)level_parse(word, &level);
    return level;
}

/* Its message, and all that it has beside level and message as JSON. */
static bool log_record(struct shmlog *log, json_t *record)
{
    const json_t *const message = json_object_get(record, "message");
    uint64_t lost;
    char *rest = NULL;
    json_t *others;

    others = json_copy(record);
    json_object_del(others, "message");
    json_object_del(others, "level");
    if (json_object_size(others))
        rest = json_dumps(others, JSON_COMPACT);
    json_decref(others);
    lost = shmlog_thread_lost(log);
    log_text(log, level_of(record), json_string_value(message), rest ? rest : "");
    free(rest);
    return shmlog_thread_lost(log) == lost;
}

static void log_all(struct shmlog *log, const struct incoming *incoming, struct http_reply *reply)
{
    const size_t count = json_array_size(incoming->records);
    size_t done = 0, below = 0;

    if (shmlog_poll(log) < 0) {
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no segment to log to");
        return;
    }
    while (done < count) {
        json_t *const record = json_array_get(incoming->records, done);

        if (!shmlog_enabled(log, level_of(record)))
            below++; /* as any call of any program */
        else if (!log_record(log, record))
            break;
        done++;
    }
    if (done < count) {
        http_error(reply, MHD_HTTP_TOO_MANY_REQUESTS, "the rings are full");
        reply->body.size -= 2; /* "}\n" */
        text_printf(&reply->body, ",\"accepted\":%zu}\n", done);
        return;
    }
    text_printf(&reply->body, "{\"accepted\":%zu", done);
    if (below)
        text_printf(&reply->body, ",\"below_level\":%zu", below);
    text_puts(&reply->body, "}\n");
}

void ingest(void *arg, const struct http_request *request, struct http_reply *reply)
{
    const struct gateway *const gateway = arg;
    const char *const encoding = http_header(request, "Content-Encoding");
    const bool packed = encoding && !strcasecmp(encoding, "gzip");
    struct incoming incoming = {0};

    if (encoding && !packed && strcasecmp(encoding, "identity") != 0)
        http_error(reply, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: gzip, or none");
    else if (packed && unpack(request, &incoming.unpacked) < 0)
        http_error(reply, MHD_HTTP_BAD_REQUEST,
                   "the body is no gzip, or has more than %u bytes unpacked", UNPACKED_MAX);
    else if (!parse(&incoming, packed ? incoming.unpacked.data : request->body,
                    packed ? incoming.unpacked.size : request->body_size) ||
             !check_all(&incoming))
        http_error(reply, MHD_HTTP_BAD_REQUEST, "%s", incoming.wrong);
    else
        log_all(gateway->log, &incoming, reply);
    json_decref(incoming.records);
    text_done(&incoming.unpacked);
}

/* ---- Simulation ---- */

/* One record, over and over: to see whether alerts and dashboards do what they should. */
static const char *take_simulation(const json_t *body, uint64_t *ret_count)
{
    const json_t *const count = json_object_get(body, "count");
    const char *const wants = check(body);

    *ret_count = count ? (uint64_t)json_integer_value(count) : 1;
    if (!wants && (!*ret_count || *ret_count > SIMULATED_MAX))
        return "count: must be a number from 1 to 100000";
    return wants;
}

void ingest_simulated(void *arg, const struct http_request *request, struct http_reply *reply)
{
    const struct gateway *const gateway = arg;
    json_t *const body =
        json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, NULL);
    uint64_t count, done = 0;
    const char *wants;

    if (!gateway->simulate)
        http_error(reply, MHD_HTTP_NOT_FOUND, "this is off; start with --simulate");
    else if (!body || (wants = take_simulation(body, &count)) != NULL)
        http_error(reply, MHD_HTTP_BAD_REQUEST, "%s", body ? wants : "the body is no JSON");
    else if (shmlog_poll(gateway->log) < 0)
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no segment to log to");
    else {
        while (done < count && log_record(gateway->log, body))
            done++;
        text_printf(&reply->body, "{\"accepted\":%" PRIu64 "}\n", done);
    }
    json_decref(body);
}
