/* SPDX-License-Identifier: MIT
 *
 * Lines as columns: a value of each field for every line, null where it has none.
 *
 * The columns are those of the chosen fields; in the place of `fields`, one for each argument that
 * a line has. Where two sites have an argument of one name and of different kinds, each kind has a
 * column, the later one with its kind behind the name, as px_real.
 */
#ifndef READER_COLUMNS_H
#define READER_COLUMNS_H

#include "reader/field.h"

enum column_kind {
    COLUMN_INT,    /* int64_t in `fixed` */
    COLUMN_UINT,   /* uint64_t */
    COLUMN_REAL,   /* double */
    COLUMN_BOOL,   /* 0 or 1 */
    COLUMN_TIME,   /* int64_t, nanoseconds since 1970 */
    COLUMN_STRING, /* UTF-8; other bytes are written as \xHH */
    COLUMN_BYTES,
};

struct column {
    char *name;
    enum column_kind kind;
    size_t rows, nulls, room;
    uint8_t *valid;  /* of each row: 1, or 0 for null */
    uint64_t *fixed; /* of each row */
    uint64_t *end;   /* STRING, BYTES: where the row's bytes end in `bytes` */
    struct text bytes;
};

struct columns;

/* The list is the columns' from now on. 0, -ENOMEM. */
int columns_open(struct field_list *fields, struct columns **ret_columns);
void columns_close(struct columns *columns);
int columns_take(struct columns *columns, struct line *line); /* 0, -ENOMEM */
/* All columns, each with so many rows. 0, -ENOMEM. */
int columns_get(struct columns *columns, struct column **ret_column, size_t *ret_count,
                size_t *ret_rows);
/* Bytes that the rows take. */
uint64_t columns_bytes(const struct columns *columns);
/* Forget the rows; the columns stay, in their order. */
void columns_clear(struct columns *columns);

#endif
