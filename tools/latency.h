/* SPDX-License-Identifier: MIT
 *
 * How long it takes from one event to another: each record of the second one with the last record
 * of the first one before it that has the same values in some fields.
 */
#ifndef TOOLS_LATENCY_H
#define TOOLS_LATENCY_H

#include "tools/answer.h"

/* `from` and `to`: patterns as for --site. `by`: what has to be the same; empty: nothing. All of
 * them stay the caller's. 0, -ENOMEM. Memory: 24 bytes for each record that waits for its second
 * one, of which there are at most four million. */
int latency_open(const char *from, const char *to, const struct field_list *by,
                 enum print_format format, FILE *out, struct answer **ret_answer);

#endif
