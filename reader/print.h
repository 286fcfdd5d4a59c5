/* SPDX-License-Identifier: MIT
 *
 * Lines as text, JSON lines or CSV: gathered in memory, and passed on to a stream if there is one.
 */
#ifndef READER_PRINT_H
#define READER_PRINT_H

#include "reader/field.h"
#include "reader/memo.h"

#include <stdio.h>

enum print_format {
    PRINT_TEXT,
    PRINT_JSON,
    PRINT_CSV,
    PRINT_PARQUET,
    PRINT_CHROME /* of tools/export.h and chrome.h */
};

/* Fields in a row whose values are the same for all records of one thing: put once, and kept. Or
 * one field that is not. */
struct print_run {
    uint8_t begin, end;
    uint8_t of; /* enum memo_of */
    bool alike;
};

/* Rows of chosen fields, of JSON and of CSV. */
struct print_plan {
    struct print_run run[FIELD_LIST_MAX];
    size_t runs;                         /* 0: not made yet */
    struct text before;                  /* each field: its key, or what separates it */
    uint32_t before_end[FIELD_LIST_MAX]; /* where that of a field ends */
    struct memos alike[MEMO_PLACE + 1];  /* by what they are of; a piece for each run */
};

struct printer {
    enum print_format format;
    bool chosen; /* fields were chosen; else `fields` is all of them */
    struct field_list fields;
    bool colour;
    bool hold; /* rows stay in `row`, however many */
    FILE *out; /* NULL with `hold` */
    /* its own */
    unsigned who_width;    /* widest process column so far */
    bool headed;           /* CSV: the header row was printed */
    struct text row, cell; /* row: all that is not written yet */
    int error;             /* of writing in the middle of a row; 0: none */
    struct text_second second;
    struct text head; /* of the line before, for the same level, cpu, category and producer */
    uint32_t head_cpu;
    unsigned head_level;
    char head_category[64];
    struct shmlog_producer head_producer;
    struct print_plan plan;
};

/* Text: what is left is the line for people; chosen fields are separated by tabs and escaped, but
 * the message alone is printed as the bytes that it is. 0, -ENOMEM, or the error of writing. */
int print_line(struct printer *printer, struct line *line);
/* Rows are gathered; whoever waits, or writes elsewhere, passes them on first. 0, -ENOMEM, or the
 * error of writing. */
int print_flush(struct printer *printer);
/* CSV has its header row even where there is no line. */
int print_begin(struct printer *printer);
void printer_done(struct printer *printer);

/* A field's value for text and CSV: strings as their bytes. False if there is none. */
bool print_flat(const struct field *field, struct line *line, struct text *out);

#endif
