/* SPDX-License-Identifier: MIT
 *
 * A condition's text to its tree, by recursive descent, one function for each rank of operators.
 */
#include "reader/query_tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct query_meta_row query_metas[QUERY_METAS] = {
    [QUERY_META_LEVEL] = {"level", QUERY_LEVEL},
    [QUERY_META_SITE] = {"site", QUERY_STRING},
    [QUERY_META_CATEGORY] = {"category", QUERY_STRING},
    [QUERY_META_FILE] = {"file", QUERY_STRING},
    [QUERY_META_LINE] = {"line", QUERY_NUMBER},
    [QUERY_META_FUNCTION] = {"function", QUERY_STRING},
    [QUERY_META_HOST] = {"host", QUERY_STRING},
    [QUERY_META_SEGMENT] = {"segment", QUERY_STRING},
    [QUERY_META_TIME] = {"time", QUERY_TIME},
    [QUERY_META_TIME_NS] = {"time_ns", QUERY_NUMBER},
    [QUERY_META_PID] = {"pid", QUERY_NUMBER},
    [QUERY_META_TID] = {"tid", QUERY_NUMBER},
    [QUERY_META_PROCESS] = {"process", QUERY_STRING},
    [QUERY_META_THREAD] = {"thread", QUERY_STRING},
    [QUERY_META_CPU] = {"cpu", QUERY_NUMBER},
    [QUERY_META_RING] = {"ring", QUERY_NUMBER},
    [QUERY_META_SEQ] = {"seq", QUERY_NUMBER},
    [QUERY_META_MESSAGE] = {"message", QUERY_STRING},
};

struct parser {
    struct query *query;
    struct query_tokens t;
    int64_t now_ns;
    unsigned depth;
};

static bool is_sign(const struct parser *p, const char *sign)
{
    return p->t.token.kind == QUERY_TOKEN_SIGN && p->t.token.size == strlen(sign) &&
           !memcmp(p->t.token.at, sign, p->t.token.size);
}

static bool is_name(const struct parser *p, const char *word)
{
    return p->t.token.kind == QUERY_TOKEN_NAME && !p->t.token.quoted &&
           p->t.token.size == strlen(word) && !memcmp(p->t.token.at, word, p->t.token.size);
}

static bool take(struct parser *p, const char *sign)
{
    if (!is_sign(p, sign))
        return false;
    query_tokens_next(&p->t);
    return true;
}

static void expect(struct parser *p, const char *sign)
{
    if (!take(p, sign))
        QUERY_REFUSE_AT(&p->t, p->t.token.at, "'%s' is missing", sign);
}

/* ---- Nodes ---- */

/* After an error there is one that stands for all, so that nobody need ask. */
static struct query_node *make(struct parser *p, enum query_op op, const char *at,
                               struct query_node *left, struct query_node *right)
{
    static struct query_node none;
    struct query_node *node;

    if (!p->t.error && p->query->nodes == QUERY_NODES_MAX)
        QUERY_REFUSE_AT(&p->t, at, "more than %u parts", QUERY_NODES_MAX);
    if (p->t.error)
        return &none;
    node = calloc(1, sizeof(*node));
    if (!node) {
        p->t.error = -ENOMEM;
        return &none;
    }
    p->query->nodes++;
    node->made_before = p->query->made;
    p->query->made = node;
    node->op = op;
    node->column = (unsigned)(at - p->t.text) + 1;
    node->left = left;
    node->right = right;
    return node;
}

static struct query_node *constant(struct parser *p, const char *at, enum query_type type,
                                   struct query_value value)
{
    struct query_node *const node = make(p, QUERY_CONSTANT, at, NULL, NULL);

    if (!p->t.error) {
        node->type = type;
        node->value = value;
    }
    return node;
}

static unsigned number_of_name(struct parser *p, const char *name, size_t size, const char *at)
{
    struct query *const q = p->query;

    for (unsigned i = 0; i < q->name_count; i++)
        if (strlen(q->names[i].name) == size && !memcmp(q->names[i].name, name, size))
            return i;
    if (q->name_count == QUERY_NAMES_MAX) {
        QUERY_REFUSE_AT(&p->t, at, "more than %u fields", QUERY_NAMES_MAX);
        return 0;
    }
    q->names[q->name_count] = (struct query_name){.name = strndup(name, size)};
    if (!q->names[q->name_count].name) {
        p->t.error = -ENOMEM;
        return 0;
    }
    return q->name_count++;
}

/* A name in the text, as it is or after `fields.`. */
static struct query_node *argument(struct parser *p, enum query_op op,
                                   const struct query_token *token)
{
    struct query_node *const node = make(p, op, token->at, NULL, NULL);
    const char *name = token->quoted ? token->value.data : token->at;
    size_t size = token->quoted ? token->value.size : token->size;
    const bool prefixed = !token->quoted && size > 7 && !memcmp(name, "fields.", 7);
    unsigned number;

    if (prefixed)
        name += 7, size -= 7;
    number = number_of_name(p, name, size, token->at);
    if (!p->t.error) {
        node->name = number;
        node->plain = !token->quoted && !prefixed;
        node->type = op == QUERY_HAS ? QUERY_CONDITION : QUERY_ANY;
    }
    return node;
}

static struct query_node *named(struct parser *p, const struct query_token *token)
{
    static const struct query_value truths[] = {{QUERY_TRUTH, .integer = 0},
                                                {QUERY_TRUTH, .integer = 1}};
    struct query_node *node;

    for (unsigned i = 0; i < QUERY_METAS && !token->quoted; i++)
        if (strlen(query_metas[i].name) == token->size &&
            !memcmp(query_metas[i].name, token->at, token->size)) {
            node = make(p, QUERY_META, token->at, NULL, NULL);
            if (!p->t.error) {
                node->meta = (enum query_meta)i;
                node->type = query_metas[i].type;
            }
            return node;
        }
    if (!token->quoted && token->size == 3 && !memcmp(token->at, "now", 3))
        return constant(p, token->at, QUERY_TIME,
                        (struct query_value){QUERY_INTEGER, .integer = p->now_ns});
    if (!token->quoted && token->size == 4 && !memcmp(token->at, "true", 4))
        return constant(p, token->at, QUERY_CONDITION, truths[1]);
    if (!token->quoted && token->size == 5 && !memcmp(token->at, "false", 5))
        return constant(p, token->at, QUERY_CONDITION, truths[0]);
    return argument(p, QUERY_ARGUMENT, token);
}

/* One part within another: what recurses is bounded. */
static void enter(struct parser *p, const char *at)
{
    if (++p->depth > QUERY_DEPTH_MAX)
        QUERY_REFUSE_AT(&p->t, at, "more than %u parts within each other", QUERY_DEPTH_MAX);
}

static struct query_node *either(struct parser *p);

static struct query_node *primary(struct parser *p)
{
    const struct query_token token = p->t.token;
    struct query_node *node;

    query_tokens_next(&p->t);
    switch (token.kind) {
    case QUERY_TOKEN_NUMBER:
        return constant(p, token.at, QUERY_NUMBER, token.value);
    case QUERY_TOKEN_DURATION:
        return constant(p, token.at, QUERY_DURATION, token.value);
    case QUERY_TOKEN_STRING:
        return constant(p, token.at, QUERY_STRING, token.value);
    case QUERY_TOKEN_NAME:
        if (!token.quoted && token.size == 3 && !memcmp(token.at, "has", 3) && is_sign(p, "(")) {
            struct query_token name;

            query_tokens_next(&p->t);
            name = p->t.token;
            if (name.kind != QUERY_TOKEN_NAME)
                QUERY_REFUSE_AT(&p->t, name.at, "has() takes the name of a field");
            query_tokens_next(&p->t);
            expect(p, ")");
            return argument(p, QUERY_HAS, &name);
        }
        return named(p, &token);
    case QUERY_TOKEN_SIGN:
        if (token.size == 1 && *token.at == '(') {
            enter(p, token.at);
            node = p->t.error ? NULL : either(p);
            p->depth--;
            expect(p, ")");
            return node;
        }
        break;
    case QUERY_TOKEN_END:
        break;
    }
    if (token.kind == QUERY_TOKEN_END)
        QUERY_REFUSE_AT(&p->t, token.at, "a value is missing at the end");
    else
        QUERY_REFUSE_AT(&p->t, token.at, "a value is missing before '%.*s'", (int)token.size,
                        token.at);
    return make(p, QUERY_CONSTANT, token.at, NULL, NULL);
}

static struct query_node *unary(struct parser *p)
{
    const char *const at = p->t.token.at;
    struct query_node *node;

    if (!take(p, "-"))
        return primary(p);
    enter(p, at);
    node = make(p, QUERY_NEGATE, at, p->t.error ? NULL : unary(p), NULL);
    p->depth--;
    return node;
}

static struct query_node *product(struct parser *p)
{
    struct query_node *node = unary(p);

    while (!p->t.error) {
        const char *const at = p->t.token.at;

        if (take(p, "*"))
            node = make(p, QUERY_MULTIPLY, at, node, unary(p));
        else if (take(p, "/"))
            node = make(p, QUERY_DIVIDE, at, node, unary(p));
        else if (take(p, "%"))
            node = make(p, QUERY_REMAINDER, at, node, unary(p));
        else
            break;
    }
    return node;
}

static struct query_node *sum(struct parser *p)
{
    struct query_node *node = product(p);

    while (!p->t.error) {
        const char *const at = p->t.token.at;

        if (take(p, "+"))
            node = make(p, QUERY_ADD, at, node, product(p));
        else if (take(p, "-"))
            node = make(p, QUERY_SUBTRACT, at, node, product(p));
        else
            break;
    }
    return node;
}

static struct query_node *list(struct parser *p)
{
    struct query_node *first, *last;

    expect(p, "(");
    first = last = sum(p);
    while (!p->t.error && take(p, ",")) {
        last->next = sum(p);
        if (!p->t.error)
            last = last->next;
    }
    expect(p, ")");
    return first;
}

static struct query_node *comparison(struct parser *p)
{
    static const struct {
        const char *sign;
        enum query_op op;
    } signs[] = {{"==", QUERY_EQ}, {"!=", QUERY_NE}, {"<=", QUERY_LE},    {">=", QUERY_GE},
                 {"<", QUERY_LT},  {">", QUERY_GT},  {"=~", QUERY_MATCH}, {"!~", QUERY_NO_MATCH}};
    struct query_node *node = sum(p);
    const char *const at = p->t.token.at;

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (take(p, signs[i].sign))
            return make(p, signs[i].op, at, node, sum(p));
    if (is_name(p, "in")) {
        query_tokens_next(&p->t);
        return make(p, QUERY_IN, at, node, list(p));
    }
    if (is_name(p, "not")) {
        query_tokens_next(&p->t);
        if (!is_name(p, "in"))
            QUERY_REFUSE_AT(&p->t, p->t.token.at, "'in' is missing after 'not'");
        query_tokens_next(&p->t);
        return make(p, QUERY_NOT_IN, at, node, list(p));
    }
    if (is_sign(p, "="))
        QUERY_REFUSE_AT(&p->t, at, "'=' is no comparison: ==");
    return node;
}

static struct query_node *negation(struct parser *p)
{
    const char *const at = p->t.token.at;
    struct query_node *node;

    if (!take(p, "!"))
        return comparison(p);
    enter(p, at);
    node = make(p, QUERY_NOT, at, p->t.error ? NULL : negation(p), NULL);
    p->depth--;
    return node;
}

static struct query_node *both(struct parser *p)
{
    struct query_node *node = negation(p);

    while (!p->t.error) {
        const char *const at = p->t.token.at;

        if (!take(p, "&&"))
            break;
        node = make(p, QUERY_AND, at, node, negation(p));
    }
    return node;
}

static struct query_node *either(struct parser *p)
{
    struct query_node *node = both(p);

    while (!p->t.error) {
        const char *const at = p->t.token.at;

        if (!take(p, "||"))
            break;
        node = make(p, QUERY_OR, at, node, both(p));
    }
    return node;
}

int query_parse(struct query *query, const char *text, int64_t now_ns, char *ret_message,
                size_t message_size)
{
    struct parser p = {
        .query = query,
        .t = {.text = text, .at = text, .message = ret_message, .message_size = message_size},
        .now_ns = now_ns};
    const size_t size = strnlen(text, QUERY_TEXT_MAX + 1);

    if (size > QUERY_TEXT_MAX)
        return query_refuse(QUERY_TEXT_MAX, ret_message, message_size, "a longer one is not taken");
    query->strings = malloc(size + 1); /* each string is shorter than what it is written as */
    if (!query->strings)
        return -ENOMEM;
    p.t.strings = query->strings;
    query_tokens_next(&p.t);
    query->root = either(&p);
    if (!p.t.error && p.t.token.kind != QUERY_TOKEN_END)
        QUERY_REFUSE_AT(&p.t, p.t.token.at, "'&&' or '||' is missing before '%.*s'",
                        (int)p.t.token.size, p.t.token.at);
    return p.t.error;
}
