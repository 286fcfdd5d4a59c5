/* SPDX-License-Identifier: MIT
 *
 * HTTP, see http.h.
 */
#include "gateway/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1u << 20)
#define CONNECTIONS_MAX 256
#define CONNECTION_MEMORY (64u * 1024) /* of a request's head */
#define STILL_S 30                     /* a connection on which nothing comes or goes */
#define STREAM_BLOCK 32768

struct http {
    struct MHD_Daemon *daemon;
    struct http_params params;
};

/* A request while its body comes. */
struct coming {
    struct text body;
    bool too_large;
};

static int closing; /* one server to a process */

bool http_closing(void)
{
    return __atomic_load_n(&closing, __ATOMIC_RELAXED) != 0;
}

const char *http_param(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

void http_error(struct http_reply *reply, unsigned status, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    reply->status = status;
    reply->type = "application/json";
    reply->body.size = 0;
    text_puts(&reply->body, "{\"error\":");
    text_put_json(&reply->body, message, strlen(message), NULL);
    text_puts(&reply->body, "}\n");
}

/* ---- Answering ---- */

static ssize_t next_of_stream(void *arg, uint64_t position, char *data, size_t max)
{
    struct http_stream *const stream = arg;
    ssize_t size = 0;

    while (size == 0 && !http_closing())
        size = stream->next(stream, data, max);
    return size > 0 ? size : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_stream(void *arg)
{
    struct http_stream *const stream = arg;

    stream->close(stream);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply)
{
    struct MHD_Response *response;
    enum MHD_Result r;

    if (reply->body.failed) {
        text_done(&reply->body);
        return MHD_NO;
    }
    response = reply->stream
                   ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                       next_of_stream, reply->stream, close_stream)
                   : MHD_create_response_from_buffer(reply->body.size, reply->body.data,
                                                     MHD_RESPMEM_MUST_COPY);
    text_done(&reply->body);
    if (!response) {
        if (reply->stream)
            reply->stream->close(reply->stream);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    r = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return r;
}

/* The methods that a path has, for 405. */
static const struct http_route *find_route(const struct http *http, const char *method,
                                           const char *path, bool *ret_has_path)
{
    *ret_has_path = false;
    for (size_t i = 0; i < http->params.route_count; i++) {
        const struct http_route *const route = &http->params.routes[i];

        if (strcmp(route->path, path) != 0)
            continue;
        *ret_has_path = true;
        if (!strcmp(route->method, method) ||
            (!strcmp(method, "HEAD") && !strcmp(route->method, "GET")))
            return route;
    }
    return NULL;
}

/* Without tokens, only by a name of this host: a page of somebody else's, whose name was made to
 * lead here, must not read on. */
static bool is_meant(const struct http *http, const char *host)
{
    const char *const names[] = {"localhost", "127.0.0.1", "[::1]", http->params.address};

    if (http->params.tokens->given || !host)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t size = strlen(names[i]);

        if (!strncmp(host, names[i], size) && (!host[size] || host[size] == ':'))
            return true;
    }
    return false;
}

static void answer(const struct http *http, struct MHD_Connection *connection, const char *path,
                   const char *method, struct coming *coming, struct http_reply *reply)
{
    const struct http_request request = {
        .connection = connection,
        .body = coming->body.size ? text_string(&coming->body) : "",
        .body_size = coming->body.size,
    };
    bool has_path;
    const struct http_route *const route = find_route(http, method, path, &has_path);

    if (!is_meant(http, http_header(&request, "Host"))) {
        http_error(reply, MHD_HTTP_FORBIDDEN,
                   "this host is localhost; start with --token-file to be called otherwise");
        return;
    }
    if (!route && has_path) {
        http_error(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not go with %s", method, path);
        return;
    }
    if (!route) {
        http_error(reply, MHD_HTTP_NOT_FOUND, "there is no such path");
        return;
    }
    switch (
        tokens_allow(http->params.tokens, http_header(&request, "Authorization"), route->role)) {
    case TOKENS_UNKNOWN:
        http_error(reply, MHD_HTTP_UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN");
        return;
    case TOKENS_FORBIDDEN:
        http_error(reply, MHD_HTTP_FORBIDDEN, "%s",
                   http->params.tokens->given
                       ? "the token is not for this"
                       : "without tokens there is only reading; start with --token-file");
        return;
    case TOKENS_ALLOWED:
        break;
    }
    if (coming->too_large)
        http_error(reply, MHD_HTTP_CONTENT_TOO_LARGE, "the body has more than %u bytes", BODY_MAX);
    else if (coming->body.failed)
        http_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", strerror(ENOMEM));
    else
        route->answer(http->params.arg, &request, reply);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    const struct http *const http = arg;
    struct http_reply reply = {.status = MHD_HTTP_OK, .type = "application/json"};
    struct coming *coming = *state;

    if (!coming) {
        *state = coming = calloc(1, sizeof(*coming));
        return coming ? MHD_YES : MHD_NO;
    }
    if (*size) {
        if (coming->body.size + *size > BODY_MAX)
            coming->too_large = true;
        else
            text_put(&coming->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    answer(http, connection, path, method, coming, &reply);
    return send_reply(connection, &reply);
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode code)
{
    struct coming *const coming = *state;

    if (coming)
        text_done(&coming->body);
    free(coming);
    *state = NULL;
}

/* ---- Life ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* %XX of paths and parameters, in place. A %00 stays as it is, or it would end the text. */
static size_t unescape(void *arg, struct MHD_Connection *connection, char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        const int high = *from == '%' ? digit_of(from[1]) : -1;
        const int low = high >= 0 ? digit_of(from[2]) : -1;

        *to = low >= 0 && (high || low) ? (char)(high << 4 | low) : *from;
        from += low >= 0 && (high || low) ? 3 : 1;
    }
    *to = '\0';
    return (size_t)(to - text);
}

static int parse_address(const struct http_params *params, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *const four = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *const six = (struct sockaddr_in6 *)ret_address;

    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, params->address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(params->port);
        return 0;
    }
    if (inet_pton(AF_INET6, params->address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(params->port);
        return 0;
    }
    return -EINVAL;
}

int http_open(const struct http_params *params, struct http **ret_http, char *ret_message,
              size_t message_size)
{
    struct http *const http = calloc(1, sizeof(*http));
    struct sockaddr_storage address;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC;

    if (!http)
        return -ENOMEM;
    http->params = *params;
    if (parse_address(params, &address) < 0) {
        snprintf(ret_message, message_size, "%s: is no numeric address", params->address);
        free(http);
        return -EINVAL;
    }
    if (address.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (params->certificate)
        flags |= MHD_USE_TLS;
    errno = 0;
    http->daemon =
        MHD_start_daemon(flags, params->port, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
                         &address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, STILL_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                         MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
                         params->certificate ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END,
                         params->certificate, MHD_OPTION_HTTPS_MEM_KEY, params->key,
                         MHD_OPTION_END);
    if (!http->daemon) {
        const int error = errno ? errno : EIO;

        snprintf(ret_message, message_size, "cannot listen on %s port %u: %s", params->address,
                 params->port,
                 params->certificate && error != EADDRINUSE
                     ? "look at the address, certificate and key"
                     : strerror(error));
        free(http);
        return -error;
    }
    *ret_http = http;
    return 0;
}

uint16_t http_port(const struct http *http)
{
    const union MHD_DaemonInfo *const info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info ? info->port : 0;
}

void http_close(struct http *http)
{
    __atomic_store_n(&closing, 1, __ATOMIC_RELAXED);
    MHD_stop_daemon(http->daemon);
    free(http);
}
