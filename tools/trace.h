/* SPDX-License-Identifier: MIT
 *
 * One trace over all processes, as a tree of its spans and the records in them.
 */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

#include "tools/answer.h"

#define TRACE_ROWS_MAX 1000000u

/* Records of the trace `id`; others are left out. 0, -ENOMEM. Memory: all rows, of which there are
 * at most TRACE_ROWS_MAX. */
int trace_open(uint64_t id, enum print_format format, FILE *out, struct answer **ret_answer);

#endif
