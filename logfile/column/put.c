/* SPDX-License-Identifier: MIT
 *
 * Integer columns, each in the encoding that it was given.
 */
#include "logfile/column/kernel.h"

/* Room for the widest thing that a column of `count` values can become. */
int column_reserve(struct file_buffer *out, size_t count)
{
    return file_buffer_reserve(out, 8 * count + (COLUMN_DICT_MAX + 4) * FILE_VARINT_MAX);
}

static void put_planes(struct file_columns *columns, const uint64_t *v, size_t count, bool step,
                       uint64_t base, unsigned planes, struct file_buffer *out)
{
    size_t first = step ? 1 : 0;
    size_t values = count - first;

    for (unsigned p = 0; p < planes; p++) {
        uint8_t *to = out->data + out->size;

        if (values >= COLUMN_CUT_MIN)
            file_columns_cut(columns, out);
        (step ? columns->kernels->step_plane : columns->kernels->plane)(to, v, values, base, 8 * p);
        out->size += values;
    }
    if (planes && values >= COLUMN_CUT_MIN)
        file_columns_cut(columns, out);
}

void column_put_const(struct file_buffer *out, uint64_t value)
{
    column_put_head(out, COLUMN_CONST, 0);
    column_put_svarint(out, value);
}

void file_columns_put_plain(struct file_columns *columns, const uint64_t *v, size_t count,
                            uint64_t base, unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_PLANES, planes);
    column_put_svarint(out, base);
    put_planes(columns, v, count, false, base, planes, out);
}

void file_columns_put_delta(struct file_columns *columns, const uint64_t *v, size_t count,
                            uint64_t base, unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_DELTA, planes);
    column_put_svarint(out, v[0]);
    column_put_svarint(out, base);
    put_planes(columns, v, count, true, base, planes, out);
}

void column_put_raw(const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    column_put_head(out, COLUMN_RAW, 0);
    for (size_t i = 0; i < count; i++, out->size += width)
        memcpy(out->data + out->size, &v[i], width);
}

int file_columns_put_const(uint64_t value, struct file_buffer *out)
{
    int r = file_buffer_reserve(out, 1 + FILE_VARINT_MAX);

    if (r == 0)
        column_put_const(out, value);
    return r;
}
