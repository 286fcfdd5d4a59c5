/* SPDX-License-Identifier: MIT
 *
 * Conversions; see conversion.h.
 */
#include "reader/conversion.h"

#include <stdio.h>
#include <string.h>

const struct file_value *conversion_take(struct arguments *arguments, int position)
{
    unsigned index = position > 0 ? (unsigned)position - 1 : arguments->next++;

    return index < arguments->count ? &arguments->value[index] : NULL;
}

static bool is_integer(uint8_t type)
{
    return type >= SHMLOG_TYPE_BOOL && type <= SHMLOG_TYPE_U64;
}

static bool is_float(uint8_t type)
{
    return type == SHMLOG_TYPE_F32 || type == SHMLOG_TYPE_F64;
}

static bool is_string(const struct file_value *value)
{
    return value->type == SHMLOG_TYPE_STRING || value->type == SHMLOG_TYPE_BYTES ||
           value->type == SHMLOG_TYPE_TEXT;
}

static bool is_wide(uint8_t type)
{
    return type == SHMLOG_TYPE_I64 || type == SHMLOG_TYPE_U64 || type == SHMLOG_TYPE_POINTER;
}

/* Digits as a number, cut to RENDER_WIDTH_MAX. */
static int parse_number(const char **at)
{
    int number = 0;

    for (; **at >= '0' && **at <= '9'; ++*at)
        if (number <= RENDER_WIDTH_MAX)
            number = number * 10 + (**at - '0');
    return number > RENDER_WIDTH_MAX ? RENDER_WIDTH_MAX : number;
}

/* `N$`: an argument by its position. 0 if there is none here. */
static int parse_position(const char **at)
{
    const char *ahead = *at;
    int position = parse_number(&ahead);

    if (position == 0 || *ahead != '$')
        return 0;
    *at = ahead + 1;
    return position;
}

/* An int taken from the arguments, as `*` asks for. */
static int star(const char **at, struct arguments *arguments)
{
    const struct file_value *value;
    int64_t number;

    ++*at;
    value = conversion_take(arguments, parse_position(at));
    if (!value || !is_integer(value->type))
        return 0;
    number = is_wide(value->type) ? value->i : (int32_t)value->i;
    if (number > RENDER_WIDTH_MAX)
        return RENDER_WIDTH_MAX;
    return number < -RENDER_WIDTH_MAX ? -RENDER_WIDTH_MAX : (int)number;
}

static void parse_flags(const char **at, struct conversion *conversion)
{
    size_t flags = strlen(conversion->flags);

    for (; **at && strchr("-+ #0'", **at); ++*at)
        if (!strchr(conversion->flags, **at) && flags + 1 < sizeof(conversion->flags))
            conversion->flags[flags++] = **at;
}

static void parse_length(const char **at, struct conversion *conversion)
{
    for (; **at && strchr("hlLqjzt", **at); ++*at) {
        if (**at != 'h')
            conversion->length = LENGTH_LONG;
        else
            conversion->length = conversion->length == LENGTH_SHORT ? LENGTH_CHAR : LENGTH_SHORT;
    }
}

struct conversion conversion_parse(const char *at, struct arguments *arguments, int *ret_position)
{
    struct conversion conversion = {.width = -1, .precision = -1};

    *ret_position = parse_position(&at);
    parse_flags(&at, &conversion);
    if (*at == '*') {
        conversion.width = star(&at, arguments);
        if (conversion.width < 0) { /* as in C: a flag and a width */
            if (!strchr(conversion.flags, '-'))
                strcat(conversion.flags, "-");
            conversion.width = -conversion.width;
        }
    } else if (*at >= '0' && *at <= '9') {
        conversion.width = parse_number(&at);
    }
    if (*at == '.') {
        at++;
        conversion.precision = *at == '*' ? star(&at, arguments) : parse_number(&at);
        if (conversion.precision < 0)
            conversion.precision = -1; /* as in C: as if there were none */
    }
    parse_length(&at, &conversion);
    conversion.letter = *at;
    conversion.end = *at ? at + 1 : at;
    return conversion;
}

/* A specification of our own making; `type` is the length and the letter, as "llx". */
static void make_spec(const struct conversion *conversion, const char *type, char spec[48])
{
    int at = snprintf(spec, 48, "%%%s", conversion->flags);

    if (conversion->width >= 0)
        at += snprintf(spec + at, 48 - (size_t)at, "%d", conversion->width);
    if (conversion->precision >= 0)
        at += snprintf(spec + at, 48 - (size_t)at, ".%d", conversion->precision);
    snprintf(spec + at, 48 - (size_t)at, "%s", type);
}

/* How many bits at an integer's top the conversion does not look at. */
static unsigned cut_bits(const struct conversion *conversion, uint8_t type)
{
    switch (conversion->length) {
    case LENGTH_CHAR:
        return 56;
    case LENGTH_SHORT:
        return 48;
    case LENGTH_LONG:
        return 0;
    case LENGTH_NONE:
        break;
    }
    return is_wide(type) ? 0 : 32;
}

struct conversion_way conversion_way(const struct conversion *conversion, uint8_t type)
{
    const struct conversion_way other = {.way = WAY_PRINTF};
    const bool number = is_integer(type) || type == SHMLOG_TYPE_POINTER;
    const int precision = conversion->precision;

    if (conversion->flags[0] || conversion->width >= 0)
        return other;
    switch (conversion->letter) {
    case 'd':
    case 'i':
    case 'u':
        if (!number || precision >= 0)
            return other;
        return (struct conversion_way){conversion->letter == 'u' ? WAY_UNSIGNED : WAY_SIGNED,
                                       (uint8_t)cut_bits(conversion, type)};
    case 'f':
        if (!is_float(type) || precision > (int)DECIMAL_PLACES_MAX)
            return other;
        return (struct conversion_way){WAY_FIXED, precision < 0 ? 6 : (uint8_t)precision};
    case 'c':
        if (!is_integer(type) || precision >= 0 || conversion->length != LENGTH_NONE)
            return other;
        return (struct conversion_way){.way = WAY_BYTE};
    default:
        return other;
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put_integer(const struct conversion *conversion, const struct file_value *value,
                        struct text *out)
{
    const char type[] = {'l', 'l', conversion->letter, 0};
    const bool is_signed = conversion->letter == 'd' || conversion->letter == 'i';
    const unsigned cut = cut_bits(conversion, value->type);
    char spec[48];

    make_spec(conversion, type, spec);
    text_printf(out, spec,
                is_signed ? (unsigned long long)conversion_signed(value->u, cut)
                          : (unsigned long long)conversion_unsigned(value->u, cut));
}

static void put_float(const struct conversion *conversion, double number, struct text *out)
{
    const char type[] = {conversion->letter, 0};
    char spec[48];

    make_spec(conversion, type, spec);
    text_printf(out, spec, number);
}

static void put_pointer(const struct conversion *conversion, uint64_t number, struct text *out)
{
    char spec[48];

    make_spec(conversion, "p", spec);
    text_printf(out, spec, (void *)(uintptr_t)number);
}
#pragma GCC diagnostic pop

static void put_padded(const struct conversion *conversion, const void *data, size_t size,
                       struct text *out)
{
    size_t width = conversion->width > 0 ? (size_t)conversion->width : 0;
    size_t pad = width > size ? width - size : 0;
    bool left = strchr(conversion->flags, '-');

    if (!left)
        text_fill(out, ' ', pad);
    text_put(out, data, size);
    if (left)
        text_fill(out, ' ', pad);
}

static void put_string(const struct conversion *conversion, const struct file_value *value,
                       struct text *out)
{
    const void *data = value->is_null ? (const void *)"(null)" : value->data;
    size_t size = value->is_null ? 6 : render_string_size(value);

    if (conversion->precision >= 0 && size > (size_t)conversion->precision && !value->is_null)
        size = (size_t)conversion->precision;
    put_padded(conversion, data, size, out);
}

static void put_char(const struct conversion *conversion, const struct file_value *value,
                     struct text *out)
{
    uint32_t point = (uint32_t)value->u;
    uint8_t bytes[4] = {(uint8_t)point};
    size_t size = 1;

    if (conversion->length == LENGTH_LONG && point >= 0x80 && point <= 0x10ffff) { /* wint_t */
        size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        for (size_t i = size - 1; i > 0; i--, point >>= 6)
            bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
        bytes[0] = (uint8_t)((0xf00u >> size) | point);
    }
    put_padded(conversion, bytes, size, out);
}

/* True if the conversion fits the value and was written. */
static bool put_fitting(const struct conversion *conversion, const struct file_value *value,
                        struct text *out)
{
    switch (conversion->letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        if (!is_integer(value->type) && value->type != SHMLOG_TYPE_POINTER)
            return false;
        put_integer(conversion, value, out);
        return true;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
        if (!is_float(value->type))
            return false;
        put_float(conversion, value->f, out);
        return true;
    case 'c':
    case 'C':
        if (!is_integer(value->type))
            return false;
        put_char(conversion, value, out);
        return true;
    case 's':
    case 'S':
        if (!is_string(value))
            return false;
        put_string(conversion, value, out);
        return true;
    case 'p':
        if (value->type != SHMLOG_TYPE_POINTER && !is_integer(value->type))
            return false;
        put_pointer(conversion, value->u, out);
        return true;
    default:
        return false;
    }
}

bool conversion_is_known(char letter)
{
    return letter && strchr("diouxXeEfFgGaAcCsSpn", letter);
}

void conversion_put_printf(const struct conversion *conversion, const struct file_value *value,
                           struct text *out)
{
    if (!value)
        text_puts(out, "<missing>");
    else if (!put_fitting(conversion, value, out))
        render_value(value, out);
}
