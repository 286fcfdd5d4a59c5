/* SPDX-License-Identifier: MIT
 *
 * Which lines are wanted. Times and levels are the cursor's business: it can skip whole blocks.
 */
#ifndef TOOLS_FILTER_H
#define TOOLS_FILTER_H

#include "tools/line.h"

#include <regex.h>

/* A set of numbers, as `7` or `0-3,8`. */
struct filter_numbers {
    struct filter_range {
        uint32_t first, last;
    } range[32];
    unsigned count; /* 0: any number */
};
int filter_numbers_parse(const char *string, struct filter_numbers *ret_numbers); /* -EINVAL */

struct filter {
    const char *category; /* glob, NULL any; case does not matter */
    const char *site;     /* id, or a glob for format, function, file or FILE:LINE; NULL any */
    struct filter_numbers pid, tid, cpu;
    bool grep; /* `regex` is there */
    regex_t regex;
};

/* Extended regular expression, for the message. -EINVAL: ret_message says what is wrong with it. */
int filter_grep(struct filter *filter, const char *regex, char *ret_message, size_t message_size);
void filter_done(struct filter *filter);
bool filter_passes(struct filter *filter, struct line *line);

#endif
