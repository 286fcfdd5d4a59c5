/* SPDX-License-Identifier: MIT
 *
 * A condition's text to tokens.
 */
#include "reader/query_tokens.h"
#include "reader/when.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int query_refuse(unsigned column, char *ret_message, size_t message_size, const char *format, ...)
{
    const int size = snprintf(ret_message, message_size, "column %u: ", column);
    va_list ap;

    va_start(ap, format);
    if (size > 0 && (size_t)size < message_size)
        vsnprintf(ret_message + size, message_size - (size_t)size, format, ap);
    va_end(ap);
    return -EINVAL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

static void take_unit(struct query_tokens *t, struct query_token *token)
{
    const char *const unit = t->at;
    int64_t ns;

    while (is_word(*t->at))
        t->at++;
    ns = when_unit_ns(unit, (size_t)(t->at - unit));
    if (!ns) {
        QUERY_REFUSE_AT(t, unit, "'%.*s' is no unit of time: ns us ms s m h d", (int)(t->at - unit),
                        unit);
        return;
    }
    token->kind = QUERY_TOKEN_DURATION;
    if (token->value.kind == QUERY_FLOAT) {
        if (token->value.real * (double)ns >= 9e18)
            QUERY_REFUSE_AT(t, token->at, "longer than 292 years");
        else
            token->value =
                (struct query_value){QUERY_INTEGER,
                                     .integer = (__int128)(token->value.real * (double)ns + 0.5)};
    } else {
        token->value.integer *= ns;
        if (token->value.integer > INT64_MAX)
            QUERY_REFUSE_AT(t, token->at, "longer than 292 years");
    }
}

static void take_number(struct query_tokens *t, struct query_token *token)
{
    const char *at = t->at;
    char *end;

    token->kind = QUERY_TOKEN_NUMBER;
    if (*at == '0' && (at[1] == 'x' || at[1] == 'X')) {
        errno = 0;
        token->value = (struct query_value){QUERY_INTEGER, .integer = strtoull(at, &end, 16)};
        if (errno || end == at + 2 || end == at + 1)
            QUERY_REFUSE_AT(t, at, "no number of up to 64 bits");
    } else {
        while (is_digit(*at))
            at++;
        if (*at == '.' ||
            ((*at == 'e' || *at == 'E') && (is_digit(at[1]) || at[1] == '-' || at[1] == '+'))) {
            token->value = (struct query_value){QUERY_FLOAT, .real = strtod(t->at, &end)};
        } else {
            errno = 0;
            token->value =
                (struct query_value){QUERY_INTEGER, .integer = strtoull(t->at, &end, 10)};
            if (errno)
                QUERY_REFUSE_AT(t, t->at, "more than 64 bits");
        }
    }
    t->at = end;
    if (is_letter(*t->at))
        take_unit(t, token);
}

static int hex_digit(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* An escape; `at` is behind the backslash. What is none stays as it is, as in "\d+". */
static void take_escape(struct query_tokens *t)
{
    static const char letters[] = "ntr\\\"'`", bytes[] = "\n\t\r\\\"'`";
    const char *const letter = strchr(letters, *t->at);

    if (letter) {
        *t->strings++ = bytes[letter - letters];
        t->at++;
    } else if (*t->at == 'x' && hex_digit(t->at[1]) >= 0 && hex_digit(t->at[2]) >= 0) {
        *t->strings++ = (char)(hex_digit(t->at[1]) * 16 + hex_digit(t->at[2]));
        t->at += 3;
    } else {
        *t->strings++ = '\\';
    }
}

/* Up to the quote that it begins with. */
static void take_quoted(struct query_tokens *t, struct query_token *token)
{
    const char quote = *t->at++;

    token->kind = quote == '`' ? QUERY_TOKEN_NAME : QUERY_TOKEN_STRING;
    token->quoted = true;
    token->value = (struct query_value){QUERY_BYTES, .data = t->strings};
    while (*t->at && *t->at != quote && !t->error) {
        if (*t->at == '\\' && t->at[1]) {
            t->at++;
            take_escape(t);
        } else {
            *t->strings++ = *t->at++;
        }
    }
    if (!*t->at)
        QUERY_REFUSE_AT(t, token->at, "a string that does not end");
    else
        t->at++;
    token->value.size = (size_t)(t->strings - token->value.data);
    *t->strings++ = 0;
}

static void take_sign(struct query_tokens *t, struct query_token *token)
{
    static const char *const signs[] = {"&&", "||", "==", "!=", "<=", ">=", "=~", "!~", "<", ">",
                                        "+",  "-",  "*",  "/",  "%",  "(",  ")",  ",",  "!", "="};

    token->kind = QUERY_TOKEN_SIGN;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (!strncmp(t->at, signs[i], strlen(signs[i]))) {
            t->at += strlen(signs[i]);
            return;
        }
    QUERY_REFUSE_AT(t, t->at, "'%.1s' means nothing here", t->at);
}

void query_tokens_next(struct query_tokens *t)
{
    struct query_token *const token = &t->token;

    while (*t->at && strchr(" \t\n\r", *t->at))
        t->at++;
    *token = (struct query_token){.at = t->at};
    if (!*t->at || t->error)
        return;
    if (is_digit(*t->at)) {
        take_number(t, token);
    } else if (strchr("\"'`", *t->at)) {
        take_quoted(t, token);
    } else if (is_letter(*t->at)) {
        token->kind = QUERY_TOKEN_NAME;
        while (is_word(*t->at) || ((*t->at == '.' || *t->at == '#') && is_word(t->at[1])))
            t->at++;
    } else {
        take_sign(t, token);
    }
    token->size = (size_t)(t->at - token->at);
}
