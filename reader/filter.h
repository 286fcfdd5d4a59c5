/* SPDX-License-Identifier: MIT
 *
 * Which lines are wanted. Times and levels are the cursor's business: it can skip whole blocks.
 */
#ifndef READER_FILTER_H
#define READER_FILTER_H

#include "reader/line.h"
#include "reader/pattern.h"
#include "reader/query.h"

/* A set of numbers, as `7` or `0-3,8`. */
#define FILTER_RANGES_MAX 256
struct filter_numbers {
    struct filter_range {
        uint32_t first, last;
    } range[FILTER_RANGES_MAX];
    unsigned count; /* 0: any number */
};
/* Add those of a list. -EINVAL: it is none; -ENOBUFS: too many; the set is as before then. */
int filter_numbers_add(struct filter_numbers *numbers, const char *string);

/* Patterns, one of which must match. */
struct filter_globs {
    char **glob;
    size_t count; /* 0: anything does */
};
/* Add a pattern, or with `split` all of a list with commas between. -EINVAL: one is empty;
 * -ENOMEM; the set is as before then. */
int filter_globs_add(struct filter_globs *globs, const char *string, bool split);

struct filter {
    uint32_t min_level;           /* where it is not the cursor's business: 0 */
    struct filter_globs category; /* case does not matter */
    struct filter_globs site;     /* ids, or globs for format, function, file or FILE:LINE */
    struct filter_numbers pid, tid, cpu;
    struct pattern *message; /* NULL: any */
    struct query *where;     /* NULL: any; the filter closes it */
};

/* A regular expression for the message, in place of the one before. As pattern_open(). */
int filter_grep(struct filter *filter, const char *regex, char *ret_message, size_t message_size);
/* Is the record's site one of the pattern: an id, or a glob for format, function, file or
 * FILE:LINE?
 */
bool filter_site_matches(const char *pattern, const struct cursor_record *record);
/* Does every record pass? */
bool filter_is_open(const struct filter *filter);
void filter_done(struct filter *filter);
bool filter_passes(struct filter *filter, struct line *line);

#endif
