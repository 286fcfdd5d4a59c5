/* SPDX-License-Identifier: MIT
 *
 * What many numbers are like: count, least, most, sum, and quantiles.
 *
 * Numbers are counted in buckets by the upper bits of their floating-point representation, so that
 * each bucket is at most 1/1024 as wide as its numbers are large, and a quantile is told as the
 * least number of its bucket: too low by at most 0.1 %, and exact for whole numbers up to 2,048.
 * (The idea is that of HdrHistogram and DDSketch.) Memory: 32 bytes for each bucket that has
 * numbers; 128 MiB if they are all over the place.
 */
#ifndef READER_QUANTILES_H
#define READER_QUANTILES_H

#include <stddef.h>
#include <stdint.h>

struct quantile_bucket {
    int64_t key; /* in the order of the numbers */
    uint64_t count;
};

struct quantiles {
    uint64_t count;
    double min, max;
    long double sum;
    struct quantile_bucket *bucket; /* a table by hash; in order once quantiles_sort() was called */
    size_t room, used;
};

/* NaN is left out. 0, -ENOMEM. Not after quantiles_sort(). */
int quantiles_add(struct quantiles *quantiles, double value);
/* Before the next ones. */
void quantiles_sort(struct quantiles *quantiles);
/* The number that so many (0..1) of all are not above; 0 if there are none. */
double quantiles_at(const struct quantiles *quantiles, double part);
/* The numbers of a bucket, which there are `used` of: at least *ret_from, less than *ret_to. */
uint64_t quantiles_bucket(const struct quantiles *quantiles, size_t index, double *ret_from,
                          double *ret_to);
void quantiles_done(struct quantiles *quantiles);

#endif
