/* SPDX-License-Identifier: MIT
 *
 * See blocks.h.
 */
#include "bench/blocks.h"
#include "bench/events.h"
#include "shm/segment.h"
#include "shm/tables.h"

static struct shm_segment *make_segment(const char *path)
{
    static const uint32_t cpus[] = {0};
    const struct shm_params params = {
        .name = "blocks",
        .cpus = cpus,
        .cpu_count = 1,
        .spare_rings = 1,
        .ring_bytes = 1u << 20,
        .on_full = SHMLOG_ON_FULL_OVERWRITE,
        .level = SHMLOG_TRACE,
        .page_kib = 4,
        .group = -1,
    };
    struct shm_segment *segment;
    char why[512] = "";

    if (shm_segment_create(path, &params, NULL, &segment, why, sizeof(why)) < 0)
        bench_die("%s: %s", path, why);
    return segment;
}

void bench_blocks_open(struct bench_blocks *ret_blocks, const char *directory)
{
    struct bench_blocks *const b = ret_blocks;
    const struct bench_walk walk = BENCH_WALK_START;

    memset(b, 0, sizeof(*b));
    snprintf(b->path, sizeof(b->path), "%s/blocks-%d", directory, (int)getpid());
    b->segment = make_segment(b->path);
    b->log = bench_attach(b->path);
    bench_share(b->log);
    b->ring = bench_ring(b->log, 0);
    b->walk = walk;
    bench_mixed_start(&b->mixed);
    b->time = 1000000000;
    b->random = 7;
}

void bench_blocks_close(struct bench_blocks *blocks)
{
    file_sites_done(&blocks->sites);
    free(blocks->copy);
    shmlog_close(blocks->log);
    shm_segment_close(blocks->segment);
    shm_segment_destroy(blocks->path);
}

/* As between calls back to back: about 44 ticks, at times a cache miss, seldom an interrupt. */
static uint64_t next_time(uint64_t time, uint64_t gap, uint64_t *random)
{
    const uint64_t r = bench_random(random);

    return time + gap + 42 + (r & 3) + (r >> 8 & 15 ? 0 : 60) + (r >> 16 & 1023 ? 0 : 5000);
}

static void take_sites(struct bench_blocks *blocks)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size;

    for (uint32_t id = 1; id < blocks->segment->geometry.sites_max; id++)
        if (shm_site_copy(blocks->segment, id, bytes, &size) == 0 &&
            file_sites_put(&blocks->sites, id, bytes, size) < 0)
            bench_die("the site table does not make sense");
}

static const struct shmlog_slot *ring_slots(const struct bench_blocks *blocks)
{
    return (const struct shmlog_slot *)(const void *)((const uint8_t *)blocks->ring +
                                                      SHMLOG_RING_HEADER);
}

static void give(struct bench_blocks *blocks, const struct shmlog_slot *slots, uint64_t pos,
                 struct file_block_params *ret_params)
{
    if (!blocks->made)
        take_sites(blocks);
    *ret_params = (struct file_block_params){
        .ring = blocks->ring->index,
        .first_seq = blocks->made + 1,
        .first_pos = pos,
        .slots = slots,
        .slot_count = blocks->ring->head - pos,
        .records = BENCH_BLOCK_RECORDS,
        .sites = &blocks->sites,
    };
    blocks->made += BENCH_BLOCK_RECORDS;
}

void bench_blocks_next(struct bench_blocks *blocks, uint64_t gap,
                       struct file_block_params *ret_params)
{
    const uint64_t pos = blocks->ring->head;

    if (pos % BENCH_BLOCK_RECORDS)
        bench_die("a block would wrap around the ring's end");
    for (uint64_t i = 1; i <= BENCH_BLOCK_RECORDS; i++) {
        struct bench_order order;

        bench_walk_next(&blocks->walk, &order);
        blocks->time = next_time(blocks->time, gap, &blocks->random);
        BENCH_LOG_AT(blocks->log, blocks->time, blocks->made + i, &order);
    }
    give(blocks, ring_slots(blocks) + (pos & (blocks->ring->slots - 1)), pos, ret_params);
}

void bench_blocks_next_mixed(struct bench_blocks *blocks, uint64_t gap,
                             struct file_block_params *ret_params)
{
    const uint64_t pos = blocks->ring->head, mask = blocks->ring->slots - 1;

    if (!blocks->copy)
        blocks->copy = malloc(blocks->ring->slots * sizeof(*blocks->copy));
    if (!blocks->copy)
        bench_die("out of memory");
    for (uint64_t i = 1; i <= BENCH_BLOCK_RECORDS; i++) {
        struct bench_event event;

        bench_mixed_next(&blocks->mixed, &event);
        blocks->time = next_time(blocks->time, gap, &blocks->random);
#define SAY(...) shmlog_info_at(blocks->log, blocks->time, __VA_ARGS__)
        BENCH_SAY_EVENT(SAY, &event);
#undef SAY
    }
    if (blocks->ring->head - pos > blocks->ring->slots)
        bench_die("a block does not fit into the ring");
    for (uint64_t at = pos; at < blocks->ring->head; at++)
        blocks->copy[at - pos] = ring_slots(blocks)[at & mask];
    give(blocks, blocks->copy, pos, ret_params);
}
