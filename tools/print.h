/* SPDX-License-Identifier: MIT
 *
 * Printing lines as text, JSON lines or CSV.
 */
#ifndef TOOLS_PRINT_H
#define TOOLS_PRINT_H

#include "reader/field.h"

#include <stdio.h>

enum print_format { PRINT_TEXT, PRINT_JSON, PRINT_CSV };

struct printer {
    enum print_format format;
    bool chosen; /* fields were chosen; else `fields` is all of them */
    struct field_list fields;
    bool colour;
    FILE *out;
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
