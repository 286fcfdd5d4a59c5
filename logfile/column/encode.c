/* SPDX-License-Identifier: MIT
 *
 * Integer columns: what would each encoding cost, and writing the cheapest.
 *
 * One pass finds the ranges of the values and of their differences, and so what packing would cost;
 * the entropy of the bytes in a sample tells what zstd would make of planes of bytes.
 */
#include "logfile/column/kernel.h"

#include <errno.h>
#include <stdlib.h>

#define PACK_MIN 64u /* values: fewer are not worth the bother */

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

/* `relate`: what the column may be predicted from. */
static int encode(struct file_columns *columns, const uint64_t *v, size_t count,
                  const struct column_range *range, unsigned relate, struct file_buffer *out)
{
    struct race race = {.range = *range};
    struct column_range related;
    int r = column_reserve(out, count);

    if (r == 0)
        r = file_columns_reserve(columns, count);
    if (r < 0)
        return r;
    if (race.range.min == race.range.max) {
        column_put_const(out, v[0]);
        return 0;
    }
    if (race.range.step_min == race.range.step_max) {
        file_columns_put_delta(columns, v, count, (uint64_t)race.range.step_min, 0, out);
        return 0;
    }
    estimate_planes(columns, v, count, &race);
    choose_packing(&race.range, &race.packing);
    try_dict(columns, v, count, &race);
    if (relate && file_columns_relate(columns, relate, v, count, race.best, out, &related))
        return encode(columns, columns->work3, count, &related, 0, out);
    if (count >= PACK_MIN && race.packing.bits * (uint64_t)count * 16 <= race.best * columns->slack)
        return file_columns_put_packed(columns, &race.packing, v, count, out);
    if (race.dict)
        file_columns_put_dict(columns, count, out);
    else if (race.step_cost < race.cost)
        file_columns_put_delta(columns, v, count, race.step_base, race.delta, out);
    else
        file_columns_put_plain(columns, v, count, race.base, race.plain, out);
    return 0;
}

int file_columns_put_ranged(struct file_columns *columns, const uint64_t *v, size_t count,
                            const struct column_range *range, struct file_buffer *out)
{
    return encode(columns, v, count, range, 0, out);
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

/* The range of a sequence, unless it goes around the end of all numbers. */
static void note_steps(struct file_columns *columns, int64_t first, int64_t step, size_t steps)
{
    int64_t way, last;

    columns->min = 1;
    columns->max = 0;
    if (__builtin_mul_overflow(step, steps, &way) || __builtin_add_overflow(first, way, &last))
        return;
    columns->min = step < 0 ? last : first;
    columns->max = step < 0 ? first : last;
}

int file_columns_put_predicted(struct file_columns *columns, const uint64_t *v, size_t count,
                               unsigned relate, struct file_buffer *out)
{
    struct column_range range;
    uint64_t step;

    if (!count)
        return file_columns_put_const(0, out);
    if (has_one_step(columns, v, count, &step)) {
        const int r = column_reserve(out, 0);

        note_steps(columns, (int64_t)v[0], (int64_t)step, count - 1);
        if (r == 0 && step)
            file_columns_put_delta(columns, v, count, step, 0, out);
        else if (r == 0)
            column_put_const(out, v[0]);
        return r;
    }
    range = columns->kernels->range(v, count);
    columns->min = range.min;
    columns->max = range.max;
    return encode(columns, v, count, &range, relate, out);
}

int file_columns_put(struct file_columns *columns, const uint64_t *v, size_t count,
                     struct file_buffer *out)
{
    return file_columns_put_predicted(columns, v, count,
                                      columns->group.keys ? COLUMN_RELATE_KEYED : 0, out);
}
