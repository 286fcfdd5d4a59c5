/* SPDX-License-Identifier: MIT
 *
 * Looking for records, as rows or as counts and statistics of them.
 */
#ifndef GATEWAY_SEARCH_H
#define GATEWAY_SEARCH_H

#include "gateway/gateway.h"

#define SEARCH_LIMIT 100u /* rows, if nobody says */
#define SEARCH_LIMIT_MAX 10000u

/* Texts may be NULL: what they say is not asked for. */
struct search {
    const char *where;         /* shmlog-query(7) */
    const char *text;          /* in the message, letter by letter */
    const char *since, *until; /* as shmlog-dump takes times */
    const char *fields;        /* of a row, with commas between; NULL: all */
    const char *count_by;      /* in place of rows: fields to count by, */
    const char *stats;         /* or fields with numbers to tell of, by `count_by` */
    const char *after;         /* `next` of the page before */
    uint32_t level;
    uint64_t limit;
    bool newest; /* the last rows instead of the first */
};

/* {"records":[...],"next":...} or {"groups":[...]}; or an error. */
void search_run(const struct gateway *gateway, const struct search *search,
                struct http_reply *reply);

/* POST /api/query, GET /api/search, GET /logs, GET /logs/recent, GET /stats. */
void search_query(void *arg, const struct http_request *request, struct http_reply *reply);
void search_text(void *arg, const struct http_request *request, struct http_reply *reply);
void search_logs(void *arg, const struct http_request *request, struct http_reply *reply);
void search_recent(void *arg, const struct http_request *request, struct http_reply *reply);
void search_stats(void *arg, const struct http_request *request, struct http_reply *reply);

#endif
