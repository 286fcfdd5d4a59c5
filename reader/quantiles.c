/* SPDX-License-Identifier: MIT
 *
 * What many numbers are like: see quantiles.h.
 */
#include "reader/quantiles.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DROPPED_BITS 42 /* of 52 of the fraction: 10 are kept */

/* Bits of a double as an integer whose order is that of the numbers, without the lowest. */
static int64_t key_of(double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if (bits < 0)
        bits = (int64_t)(UINT64_C(1) << 63) - bits; /* -0 is 0 */
    return bits >> DROPPED_BITS;
}

static double value_of(int64_t key)
{
    int64_t bits = (int64_t)((uint64_t)key << DROPPED_BITS);
    double value;

    if (bits < 0)
        bits = (int64_t)(UINT64_C(1) << 63) - bits;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static struct quantile_bucket *find(struct quantile_bucket *bucket, size_t room, int64_t key)
{
    size_t at = (size_t)((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (room - 1);

    while (bucket[at].count && bucket[at].key != key)
        at = (at + 1) & (room - 1);
    return &bucket[at];
}

static int grow(struct quantiles *quantiles)
{
    const size_t room = quantiles->room ? 2 * quantiles->room : 64;
    struct quantile_bucket *const grown = calloc(room, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < quantiles->room; i++)
        if (quantiles->bucket[i].count)
            *find(grown, room, quantiles->bucket[i].key) = quantiles->bucket[i];
    free(quantiles->bucket);
    quantiles->bucket = grown;
    quantiles->room = room;
    return 0;
}

int quantiles_add(struct quantiles *quantiles, double value)
{
    struct quantile_bucket *bucket;

    if (isnan(value))
        return 0;
    if (2 * quantiles->used >= quantiles->room && grow(quantiles) < 0)
        return -ENOMEM;
    bucket = find(quantiles->bucket, quantiles->room, key_of(value));
    bucket->key = key_of(value);
    quantiles->used += !bucket->count++;
    if (!quantiles->count || value < quantiles->min)
        quantiles->min = value;
    if (!quantiles->count || value > quantiles->max)
        quantiles->max = value;
    quantiles->sum += value;
    quantiles->count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct quantile_bucket *one = a, *two = b;

    return one->key < two->key ? -1 : one->key > two->key;
}

void quantiles_sort(struct quantiles *quantiles)
{
    size_t kept = 0;

    for (size_t i = 0; i < quantiles->room; i++)
        if (quantiles->bucket[i].count)
            quantiles->bucket[kept++] = quantiles->bucket[i];
    if (kept)
        qsort(quantiles->bucket, kept, sizeof(*quantiles->bucket), compare);
    quantiles->room = kept; /* nothing else is looked at from now on */
}

uint64_t quantiles_bucket(const struct quantiles *quantiles, size_t index, double *ret_from,
                          double *ret_to)
{
    *ret_from = value_of(quantiles->bucket[index].key);
    *ret_to = value_of(quantiles->bucket[index].key + 1);
    return quantiles->bucket[index].count;
}

double quantiles_at(const struct quantiles *quantiles, double part)
{
    const double wanted = ceil(part * (double)quantiles->count);
    double from, to, value;
    uint64_t seen = 0;
    size_t i = 0;

    if (!quantiles->count)
        return 0;
    for (; i + 1 < quantiles->used; i++) {
        seen += quantiles->bucket[i].count;
        if ((double)seen >= wanted)
            break;
    }
    quantiles_bucket(quantiles, i, &from, &to);
    value = from;
    /* The ends are known, and few numbers may be all alike. */
    return value < quantiles->min || wanted <= 1                          ? quantiles->min
           : value > quantiles->max || wanted >= (double)quantiles->count ? quantiles->max
                                                                          : value;
}

void quantiles_done(struct quantiles *quantiles)
{
    free(quantiles->bucket);
    *quantiles = (struct quantiles){0};
}
