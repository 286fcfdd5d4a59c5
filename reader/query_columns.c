/* SPDX-License-Identifier: MIT
 *
 * A condition over the columns of a group: see query_columns.h.
 *
 * Of the condition's tree, steps are made for the group, each over a piece of its records at a
 * time. The outcome of a condition is whether it may be true, and whether it may be false; of one
 * that is neither, neither; of one for which there is no step, both. Steps calculate with 64 bits
 * where conditions do so with 128: one is made only if its numbers are known to fit.
 */
#include "reader/query_columns.h"
#include "reader/query_node.h"
#include "reader/query_step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(FILE_GROUP_PIECE % QUERY_PIECE == 0, "columns have room for whole pieces");

#define BITS_EXACT 53u /* integers up to 2^53 are floating-point numbers, too */
#define BITS_MAX 62u   /* of what is calculated */

struct making {
    struct query *query;
    const struct query_site *site;
    const struct cursor_record *like;
    const struct file_group *group;
    size_t used; /* steps */
};

/* ---- What a part of the tree depends on ---- */

struct uses {
    uint32_t arguments; /* bits */
    bool record;        /* what only the record has */
};

static void find_uses(const struct query_node *node, const struct query_site *site,
                      struct uses *uses)
{
    if (node->op == QUERY_ARGUMENT && site->index[node->name] >= 0)
        uses->arguments |= UINT32_C(1) << site->index[node->name];
    if (node->op == QUERY_META && node->meta >= QUERY_META_BY_RECORD)
        uses->record = true;
    if (node->left)
        find_uses(node->left, site, uses);
    for (const struct query_node *right = node->right; right; right = right->next)
        find_uses(right, site, uses);
}

/* ---- Making steps; NULL: there is none for it ---- */

static struct query_step *step_new(struct making *making, enum step_kind kind)
{
    struct query_step *step;

    if (making->used == making->query->step_room)
        return NULL;
    step = &making->query->step[making->used++];
    step->kind = kind;
    step->is_real = false;
    return step;
}

static struct query_step *outcome_step(struct making *making, enum query_outcome outcome)
{
    struct query_step *const step = step_new(making, STEP_OUTCOME);

    if (step)
        step->outcome[0] = (uint8_t)outcome;
    return step;
}

static enum query_outcome outcome_of(const struct query_value *value)
{
    if (value->kind == QUERY_UNKNOWN)
        return EITHER;
    return value->kind != QUERY_TRUTH ? NEITHER : value->integer ? MAY_BE_TRUE : MAY_BE_FALSE;
}

static struct query_step *real_step(struct making *making, double value)
{
    struct query_step *const step = step_new(making, STEP_NUMBER);

    if (!step)
        return NULL;
    step->is_real = true;
    step->real = value;
    return step;
}

static unsigned bits_of(int64_t value)
{
    const uint64_t size = (uint64_t)(value ^ value >> 63);

    return size ? 64u - (unsigned)__builtin_clzll(size) : 0;
}

static struct query_step *integer_step(struct making *making, int64_t value)
{
    struct query_step *const step = step_new(making, STEP_NUMBER);

    if (!step)
        return NULL;
    step->integer = value;
    step->bits = bits_of(value);
    return step;
}

static struct query_step *number_step(struct making *making, const struct query_value *value)
{
    if (value->kind == QUERY_FLOAT)
        return real_step(making, value->real);
    if ((value->kind != QUERY_INTEGER && value->kind != QUERY_TRUTH) ||
        value->integer < INT64_MIN || value->integer > INT64_MAX)
        return NULL;
    return integer_step(making, (int64_t)value->integer);
}

static unsigned bits_of_column(const uint64_t *v, size_t count)
{
    uint64_t all = 0;

    for (size_t i = 0; i < count; i++)
        all |= (uint64_t)((int64_t)v[i] ^ (int64_t)v[i] >> 63);
    return all ? 64u - (unsigned)__builtin_clzll(all) : 0;
}

static bool has_top_bit(const uint64_t *v, size_t count)
{
    uint64_t all = 0;

    for (size_t i = 0; i < count; i++)
        all |= v[i];
    return all >> 63;
}

static struct query_step *column_step(struct making *making, unsigned index)
{
    const struct file_group *const group = making->group;
    const uint64_t *const v = group->value[index];
    struct query_step *step;

    if (!v)
        return NULL;
    switch (group->shape.field[index].type) {
    case SHMLOG_TYPE_I8:
    case SHMLOG_TYPE_I16:
    case SHMLOG_TYPE_I32:
    case SHMLOG_TYPE_I64:
    case SHMLOG_TYPE_U8:
    case SHMLOG_TYPE_U16:
    case SHMLOG_TYPE_U32:
    case SHMLOG_TYPE_F32:
    case SHMLOG_TYPE_F64:
        break;
    case SHMLOG_TYPE_U64:
    case SHMLOG_TYPE_POINTER:
        if (has_top_bit(v, group->count))
            return NULL;
        break;
    default:
        return NULL;
    }
    step = step_new(making, STEP_COLUMN);
    if (!step)
        return NULL;
    step->column = v;
    step->is_real = shape_is_float(&group->shape.field[index]);
    step->bits = step->is_real ? 0 : bits_of_column(v, group->count);
    return step;
}

/* An integer, exactly, as a floating-point number; NULL: not all are. */
static struct query_step *as_real(struct making *making, struct query_step *step)
{
    struct query_step *real;

    if (step->is_real)
        return step;
    if (step->kind == STEP_NUMBER && step->bits <= BITS_EXACT)
        return real_step(making, (double)step->integer);
    real = step->bits <= BITS_EXACT ? step_new(making, STEP_REAL_OF) : NULL;
    if (!real)
        return NULL;
    real->is_real = true;
    real->left = step;
    return real;
}

static struct query_step *value_step(struct making *making, const struct query_node *node);

static bool fits(enum query_op op, const struct query_step *left, const struct query_step *right,
                 unsigned *ret_bits)
{
    const unsigned most = left->bits > right->bits ? left->bits : right->bits;

    switch (op) {
    case QUERY_ADD:
    case QUERY_SUBTRACT:
        *ret_bits = most + 1;
        break;
    case QUERY_MULTIPLY:
        *ret_bits = left->bits + right->bits;
        break;
    default: /* a remainder, which there is always one of */
        *ret_bits = left->bits;
        return right->kind == STEP_NUMBER && right->integer > 0;
    }
    return *ret_bits <= BITS_MAX;
}

static struct query_step *calculate_step(struct making *making, enum query_op op,
                                         struct query_step *left, struct query_step *right)
{
    struct query_step *step;
    unsigned bits = 0;
    bool is_real;

    if (!left || !right)
        return NULL;
    is_real = left->is_real || right->is_real || op == QUERY_DIVIDE;
    if (is_real) {
        left = as_real(making, left);
        right = as_real(making, right);
        if (!left || !right || op == QUERY_REMAINDER)
            return NULL;
    } else if (!fits(op, left, right, &bits)) {
        return NULL;
    }
    step = step_new(making, STEP_CALCULATE);
    if (!step)
        return NULL;
    step->op = op;
    step->left = left;
    step->right = right;
    step->is_real = is_real;
    step->bits = bits;
    return step;
}

static struct query_step *value_step(struct making *making, const struct query_node *node)
{
    const struct query_value value = query_operand(node, making->site, making->like);

    if (value.kind != QUERY_UNKNOWN)
        return number_step(making, &value);
    switch (node->op) {
    case QUERY_ARGUMENT:
        return column_step(making, (unsigned)making->site->index[node->name]);
    case QUERY_NEGATE:
        return calculate_step(making, QUERY_SUBTRACT, integer_step(making, 0),
                              value_step(making, node->left));
    case QUERY_ADD:
    case QUERY_SUBTRACT:
    case QUERY_MULTIPLY:
    case QUERY_DIVIDE:
    case QUERY_REMAINDER:
        return calculate_step(making, node->op, value_step(making, node->left),
                              value_step(making, node->right));
    default:
        return NULL;
    }
}

/* An integer that a floating-point constant is compared with as an integer: NULL, it is none. */
static struct query_step *as_integer(struct making *making, const struct query_step *step)
{
    if (step->kind != STEP_NUMBER || !(fabs(step->real) < 0x1p62) ||
        trunc(step->real) != step->real)
        return NULL;
    return integer_step(making, (int64_t)step->real);
}

/* Have both the same kind of numbers; false: they cannot. */
static bool even_out(struct making *making, struct query_step **left, struct query_step **right)
{
    struct query_step **const integer = (*left)->is_real ? right : left;
    struct query_step **const real = (*left)->is_real ? left : right;

    if ((*left)->is_real == (*right)->is_real)
        return true;
    if ((*integer)->bits <= BITS_EXACT) {
        *integer = as_real(making, *integer);
        return *integer != NULL;
    }
    *real = as_integer(making, *real);
    return *real != NULL;
}

static struct query_step *compare_step(struct making *making, enum query_op op,
                                       struct query_step *left, struct query_step *right)
{
    struct query_step *step;

    if (!left || !right || !even_out(making, &left, &right))
        return NULL;
    step = step_new(making, STEP_COMPARE);
    if (!step)
        return NULL;
    step->op = op;
    step->left = left;
    step->right = right;
    return step;
}

static struct query_step *combine_step(struct making *making, enum query_op op,
                                       const struct query_step *left,
                                       const struct query_step *right)
{
    struct query_step *const step = left && right ? step_new(making, STEP_COMBINE) : NULL;

    if (!step)
        return NULL;
    step->op = op;
    step->left = left;
    step->right = right;
    return step;
}

static struct query_step *of_one(struct making *making, enum step_kind kind,
                                 const struct query_step *left)
{
    struct query_step *const step = left ? step_new(making, kind) : NULL;

    if (step)
        step->left = left;
    return step;
}

/* A number that is there is equal to one of the list, or is not. */
static struct query_step *among_step(struct making *making, const struct query_node *node)
{
    struct query_step *const value = value_step(making, node->left);
    struct query_step *any = outcome_step(making, MAY_BE_FALSE);

    if (!value)
        return NULL;
    for (const struct query_node *item = node->right; item; item = item->next)
        any = combine_step(making, QUERY_OR, any,
                           compare_step(making, QUERY_EQ, value, value_step(making, item)));
    any = of_one(making, STEP_DECIDED, any);
    return node->op == QUERY_IN ? any : of_one(making, STEP_NOT, any);
}

/* The outcomes for each value of the one argument that the condition depends on. */
static struct query_step *table_step(struct making *making, const struct query_node *node,
                                     unsigned index)
{
    const struct file_group *const group = making->group;
    const uint8_t type = group->shape.field[index].type;
    struct line *const line = making->query->line;
    struct query_step *step;
    bool seen[256];

    if (!group->index[index] &&
        (!group->value[index] || (type != SHMLOG_TYPE_CHAR && type != SHMLOG_TYPE_BOOL)))
        return NULL;
    step = step_new(making, STEP_TABLE);
    if (!step)
        return NULL;
    step->index = group->index[index];
    step->column = group->value[index];
    memset(seen, step->index != NULL, group->entries[index]);
    memset(seen + group->entries[index], 0, sizeof(seen) - group->entries[index]);
    for (size_t i = 0; !step->index && i < group->count; i++)
        seen[(uint8_t)step->column[i]] = true;
    line->have_values = true;
    line->value_count = making->like->site->args;
    for (unsigned e = 0; e < 256; e++) {
        struct query_value value;

        step->outcome[e] = NEITHER;
        if (!seen[e])
            continue;
        if (step->index)
            file_group_entry(group, index, e, &line->value[index]);
        else
            line->value[index] = (struct file_value){.type = type, .u = e};
        value = query_value_of(node, making->site, making->like, line);
        step->outcome[e] = (uint8_t)outcome_of(&value);
    }
    return step;
}

static struct query_step *condition_step(struct making *making, const struct query_node *node);

/* A condition that depends on several arguments, or on one with many values. */
static struct query_step *tree_step(struct making *making, const struct query_node *node)
{
    struct query_step *value;

    switch (node->op) {
    case QUERY_NOT:
        return of_one(making, STEP_NOT, condition_step(making, node->left));
    case QUERY_AND:
    case QUERY_OR:
        return combine_step(making, node->op, condition_step(making, node->left),
                            condition_step(making, node->right));
    case QUERY_EQ:
    case QUERY_NE:
    case QUERY_LT:
    case QUERY_LE:
    case QUERY_GT:
    case QUERY_GE:
        return compare_step(making, node->op, value_step(making, node->left),
                            value_step(making, node->right));
    case QUERY_IN:
    case QUERY_NOT_IN:
        return among_step(making, node);
    default: /* a number that is not 0 */
        value = value_step(making, node);
        return value && !value->is_real
                   ? compare_step(making, QUERY_NE, value, integer_step(making, 0))
                   : NULL;
    }
}

static struct query_step *condition_step(struct making *making, const struct query_node *node)
{
    const struct query_value value = query_value_of(node, making->site, making->like, NULL);
    const size_t used = making->used;
    struct query_step *step = NULL;
    struct uses uses = {0};

    if (value.kind != QUERY_UNKNOWN)
        return outcome_step(making, outcome_of(&value));
    find_uses(node, making->site, &uses);
    if (!uses.record && uses.arguments && !(uses.arguments & (uses.arguments - 1)))
        step = table_step(making, node, (unsigned)__builtin_ctz(uses.arguments));
    if (!step)
        step = tree_step(making, node);
    if (step)
        return step;
    making->used = used;
    return outcome_step(making, EITHER);
}

static enum file_chosen choose(const struct query_step *root, size_t count, uint8_t *ret_wanted)
{
    uint8_t any = 0, all = 1;

    for (size_t at = 0; at < count; at += QUERY_PIECE) {
        const size_t some = count - at < QUERY_PIECE ? count - at : QUERY_PIECE;
        uint8_t outcomes[QUERY_PIECE];

        query_step_run(root, at, outcomes);
        for (size_t i = 0; i < some; i++) {
            const uint8_t wanted = outcomes[i] & MAY_BE_TRUE;

            ret_wanted[at + i] = wanted;
            any |= wanted;
            all &= wanted;
        }
    }
    return !any ? FILE_CHOSEN_NONE : all ? FILE_CHOSEN_ALL : FILE_CHOSEN_SOME;
}

/* ---- Groups ---- */

/* Are the columns those of the site's arguments, and each byte of a record one column's? */
static bool fits_site(const struct file_group *group, const struct file_site *site)
{
    struct file_shape shape;
    unsigned end = 0;

    file_shape_of_site(site, &shape);
    if (shape.kind == SHAPE_OPAQUE || shape.kind != group->shape.kind ||
        shape.fields != group->shape.fields || shape.end != group->shape.end)
        return false;
    for (unsigned f = 0; f < shape.fields; f++) {
        const struct file_shape_field *const one = &shape.field[f];
        const struct file_shape_field *const other = &group->shape.field[f];

        if (one->type != other->type || one->offset != other->offset || one->size != other->size ||
            one->offset < end)
            return false;
        end = one->offset + one->size;
    }
    return true;
}

/* Columns that can be taken, of those that are used. */
static uint32_t takeable(const struct file_group *group, uint32_t arguments)
{
    for (unsigned f = 0; f < group->shape.fields; f++) {
        const struct file_shape_field *const field = &group->shape.field[f];

        if (field->type == SHMLOG_TYPE_TEXT || (shape_is_string(field) && !group->entries[f]))
            arguments &= ~(UINT32_C(1) << f);
    }
    return arguments;
}

/* A step or two for each node, and some. */
static bool reserve(struct query *query)
{
    if (!query->line)
        query->line = calloc(1, sizeof(*query->line));
    if (!query->step) {
        query->step_room = 4 * (size_t)query->nodes + 16;
        query->step = calloc(query->step_room, sizeof(*query->step));
    }
    return query->line && query->step;
}

enum file_chosen query_choose(struct query *query, const struct cursor_record *like,
                              struct file_group *group, uint8_t *ret_wanted)
{
    const struct query_site *const site = query_site_of(query, like);
    struct making making = {query, site, like, group, 0};
    const struct query_step *root;
    struct uses uses = {0};

    if (!site)
        return FILE_CHOSEN_ALL;
    if (site->verdict.kind != QUERY_UNKNOWN)
        return outcome_of(&site->verdict) & MAY_BE_TRUE ? FILE_CHOSEN_ALL : FILE_CHOSEN_NONE;
    if (!like->site || !fits_site(group, like->site) || !reserve(query))
        return FILE_CHOSEN_ALL;
    find_uses(query->root, site, &uses);
    uses.arguments = takeable(group, uses.arguments);
    if (!uses.arguments || file_group_take(group, uses.arguments) < 0)
        return FILE_CHOSEN_ALL;
    root = condition_step(&making, query->root);
    if (!root || (root->kind == STEP_OUTCOME && root->outcome[0] == EITHER))
        return FILE_CHOSEN_ALL;
    return choose(root, group->count, ret_wanted);
}
