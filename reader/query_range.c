/* SPDX-License-Identifier: MIT
 *
 * May a record of a block pass, by what is known of all of them? Where that is not enough to say
 * no, it may.
 */
#include "logfile/ranges.h"
#include "reader/query_node.h"

struct bounds {
    const struct query_site *site;
    const struct file_ranges *ranges;
};

static const struct file_range *range_of(const struct bounds *bounds, unsigned name)
{
    const int index = bounds->site->index[name];

    for (size_t i = 0; i < bounds->ranges->count; i++) {
        const struct file_range *const range = &bounds->ranges->range[i];

        if (range->site == bounds->site->id && range->argument == index)
            return range;
    }
    return NULL;
}

static struct query_value end_of(const struct file_range *range, bool upper)
{
    struct query_value value = {.kind = QUERY_INTEGER};
    const uint64_t bound = upper ? range->max : range->min;

    if (range->kind == FILE_RANGE_REAL) {
        value.kind = QUERY_FLOAT;
        value.real = (double)(upper ? range->most : range->least);
    } else {
        value.integer =
            range->kind == FILE_RANGE_SIGNED ? (__int128)(int64_t)bound : (__int128)bound;
    }
    return value;
}

static bool may_compare(enum query_op op, const struct file_range *range,
                        const struct query_value *constant)
{
    struct query_value low, high, byte = {.kind = QUERY_INTEGER};
    int least, most;

    if (range->kind == FILE_RANGE_STRINGS)
        return op != QUERY_EQ || constant->kind != QUERY_BYTES ||
               range->strings & file_string_bit(constant->data, constant->size);
    if (constant->kind == QUERY_BYTES) { /* a char is a text of one byte, a number is none */
        if (op != QUERY_EQ)
            return true;
        if (constant->size != 1 || range->kind != FILE_RANGE_SIGNED)
            return false;
        byte.integer = (signed char)*constant->data;
        constant = &byte;
    }
    low = end_of(range, false);
    high = end_of(range, true);
    if (!query_order(&low, constant, &least) || !query_order(&high, constant, &most))
        return true;
    switch (op) {
    case QUERY_EQ:
        return least <= 0 && most >= 0;
    case QUERY_LT:
        return least < 0;
    case QUERY_LE:
        return least <= 0;
    case QUERY_GT:
        return most > 0;
    case QUERY_GE:
        return most >= 0;
    default:
        return true;
    }
}

static bool may_pair(const struct bounds *bounds, enum query_op op, const struct query_node *one,
                     const struct query_node *other)
{
    const struct file_range *range;

    if (one->op == QUERY_CONSTANT && other->op == QUERY_ARGUMENT)
        return may_pair(bounds, query_turned(op), other, one);
    if (one->op != QUERY_ARGUMENT || other->op != QUERY_CONSTANT)
        return true;
    if (bounds->site->index[one->name] < 0)
        return false; /* its records have not got it */
    range = range_of(bounds, one->name);
    return !range || may_compare(op, range, &other->value);
}

static bool may_be_among(const struct bounds *bounds, const struct query_node *node)
{
    for (const struct query_node *item = node->right; item; item = item->next)
        if (may_pair(bounds, QUERY_EQ, node->left, item))
            return true;
    return false;
}

static bool may(const struct bounds *bounds, const struct query_node *node)
{
    switch (node->op) {
    case QUERY_AND:
        return may(bounds, node->left) && may(bounds, node->right);
    case QUERY_OR:
        return may(bounds, node->left) || may(bounds, node->right);
    case QUERY_EQ:
    case QUERY_NE:
    case QUERY_LT:
    case QUERY_LE:
    case QUERY_GT:
    case QUERY_GE:
        return may_pair(bounds, node->op, node->left, node->right);
    case QUERY_IN:
        return may_be_among(bounds, node);
    default:
        return true;
    }
}

bool query_may_pass(struct query *query, const struct cursor_record *like,
                    const struct file_ranges *ranges)
{
    const struct query_site *site;

    /* A long text is judged when it is whole, and by its first record. */
    if (like->site && like->site->flags & (SHMLOG_SITE_FLAG_LINE | SHMLOG_SITE_FLAG_MORE))
        return true;
    site = query_site_of(query, like);
    if (!site)
        return true;
    if (site->verdict.kind != QUERY_UNKNOWN)
        return site->verdict.kind == QUERY_TRUTH && site->verdict.integer;
    return !ranges || may(&(struct bounds){site, ranges}, query->root);
}
