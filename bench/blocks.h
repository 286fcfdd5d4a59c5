/* SPDX-License-Identifier: MIT
 *
 * Blocks of orders, or of the mixed stream, without a collector: a segment of the program's own
 * under the overwrite policy, so that nobody has to read it, whose one owned ring is logged to and
 * then looked at in place, or copied where its end may be in the middle of a block. Input and
 * timestamps are made up and the same each time.
 */
#ifndef BENCH_BLOCKS_H
#define BENCH_BLOCKS_H

#include "bench/bench.h"
#include "bench/mixed.h"
#include "logfile/format.h"

#include <limits.h>

#define BENCH_BLOCK_RECORDS 8192u

struct bench_blocks {
    char path[PATH_MAX];
    struct shm_segment *segment;
    struct shmlog *log;
    struct shmlog_ring *ring;
    struct file_sites sites; /* there once a block was made */
    struct bench_walk walk;
    struct bench_mixed mixed;
    struct shmlog_slot *copy;
    uint64_t time, random;
    uint64_t made; /* records */
};

/* The segment is made in `directory`, and removed by bench_blocks_close(). Exits on failure. */
void bench_blocks_open(struct bench_blocks *ret_blocks, const char *directory);
void bench_blocks_close(struct bench_blocks *blocks);
/* The next BENCH_BLOCK_RECORDS records, `gap` ticks apart and 44 more or so. What it points to is
 * good until the next but one call. */
void bench_blocks_next(struct bench_blocks *blocks, uint64_t gap,
                       struct file_block_params *ret_params);
/* The same of the mixed stream; good until the next call. */
void bench_blocks_next_mixed(struct bench_blocks *blocks, uint64_t gap,
                             struct file_block_params *ret_params);

#endif
