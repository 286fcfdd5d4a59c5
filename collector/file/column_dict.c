/* SPDX-License-Identifier: MIT
 *
 * Columns of few distinct values: the dictionary of them, and when it is worth it.
 */
#include "collector/file/column.h"

static uint32_t dict_hash(uint64_t value)
{
    return (uint32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 54);
}

/* Index of a value, added if it is new; COLUMN_DICT_MAX if there is no room for it. */
static uint32_t dict_index(struct file_columns *columns, uint64_t value)
{
    uint32_t h = dict_hash(value);

    for (; columns->slot_of[h]; h = (h + 1) & 1023) {
        if (columns->dict[columns->slot_of[h] - 1] == value)
            return columns->slot_of[h] - 1;
    }
    if (columns->dict_count == COLUMN_DICT_MAX)
        return COLUMN_DICT_MAX;
    columns->dict[columns->dict_count++] = value;
    columns->slot_of[h] = columns->dict_count;
    return columns->dict_count - 1;
}

bool file_columns_dict_build(struct file_columns *columns, const uint64_t *v, size_t count,
                             uint32_t most)
{
    memset(columns->slot_of, 0, sizeof(columns->slot_of));
    columns->dict_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && v[i] == v[i - 1])
            continue;
        if (dict_index(columns, v[i]) == COLUMN_DICT_MAX || columns->dict_count > most)
            return false;
    }
    return true;
}

/* Does a sample have few enough distinct values for the whole column to be worth a try? */
static bool dict_likely(struct file_columns *columns, const uint64_t *v, size_t count,
                        uint32_t most)
{
    uint64_t sample[64];

    if (count <= 64)
        return true;
    for (size_t i = 0; i < 64; i++)
        sample[i] = v[i * count / 64];
    return file_columns_dict_build(columns, sample, 64, most < 48 ? most : 48);
}

static unsigned dict_log2_bits(uint32_t distinct)
{
    return distinct <= 2 ? 0 : distinct <= 4 ? 1 : distinct <= 16 ? 2 : 3;
}

bool file_columns_dict_pays(struct file_columns *columns, const uint64_t *v, size_t count,
                            unsigned planes, uint64_t cost)
{
    uint32_t most = planes > 1 ? COLUMN_DICT_MAX : 16;
    unsigned bits;
    uint64_t index_cost;

    if (count < 16 || cost < count / 4 || !dict_likely(columns, v, count, most) ||
        !file_columns_dict_build(columns, v, count, most))
        return false;
    bits = 1u << dict_log2_bits(columns->dict_count);
    index_cost = (uint64_t)count * bits;
    if (bits <= 2) {
        /* Several to a byte, so skewed ones go below one bit each. */
        index_cost = index_cost < cost - cost / 8 ? index_cost : cost - cost / 8;
    } else if (bits == 8) {
        /* Byte-wide indices are entropy-coded after: no worse than the values were. */
        uint64_t width = 64u - (unsigned)__builtin_clzll(columns->dict_count);

        index_cost = count * width < cost ? count * width : cost - cost / 8;
    }
    return index_cost + columns->dict_count * 8ull * planes + 64 < cost;
}

void file_columns_put_dict(struct file_columns *columns, const uint64_t *v, size_t count,
                           struct file_buffer *out)
{
    unsigned log2_bits = dict_log2_bits(columns->dict_count);
    unsigned bits = 1u << log2_bits;
    size_t bytes = (count * bits + 7) / 8;
    uint8_t *to;

    column_put_head(out, COLUMN_DICT, log2_bits);
    out->data[out->size++] = (uint8_t)(columns->dict_count - 1);
    for (uint32_t i = 0; i < columns->dict_count; i++)
        column_put_svarint(out, columns->dict[i]);
    if (bytes >= COLUMN_CUT_MIN)
        file_columns_cut(columns, out);
    to = out->data + out->size;
    memset(to, 0, bytes);
    for (size_t i = 0; i < count; i++) {
        size_t bit = i * bits;

        to[bit / 8] |= (uint8_t)(dict_index(columns, v[i]) << (bit % 8));
    }
    out->size += bytes;
    if (bytes >= COLUMN_CUT_MIN)
        file_columns_cut(columns, out);
}
