/* SPDX-License-Identifier: MIT
 *
 * Packed columns: as few whole bits for each value as the largest one needs. Such bits are as good
 * as random to zstd, so they are kept together at the end of the content, where they are stored as
 * they are.
 */
#include "logfile/column/kernel.h"

#include <errno.h>
#include <stdlib.h>

/* Eight codes of up to 7 bits each, one to a byte, side by side. */
static inline uint64_t pack8(uint64_t codes, unsigned bits)
{
    const uint64_t bytes = UINT64_C(0x00ff00ff00ff00ff), pairs = UINT64_C(0x0000ffff0000ffff);

    codes = (codes & bytes) | (codes >> 8 & bytes) << bits;
    codes = (codes & pairs) | (codes >> 16 & pairs) << (2 * bits);
    return (codes & UINT32_MAX) | (codes >> 32) << (4 * bits);
}

void column_pack(uint8_t *to, const uint8_t *codes, size_t count, unsigned bits)
{
    const size_t bytes = (count * bits + 7) / 8;
    uint8_t *const end = to + bytes;
    uint64_t eight;
    size_t i = 0;

    for (; end - to >= 8 && i + 8 <= count; i += 8, to += bits) {
        memcpy(&eight, codes + i, 8);
        eight = pack8(eight, bits);
        memcpy(to, &eight, 8); /* what is beyond the eight codes is overwritten next */
    }
    for (; i < count; i += 8) {
        const size_t n = count - i < 8 ? count - i : 8;
        const size_t size = (n * bits + 7) / 8;

        eight = 0;
        memcpy(&eight, codes + i, n);
        eight = pack8(eight, bits);
        memcpy(to, &eight, size);
        to += size;
    }
}

/* ---- The tail ---- */

/* `size` bytes before what the tail has. */
static uint8_t *grow_tail(struct file_columns *columns, size_t size)
{
    size_t room = columns->tail_room ? columns->tail_room : 65536;

    if (!columns->tail || size > columns->tail_room - columns->tail_size) {
        uint8_t *tail;

        while (room < columns->tail_size + size)
            room *= 2;
        tail = malloc(room);
        if (!tail)
            return NULL;
        if (columns->tail_size)
            memcpy(tail + room - columns->tail_size,
                   columns->tail + columns->tail_room - columns->tail_size, columns->tail_size);
        free(columns->tail);
        columns->tail = tail;
        columns->tail_room = room;
    }
    columns->tail_size += size;
    return columns->tail + columns->tail_room - columns->tail_size;
}

int file_columns_put_tail(struct file_columns *columns, struct file_buffer *out)
{
    const size_t size = columns->tail_size;
    int r = file_buffer_reserve(out, size);

    if (r < 0)
        return r;
    if (size)
        memcpy(out->data + out->size, columns->tail + columns->tail_room - size, size);
    out->size += size;
    columns->tail_size = 0;
    return 0;
}

/* ---- Columns ---- */

static void put_head(const struct file_columns *columns, const struct column_packing *packing,
                     const uint64_t *v, struct file_buffer *out)
{
    column_put_head(out, COLUMN_PACKED, packing->mode);
    out->data[out->size++] = (uint8_t)packing->bits;
    if (packing->mode == COLUMN_PACKED_DICT) {
        out->data[out->size++] = (uint8_t)(columns->dict_count - 1);
        for (uint32_t i = 0; i < columns->dict_count; i++)
            column_put_svarint(out, columns->dict[i]);
        return;
    }
    if (packing->mode == COLUMN_PACKED_STEPS)
        column_put_svarint(out, v[0]);
    column_put_svarint(out, packing->base);
}

/* The byte of each code from bit `shift` on. */
static void take_plane(const struct file_columns *columns, const struct column_packing *packing,
                       const uint64_t *v, size_t codes, unsigned shift, uint8_t *to)
{
    if (packing->mode == COLUMN_PACKED_STEPS)
        columns->kernels->step_plane(to, v, codes, packing->base, shift);
    else if (packing->mode == COLUMN_PACKED_VALUES)
        columns->kernels->plane(to, v, codes, packing->base, shift);
    else if (to != columns->codes)
        memcpy(to, columns->codes, codes);
}

int file_columns_put_packed(struct file_columns *columns, const struct column_packing *packing,
                            const uint64_t *v, size_t count, struct file_buffer *out)
{
    const size_t codes = packing->mode == COLUMN_PACKED_STEPS ? count - 1 : count;
    const unsigned whole = packing->bits / 8, part = packing->bits % 8;
    uint8_t *to = grow_tail(columns, whole * codes + (codes * part + 7) / 8);

    if (!to)
        return -ENOMEM;
    put_head(columns, packing, v, out);
    for (unsigned p = 0; p < whole; p++, to += codes)
        take_plane(columns, packing, v, codes, 8 * p, to);
    if (part) {
        take_plane(columns, packing, v, codes, 8 * whole, columns->codes);
        column_pack(to, columns->codes, codes, part);
    }
    return 0;
}
