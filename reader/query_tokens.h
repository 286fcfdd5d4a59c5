/* SPDX-License-Identifier: MIT
 *
 * Inside the query: a condition's text to numbers, texts, names and signs.
 */
#ifndef READER_QUERY_TOKENS_H
#define READER_QUERY_TOKENS_H

#include "reader/query_node.h"

enum query_token_kind {
    QUERY_TOKEN_END,
    QUERY_TOKEN_NUMBER,
    QUERY_TOKEN_DURATION,
    QUERY_TOKEN_STRING,
    QUERY_TOKEN_NAME,
    QUERY_TOKEN_SIGN
};

struct query_token {
    enum query_token_kind kind;
    const char *at; /* in the text */
    size_t size;
    struct query_value value; /* NUMBER, DURATION, STRING */
    bool quoted;              /* NAME: in backquotes */
};

struct query_tokens {
    const char *text, *at;
    char *strings; /* where the next one goes */
    struct query_token token;
    int error; /* the first one, in `message` */
    char *message;
    size_t message_size;
};

/* Refuse what stands at `place` in the text, unless something was refused before. */
#define QUERY_REFUSE_AT(tokens, place, ...)                                         \
    ((tokens)->error = (tokens)->error                                              \
                           ? (tokens)->error                                        \
                           : query_refuse((unsigned)((place) - (tokens)->text) + 1, \
                                          (tokens)->message, (tokens)->message_size, __VA_ARGS__))

/* The next token, in `token`. */
void query_tokens_next(struct query_tokens *tokens);

#endif
