/* SPDX-License-Identifier: MIT
 *
 * Columns of a group, predicted from what is known already: the price of a symbol is near the last
 * one of the same symbol, the ask is near the bid.
 */
#include "logfile/column/kernel.h"

#define RELATE_MIN 64u /* values: fewer are not worth the bother */

/* `ret_first`: the first value of each key. Differences of first values are 0. */
static void keyed_differences(const struct column_group *group, const uint64_t *v, size_t count,
                              uint64_t *ret_first, uint64_t *ret_v)
{
    uint64_t last[COLUMN_DICT_MAX];

    memset(ret_first, 0, group->key_count * sizeof(*ret_first));
    for (size_t i = count; i-- > 0;)
        ret_first[group->keys[i]] = v[i];
    memcpy(last, ret_first, group->key_count * sizeof(*last));
    for (size_t i = 0; i < count; i++) {
        uint64_t *const at = &last[group->keys[i]];

        ret_v[i] = v[i] - *at;
        *at = v[i];
    }
}

static void reference_differences(const struct column_group *group, const uint64_t *v, size_t count,
                                  uint64_t *ret_v)
{
    for (size_t i = 0; i < count; i++)
        ret_v[i] = v[i] - group->reference[i];
}

/* Estimated cost in bits as planes or packed, whichever is less. */
static uint64_t differences_cost(const struct file_columns *columns, const uint64_t *v,
                                 size_t count, struct column_range *ret_range)
{
    const struct column_range range = columns->kernels->range(v, count);
    const uint64_t base = column_base(range.min, range.max, 0);
    const uint64_t span = (uint64_t)range.max - (uint64_t)range.min;
    const uint64_t packed = (uint64_t)column_bits(span) * count;
    const uint64_t planes = file_columns_planes_cost(columns, v, count, false, base,
                                                     column_planes((uint64_t)range.max - base));

    *ret_range = range;
    return planes < packed ? planes : packed;
}

bool file_columns_relate(struct file_columns *columns, unsigned relate, const uint64_t *v,
                         size_t count, uint64_t cost, struct file_buffer *out,
                         struct column_range *ret_range)
{
    const struct column_group *const group = &columns->group;
    const uint64_t worth = count / 8 + 64; /* bits to win */
    uint64_t first[COLUMN_DICT_MAX];
    struct column_range range;

    if (count < RELATE_MIN || cost < count + worth)
        return false;
    if (relate & COLUMN_RELATE_REFERENCE) {
        reference_differences(group, v, count, columns->work3);
        if (differences_cost(columns, columns->work3, count, &range) + worth < cost / 2) {
            column_put_head(out, COLUMN_RELATED, 0);
            *ret_range = range;
            return true;
        }
    }
    if (relate & COLUMN_RELATE_KEYED) {
        keyed_differences(group, v, count, first, columns->work3);
        if (differences_cost(columns, columns->work3, count, &range) + worth +
                32ull * group->key_count <
            cost) {
            column_put_head(out, COLUMN_KEYED, group->key_argument);
            for (uint32_t k = 0; k < group->key_count; k++)
                column_put_svarint(out, first[k]);
            *ret_range = range;
            return true;
        }
    }
    return false;
}
