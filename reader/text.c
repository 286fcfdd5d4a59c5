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
    const unsigned count = text_digits(value);
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

static void put_hex_byte(struct text *text, uint8_t byte)
{
    const char escape[4] = {'\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15]};

    text_put(text, escape, sizeof(escape));
}

static void put_escaped_byte(struct text *text, uint8_t byte)
{
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
        put_hex_byte(text, byte);
    }
}

#define ONES (UINT64_MAX / 255) /* a 1 in each byte */

/* The eight bytes at `data`, or less, with zeros after them. */
static inline uint64_t load_bytes(const uint8_t *data, size_t size)
{
    uint64_t word = 0;
    uint32_t four;
    uint16_t two;

    if (size >= 8) {
        memcpy(&word, data, 8);
        return word;
    }
    if (size & 1)
        word = data[size - 1];
    if (size & 2) {
        memcpy(&two, data + (size & 4), 2);
        word = word << 16 | two;
    }
    if (size & 4) {
        memcpy(&four, data, 4);
        word = word << 32 | four;
    }
    return word;
}

/* A high bit at the first byte that is not printable ASCII or that is `one` or `two`, both below
 * 0x80; bits after that one mean nothing. */
static inline uint64_t special_bytes(uint64_t word, char one, char two)
{
    const uint64_t is_one = word ^ ONES * (uint8_t)one, is_two = word ^ ONES * (uint8_t)two;

    /* >= 0x80, == 0x7f, < 0x20, and zero in one of the two: a borrow comes from a hit alone */
    return (word | (word + ONES) | (word - ONES * 0x20) | (is_one - ONES) | (is_two - ONES)) &
           ONES * 0x80;
}

static inline size_t first_byte(uint64_t bits)
{
    return (size_t)__builtin_ctzll(bits) / 8;
}

/* How many bytes from `data` on are printable ASCII and neither `one` nor `two`. */
static inline size_t plain_ascii(const uint8_t *data, size_t size, char one, char two)
{
    for (size_t i = 0; i < size; i += 8) {
        const uint64_t hits = special_bytes(load_bytes(data + i, size - i), one, two);

        if (hits) {
            i += first_byte(hits);
            return i < size ? i : size;
        }
    }
    return size;
}

/* Printable ASCII, with `mark` before each `one` and `two`. Returns how many bytes were put, until
 * one that is none of these. They are moved as they are looked at, for there may be many marks. */
static inline size_t put_marked(struct text *text, const uint8_t *data, size_t size, char one,
                                char two, char mark)
{
    size_t i = 0;

    while (i < size) {
        char *const out = text_reserve(text, 16);
        const uint64_t word = load_bytes(data + i, size - i);
        const uint64_t hits = special_bytes(word, one, two);
        size_t plain;

        if (!out)
            return size;
        memcpy(out, &word, 8);
        plain = hits ? first_byte(hits) : 8;
        if (plain > size - i)
            plain = size - i;
        i += plain;
        text->size += plain;
        if (!hits || i == size)
            continue;
        if (data[i] != (uint8_t)one && data[i] != (uint8_t)two)
            break;
        out[plain] = mark;
        out[plain + 1] = (char)data[i++];
        text->size += 2;
    }
    return i;
}

/* The character at `data`, escaped if it is not printable, but for the controls of `kept`; its
 * length. */
static size_t put_shown_one(struct text *text, const uint8_t *data, size_t size, const char *kept)
{
    const size_t length = text_utf8(data, size);

    if (is_printable(data, length) || (*data && strchr(kept, *data)))
        text_put(text, data, length);
    else if (length > 1)
        put_escaped_hidden(text, data, length);
    else
        put_escaped_byte(text, *data);
    return length ? length : 1;
}

void text_put_plain(struct text *text, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size) {
        size_t length = plain_ascii(at, size, 0, 0);

        text_put(text, at, length);
        if (length < size)
            length += put_shown_one(text, at + length, size - length, "");
        at += length;
        size -= length;
    }
}

/* The character at `data`, which is no quote or backslash, as it may stand in JSON; its length. */
static size_t put_json_one(struct text *text, const uint8_t *data, size_t size, bool *invalid)
{
    const size_t length = text_utf8(data, size);

    if (is_printable(data, length)) {
        text_put(text, data, length);
    } else if (length > 1) {
        put_escaped_hidden(text, data, length);
    } else if (!length) {
        text_putc(text, '\\');
        put_hex_byte(text, *data);
        if (invalid)
            *invalid = true;
    } else if (*data == '\n' || *data == '\t' || *data == '\r') {
        put_escaped_byte(text, *data);
    } else {
        put_escaped_code(text, *data);
    }
    return length ? length : 1;
}

void text_put_json_part(struct text *text, const void *data, size_t size, bool *invalid)
{
    const uint8_t *at = data;

    while (size) {
        size_t length = put_marked(text, at, size, '"', '\\', '\\');

        if (length < size)
            length += put_json_one(text, at + length, size - length, invalid);
        at += length;
        size -= length;
    }
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
    const uint8_t *at = data;

    while (size) {
        size_t length = put_marked(text, at, size, '"', '"', '"'); /* a quote is doubled */

        if (length < size)
            length += put_shown_one(text, at + length, size - length, "\n\r\t");
        at += length;
        size -= length;
    }
}

void text_put_csv(struct text *text, const void *data, size_t size)
{
    bool quote;

    if (!size)
        return;
    if (plain_ascii(data, size, ',', '"') == size) { /* most of them */
        text_put(text, data, size);
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

void text_put_duration(struct text *text, double ns)
{
    const double size = ns < 0 ? -ns : ns;

    if (size < 1e3)
        text_printf(text, "%.0f ns", ns);
    else if (size < 1e6)
        text_printf(text, "%.3g us", ns / 1e3);
    else if (size < 1e9)
        text_printf(text, "%.3g ms", ns / 1e6);
    else
        text_printf(text, "%.6g s", ns / 1e9);
}
