/* SPDX-License-Identifier: MIT
 *
 * A line of output: a record, or several that were one long text, with what is rendered of it.
 * Values and message are made when they are first asked for.
 */
#ifndef READER_LINE_H
#define READER_LINE_H

#include "reader/cursor.h"
#include "reader/memo.h"
#include "reader/render.h"

struct line {
    struct cursor_record record; /* joined lines: their first record */
    unsigned parts;              /* records in it */
    bool unfinished;             /* its end never came */
    /* through line_values() and line_message() */
    bool have_values, have_message;
    bool bad; /* the payload does not fit the site */
    bool cut; /* a string was cut to fit into its record */
    unsigned value_count;
    struct file_value value[FILE_SITE_ARGS_MAX];
    struct text message;
    struct render_plans plans;
    struct memos keys; /* of sites: render_keys_json() */
};

/* Its record was filled in: make it a line of that alone. */
void line_begin(struct line *line);
/* The same with a copy of a record. */
void line_set(struct line *line, const struct cursor_record *record);
void line_done(struct line *line);
/* The record's values: record.site->args of them, 0 if the site is unknown, the payload bad, or the
 * line joined. */
unsigned line_values(struct line *line);
/* The keys of the values, as render_keys_json() puts them; NULL: there is no memory for them. */
const struct memo *line_keys(struct line *line);
/* The message's bytes, as the program would have printed them. */
struct text *line_message(struct line *line);

#endif
