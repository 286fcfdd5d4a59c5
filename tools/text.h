/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes that output is put together in.
 *
 * Running out of memory is remembered in `failed` instead of being returned by every call: the
 * contents are then cut short, and whoever prints asks once, at the end.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size, room;
    bool failed;
};

/* A NUL after the end, not counted in its size: then the bytes can be given to C functions. NULL
 * when there is no memory. */
const char *text_string(struct text *text);
/* Room for `more` bytes after the end; NULL and `failed` when there is no memory. */
char *text_reserve(struct text *text, size_t more);
void text_done(struct text *text);

void text_put(struct text *text, const void *data, size_t size);
void text_puts(struct text *text, const char *string);
void text_putc(struct text *text, char c);
void text_fill(struct text *text, char c, size_t count);
void text_u64(struct text *text, uint64_t value);
void text_i64(struct text *text, int64_t value);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For people: printable UTF-8 as it is; control characters and bytes that are not UTF-8 as \n, \t,
 * \r or \xHH. */
void text_put_plain(struct text *text, const void *data, size_t size);
/* A JSON string with its quotes. A byte that is not UTF-8 becomes the four characters \xHH, and
 * *invalid (may be NULL) is set. */
void text_put_json(struct text *text, const void *data, size_t size, bool *invalid);
/* A CSV field as in RFC 4180, quoted where it must be. */
void text_put_csv(struct text *text, const void *data, size_t size);
/* Lower-case hexadecimal digits. */
void text_put_hex(struct text *text, const void *data, size_t size);
/* A time as 2026-11-21T02:09:10.123456789Z. */
void text_put_time(struct text *text, int64_t time_ns);

/* Length of the valid UTF-8 sequence at `data`, 0 if there is none. */
size_t text_utf8(const uint8_t *data, size_t size);

static inline void text_clear(struct text *text)
{
    text->size = 0;
}

#endif
