/* SPDX-License-Identifier: MIT
 *
 * What the numbers in fields are like: count, least, mean, quantiles, most and sum, for each group
 * of lines.
 */
#ifndef TOOLS_STATS_H
#define TOOLS_STATS_H

#include "reader/quantiles.h"
#include "tools/answer.h"

/* Both lists stay the caller's; `by` may be empty. 0, -ENOMEM. */
int stats_open(const struct field_list *of, const struct field_list *by, enum print_format format,
               FILE *out, struct answer **ret_answer);

/* The quantiles that are told. */
struct stats_part {
    const char *name;
    double part;
};
#define STATS_PARTS 5
extern const struct stats_part stats_parts[STATS_PARTS];

/* The columns that numbers make, and their names: as `count`, `min`. */
void stats_put_names(enum print_format format, struct text *row);
void stats_put(struct quantiles *quantiles, enum print_format format, struct text *row);

#endif
