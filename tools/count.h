/* SPDX-License-Identifier: MIT
 *
 * Counting lines by the values of fields.
 */
#ifndef TOOLS_COUNT_H
#define TOOLS_COUNT_H

#include "tools/print.h"

struct count;

/* The list stays the caller's. 0, -ENOMEM. */
int count_open(const struct field_list *fields, struct count **ret_count);
void count_close(struct count *count);
int count_line(struct count *count, struct line *line); /* 0, -ENOMEM */
/* Values and count, most frequent first, or by time where that is rounded (`time:1m`):
 * "COUNT<TAB>VALUE..." lines, JSON lines {"value":...,"count":N} (of several fields by their
 * names), or CSV. Lines without the field count as null, `-` in text. */
int count_print(struct count *count, enum print_format format, FILE *out);

/* Records that are in no count, since there was no room for their values. */
uint64_t count_left_out(const struct count *count);

#endif
