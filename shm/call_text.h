/* SPDX-License-Identifier: MIT
 *
 * The text of a call in its source, as tokens of C and C++. It may be anything: a bracket or
 * literal that does not end has all the rest.
 *
 * The text is taken apart once and each bracket matched, so that the work grows with the length of
 * the text alone: a drain waits for it, and anybody may have written the text.
 */
#ifndef SHM_CALL_TEXT_H
#define SHM_CALL_TEXT_H

#include "producer/shmlog/check.h"

#include <stdbool.h>

/* What a token is; any other is the character itself. */
#define TOKEN_NONE 0
#define TOKEN_WORD 'a' /* a name or keyword */
#define TOKEN_LITERAL '0'
#define TOKEN_MEMBER '.' /* also -> and :: */

struct token {
    uint16_t at, end; /* in the text */
    uint16_t match;   /* of an opening bracket or <: what closes it, 0 nothing */
    char kind;
};

struct call_text {
    const char *bytes;
    unsigned count;
    struct token token[SHMLOG_SITE_MAX];
};

/* Some tokens of a text, from `at` up to `end`. */
struct call_part {
    unsigned at, end;
};

/* Take a text of less than SHMLOG_SITE_MAX bytes apart; those have to stay. */
void call_text_init(struct call_text *text, const char *bytes, size_t size);

/* Split at the commas that are in no brackets into at most `most` parts; returns how many there
 * are, at least one. `angles`: those of templates are brackets. */
unsigned call_text_split(const struct call_text *text, struct call_part whole, bool angles,
                         struct call_part *ret_parts, unsigned most);

/* What the bracket at `i` has inside. */
struct call_part call_text_inside(const struct call_text *text, const struct call_part *part,
                                  unsigned i);

/* Where it goes on behind the bracket at `i`. */
unsigned call_text_behind(const struct call_text *text, const struct call_part *part, unsigned i);

/* Where it goes on behind the arguments of a template, if those begin with the < at `i`, else 0.
 * They do if what closes them is followed by a bracket or by ::. */
unsigned call_text_behind_angles(const struct call_text *text, const struct call_part *part,
                                 unsigned i);

/* Does a token of this kind open a bracket? */
static inline bool token_opens(char kind)
{
    return kind == '(' || kind == '[' || kind == '{';
}

static inline size_t token_size(const struct token *token)
{
    return (size_t)(token->end - token->at);
}

/* The kind of token `i`; TOKEN_NONE behind the part's last one. */
static inline char call_text_kind(const struct call_text *text, const struct call_part *part,
                                  unsigned i)
{
    return i < part->end ? text->token[i].kind : TOKEN_NONE;
}

#endif
