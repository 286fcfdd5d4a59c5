/* SPDX-License-Identifier: MIT
 *
 * New records as they come, as server-sent events (html.spec.whatwg.org, "Server-sent events").
 */
#ifndef GATEWAY_TAIL_H
#define GATEWAY_TAIL_H

#include "gateway/gateway.h"

/* GET /api/tail. Each event is a record; `event: missed` says how many were overwritten before
 * this client took them, `event: segment` that the segment is gone, waited for, or there. */
void tail_begin(void *arg, const struct http_request *request, struct http_reply *reply);

#endif
