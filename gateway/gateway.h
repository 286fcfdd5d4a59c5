/* SPDX-License-Identifier: MIT
 *
 * What all answers of the gateway go by.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "gateway/http.h"

#include <stdint.h>

struct shmlog;

struct gateway {
    const char *segment; /* name or path */
    const char *logs;    /* directory of its files; NULL: the rings are searched */
    const char *address;
    uint16_t port;
    bool tokens, tls, simulate;
    struct shmlog *log; /* that ingest logs to */
};

#endif
