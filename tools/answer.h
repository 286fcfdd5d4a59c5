/* SPDX-License-Identifier: MIT
 *
 * What is made of the records that were asked for: rows, counts, statistics.
 */
#ifndef TOOLS_ANSWER_H
#define TOOLS_ANSWER_H

#include "reader/print.h"

#include <errno.h>

struct answer {
    int (*take)(struct answer *answer, struct line *line); /* 0; negative errno */
    /* A line that does not pass; NULL: they are not needed. */
    int (*pass_over)(struct answer *answer, struct line *line);
    /* There is nothing more for now: what can be printed already is written. */
    int (*flush)(struct answer *answer);
    /* There is nothing more at all: the rest is written. */
    int (*end)(struct answer *answer);
    void (*close)(struct answer *answer);
    bool at_end; /* nothing is printed before the end: till then nothing is done with a line */
    uint64_t left_out;   /* records in no group, since there are too many of these */
    const char *missing; /* a field that no record has; NULL: none */
};

/* Write the whole of a text. 0, -ENOMEM, or the error of writing. */
static inline int answer_write(const struct text *text, FILE *out)
{
    if (text->failed)
        return -ENOMEM;
    errno = 0;
    if (text->size && fwrite(text->data, 1, text->size, out) != text->size)
        return errno ? -errno : -EIO;
    return fflush(out) == 0 ? 0 : errno ? -errno : -EIO;
}

#endif
