/* SPDX-License-Identifier: MIT
 *
 * Columns made up from a seed for the tests of the decoder, each in any codec.
 */
#ifndef TESTS_UNIT_COLUMN_KIT_H
#define TESTS_UNIT_COLUMN_KIT_H

#include "logfile/column/column.h"
#include "tests/unit/file_kit.h"

#include <errno.h>

#define MOST 600

static uint64_t values[MOST];

/* A column's bytes: `front`, and `back`, which come before those of later columns' at the end. */
struct made_column {
    struct file_buffer front, back;
};

/* Values such as `width` bytes hold, of a kind that is as likely to go into any codec. */
static void random_values(size_t count)
{
    const unsigned kind = (unsigned)rng_below(5), shift = (unsigned)rng_below(64);
    const uint64_t base = rng(), step = rng() >> shift;

    for (size_t i = 0; i < count; i++) {
        double price = (double)(int64_t)(1000 + rng_below(5000)) / 100;

        values[i] = kind == 0   ? base
                    : kind == 1 ? base + i * step
                    : kind == 2 ? base + rng_below(3) * step
                    : kind == 3 ? rng() >> shift
                                : 0;
        if (kind == 4)
            memcpy(&values[i], &price, sizeof(price));
    }
}

/* The way in: one of the encoder's choice, or one that it is told. */
__attribute__((unused)) static void make_column(struct made_column *column, size_t count,
                                                unsigned width)
{
    static const unsigned codecs[] = {COLUMN_PLANES,  COLUMN_DELTA, COLUMN_DICT,
                                      COLUMN_DECIMAL, COLUMN_RAW,   COLUMN_CONST};
    const unsigned way = (unsigned)rng_below(10);
    struct file_columns columns;
    int r = -EINVAL;

    *column = (struct made_column){0};
    file_columns_init(&columns);
    file_columns_begin(&columns);
    columns.slack = rng_below(2) ? COLUMN_SLACK_FAST : COLUMN_SLACK_THRIFTY;
    random_values(count);
    if (width < 8)
        for (size_t i = 0; i < count; i++)
            values[i] &= (UINT64_C(1) << 8 * width) - 1;
    if (way < 6)
        r = file_columns_put_as(&columns, codecs[way], (unsigned)rng_below(4), values, count, width,
                                &column->front);
    if (r < 0) {
        column->front.size = 0;
        r = (width == 4 || width == 8) && way % 2
                ? file_columns_put_float(&columns, values, count, width, &column->front)
                : file_columns_put(&columns, values, count, &column->front);
    }
    cr_assert_eq(r, 0);
    cr_assert_eq(file_columns_put_tail(&columns, &column->back), 0);
    file_columns_done(&columns);
}

__attribute__((unused)) static void put(struct file_buffer *out, const void *bytes, size_t size)
{
    cr_assert_eq(file_buffer_reserve(out, size + 1), 0);
    if (size)
        memcpy(out->data + out->size, bytes, size);
    out->size += size;
}

#endif
