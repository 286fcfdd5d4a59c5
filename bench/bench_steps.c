/* SPDX-License-Identifier: MIT
 *
 * Work to count instructions of, under valgrind --tool=callgrind --toggle-collect=counted_WHAT.
 *
 *     bench_steps DIRECTORY WHAT RECORDS
 *
 *     floor       the TSC and eight stores for each record
 *     call        a log call for each record, into a shared ring
 *     timed       a log call with the caller's timestamp, into a shared ring
 *     core        a log call for each record, into the core's ring
 *     timed_core  a log call with the caller's timestamp, into the core's ring
 *     later       as core, through a log that waited for its segment (SHMLOG_OPEN_LATER)
 *     off         a log call below the segment's level
 *     encode      blocks of 8,192 records from slots to bytes of a file, zstd included
 *     decode      the same blocks back to records
 *     encode-mixed, decode-mixed
 *                 the same with the mixed stream
 *
 * Input and timestamps are made up and the same each time, so the counts are, too.
 * valgrind does not know rseq, and its threads are not interrupted by anything that logs: where
 * rseq is not registered, core and timed_core play the kernel's part and say themselves that they
 * run on core 0. What is counted has its loop and the look-up of the order in it, in every case
 * alike.
 */
#define SHMLOG_IMPLEMENTATION /* for its insides */
#include "bench/blocks.h"
#include "logfile/block/decode.h"
#include "logfile/block/record.h"

#include <unistd.h>
#include <zstd.h>

void counted_floor(struct bench_floor *floor, uint64_t count);
void counted_call(struct shmlog *log, uint64_t count);
void counted_timed(struct shmlog *log, uint64_t count);
void counted_core(struct shmlog *log, uint64_t count);
void counted_timed_core(struct shmlog *log, uint64_t count);
void counted_later(struct shmlog *log, uint64_t count);
void counted_off(struct shmlog *log, uint64_t count);
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

__attribute__((noinline)) void counted_core(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) void counted_timed_core(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        BENCH_LOG_AT(log, id * 44, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) void counted_later(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++)
        BENCH_LOG(log, id, &bench_orders[id % BENCH_ORDERS]);
}

__attribute__((noinline)) void counted_off(struct shmlog *log, uint64_t count)
{
    for (uint64_t id = 0; id < count; id++) {
        const struct bench_order *const order = &bench_orders[id % BENCH_ORDERS];

        shmlog_trace(log, "order %lu px %.2f qty %u side %c", id, order->px, order->qty,
                     order->side);
    }
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

/* From now on this thread's calls go into the ring of core 0. */
static void use_core_ring(struct shmlog *log)
{
    uint8_t *self;
    const uint32_t cpu = 0;

    bench_pin(0);
    log->local.cpus = SHMLOG_CPUS_MAX;
    log->key += 4; /* the thread registers anew */
    if (__rseq_size > 0)
        return;
    if (!&__rseq_offset)
        bench_die("this libc has no area for rseq");
    __asm__("movq %%fs:0, %0" : "=r"(self));
    log->local.rseq_offset = (uint64_t)__rseq_offset;
    memcpy(self + __rseq_offset + 4, &cpu, sizeof(cpu)); /* cpu_id */
}

/* The ring must have got all of them, and no slow way may have been taken for want of one. */
static void count_core(struct shmlog *log, uint64_t records,
                       void (*counted)(struct shmlog *, uint64_t))
{
    struct shmlog *const attachment = shmlog_current_(log);
    const struct shmlog_ring *const ring = attachment->local.ring_of_cpu[0];

    use_core_ring(attachment);
    counted(log, records);
    if (ring->head != records)
        bench_die("the ring of core 0 got %lu records", ring->head);
}

/* Attach anew, to a segment that was not there at first: `path` becomes a link to it. */
static void wait_for_segment(struct bench_blocks *blocks, const char *path)
{
    const struct shmlog_options options = {.flags = SHMLOG_OPEN_LATER};

    shmlog_close(blocks->log);
    if (shmlog_open(&blocks->log, path, &options) < 0 || symlink(blocks->path, path) < 0)
        bench_die("cannot open %s", path);
    if (shmlog_poll(blocks->log) < 0)
        bench_die("cannot attach to %s", path);
}

/* ---- Blocks ---- */

struct blocks {
    struct file_encoder *encoder;
    struct file_block_decoder *decoder;
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
    file_block_info_of(&frame, &info);
    if (info.raw_size > b->raw_size) {
        free(b->raw);
        b->raw_size = info.raw_size;
        b->raw = malloc(b->raw_size);
        if (!b->raw)
            bench_die("out of memory");
    }
    if (counted_decode(b->decoder, &info, b->out.data + sizeof(frame), b->raw, &b->block) < 0 ||
        b->block.records != BENCH_BLOCK_RECORDS)
        bench_die("a block does not decode");
}

/* Does the decoded block hold what was logged? */
static void check_block(const struct blocks *b, const struct file_block_params *params)
{
    const struct shmlog_slot *first = params->slots;

    for (size_t i = 0; i < b->block.records; i++, first += record_slots(first)) {
        const struct file_record *record = &b->block.record[i];
        const struct file_site *site = file_sites_get(params->sites, record->site);
        struct file_value was[FILE_SITE_ARGS_MAX], is[FILE_SITE_ARGS_MAX];
        uint8_t payload[SHMLOG_RECORD_PAYLOAD];
        const uint32_t size = record_slots(first) * SHMLOG_SLOT_PAYLOAD;

        copy_payload(payload, first, 0, size);
        if (!site || file_site_values(site, payload, size, was) < 0 ||
            file_site_values(site, record->payload, record->payload_size, is) < 0 ||
            memcmp(payload, record->payload, SHMLOG_PAYLOAD_ARGS) != 0)
            bench_die("record %zu of a block is not whole", i);
        for (unsigned a = 0; a < site->args; a++)
            if (is[a].data
                    ? is[a].size != was[a].size || memcmp(is[a].data, was[a].data, is[a].size)
                    : is[a].u != was[a].u)
                bench_die("record %zu of a block came back different", i);
    }
}

static void run_blocks(struct bench_blocks *source, bool mixed, uint64_t records)
{
    struct blocks b = {0};

    if (file_encoder_open(&b.encoder, 1) < 0 || file_block_decoder_open(&b.decoder) < 0)
        bench_die("out of memory");
    for (uint64_t done = 0; done < records; done += BENCH_BLOCK_RECORDS) {
        struct file_block_params params;
        struct file_block_summary summary;

        (mixed ? bench_blocks_next_mixed : bench_blocks_next)(source, 0, &params);
        b.out.size = 0;
        if (counted_encode(b.encoder, &params, &b.out, &summary) < 0)
            bench_die("a block does not encode");
        b.bytes += b.out.size;
        decode_block(&b);
        check_block(&b, &params);
    }
    printf(", \"bytes_per_record\": %.4f", (double)b.bytes / (double)records);
    free(b.raw);
    file_block_done(&b.block);
    file_buffer_done(&b.out);
    file_block_decoder_close(b.decoder);
    file_encoder_close(b.encoder);
}

static bool is_known(const char *what)
{
    static const char *const known[] = {"floor",      "call",         "timed",       "core",
                                        "timed_core", "later",        "off",         "encode",
                                        "decode",     "encode-mixed", "decode-mixed"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(what, known[i]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static struct bench_floor floor_;
    struct bench_blocks source;
    uint64_t records;
    const char *what;
    char link[PATH_MAX];

    if (argc != 4 || !is_known(argv[2])) {
        fprintf(stderr, "usage: bench_steps DIRECTORY WHAT RECORDS\n");
        return 2;
    }
    what = argv[2];
    records = bench_number("RECORDS", argv[3], BENCH_BLOCK_RECORDS, UINT64_C(1) << 32);
    records -= records % BENCH_BLOCK_RECORDS;
    bench_blocks_open(&source, argv[1]);
    bench_orders_fill();
    printf("{\"bench\": \"steps\", \"what\": \"%s\", \"records\": %lu", what, records);
    if (strcmp(what, "floor") == 0) {
        bench_floor_open(&floor_);
        counted_floor(&floor_, records);
    } else if (strcmp(what, "call") == 0) {
        counted_call(source.log, records);
    } else if (strcmp(what, "timed") == 0) {
        counted_timed(source.log, records);
    } else if (strcmp(what, "core") == 0) {
        count_core(source.log, records, counted_core);
    } else if (strcmp(what, "timed_core") == 0) {
        count_core(source.log, records, counted_timed_core);
    } else if (strcmp(what, "later") == 0) {
        snprintf(link, sizeof(link), "%s/later-%d", argv[1], (int)getpid());
        wait_for_segment(&source, link);
        count_core(source.log, records, counted_later);
        unlink(link);
    } else if (strcmp(what, "off") == 0) {
        shmlog_set_level(source.log, SHMLOG_DEBUG);
        counted_off(source.log, records);
    } else {
        run_blocks(&source, strstr(what, "mixed") != NULL, records);
    }
    printf("}\n");
    bench_blocks_close(&source);
    return 0;
}
