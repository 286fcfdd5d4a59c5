/* SPDX-License-Identifier: MIT
 *
 * The types of a condition's parts, before there is a record: what cannot be compared is refused,
 * and names of levels and moments become the constants that they stand for.
 */
#include "reader/level.h"
#include "reader/query_node.h"
#include "reader/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct query *query;
    int64_t now_ns;
    char *message;
    size_t message_size;
};

#define REFUSE(check, node, ...) \
    query_refuse((node)->column, (check)->message, (check)->message_size, __VA_ARGS__)

static const char *type_name(enum query_type type)
{
    static const char *const names[] = {
        [QUERY_ANY] = "a field",     [QUERY_CONDITION] = "a condition",
        [QUERY_NUMBER] = "a number", [QUERY_STRING] = "a text",
        [QUERY_TIME] = "a time",     [QUERY_DURATION] = "a duration",
        [QUERY_LEVEL] = "a level"};

    return names[type];
}

static void make_constant(struct query_node *node, enum query_type type, __int128 integer)
{
    node->op = QUERY_CONSTANT;
    node->type = type;
    node->value = (struct query_value){QUERY_INTEGER, .integer = integer};
}

/* What is compared with a level: `warn`, "warn", 3. */
static int be_level(const struct check *c, struct query_node *node)
{
    const char *const name =
        node->op == QUERY_ARGUMENT && node->plain ? c->query->names[node->name].name
        : node->op == QUERY_CONSTANT && node->type == QUERY_STRING ? node->value.data
                                                                   : NULL;
    uint32_t level;

    if (node->type == QUERY_LEVEL || node->type == QUERY_NUMBER)
        return 0;
    if (!name || level_parse(name, &level) < 0)
        return REFUSE(c, node, "%.32s is no level: trace debug info warn error critical",
                      name ? name : type_name(node->type));
    if (node->op == QUERY_ARGUMENT)
        c->query->names[node->name].found = true; /* nobody need have it */
    make_constant(node, QUERY_LEVEL, level);
    return 0;
}

/* What is compared with a time: a text that says one. */
static int be_time(const struct check *c, struct query_node *node)
{
    int64_t ns;

    if (node->op != QUERY_CONSTANT || node->type != QUERY_STRING)
        return 0;
    if (when_parse(node->value.data, c->now_ns, &ns) < 0)
        return REFUSE(c, node, "not a time, as \"2026-11-21T02:09:10\" or now - 5m");
    make_constant(node, QUERY_TIME, ns);
    return 0;
}

static bool is_comparable(enum query_type one, enum query_type other)
{
    return one == other || one == QUERY_ANY || other == QUERY_ANY ||
           (one == QUERY_LEVEL && other == QUERY_NUMBER) ||
           (one == QUERY_NUMBER && other == QUERY_LEVEL);
}

static int check_pair(const struct check *c, const struct query_node *node, struct query_node *one,
                      struct query_node *other)
{
    int r = 0;

    if (one->type == QUERY_LEVEL)
        r = be_level(c, other);
    else if (other->type == QUERY_LEVEL)
        r = be_level(c, one);
    else if (one->type == QUERY_TIME)
        r = be_time(c, other);
    else if (other->type == QUERY_TIME)
        r = be_time(c, one);
    if (r < 0)
        return r;
    if (!is_comparable(one->type, other->type))
        return REFUSE(c, node, "%s cannot be compared with %s", type_name(one->type),
                      type_name(other->type));
    return 0;
}

static int check_match(const struct check *c, struct query_node *node)
{
    char reason[256] = "";
    int r;

    if (node->left->type != QUERY_STRING && node->left->type != QUERY_ANY)
        return REFUSE(c, node, "%s has no text to match", type_name(node->left->type));
    if (node->right->op != QUERY_CONSTANT || node->right->type != QUERY_STRING)
        return REFUSE(c, node->right, "not a regular expression in quotes");
    r = pattern_open(node->right->value.data, &node->pattern, reason, sizeof(reason));
    return r == -EINVAL ? REFUSE(c, node->right, "%s", reason) : r;
}

static bool is_number(enum query_type type)
{
    return type == QUERY_NUMBER || type == QUERY_ANY;
}

/* The type of `one op other`, QUERY_CONDITION: there is none. */
static enum query_type sum_of(enum query_op op, enum query_type one, enum query_type other)
{
    const bool add = op == QUERY_ADD;

    if (is_number(one) && is_number(other))
        return QUERY_NUMBER;
    if (one == QUERY_TIME && other == QUERY_DURATION)
        return QUERY_TIME;
    if (add && one == QUERY_DURATION && other == QUERY_TIME)
        return QUERY_TIME;
    if (!add && one == QUERY_TIME && other == QUERY_TIME)
        return QUERY_DURATION;
    if ((one == QUERY_DURATION || one == QUERY_ANY) &&
        (other == QUERY_DURATION || other == QUERY_ANY))
        return QUERY_DURATION;
    return QUERY_CONDITION;
}

static enum query_type product_of(enum query_op op, enum query_type one, enum query_type other)
{
    if (is_number(one) && is_number(other))
        return QUERY_NUMBER;
    if (one == QUERY_DURATION && is_number(other))
        return QUERY_DURATION;
    if (op == QUERY_MULTIPLY && is_number(one) && other == QUERY_DURATION)
        return QUERY_DURATION;
    if (op != QUERY_MULTIPLY && one == QUERY_DURATION && other == QUERY_DURATION)
        return op == QUERY_DIVIDE ? QUERY_NUMBER : QUERY_DURATION;
    return QUERY_CONDITION;
}

/* `now - 5m` is a constant. */
static void make_computed(struct query_node *node)
{
    if (node->left->op != QUERY_CONSTANT || (node->right && node->right->op != QUERY_CONSTANT))
        return;
    node->value = query_computed(node);
    node->op = QUERY_CONSTANT;
}

static int check_arithmetic(const struct check *c, struct query_node *node)
{
    static const char *const verbs[] = {[QUERY_ADD] = "added to",
                                        [QUERY_SUBTRACT] = "reduced by",
                                        [QUERY_MULTIPLY] = "multiplied by",
                                        [QUERY_DIVIDE] = "divided by",
                                        [QUERY_REMAINDER] = "divided by"};
    const enum query_type one = node->left->type, other = node->right->type;

    node->type = node->op <= QUERY_SUBTRACT ? sum_of(node->op, one, other)
                                            : product_of(node->op, one, other);
    if (node->type == QUERY_CONDITION)
        return REFUSE(c, node, "%s cannot be %s %s", type_name(one), verbs[node->op],
                      type_name(other));
    make_computed(node);
    return 0;
}

static int want_condition(const struct check *c, const struct query_node *node)
{
    if (node->type == QUERY_CONDITION || node->type == QUERY_ANY)
        return 0;
    return REFUSE(c, node, "%s alone is no condition: compare it with something",
                  type_name(node->type));
}

static int check_node(const struct check *c, struct query_node *node);

static int check_list(const struct check *c, struct query_node *node)
{
    int r = 0;

    for (struct query_node *item = node->right; item && r == 0; item = item->next) {
        r = check_node(c, item);
        if (r == 0)
            r = check_pair(c, item, node->left, item);
    }
    return r;
}

static int check_operator(const struct check *c, struct query_node *node)
{
    int r;

    switch (node->op) {
    case QUERY_NOT:
        return want_condition(c, node->left);
    case QUERY_AND:
    case QUERY_OR:
        r = want_condition(c, node->left);
        return r < 0 ? r : want_condition(c, node->right);
    case QUERY_MATCH:
    case QUERY_NO_MATCH:
        return check_match(c, node);
    case QUERY_IN:
    case QUERY_NOT_IN:
        return check_list(c, node);
    default:
        return check_pair(c, node, node->left, node->right);
    }
}

static int check_node(const struct check *c, struct query_node *node)
{
    const bool list = node->op == QUERY_IN || node->op == QUERY_NOT_IN;
    int r = node->left ? check_node(c, node->left) : 0;

    if (r == 0 && node->right && !list)
        r = check_node(c, node->right);
    if (r < 0 || !node->left)
        return r;
    if (node->op == QUERY_NEGATE) {
        node->type = node->left->type == QUERY_ANY ? QUERY_NUMBER : node->left->type;
        if (node->type != QUERY_NUMBER && node->type != QUERY_DURATION)
            return REFUSE(c, node, "%s has no sign", type_name(node->type));
        make_computed(node);
        return 0;
    }
    if (node->op >= QUERY_ADD && node->op <= QUERY_REMAINDER)
        return check_arithmetic(c, node);
    node->type = QUERY_CONDITION;
    return check_operator(c, node);
}

int query_check(struct query *query, int64_t now_ns, char *ret_message, size_t message_size)
{
    const struct check c = {query, now_ns, ret_message, message_size};
    const int r = check_node(&c, query->root);

    return r < 0 ? r : want_condition(&c, query->root);
}
