/* SPDX-License-Identifier: MIT
 *
 * Running steps: see query_step.h. Always over QUERY_PIECE records, also where fewer are left: the
 * compiler makes vector instructions of loops with a fixed number of turns.
 */
#include "reader/query_step.h"

#include <string.h>

#define PIECE QUERY_PIECE

union piece {
    int64_t integer[PIECE];
    double real[PIECE];
    uint64_t bits[PIECE];
};

static void calculate_integers(enum query_op op, const int64_t *a, const int64_t *b, int64_t *ret)
{
    if (op == QUERY_ADD)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] + b[i];
    else if (op == QUERY_SUBTRACT)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] - b[i];
    else if (op == QUERY_MULTIPLY)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] * b[i];
    else
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] % b[i];
}

static void calculate_reals(enum query_op op, const double *a, const double *b, double *ret)
{
    if (op == QUERY_ADD)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] + b[i];
    else if (op == QUERY_SUBTRACT)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] - b[i];
    else if (op == QUERY_MULTIPLY)
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] * b[i];
    else
        for (size_t i = 0; i < PIECE; i++)
            ret[i] = a[i] / b[i]; /* by 0, too: what is no value has no outcome to miss */
}

/* The values of a step: where they are, or in `room`. */
static const union piece *values(const struct query_step *step, size_t at, union piece *room)
{
    union piece other;
    const union piece *left, *right;

    switch (step->kind) {
    case STEP_COLUMN:
        return (const union piece *)(step->column + at);
    case STEP_NUMBER:
        for (size_t i = 0; i < PIECE; i++)
            room->integer[i] = step->integer; /* or the bits of `real` */
        return room;
    case STEP_REAL_OF:
        left = values(step->left, at, room);
        for (size_t i = 0; i < PIECE; i++)
            room->real[i] = (double)left->integer[i];
        return room;
    default:
        left = values(step->left, at, room);
        right = values(step->right, at, &other);
        if (step->is_real)
            calculate_reals(step->op, left->real, right->real, room->real);
        else
            calculate_integers(step->op, left->integer, right->integer, room->integer);
        return room;
    }
}

/* Of two numbers that have no order, neither is true. */
#define COMPARE(a, b, yes, no, ret)       \
    for (size_t i_ = 0; i_ < PIECE; i_++) \
    (ret)[i_] = (uint8_t)(((a)[i_] yes(b)[i_]) | ((a)[i_] no(b)[i_]) << 1)

static void compare_integers(enum query_op op, const int64_t *a, const int64_t *b, uint8_t *ret)
{
    switch (op) {
    case QUERY_EQ:
        COMPARE(a, b, ==, !=, ret);
        break;
    case QUERY_NE:
        COMPARE(a, b, !=, ==, ret);
        break;
    case QUERY_LT:
        COMPARE(a, b, <, >=, ret);
        break;
    case QUERY_LE:
        COMPARE(a, b, <=, >, ret);
        break;
    case QUERY_GT:
        COMPARE(a, b, >, <=, ret);
        break;
    default:
        COMPARE(a, b, >=, <, ret);
    }
}

static void compare_reals(enum query_op op, const double *a, const double *b, uint8_t *ret)
{
    switch (op) {
    case QUERY_EQ:
    case QUERY_NE:
        for (size_t i = 0; i < PIECE; i++) {
            const unsigned same = a[i] == b[i], other = (a[i] < b[i]) | (a[i] > b[i]);

            ret[i] = (uint8_t)(op == QUERY_EQ ? same | other << 1 : other | same << 1);
        }
        break;
    case QUERY_LT:
        COMPARE(a, b, <, >=, ret);
        break;
    case QUERY_LE:
        COMPARE(a, b, <=, >, ret);
        break;
    case QUERY_GT:
        COMPARE(a, b, >, <=, ret);
        break;
    default:
        COMPARE(a, b, >=, <, ret);
    }
}

static void compare(const struct query_step *step, size_t at, uint8_t *ret_outcomes)
{
    union piece room[2];
    const union piece *const left = values(step->left, at, &room[0]);
    const union piece *const right = values(step->right, at, &room[1]);

    if (step->left->is_real)
        compare_reals(step->op, left->real, right->real, ret_outcomes);
    else
        compare_integers(step->op, left->integer, right->integer, ret_outcomes);
}

static void look_up(const struct query_step *step, size_t at, uint8_t *ret_outcomes)
{
    if (step->index)
        for (size_t i = 0; i < PIECE; i++)
            ret_outcomes[i] = step->outcome[step->index[at + i]];
    else
        for (size_t i = 0; i < PIECE; i++)
            ret_outcomes[i] = step->outcome[(uint8_t)step->column[at + i]];
}

static void combine(enum query_op op, const uint8_t *other, uint8_t *ret_outcomes)
{
    const uint8_t both = op == QUERY_AND ? MAY_BE_TRUE : MAY_BE_FALSE, one = both ^ EITHER;

    for (size_t i = 0; i < PIECE; i++)
        ret_outcomes[i] =
            (uint8_t)((ret_outcomes[i] & other[i] & both) | ((ret_outcomes[i] | other[i]) & one));
}

void query_step_run(const struct query_step *step, size_t at, uint8_t ret_outcomes[QUERY_PIECE])
{
    uint8_t other[PIECE];

    switch (step->kind) {
    case STEP_OUTCOME:
        memset(ret_outcomes, step->outcome[0], PIECE);
        break;
    case STEP_TABLE:
        look_up(step, at, ret_outcomes);
        break;
    case STEP_COMPARE:
        compare(step, at, ret_outcomes);
        break;
    case STEP_COMBINE:
        query_step_run(step->left, at, ret_outcomes);
        query_step_run(step->right, at, other);
        combine(step->op, other, ret_outcomes);
        break;
    case STEP_NOT:
        query_step_run(step->left, at, ret_outcomes);
        for (size_t i = 0; i < PIECE; i++)
            ret_outcomes[i] = (uint8_t)((ret_outcomes[i] << 1 & 2) | ret_outcomes[i] >> 1);
        break;
    default: /* DECIDED */
        query_step_run(step->left, at, ret_outcomes);
        for (size_t i = 0; i < PIECE; i++)
            ret_outcomes[i] = ret_outcomes[i] & MAY_BE_TRUE ? MAY_BE_TRUE : MAY_BE_FALSE;
    }
}
