/* SPDX-License-Identifier: MIT
 *
 * Lines by the values of fields: those that have the same ones are a group.
 */
#ifndef TOOLS_GROUPS_H
#define TOOLS_GROUPS_H

#include "reader/print.h"

struct group {
    uint8_t *value; /* of all fields in a row */
    size_t size;
    uint64_t hash;
    uint64_t lines;
    void *data; /* of whoever asked for them; to be freed by them */
};

struct groups;

/* The list stays the caller's. `cost`: memory of the data of a group. 0, -ENOMEM. */
int groups_open(const struct field_list *fields, size_t cost, struct groups **ret_groups);
void groups_close(struct groups *groups);

/* The group of a line, which is counted in it; *ret_group NULL: there is no room for another one.
 * 0, -ENOMEM. */
int groups_take(struct groups *groups, struct line *line, struct group **ret_group);
/* All of them, by time where that is rounded (`time:1m`), by number of lines, by value; to be
 * freed. NULL: no memory. */
struct group **groups_sorted(const struct groups *groups, size_t *ret_count);

/* The values of a group, one by one: *at begins with group->value. False: its lines have not got
 * the field. */
bool groups_next(const struct field *field, const uint8_t **at, struct text *ret_text);
/* As the columns of a row: in text with tabs between them, `-` for none; in CSV and JSON each with
 * a comma behind it. `single` is the key of a single field in JSON; NULL: its name. */
void groups_put(const struct groups *groups, const struct group *group, enum print_format format,
                const char *single, struct text *row);
/* Their names, for text and CSV, each with a tab or a comma behind it. */
void groups_put_names(const struct groups *groups, enum print_format format, struct text *row);
size_t groups_fields(const struct groups *groups);

#endif
