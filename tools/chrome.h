/* SPDX-License-Identifier: MIT
 *
 * Records as a trace for Perfetto and chrome://tracing, by the Trace Event Format (JSON): a track
 * for each thread, spans as slices on the thread that they began in, other records as instants.
 */
#ifndef TOOLS_CHROME_H
#define TOOLS_CHROME_H

#include "tools/answer.h"

/* 0, -ENOMEM. Memory: the spans that are open, and 16 bytes for each thread. */
int chrome_open(FILE *out, struct answer **ret_answer);

#endif
