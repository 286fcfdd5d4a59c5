/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes that output is put together in.
 *
 * Running out of memory is remembered in `failed` instead of being returned by every call: the
 * contents are then cut short, and whoever prints asks once, at the end.
 */
#ifndef READER_TEXT_H
#define READER_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *data;
    size_t size, room;
    bool failed;
};

/* Room for `more` bytes after the end, got from the system; text_reserve() is the way in. */
char *text_grow(struct text *text, size_t more);
/* Room for `more` bytes after the end; NULL and `failed` when there is no memory. */
static inline char *text_reserve(struct text *text, size_t more)
{
    return text->room - text->size >= more && text->data ? text->data + text->size
                                                         : text_grow(text, more);
}

/* A NUL after the end, not counted in its size: then the bytes can be given to C functions. NULL
 * when there is no memory. */
const char *text_string(struct text *text);
void text_done(struct text *text);

/* Most of what is put is a few bytes: two moves that may overlap cost less than a call. */
static inline void text_copy(char *to, const char *from, size_t size)
{
    if (size > 16) {
        memcpy(to, from, size);
    } else if (size >= 8) {
        uint64_t a, b;

        memcpy(&a, from, 8);
        memcpy(&b, from + size - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + size - 8, &b, 8);
    } else if (size >= 4) {
        uint32_t a, b;

        memcpy(&a, from, 4);
        memcpy(&b, from + size - 4, 4);
        memcpy(to, &a, 4);
        memcpy(to + size - 4, &b, 4);
    } else if (size) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

static inline void text_put(struct text *text, const void *data, size_t size)
{
    char *at = text_reserve(text, size);

    if (!at)
        return;
    text_copy(at, data, size);
    text->size += size;
}

static inline void text_puts(struct text *text, const char *string)
{
    text_put(text, string, strlen(string));
}

static inline void text_putc(struct text *text, char c)
{
    char *at = text_reserve(text, 1);

    if (!at)
        return;
    *at = c;
    text->size++;
}

void text_fill(struct text *text, char c, size_t count);
extern const uint64_t text_power[20]; /* of ten, all that 64 bits hold */
/* Decimal digits of a number; one of 0. */
static inline unsigned text_digits(uint64_t value)
{
    const uint64_t odd = value | 1; /* has as many, and a highest bit */
    /* 1233 / 4096 is a little more than log10(2) */
    const unsigned guess = (64 - (unsigned)__builtin_clzll(odd)) * 1233 >> 12;

    return guess + (odd >= text_power[guess]);
}
void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);
/* So many decimal digits, with zeros before. */
void text_put_digits(struct text *text, unsigned count, uint64_t value);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* For people: printable UTF-8 as it is; ASCII's control characters and bytes that are not UTF-8 as
 * \n, \t, \r or \xHH; and as \uHHHH those characters that show as nothing and change how a terminal
 * shows what is around them: other controls, controls of direction, separators of lines and
 * paragraphs, the mark of byte order. */
void text_put_plain(struct text *text, const void *data, size_t size);
/* A JSON string with its quotes; what text_put_plain() escapes is escaped here as well, by JSON's
 * own escapes. A byte that is not UTF-8 becomes the four characters \xHH, and *invalid (may be
 * NULL) is set. */
void text_put_json(struct text *text, const void *data, size_t size, bool *invalid);
/* Without the quotes: a part of a string, which must not end within a character. */
void text_put_json_part(struct text *text, const void *data, size_t size, bool *invalid);
/* A CSV field as in RFC 4180, quoted where it must be; escaped as by text_put_plain(), but for
 * newlines, carriage returns and tabs. */
void text_put_csv(struct text *text, const void *data, size_t size);
/* A part of a field, as above; and must it be in quotes, as a whole? */
void text_put_csv_part(struct text *text, const void *data, size_t size);
bool text_csv_wants_quotes(const void *data, size_t size);
/* The ending of a noun that there are so many of: "1 record", "2 records". */
static inline const char *text_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}
/* A line on `to`, and what is in it as by text_put_plain(): names of files come from outside, too.
 */
void text_say(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lower-case hexadecimal digits. */
void text_put_hex(struct text *text, const void *data, size_t size);
/* A time as 2026-11-21T02:09:10.123456789Z. `last` (may be NULL; zeroed at first) remembers the
 * second, so that the next time in it costs less. */
struct text_second {
    int64_t second;
    char text[20]; /* "2026-11-21T02:09:10."; empty at first */
};
void text_put_time(struct text *text, int64_t time_ns, struct text_second *last);

/* A duration for people, as 1.25 ms. */
void text_put_duration(struct text *text, double ns);

/* Length of the valid UTF-8 sequence at `data`, 0 if there is none. */
size_t text_utf8(const uint8_t *data, size_t size);

static inline void text_clear(struct text *text)
{
    text->size = 0;
}

#endif
