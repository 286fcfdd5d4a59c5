/* SPDX-License-Identifier: MIT
 *
 * A piece of all records, as rows for people: what follows a row, what comes before it, the end; so
 * that one can walk through any number of records without having them in memory.
 */
#ifndef TOOLS_PAGE_H
#define TOOLS_PAGE_H

#include "reader/print.h"

/* Which records there are. */
struct page_source {
    const char *const *paths;
    size_t path_count;
    const char *where; /* a condition; NULL: all records */
    int64_t now_ns;    /* what `now` means in it */
};

struct page_row {
    int64_t time_ns;
    uint32_t ring;
    uint64_t seq;
    char *text;   /* one line, printable */
    char *detail; /* all that is known, a line each: NAME: VALUE */
};

struct page {
    struct page_row *row;
    size_t count;
};

/* Up to `rows` records from a moment on that come after `after` (NULL: from the moment on). 0;
 * negative errno with a line in ret_message. */
int page_forward(const struct page_source *source, int64_t since_ns, const struct page_row *after,
                 size_t rows, struct page *ret_page, char *ret_message, size_t message_size);
/* Up to `rows` records, the last ones before `before`; NULL: the last ones there are. */
int page_backward(const struct page_source *source, const struct page_row *before, size_t rows,
                  struct page *ret_page, char *ret_message, size_t message_size);
void page_done(struct page *page);

#endif
