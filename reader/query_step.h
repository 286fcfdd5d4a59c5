/* SPDX-License-Identifier: MIT
 *
 * The steps that a condition over columns is taken in, each over a piece of the records at a time.
 *
 * The outcome of a condition is whether it may be true, and whether it may be false; of one that is
 * neither, neither; of one that is not known, both. One that says more than there is costs time,
 * one that says less a record.
 */
#ifndef READER_QUERY_STEP_H
#define READER_QUERY_STEP_H

#include "reader/query_node.h"

#define QUERY_PIECE 256u

enum query_outcome { NEITHER = 0, MAY_BE_TRUE = 1, MAY_BE_FALSE = 2, EITHER = 3 };

enum step_kind {
    STEP_OUTCOME, /* outcomes: the same for all records */
    STEP_TABLE,   /* by the value of one argument */
    STEP_COMPARE,
    STEP_COMBINE, /* AND, OR */
    STEP_NOT,
    STEP_DECIDED, /* what is not true is false */
    STEP_NUMBER,  /* values: the same for all records */
    STEP_COLUMN,
    STEP_REAL_OF,   /* of an integer */
    STEP_CALCULATE, /* left and right are both integers, or both real */
};

struct query_step {
    enum step_kind kind;
    enum query_op op;
    bool is_real;  /* a value is a floating-point number */
    unsigned bits; /* an integer is from -2^bits to 2^bits */
    const struct query_step *left, *right;
    const uint64_t *column;
    const uint8_t *index; /* TABLE; NULL: the low byte of the column */
    union {
        int64_t integer;
        double real;
    };
    uint8_t outcome[256]; /* TABLE; the first one: OUTCOME */
};

/* The outcomes of records `at` .. at + QUERY_PIECE - 1 of the columns. */
void query_step_run(const struct query_step *step, size_t at, uint8_t ret_outcomes[QUERY_PIECE]);

#endif
