/* SPDX-License-Identifier: MIT
 *
 * One conversion of a printf format: parsing it, and putting a value by it. For render.c alone.
 */
#ifndef TOOLS_CONVERSION_H
#define TOOLS_CONVERSION_H

#include "tools/render.h"

enum length { LENGTH_NONE, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG };

/* One conversion of a format, as parsed. */
struct conversion {
    char flags[8];        /* those of "-+ #0'" that it has */
    int width, precision; /* -1 none */
    enum length length;
    char letter;     /* 0: the format ends within it */
    const char *end; /* after it */
};

/* The values of a record, and how many of them a format has taken. */
struct arguments {
    const struct file_value *value;
    unsigned count, next;
};

/* The argument at a position (from 1), or (0) the next one; NULL if there is none. */
const struct file_value *conversion_take(struct arguments *arguments, int position);
/* From the byte after the '%'. Takes the arguments that '*' asks for. */
struct conversion conversion_parse(const char *at, struct arguments *arguments, int *ret_position);
/* Is it the letter of a conversion (of %n, too)? */
bool conversion_is_known(char letter);
/* Put a value by the conversion, or where it does not fit as in an event; NULL: <missing>. */
void conversion_put(const struct conversion *conversion, const struct file_value *value,
                    struct text *out);

#endif
