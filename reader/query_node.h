/* SPDX-License-Identifier: MIT
 *
 * Inside the query: the tree that a condition is taken apart into.
 */
#ifndef READER_QUERY_NODE_H
#define READER_QUERY_NODE_H

#include "reader/pattern.h"
#include "reader/query.h"

#define QUERY_NODES_MAX 4096u
#define QUERY_NAMES_MAX 64u /* arguments */
#define QUERY_DEPTH_MAX 100u

/* What is known of a value before there is a record. */
enum query_type {
    QUERY_ANY, /* an argument's: its site says */
    QUERY_CONDITION,
    QUERY_NUMBER,
    QUERY_STRING,
    QUERY_TIME,     /* ns since 1970 */
    QUERY_DURATION, /* ns */
    QUERY_LEVEL,
};

enum query_op {
    QUERY_CONSTANT,
    QUERY_META,
    QUERY_ARGUMENT,
    QUERY_HAS,
    QUERY_NOT,
    QUERY_NEGATE,
    QUERY_AND,
    QUERY_OR,
    QUERY_ADD,
    QUERY_SUBTRACT,
    QUERY_MULTIPLY,
    QUERY_DIVIDE,
    QUERY_REMAINDER,
    QUERY_EQ, /* this and those up to GE: comparisons */
    QUERY_NE,
    QUERY_LT,
    QUERY_LE,
    QUERY_GT,
    QUERY_GE,
    QUERY_MATCH,
    QUERY_NO_MATCH,
    QUERY_IN, /* `right` is the first of the list */
    QUERY_NOT_IN,
};

enum query_meta {
    QUERY_META_LEVEL,
    QUERY_META_SITE,
    QUERY_META_CATEGORY,
    QUERY_META_FILE,
    QUERY_META_LINE,
    QUERY_META_FUNCTION,
    QUERY_META_HOST,
    QUERY_META_SEGMENT,
    QUERY_META_BY_RECORD, /* those above are the same for all records of a site */
    QUERY_META_TIME = QUERY_META_BY_RECORD,
    QUERY_META_TIME_NS,
    QUERY_META_PID,
    QUERY_META_TID,
    QUERY_META_PROCESS,
    QUERY_META_THREAD,
    QUERY_META_CPU,
    QUERY_META_RING,
    QUERY_META_SEQ,
    QUERY_META_MESSAGE,
    QUERY_METAS
};
struct query_meta_row {
    const char *name;
    enum query_type type;
};
extern const struct query_meta_row query_metas[QUERY_METAS];

struct query_value {
    enum query_value_kind {
        QUERY_NONE,    /* the record has not got it */
        QUERY_UNKNOWN, /* before there is a record: it depends */
        QUERY_TRUTH,   /* in `integer`: 0, 1 */
        QUERY_INTEGER,
        QUERY_FLOAT,
        QUERY_BYTES,
    } kind;
    union {
        __int128 integer; /* holds what 64 bits hold, signed or not, and products of two such */
        double real;
        struct {
            const char *data;
            size_t size;
        };
    };
};

struct query_node {
    enum query_op op;
    enum query_type type;
    unsigned column; /* from 1 */
    enum query_meta meta;
    unsigned name; /* ARGUMENT, HAS: in the query's names */
    bool plain;    /* ARGUMENT: a word that may be a level's name */
    struct query_value value;
    struct query_node *left, *right;
    struct query_node *next; /* in the list of IN */
    struct pattern *pattern;
    struct query_node *made_before; /* all of them, to be freed */
};

struct query_name {
    char *name, *nearest; /* of what sites had instead */
    unsigned distance;
    bool found;
};

/* Of one call site: where the arguments are, and whether it needs a look at the record at all. */
#define QUERY_SITES 256u
struct query_step;
struct query_site {
    char *format;
    uint32_t segment, id, line;
    unsigned args;
    struct query_value verdict;
    int16_t index[QUERY_NAMES_MAX]; /* -1: it has no such one */
};

struct query {
    struct query_node *root, *made;
    unsigned nodes;
    struct query_name names[QUERY_NAMES_MAX];
    unsigned name_count;
    struct query_site *site[QUERY_SITES]; /* by id */
    uint64_t sites;                       /* looked at */
    char *strings;                        /* of the constants */
    /* query_columns.c */
    struct query_step *step;
    size_t step_room;
    struct line *line; /* its values alone are used */
};

/* The comparison that says of b and a what this one says of a and b. */
static inline enum query_op query_turned(enum query_op op)
{
    return op == QUERY_LT   ? QUERY_GT
           : op == QUERY_LE ? QUERY_GE
           : op == QUERY_GT ? QUERY_LT
           : op == QUERY_GE ? QUERY_LE
                            : op;
}

/* The tree of a condition, untyped. As query_compile(). */
int query_parse(struct query *query, const char *text, int64_t now_ns, char *ret_message,
                size_t message_size);
/* Types it, and makes constants of levels' and moments' names. */
int query_check(struct query *query, int64_t now_ns, char *ret_message, size_t message_size);
/* `line` NULL: what is known with the site alone. */
struct query_value query_value_of(const struct query_node *node, const struct query_site *site,
                                  const struct cursor_record *record, struct line *line);

/* The value of any node, as far as the site knows it. */
struct query_value query_operand(const struct query_node *node, const struct query_site *site,
                                 const struct cursor_record *like);

/* The record's site, looked at once for many records. NULL: no memory. */
const struct query_site *query_site_of(struct query *query, const struct cursor_record *record);
/* -1, 0, 1; false: they cannot be told apart by order (NaN, a text and a number). */
bool query_order(const struct query_value *a, const struct query_value *b, int *ret_order);
/* Of constants alone. */
struct query_value query_computed(const struct query_node *node);

__attribute__((format(printf, 4, 5))) int
query_refuse(unsigned column, char *ret_message, size_t message_size, const char *format, ...);

#endif
