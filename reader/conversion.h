/* SPDX-License-Identifier: MIT
 *
 * One conversion of a printf format: parsing it, and putting a value by it. For render.c alone.
 */
#ifndef READER_CONVERSION_H
#define READER_CONVERSION_H

#include "reader/decimal.h"
#include "reader/render.h"

enum length { LENGTH_NONE, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG };

/* One conversion of a format, as parsed. */
struct conversion {
    char flags[8];        /* those of "-+ #0'" that it has */
    int width, precision; /* -1 none */
    enum length length;
    char letter;     /* 0: the format ends within it */
    const char *end; /* after it */
};

/* What a conversion comes to for arguments of one type; most have a short way that is not
 * printf's. */
enum way {
    WAY_PRINTF,
    WAY_SIGNED,   /* all digits of the number, but for `detail` bits at its top */
    WAY_UNSIGNED, /* the same */
    WAY_FIXED,    /* %.Nf, N is `detail` */
    WAY_BYTE,
};
struct conversion_way {
    uint8_t way; /* enum way */
    uint8_t detail;
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
/* The way of arguments of this type. */
struct conversion_way conversion_way(const struct conversion *conversion, uint8_t type);
/* Put a value as printf would, or where it does not fit as in an event; NULL: <missing>. */
void conversion_put_printf(const struct conversion *conversion, const struct file_value *value,
                           struct text *out);

/* An integer without the `cut` bits at its top. */
static inline int64_t conversion_signed(uint64_t number, unsigned cut)
{
    return (int64_t)(number << cut) >> cut;
}
static inline uint64_t conversion_unsigned(uint64_t number, unsigned cut)
{
    return number << cut >> cut;
}

/* The same by the way of the value's type. Inline: this is done for every value of a line. */
static inline void conversion_put(const struct conversion *conversion, struct conversion_way way,
                                  const struct file_value *value, struct text *out)
{
    switch ((enum way)way.way) {
    case WAY_SIGNED:
        text_i64(out, conversion_signed(value->u, way.detail));
        return;
    case WAY_UNSIGNED:
        text_u64(out, conversion_unsigned(value->u, way.detail));
        return;
    case WAY_FIXED:
        if (decimal_put(out, value->f, way.detail))
            return;
        break;
    case WAY_BYTE:
        text_putc(out, (char)value->u);
        return;
    case WAY_PRINTF:
        break;
    }
    conversion_put_printf(conversion, value, out);
}

#endif
