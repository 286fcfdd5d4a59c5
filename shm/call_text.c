/* SPDX-License-Identifier: MIT
 *
 * The tokens of a call's text, its brackets and commas; see call_text.h.
 */
#include "shm/call_text.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || (c & 0x80);
}

static bool closes(char kind)
{
    return kind == ')' || kind == ']' || kind == '}';
}

/* The end of R"delimiter(text)delimiter", from the quote on. */
static const char *raw_end(const char *p, const char *end)
{
    const char quote = *p++;
    const char *const delimiter = p;
    size_t size;

    while (p < end && *p != '(')
        p++;
    size = (size_t)(p - delimiter);
    for (; p < end; p++)
        if (*p == ')' && (size_t)(end - p) > size + 1 && memcmp(p + 1, delimiter, size) == 0 &&
            p[1 + size] == quote)
            return p + size + 2;
    return end;
}

/* The end of a literal in quotes, from the first one on. */
static const char *quoted_end(const char *p, const char *end)
{
    const char quote = *p++;

    for (; p < end && *p != quote; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end ? p + 1 : end;
}

static const char *number_end(const char *p, const char *end)
{
    for (p++; p < end && (is_word(*p) || *p == '.' || *p == '\''); p++)
        if (strchr("eEpP", *p) && p + 1 < end && (p[1] == '+' || p[1] == '-'))
            p++;
    return p;
}

/* The end of the token at `p`, which is before `end`. */
static const char *token_end(const char *p, const char *end, char *ret_kind)
{
    const char next = p + 1 < end ? p[1] : 0;

    *ret_kind = *p;
    if (is_digit(*p) || (*p == '.' && is_digit(next))) {
        *ret_kind = TOKEN_LITERAL;
        return number_end(p, end);
    }
    if (is_word(*p)) {
        *ret_kind = TOKEN_WORD;
        while (p < end && is_word(*p))
            p++;
        if (p == end || (*p != '"' && *p != '\''))
            return p;
        *ret_kind = TOKEN_LITERAL; /* the word is its prefix */
        return p[-1] == 'R' ? raw_end(p, end) : quoted_end(p, end);
    }
    if (*p == '"' || *p == '\'') {
        *ret_kind = TOKEN_LITERAL;
        return quoted_end(p, end);
    }
    if ((*p == '-' && next == '>') || (*p == ':' && next == ':')) {
        *ret_kind = TOKEN_MEMBER;
        return p + 2;
    }
    return p + 1;
}

/* Find what closes each bracket, whatever the kinds of the two are, and each < of one level. */
static void match_brackets(struct call_text *text)
{
    uint16_t open[SHMLOG_SITE_MAX];
    unsigned count = 0, depth = 0;

    for (unsigned i = 0; i < text->count; i++) {
        const char kind = text->token[i].kind;

        text->token[i].match = 0;
        if (token_opens(kind) || kind == '<') {
            open[count++] = (uint16_t)i;
            depth += token_opens(kind);
        } else if (closes(kind) && depth > 0) {
            while (text->token[open[--count]].kind == '<') {
            }
            text->token[open[count]].match = (uint16_t)i;
            depth--;
        } else if (kind == '>' && count > 0 && text->token[open[count - 1]].kind == '<') {
            text->token[open[--count]].match = (uint16_t)i;
        }
    }
}

void call_text_init(struct call_text *text, const char *bytes, size_t size)
{
    const char *p = bytes, *const end = bytes + size;

    text->bytes = bytes;
    text->count = 0;
    while (p < end) {
        struct token *const token = &text->token[text->count];

        if (*p == ' ' || *p == '\t' || *p == '\n') {
            p++;
            continue;
        }
        token->at = (uint16_t)(p - bytes);
        p = token_end(p, end, &token->kind);
        token->end = (uint16_t)(p - bytes);
        text->count++;
    }
    match_brackets(text);
}

struct call_part call_text_inside(const struct call_text *text, const struct call_part *part,
                                  unsigned i)
{
    const unsigned match = text->token[i].match;

    return (struct call_part){i + 1, match && match < part->end ? match : part->end};
}

unsigned call_text_behind(const struct call_text *text, const struct call_part *part, unsigned i)
{
    const unsigned end = call_text_inside(text, part, i).end;

    return end < part->end ? end + 1 : end;
}

unsigned call_text_behind_angles(const struct call_text *text, const struct call_part *part,
                                 unsigned i)
{
    const unsigned match = text->token[i].match;
    const char kind = match ? call_text_kind(text, part, match + 1) : TOKEN_NONE;
    bool scope;

    if (kind == TOKEN_NONE)
        return 0;
    scope = kind == TOKEN_MEMBER && text->bytes[text->token[match + 1].at] == ':';
    return kind == '(' || kind == '{' || scope ? match + 1 : 0;
}

unsigned call_text_split(const struct call_text *text, struct call_part whole, bool angles,
                         struct call_part *ret_parts, unsigned most)
{
    unsigned count = 0, i = whole.at, next;
    struct call_part part = whole;

    for (;; i = next) {
        const char kind = call_text_kind(text, &whole, i);

        next = i + 1;
        if (token_opens(kind)) {
            next = call_text_behind(text, &whole, i);
        } else if (kind == ',' || kind == TOKEN_NONE) {
            part.end = i;
            if (count < most)
                ret_parts[count] = part;
            count++;
            part.at = next;
            if (kind == TOKEN_NONE)
                return count;
        } else if (angles && kind == '<' && i > whole.at && text->token[i - 1].kind == TOKEN_WORD) {
            const unsigned angle_end = call_text_behind_angles(text, &whole, i);

            next = angle_end ? angle_end : next;
        }
    }
}
