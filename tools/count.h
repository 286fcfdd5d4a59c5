/* SPDX-License-Identifier: MIT
 *
 * Counting lines by the values of fields.
 */
#ifndef TOOLS_COUNT_H
#define TOOLS_COUNT_H

#include "tools/answer.h"

/* Prints values and count, most frequent first, or by time where that is rounded (`time:1m`):
 * "COUNT<TAB>VALUE..." lines, JSON lines {"value":...,"count":N} (of several fields by their
 * names), or CSV. Lines without the field count as null, `-` in text. The list stays the caller's.
 * 0, -ENOMEM. */
int count_open(const struct field_list *fields, enum print_format format, FILE *out,
               struct answer **ret_answer);

#endif
