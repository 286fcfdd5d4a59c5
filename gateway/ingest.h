/* SPDX-License-Identifier: MIT
 *
 * Records that come over HTTP, and go into the segment like those of any program.
 */
#ifndef GATEWAY_INGEST_H
#define GATEWAY_INGEST_H

#include "gateway/gateway.h"

/* POST /ingest, POST /simulate. */
void ingest(void *arg, const struct http_request *request, struct http_reply *reply);
void ingest_simulated(void *arg, const struct http_request *request, struct http_reply *reply);

#endif
