/* SPDX-License-Identifier: MIT
 *
 * Integer columns: what would each encoding cost, and writing the cheapest.
 *
 * One pass finds the ranges of the values and of their differences, and so what packing would cost;
 * the entropy of the bytes in a sample tells what zstd would make of planes of bytes.
 */
#include "collector/file/column_kernel.h"

#include <errno.h>
#include <stdlib.h>

#define PACK_MIN 64u /* values: fewer are not worth the bother */

void file_columns_init(struct file_columns *columns)
{
    *columns = (struct file_columns){.kernels = file_kernels(), .slack = COLUMN_SLACK_FAST};
    file_columns_cost_init(columns);
}

static void free_work(struct file_columns *columns)
{
    free(columns->work);
    free(columns->work2);
    free(columns->work3);
    free(columns->group.reference);
    free(columns->codes);
    columns->work = columns->work2 = columns->work3 = columns->group.reference = NULL;
    columns->group.has_reference = false;
    columns->codes = NULL;
    columns->room = 0;
}

void file_columns_done(struct file_columns *columns)
{
    free_work(columns);
    free(columns->tail);
    columns->tail = NULL;
    columns->tail_size = columns->tail_room = 0;
}

void file_columns_begin(struct file_columns *columns)
{
    columns->cuts = 0;
    columns->tail_size = 0;
}

int file_columns_reserve(struct file_columns *columns, size_t count)
{
    if (count <= columns->room)
        return 0;
    free_work(columns);
    columns->work = malloc(count * sizeof(*columns->work));
    columns->work2 = malloc(count * sizeof(*columns->work2));
    columns->work3 = malloc(count * sizeof(*columns->work3));
    columns->group.reference = malloc(count * sizeof(*columns->group.reference));
    columns->codes = malloc(count);
    if (!columns->work || !columns->work2 || !columns->work3 || !columns->group.reference ||
        !columns->codes) {
        free_work(columns);
        return -ENOMEM;
    }
    columns->room = count;
    return 0;
}

void file_columns_cut(struct file_columns *columns, const struct file_buffer *out)
{
    if (columns->cuts < COLUMN_CUTS_MAX)
        columns->cut[columns->cuts++] = out->size;
}

/* ---- Writing ---- */

/* Room for the widest thing that a column of `count` values can become. */
static int reserve_column(struct file_buffer *out, size_t count)
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

static void put_const(const uint64_t *v, struct file_buffer *out)
{
    column_put_head(out, COLUMN_CONST, 0);
    column_put_svarint(out, v[0]);
}

static void put_plain(struct file_columns *columns, const uint64_t *v, size_t count, uint64_t base,
                      unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_PLANES, planes);
    column_put_svarint(out, base);
    put_planes(columns, v, count, false, base, planes, out);
}

static void put_delta(struct file_columns *columns, const uint64_t *v, size_t count, uint64_t base,
                      unsigned planes, struct file_buffer *out)
{
    column_put_head(out, COLUMN_DELTA, planes);
    column_put_svarint(out, v[0]);
    column_put_svarint(out, base);
    put_planes(columns, v, count, true, base, planes, out);
}

static void put_raw(const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    column_put_head(out, COLUMN_RAW, 0);
    for (size_t i = 0; i < count; i++, out->size += width)
        memcpy(out->data + out->size, &v[i], width);
}

int file_columns_put_const(uint64_t value, struct file_buffer *out)
{
    int r = file_buffer_reserve(out, 1 + FILE_VARINT_MAX);

    if (r == 0)
        put_const(&value, out);
    return r;
}

/* What is known of a column, and the encodings in the race. Costs are in bits. */
struct race {
    struct column_range range;
    uint64_t base, step_base;
    unsigned plain, delta; /* planes */
    uint64_t cost, step_cost;
    uint64_t best;
    bool dict; /* is built and the best that zstd is to see */
    struct column_packing packing;
};

static void estimate_planes(const struct file_columns *columns, const uint64_t *v, size_t count,
                            struct race *race)
{
    const struct column_range *range = &race->range;

    race->base = column_base(range->min, range->max, v[count / 2]);
    race->step_base =
        column_base(range->step_min, range->step_max,
                    (uint64_t)((int64_t)(v[count - 1] - v[0]) / (int64_t)(count - 1)));
    race->plain = column_planes((uint64_t)range->max - race->base);
    race->delta = column_planes((uint64_t)range->step_max - race->step_base);
    race->cost = file_columns_planes_cost(columns, v, count, false, race->base, race->plain);
    race->step_cost =
        file_columns_planes_cost(columns, v, count, true, race->step_base, race->delta);
    race->best = race->cost < race->step_cost ? race->cost : race->step_cost;
}

static void choose_packing(const struct column_range *range, struct column_packing *packing)
{
    const unsigned plain = column_bits((uint64_t)range->max - (uint64_t)range->min);
    const unsigned steps = column_bits((uint64_t)range->step_max - (uint64_t)range->step_min);

    *packing = plain <= steps
                   ? (struct column_packing){COLUMN_PACKED_VALUES, plain, (uint64_t)range->min}
                   : (struct column_packing){COLUMN_PACKED_STEPS, steps, (uint64_t)range->step_min};
}

/* Is a dictionary cheaper than planes, or packs into fewer bits? For values that fit one plane only
 * narrow codes are worth it for zstd: the plane itself is as good as byte-wide ones. */
static void try_dict(struct file_columns *columns, const uint64_t *v, size_t count,
                     struct race *race)
{
    const uint32_t most = race->plain > 1 ? COLUMN_DICT_MAX : 16;
    const uint64_t span = (uint64_t)race->range.max - (uint64_t)race->range.min;
    uint64_t entries, cost;
    unsigned bits;

    if (count < 16 || race->best < count / 4 || race->packing.bits < 2 ||
        !file_columns_dict_try(columns, v, count, (uint64_t)race->range.min, span, most))
        return;
    entries = columns->dict_count * 8ull * race->plain + 64;
    cost = file_columns_dict_cost(columns, count, race->best) + entries;
    if (cost < race->best) {
        race->dict = true;
        race->best = cost;
    }
    bits = column_bits(columns->dict_count - 1);
    if (bits * (uint64_t)count + entries < race->packing.bits * (uint64_t)count)
        race->packing = (struct column_packing){COLUMN_PACKED_DICT, bits, 0};
}

int file_columns_put_ranged(struct file_columns *columns, const uint64_t *v, size_t count,
                            const struct column_range *range, struct file_buffer *out)
{
    struct race race = {.range = *range};
    int r = reserve_column(out, count);

    if (r == 0)
        r = file_columns_reserve(columns, count);
    if (r < 0)
        return r;
    if (race.range.min == race.range.max) {
        put_const(v, out);
        return 0;
    }
    if (race.range.step_min == race.range.step_max) {
        put_delta(columns, v, count, (uint64_t)race.range.step_min, 0, out);
        return 0;
    }
    estimate_planes(columns, v, count, &race);
    choose_packing(&race.range, &race.packing);
    try_dict(columns, v, count, &race);
    if (columns->group.relate) {
        r = file_columns_put_related(columns, v, count, race.best, out);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (count >= PACK_MIN && race.packing.bits * (uint64_t)count * 16 <= race.best * columns->slack)
        return file_columns_put_packed(columns, &race.packing, v, count, out);
    if (race.dict)
        file_columns_put_dict(columns, count, out);
    else if (race.step_cost < race.cost)
        put_delta(columns, v, count, race.step_base, race.delta, out);
    else
        put_plain(columns, v, count, race.base, race.plain, out);
    return 0;
}

/* The step between all values, 0 for equal ones: told without looking for ranges, since such
 * columns are many. */
static bool has_one_step(const struct file_columns *columns, const uint64_t *v, size_t count,
                         uint64_t *ret_step)
{
    *ret_step = count > 1 ? v[1] - v[0] : 0;
    return v[count - 1] - v[0] == *ret_step * (count - 1) &&
           columns->kernels->is_sequence(v, count, *ret_step, UINT64_MAX);
}

int file_columns_put(struct file_columns *columns, const uint64_t *v, size_t count,
                     struct file_buffer *out)
{
    struct column_range range;
    uint64_t step;

    if (!count)
        return file_columns_put_const(0, out);
    if (has_one_step(columns, v, count, &step)) {
        const int r = reserve_column(out, 0);

        if (r == 0 && step)
            put_delta(columns, v, count, step, 0, out);
        else if (r == 0)
            put_const(v, out);
        return r;
    }
    range = columns->kernels->range(v, count);
    return file_columns_put_ranged(columns, v, count, &range, out);
}

int file_columns_put_as(struct file_columns *columns, unsigned codec, unsigned parameter,
                        const uint64_t *v, size_t count, unsigned width, struct file_buffer *out)
{
    struct column_packing packing;
    struct column_range range;
    uint64_t span;
    int r = reserve_column(out, count);

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
        put_const(v, out);
        return 0;
    case COLUMN_PLANES:
        put_plain(columns, v, count, (uint64_t)range.min, column_planes(span), out);
        return 0;
    case COLUMN_DELTA:
        put_delta(columns, v, count, (uint64_t)range.step_min,
                  column_planes((uint64_t)range.step_max - (uint64_t)range.step_min), out);
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
        put_raw(v, count, width, out);
        return 0;
    default:
        return -EINVAL;
    }
}
