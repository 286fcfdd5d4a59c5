/* SPDX-License-Identifier: MIT
 *
 * Work to count instructions of, under valgrind --tool=callgrind --toggle-collect=counted_WHAT.
 *
 *     bench_steps DIRECTORY WHAT RECORDS
 *
 *     floor    the TSC and eight stores for each record
 *     call     a log call for each record
 *     timed    a log call with the caller's timestamp
 *     encode   blocks of 8,192 records from slots to bytes of a file, zstd included
 *     decode   the same blocks back to records
 *
 * Makes a segment of its own in DIRECTORY (overwrite policy, so nobody has to read it) and removes
 * it again. Input and timestamps are made up and the same each time, so the counts are, too.
 * valgrind does not know rseq: log calls go into an owned ring. What is counted has its loop and
 * the look-up of the order in it, in every case alike.
 */
#include "bench/bench.h"
#include "collector/file/block_decode.h"
#include "collector/file/format.h"
#include "shm/segment.h"
#include "shm/tables.h"

#include <zstd.h>

#define BLOCK_RECORDS 8192u

void counted_floor(struct bench_floor *floor, uint64_t count);
void counted_call(struct shmlog *log, uint64_t count);
void counted_timed(struct shmlog *log, uint64_t count);
int counted_encode(struct file_encoder *encoder, const struct file_block_params *params,
                   struct file_buffer *out, struct file_block_summary *ret_summary);
int counted_decode(struct file_block_decoder *decoder, const struct file_block_info *info,
                   const uint8_t *stored, uint8_t *raw, struct file_block *block);

__attribute__((noinline)) void counted_floor(struct bench_floor *floor, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        bench_floor_store(floor, id, &bench_orders[id % BENCH_ORDERS], shmlog_tsc_());
}

__attribute__((noinline)) void counted_call(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) void counted_timed(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        BENCH_LOG_AT(log, id * 44, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) int counted_encode(struct file_encoder *encoder,
                                             const struct file_block_params *params,
                                             struct file_buffer *out,
                                             struct file_block_summary *ret_summary)
{
    return file_put_block(encoder, params, out, ret_summary);
}

__attribute__((noinline)) int counted_decode(struct file_block_decoder *decoder,
                                             const struct file_block_info *info,
                                             const uint8_t *stored, uint8_t *raw,
                                             struct file_block *block)
{
    const size_t size = ZSTD_decompress(raw, info->raw_size, stored, info->stored_size);

    if (ZSTD_isError(size))
        return -EBADMSG;
    return file_block_decode(decoder, info, raw, size, block);
}

/* ---- Log calls ---- */

static struct shm_segment *make_segment(const char *path)
{
    static const uint32_t cpus[] = {0};
    const struct shm_params params = {
        .name = "steps",
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

static struct shmlog *attach_owning(const char *path)
{
    struct shmlog *const log = bench_attach(path);

    if (!shmlog_threads_[log->local.tls_index].owned && shmlog_own_ring(log) < 0)
        bench_die("no ring to own");
    return log;
}

/* ---- Blocks ---- */

/* Gaps as between calls back to back: about 44 ticks, at times a cache miss, seldom an interrupt.
 */
static uint64_t next_time(uint64_t time, uint64_t *random)
{
    const uint64_t r = bench_random(random);

    return time + 42 + (r & 3) + (r >> 8 & 15 ? 0 : 60) + (r >> 16 & 1023 ? 0 : 5000);
}

/* The next block's worth of records, logged and then taken from the ring: it holds two. */
static void log_block(struct shmlog *log, uint64_t first_id, struct bench_walk *walk,
                      uint64_t *time, uint64_t *random)
{
    for (uint64_t id = first_id; id < first_id + BLOCK_RECORDS; id++) {
        struct bench_order order;

        bench_walk_next(walk, &order);
        *time = next_time(*time, random);
        BENCH_LOG_AT(log, *time, id, &order);
    }
}

static void take_sites(const struct shm_segment *segment, struct file_sites *sites)
{
    uint8_t bytes[SHMLOG_SITE_MAX];
    size_t size;

    for (uint32_t id = 1; id < segment->geometry.sites_max; id++)
        if (shm_site_copy(segment, id, bytes, &size) == 0 &&
            file_sites_put(sites, id, bytes, size) < 0)
            bench_die("the site table does not make sense");
}

struct blocks {
    struct file_encoder *encoder;
    struct file_block_decoder *decoder;
    struct file_sites sites;
    struct file_buffer out;
    struct file_block block;
    uint8_t *raw;
    size_t raw_size;
    uint64_t bytes; /* in the file, so far */
};

static void decode_block(struct blocks *b)
{
    struct frame_block frame;
    struct file_block_info info;

    memcpy(&frame, b->out.data, sizeof(frame));
    info = (struct file_block_info){
        .ring = frame.ring,
        .first_seq = frame.first_seq,
        .first_pos = frame.first_pos,
        .records = frame.records,
        .slots = frame.slots,
        .time_min = frame.time_min,
        .time_max = frame.time_max,
        .levels = frame.levels,
        .sites = frame.sites,
        .stored_size = frame.stored_size,
        .raw_size = frame.raw_size,
        .codec = frame.codec,
    };
    if (info.raw_size > b->raw_size) {
        free(b->raw);
        b->raw_size = info.raw_size;
        b->raw = malloc(b->raw_size);
        if (!b->raw)
            bench_die("out of memory");
    }
    if (counted_decode(b->decoder, &info, b->out.data + sizeof(frame), b->raw, &b->block) < 0 ||
        b->block.records != BLOCK_RECORDS)
        bench_die("a block does not decode");
}

/* Does the decoded block hold what was logged? */
static void check_block(const struct blocks *b, const struct shmlog_slot *slots)
{
    for (size_t i = 0; i < b->block.records; i++)
        if (memcmp(b->block.record[i].payload, slots[i].payload, 42) != 0)
            bench_die("record %zu of a block came back different", i);
}

static void run_blocks(const struct shm_segment *segment, struct shmlog *log, uint64_t records)
{
    const struct shmlog_ring *const ring = bench_ring(log, 0);
    const struct shmlog_slot *const all =
        (const struct shmlog_slot *)(const void *)((const uint8_t *)ring + SHMLOG_RING_HEADER);
    struct bench_walk walk = BENCH_WALK_START;
    uint64_t time = 1000000000, random = 7;
    struct blocks b = {0};

    if (file_encoder_open(&b.encoder, 1) < 0 || file_block_decoder_open(&b.decoder) < 0)
        bench_die("out of memory");
    for (uint64_t done = 0; done < records; done += BLOCK_RECORDS) {
        const uint64_t pos = ring->head;
        struct file_block_params params = {
            .ring = ring->index,
            .first_seq = done + 1,
            .first_pos = pos,
            .slots = all + (pos & (ring->slots - 1)),
            .slot_count = BLOCK_RECORDS,
            .records = BLOCK_RECORDS,
            .sites = &b.sites,
        };
        struct file_block_summary summary;

        if (pos % BLOCK_RECORDS)
            bench_die("a block would wrap around the ring's end");
        log_block(log, done + 1, &walk, &time, &random);
        if (!done)
            take_sites(segment, &b.sites);
        b.out.size = 0;
        if (counted_encode(b.encoder, &params, &b.out, &summary) < 0)
            bench_die("a block does not encode");
        b.bytes += b.out.size;
        decode_block(&b);
        check_block(&b, params.slots);
    }
    printf(", \"bytes_per_record\": %.4f", (double)b.bytes / (double)records);
    free(b.raw);
    file_block_done(&b.block);
    file_buffer_done(&b.out);
    file_sites_done(&b.sites);
    file_block_decoder_close(b.decoder);
    file_encoder_close(b.encoder);
}

static bool is_known(const char *what)
{
    static const char *const known[] = {"floor", "call", "timed", "encode", "decode"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(what, known[i]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static struct bench_floor floor_;
    struct shm_segment *segment;
    struct shmlog *log;
    char path[PATH_MAX];
    uint64_t records;
    const char *what;

    if (argc != 4 || !is_known(argv[2])) {
        fprintf(stderr, "usage: bench_steps DIRECTORY floor|call|timed|encode|decode RECORDS\n");
        return 2;
    }
    what = argv[2];
    records = bench_number("RECORDS", argv[3], BLOCK_RECORDS, UINT64_C(1) << 32);
    records -= records % BLOCK_RECORDS;
    snprintf(path, sizeof(path), "%s/steps-%d", argv[1], (int)getpid());
    segment = make_segment(path);
    log = attach_owning(path);
    bench_orders_fill();
    printf("{\"bench\": \"steps\", \"what\": \"%s\", \"records\": %lu", what, records);
    if (strcmp(what, "floor") == 0) {
        bench_floor_open(&floor_);
        counted_floor(&floor_, records);
    } else if (strcmp(what, "call") == 0) {
        counted_call(log, records);
    } else if (strcmp(what, "timed") == 0) {
        counted_timed(log, records);
    } else {
        run_blocks(segment, log, records);
    }
    printf("}\n");
    shmlog_close(log);
    shm_segment_close(segment);
    shm_segment_destroy(path);
    return 0;
}
