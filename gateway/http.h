/* SPDX-License-Identifier: MIT
 *
 * Requests and replies over HTTP, by libmicrohttpd: a thread for each connection, so that whoever
 * answers may take its time.
 */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "gateway/tokens.h"
#include "reader/text.h"

#include <sys/types.h>

struct http;
struct MHD_Connection;

/* What a request says. Texts are good until it is answered. */
struct http_request {
    struct MHD_Connection *connection;
    const char *body; /* with a NUL behind; "" if it has none */
    size_t body_size;
};
/* A parameter of the URL, decoded; NULL: it is not there. */
const char *http_param(const struct http_request *request, const char *name);
const char *http_header(const struct http_request *request, const char *name);

/* A body that is made as it is sent: up to `max` bytes, 0 after at most a second in which there
 * were none, -1 at the end. */
struct http_stream {
    ssize_t (*next)(struct http_stream *stream, char *data, size_t max);
    void (*close)(struct http_stream *stream);
};

struct http_reply {
    unsigned status;
    const char *type; /* of its body */
    struct text body;
    struct http_stream *stream; /* in place of it; NULL: none */
};
/* Make it an error: {"error":"..."}. */
__attribute__((format(printf, 3, 4))) void http_error(struct http_reply *reply, unsigned status,
                                                      const char *format, ...);

struct http_route {
    const char *method, *path;
    enum role role; /* that it takes */
    void (*answer)(void *arg, const struct http_request *request, struct http_reply *reply);
};

struct http_params {
    const char *address;           /* numeric */
    uint16_t port;                 /* 0: any */
    const char *certificate, *key; /* texts, both or none */
    const struct tokens *tokens;
    const struct http_route *routes;
    size_t route_count;
    void *arg;
};

/* 0; negative errno with a line in ret_message. */
int http_open(const struct http_params *params, struct http **ret_http, char *ret_message,
              size_t message_size);
uint16_t http_port(const struct http *http);
/* Answers are waited for; streams end at their next turn. */
void http_close(struct http *http);
/* Is it about to be closed? */
bool http_closing(void);

#endif
