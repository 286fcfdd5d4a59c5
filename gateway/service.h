/* SPDX-License-Identifier: MIT
 *
 * How the segment does, and what it logs.
 */
#ifndef GATEWAY_SERVICE_H
#define GATEWAY_SERVICE_H

#include "gateway/gateway.h"

/* GET /health, GET /metrics, GET /config, PUT /config/level. The segment is looked for at each
 * request: its collector may go, and come back with another one. */
void service_health(void *arg, const struct http_request *request, struct http_reply *reply);
void service_metrics(void *arg, const struct http_request *request, struct http_reply *reply);
void service_config(void *arg, const struct http_request *request, struct http_reply *reply);
void service_level(void *arg, const struct http_request *request, struct http_reply *reply);

#endif
