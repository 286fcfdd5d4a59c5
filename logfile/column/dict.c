/* SPDX-License-Identifier: MIT
 *
 * Columns of few distinct values: the dictionary of them, and what it costs.
 */
#include "logfile/column/column.h"

#define SLOTS 1024u
#define SAMPLE 64u

/* Append a value to the dictionary; false if there are `most` already. */
static bool dict_add(struct file_columns *columns, uint64_t value, uint16_t *slot, uint32_t most)
{
    if (columns->dict_count == most)
        return false;
    columns->dict[columns->dict_count++] = value;
    *slot = (uint16_t)columns->dict_count;
    return true;
}

/* Values close together: each has a slot of its own. */
static bool build_direct(struct file_columns *columns, const uint64_t *v, size_t count,
                         uint64_t min, uint32_t most)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t *slot = &columns->slot_of[v[i] - min];

        if (__builtin_expect(!*slot, 0) && !dict_add(columns, v[i], slot, most))
            return false;
        columns->codes[i] = (uint8_t)(*slot - 1);
    }
    return true;
}

static bool build_hashed(struct file_columns *columns, const uint64_t *v, size_t count,
                         uint32_t most)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t h = (uint32_t)(v[i] * UINT64_C(0x9e3779b97f4a7c15) >> 54);

        while (columns->slot_of[h] && columns->dict[columns->slot_of[h] - 1] != v[i])
            h = (h + 1) & (SLOTS - 1);
        if (__builtin_expect(!columns->slot_of[h], 0) &&
            !dict_add(columns, v[i], &columns->slot_of[h], most))
            return false;
        columns->codes[i] = (uint8_t)(columns->slot_of[h] - 1);
    }
    return true;
}

bool file_columns_dict_build(struct file_columns *columns, const uint64_t *v, size_t count,
                             uint64_t min, uint64_t span, uint32_t most)
{
    memset(columns->slot_of, 0, sizeof(columns->slot_of));
    columns->dict_count = 0;
    return span < SLOTS ? build_direct(columns, v, count, min, most)
                        : build_hashed(columns, v, count, most);
}

bool file_columns_dict_try(struct file_columns *columns, const uint64_t *v, size_t count,
                           uint64_t min, uint64_t span, uint32_t most)
{
    uint64_t sample[SAMPLE];

    if (count > SAMPLE) {
        for (size_t i = 0; i < SAMPLE; i++)
            sample[i] = v[i * count / SAMPLE];
        if (!file_columns_dict_build(columns, sample, SAMPLE, min, span, most < 48 ? most : 48))
            return false;
    }
    return file_columns_dict_build(columns, v, count, min, span, most);
}

static unsigned dict_log2_bits(uint32_t distinct)
{
    return distinct <= 2 ? 0 : distinct <= 4 ? 1 : distinct <= 16 ? 2 : 3;
}

uint64_t file_columns_dict_cost(const struct file_columns *columns, size_t count, uint64_t cost)
{
    const unsigned bits = 1u << dict_log2_bits(columns->dict_count);
    const uint64_t whole = (uint64_t)count * bits;

    if (bits <= 2) /* several to a byte, so skewed ones go below one bit each */
        return whole < cost - cost / 8 ? whole : cost - cost / 8;
    if (bits == 8) { /* byte-wide codes are entropy-coded after: no worse than the values were */
        const uint64_t narrow = count * (uint64_t)column_bits(columns->dict_count);

        return narrow < cost ? narrow : cost - cost / 8;
    }
    return whole;
}

void file_columns_put_dict(struct file_columns *columns, size_t count, struct file_buffer *out)
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
    if (bits == 8)
        memcpy(to, columns->codes, bytes);
    else
        column_pack(to, columns->codes, count, bits);
    out->size += bytes;
    if (bytes >= COLUMN_CUT_MIN)
        file_columns_cut(columns, out);
}
