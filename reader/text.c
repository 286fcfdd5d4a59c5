/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes, and the ways to put a string into it for people, JSON and CSV.
 */
#include "reader/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_grow(struct text *text, size_t more)
{
    size_t room = text->room ? text->room : 256;
    char *data;

    while (room - text->size < more) {
        if (room > SIZE_MAX / 2) {
            text->failed = true;
            return NULL;
        }
        room *= 2;
    }
    data = realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return NULL;
    }
    text->data = data;
    text->room = room;
    return data + text->size;
}

const char *text_string(struct text *text)
{
    char *end = text_reserve(text, 1);

    if (!end)
        return NULL;
    *end = 0;
    return text->data;
}

void text_done(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

void text_fill(struct text *text, char c, size_t count)
{
    char *at = text_reserve(text, count);

    if (!at)
        return;
    memset(at, c, count);
    text->size += count;
}

/* "00" to "99" */
static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

const uint64_t text_power[20] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u,
};

/* Decimal digits; one of 0. */
static unsigned digits_of(uint64_t value)
{
    const uint64_t odd = value | 1; /* has as many, and a highest bit */
    /* 1233 / 4096 is a little more than log10(2) */
    const unsigned guess = (64 - (unsigned)__builtin_clzll(odd)) * 1233 >> 12;

    return guess + (odd >= text_power[guess]);
}

/* The last `count` digits of the value. */
static inline void write_digits(char *at, unsigned count, uint64_t value)
{
    for (; count >= 2; value /= 100)
        memcpy(at + (count -= 2), digit_pairs + 2 * (value % 100), 2);
    if (count)
        at[0] = (char)('0' + value % 10);
}

void text_u64(struct text *text, uint64_t value)
{
    const unsigned count = digits_of(value);
    char *at = text_reserve(text, count);

    if (!at)
        return;
    write_digits(at, count, value);
    text->size += count;
}

void text_i64(struct text *text, int64_t value)
{
    if (value < 0)
        text_putc(text, '-');
    text_u64(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void text_put_digits(struct text *text, unsigned count, uint64_t value)
{
    char *at = text_reserve(text, count);

    if (!at)
        return;
    write_digits(at, count, value);
    text->size += count;
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
    char *at = text_reserve(text, 64);
    va_list again;
    int size;

    if (!at)
        return;
    va_copy(again, args);
    size = vsnprintf(at, text->room - text->size, format, args);
    if (size >= 0 && (size_t)size >= text->room - text->size) {
        at = text_reserve(text, (size_t)size + 1);
        if (at)
            vsnprintf(at, (size_t)size + 1, format, again);
    }
    va_end(again);
    if (size > 0 && at)
        text->size += (size_t)size;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

/* The second byte carries what tells overlong forms, surrogates and numbers beyond U+10FFFF from
 * good ones; the others are 80..BF (Unicode, table 3-7). */
size_t text_utf8(const uint8_t *data, size_t size)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t length;

    if (!size || (data[0] >= 0x80 && data[0] < 0xc2) || data[0] > 0xf4)
        return 0;
    if (data[0] < 0x80)
        return 1;
    length = data[0] < 0xe0 ? 2 : data[0] < 0xf0 ? 3 : 4;
    if (size < length)
        return 0;
    if (data[0] == 0xe0)
        low = 0xa0;
    else if (data[0] == 0xed)
        high = 0x9f;
    else if (data[0] == 0xf0)
        low = 0x90;
    else if (data[0] == 0xf4)
        high = 0x8f;
    if (data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* Does a valid sequence of several bytes show as nothing, and change how a terminal shows the rest:
 * the C1 controls (U+0080..9F), the controls of direction (U+061C, 200E, 200F, 202A..2E, 2066..69),
 * the separators of lines and paragraphs (U+2028, 2029), and the mark of byte order (U+FEFF)? */
static bool is_hidden(const uint8_t *data, size_t length)
{
    if (length == 2)
        return (data[0] == 0xc2 && data[1] < 0xa0) || (data[0] == 0xd8 && data[1] == 0x9c);
    if (length != 3)
        return false;
    if (data[0] == 0xef)
        return data[1] == 0xbb && data[2] == 0xbf;
    if (data[0] != 0xe2)
        return false;
    if (data[1] == 0x80)
        return data[2] == 0x8e || data[2] == 0x8f || (data[2] >= 0xa8 && data[2] <= 0xae);
    return data[1] == 0x81 && data[2] >= 0xa6 && data[2] <= 0xa9;
}

static bool is_control(uint8_t byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static bool is_printable(const uint8_t *data, size_t length)
{
    return length == 1 ? !is_control(*data) : length && !is_hidden(data, length);
}

static const char hex_digits[] = "0123456789abcdef";

/* As \uHHHH. */
static void put_escaped_code(struct text *text, unsigned code)
{
    const char escape[6] = {'\\',
                            'u',
                            hex_digits[code >> 12 & 15],
                            hex_digits[code >> 8 & 15],
                            hex_digits[code >> 4 & 15],
                            hex_digits[code & 15]};

    text_put(text, escape, sizeof(escape));
}

static void put_escaped_hidden(struct text *text, const uint8_t *data, size_t length)
{
    const unsigned tail = data[length - 1] & 0x3fu;

    put_escaped_code(text, length == 2 ? (data[0] & 0x1fu) << 6 | tail
                                       : (data[0] & 0x0fu) << 12 | (data[1] & 0x3fu) << 6 | tail);
}

static void put_escaped_byte(struct text *text, uint8_t byte)
{
    const char escape[4] = {'\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15]};

    switch (byte) {
    case '\n':
        text_put(text, "\\n", 2);
        break;
    case '\t':
        text_put(text, "\\t", 2);
        break;
    case '\r':
        text_put(text, "\\r", 2);
        break;
    default:
        text_put(text, escape, sizeof(escape));
    }
}

/* How many bytes from `data` on are printable ASCII for sure; looked at eight at a time. */
static size_t plain_ascii(const uint8_t *data, size_t size)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones * 0x80;
    size_t i = 0;

    for (; size - i >= 8; i += 8) {
        uint64_t word;

        memcpy(&word, data + i, 8);
        /* a high bit where a byte is >= 0x80, == 0x7f, or < 0x20 */
        if ((word | (word + ones) | (word - ones * 0x20)) & high)
            break;
    }
    while (i < size && data[i] >= 0x20 && data[i] < 0x7f)
        i++;
    return i;
}

/* What is not printable is escaped, but for the controls of `kept`. */
static void put_shown(struct text *text, const void *data, size_t size, const char *kept)
{
    const uint8_t *const at = data;
    size_t good = 0, i = plain_ascii(at, size);

    while (i < size) {
        const size_t length = text_utf8(at + i, size - i);

        if (is_printable(at + i, length) || (at[i] && strchr(kept, at[i]))) {
            i += length;
            continue;
        }
        text_put(text, at + good, i - good);
        if (length > 1)
            put_escaped_hidden(text, at + i, length);
        else
            put_escaped_byte(text, at[i]);
        i += length ? length : 1;
        good = i;
    }
    if (good < size)
        text_put(text, at + good, size - good);
}

void text_put_plain(struct text *text, const void *data, size_t size)
{
    put_shown(text, data, size, "");
}

void text_put_json_part(struct text *text, const void *data, size_t size, bool *invalid)
{
    const uint8_t *at = data;
    size_t good = 0, i = 0;

    while (i < size) {
        size_t length = text_utf8(at + i, size - i);

        if (is_printable(at + i, length) && at[i] != '"' && at[i] != '\\') {
            i += length;
            continue;
        }
        text_put(text, at + good, i - good);
        if (length > 1) {
            put_escaped_hidden(text, at + i, length);
            i += length - 1;
        } else if (!length) {
            text_printf(text, "\\\\x%02x", at[i]);
            if (invalid)
                *invalid = true;
        } else if (at[i] == '"' || at[i] == '\\') {
            text_putc(text, '\\');
            text_putc(text, (char)at[i]);
        } else if (at[i] == '\n' || at[i] == '\t' || at[i] == '\r') {
            put_escaped_byte(text, at[i]);
        } else {
            put_escaped_code(text, at[i]);
        }
        good = ++i;
    }
    if (good < size)
        text_put(text, at + good, size - good);
}

void text_put_json(struct text *text, const void *data, size_t size, bool *invalid)
{
    text_putc(text, '"');
    text_put_json_part(text, data, size, invalid);
    text_putc(text, '"');
}

bool text_csv_wants_quotes(const void *data, size_t size)
{
    const char *at = data;

    for (size_t i = 0; i < size; i++)
        if (at[i] == '"' || at[i] == ',' || at[i] == '\n' || at[i] == '\r')
            return true;
    return false;
}

void text_put_csv_part(struct text *text, const void *data, size_t size)
{
    static const char kept[] = "\n\r\t";
    const char *at = data, *end;

    for (; size && (end = memchr(at, '"', size)); at = end + 1) {
        put_shown(text, at, (size_t)(end + 1 - at), kept);
        text_putc(text, '"'); /* a quote is doubled */
        size -= (size_t)(end + 1 - at);
    }
    put_shown(text, at, size, kept);
}

void text_put_csv(struct text *text, const void *data, size_t size)
{
    bool quote;

    if (!size)
        return;
    if (plain_ascii(data, size) == size && !memchr(data, ',', size) && !memchr(data, '"', size)) {
        text_put(text, data, size); /* most of them */
        return;
    }
    quote = text_csv_wants_quotes(data, size);
    if (quote)
        text_putc(text, '"');
    text_put_csv_part(text, data, size);
    if (quote)
        text_putc(text, '"');
}

void text_say(FILE *to, const char *format, ...)
{
    struct text raw = {0}, plain = {0};
    va_list args;

    va_start(args, format);
    text_vprintf(&raw, format, args);
    va_end(args);
    text_put_plain(&plain, raw.data, raw.size);
    text_putc(&plain, '\n');
    fwrite(plain.data, 1, plain.size, to);
    text_done(&raw);
    text_done(&plain);
}

void text_put_hex(struct text *text, const void *data, size_t size)
{
    const uint8_t *at = data;
    char *to = text_reserve(text, 2 * size);

    if (!to)
        return;
    for (size_t i = 0; i < size; i++) {
        *to++ = hex_digits[at[i] >> 4];
        *to++ = hex_digits[at[i] & 15];
    }
    text->size += 2 * size;
}
