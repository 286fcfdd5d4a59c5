/* SPDX-License-Identifier: MIT
 *
 * A column in the encoding asked for, whatever it costs.
 */
#include "logfile/column/kernel.h"

#include <errno.h>

int file_columns_put_as(struct file_columns *columns, unsigned codec, unsigned parameter,
                        const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    struct column_packing packing;
    struct column_range range;
    uint64_t span;
    int r = column_reserve(out, count);

    if (r == 0)
        r = file_columns_reserve(columns, count);
    if (r < 0)
        return r;
    if (!count)
        return -EINVAL;
    range = columns->kernels->range(v, count);
    span = (uint64_t)range.max - (uint64_t)range.min;
    if (count == 1)
        range.step_min = range.step_max = 0;
    switch (codec) {
    case COLUMN_CONST:
        if (range.min != range.max)
            return -EINVAL;
        column_put_const(out, v[0]);
        return 0;
    case COLUMN_PLANES:
        file_columns_put_plain(columns, v, count, (uint64_t)range.min, column_planes(span), out);
        return 0;
    case COLUMN_DELTA:
        file_columns_put_delta(columns, v, count, (uint64_t)range.step_min,
                               column_planes((uint64_t)range.step_max - (uint64_t)range.step_min),
                               out);
        return 0;
    case COLUMN_DICT:
        if (!file_columns_dict_build(columns, v, count, (uint64_t)range.min, span, COLUMN_DICT_MAX))
            return -EINVAL;
        file_columns_put_dict(columns, count, out);
        return 0;
    case COLUMN_PACKED:
        packing = (struct column_packing){parameter, column_bits(span), (uint64_t)range.min};
        if (parameter == COLUMN_PACKED_STEPS) {
            packing.bits = column_bits((uint64_t)range.step_max - (uint64_t)range.step_min);
            packing.base = (uint64_t)range.step_min;
        } else if (parameter == COLUMN_PACKED_DICT) {
            if (!file_columns_dict_build(columns, v, count, (uint64_t)range.min, span,
                                         COLUMN_DICT_MAX))
                return -EINVAL;
            packing.bits = column_bits(columns->dict_count - 1);
        }
        return file_columns_put_packed(columns, &packing, v, count, out);
    case COLUMN_DECIMAL:
    case COLUMN_DECIMAL_MUL:
        return file_columns_put_decimal(columns, codec, parameter, v, count, width, out);
    case COLUMN_RAW:
        column_put_raw(v, count, width, out);
        return 0;
    default:
        return -EINVAL;
    }
}
