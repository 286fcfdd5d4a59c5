/* SPDX-License-Identifier: MIT
 *
 * Columns for people: see table.h.
 */
#include "tools/table.h"

#include <stdlib.h>

#define COLUMNS 96u

/* Characters of a cell: bytes that begin one. */
static size_t width_of(const char *cell, size_t size)
{
    size_t width = 0;

    for (size_t i = 0; i < size; i++)
        width += ((uint8_t)cell[i] & 0xc0) != 0x80;
    return width;
}

static size_t cell_size(const char *at, const char *end)
{
    const char *const from = at;

    while (at < end && *at != '\t' && *at != '\n')
        at++;
    return (size_t)(at - from);
}

static void measure(const struct text *rows, size_t width[COLUMNS])
{
    const char *const end = rows->data + rows->size;
    size_t column = 0;

    for (const char *at = rows->data; at < end; at++) {
        const size_t size = cell_size(at, end), wide = width_of(at, size);

        if (column < COLUMNS && wide > width[column])
            width[column] = wide;
        at += size;
        column = at < end && *at == '\t' ? column + 1 : 0;
    }
}

void table_align(struct text *rows, size_t left, size_t right)
{
    const char *const end = rows->data + rows->size;
    size_t width[COLUMNS] = {0}, column = 0;
    struct text out = {0};

    if (!rows->size)
        return;
    measure(rows, width);
    for (const char *at = rows->data; at < end; at++) {
        const size_t size = cell_size(at, end);
        const size_t wide = column < COLUMNS ? width[column] : 0, own = width_of(at, size);
        const size_t pad = wide > own ? wide - own : 0;
        const bool number = column >= left && column - left < right;
        const bool last = at + size == end || at[size] == '\n';

        if (number)
            text_fill(&out, ' ', pad);
        text_put(&out, at, size);
        if (!number && !last)
            text_fill(&out, ' ', pad);
        text_puts(&out, last ? "\n" : "  ");
        column = last ? 0 : column + 1;
        at += size;
    }
    out.failed |= rows->failed;
    text_done(rows);
    *rows = out;
}
