/* SPDX-License-Identifier: MIT
 *
 * A row for each record; or for the last ones alone, or with those around them.
 */
#ifndef TOOLS_ROWS_H
#define TOOLS_ROWS_H

#include "tools/answer.h"

#define ROWS_HELD_MAX 1000000u

struct rows_params {
    enum print_format format;
    bool colour;
    bool goes_on;              /* rows of an earlier run are there: no header */
    uint64_t tail, context;    /* rows; 0: all, and none; at most ROWS_HELD_MAX, one of the two */
    struct field_list *fields; /* chosen ones; empty: all; they are the answer's from now on */
    FILE *out;
};

/* 0, -ENOMEM. Memory: the rows of `tail` or `context`. */
int rows_open(const struct rows_params *params, struct answer **ret_answer);

#endif
