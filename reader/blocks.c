/* SPDX-License-Identifier: MIT
 *
 * Decoding blocks whole, or part by part where they are large.
 */
#include "reader/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than a collector puts into a block. */
#define LARGE_SLOTS 32768u
#define LARGE_BYTES (2u << 20)

static uint64_t block_bytes(const struct file_block *block)
{
    return block->memory_size + block->record_room * sizeof(*block->record);
}

static bool fits(const struct blocks *blocks, const struct file_block_info *info,
                 const struct file_block *block)
{
    const uint64_t wanted = (uint64_t)info->slots * SHMLOG_SLOT_PAYLOAD +
                            (uint64_t)info->records * sizeof(*block->record);

    return blocks->bytes - block_bytes(block) + wanted <= BLOCKS_MAX;
}

static bool is_large(const struct file_block_info *info)
{
    return info->slots > LARGE_SLOTS || info->raw_size > LARGE_BYTES ||
           info->stored_size > LARGE_BYTES;
}

static int open_for_large(struct blocks *blocks, const struct fileset_file *file)
{
    struct file_reader *reader;
    int r;

    if (blocks->reader_file == file)
        return 0;
    r = fileset_reader_open(file, &reader);
    if (r < 0)
        return r;
    file_reader_close(blocks->reader);
    blocks->reader = reader;
    blocks->reader_file = file;
    return 0;
}

static int decode(struct blocks *blocks, const struct block_place *place,
                  const struct file_choice *choice, struct file_block *block)
{
    int r;

    if (!is_large(&place->piece->block))
        return file_reader_decode_chosen(place->reader, place->piece, choice, block);
    r = open_for_large(blocks, place->file);
    return r < 0 ? r : file_reader_decode_chosen(blocks->reader, place->piece, choice, block);
}

static int decode_shared(struct blocks *blocks, const struct block_place *place)
{
    int r;

    if (blocks->whole_file == place->file && blocks->whole_offset == place->piece->offset)
        return 0;
    blocks->whole_file = NULL;
    r = decode(blocks, place, NULL, &blocks->whole);
    if (r == 0) {
        blocks->whole_file = place->file;
        blocks->whole_offset = place->piece->offset;
    }
    return r;
}

/* Copy records `begin` .. `end` - 1 of the shared block. */
static int copy_part(const struct blocks *blocks, size_t begin, size_t end, size_t bytes,
                     struct file_block *block)
{
    uint8_t *payload;

    block->record = malloc((end - begin) * sizeof(*block->record));
    block->memory = payload = malloc(bytes + 1);
    if (!block->record || !payload)
        return -ENOMEM;
    block->info = blocks->whole.info;
    block->record_room = end - begin;
    block->memory_size = bytes + 1;
    for (size_t i = begin; i < end; i++) {
        const struct file_record *const from = &blocks->whole.record[i];
        struct file_record *const record = &block->record[block->records++];

        *record = *from;
        record->payload = memcpy(payload, from->payload, from->payload_size);
        payload += from->payload_size;
    }
    return 0;
}

static int take_part(struct blocks *blocks, uint64_t seq, struct file_block *block)
{
    const struct file_block *const whole = &blocks->whole;
    const uint64_t first = whole->info.first_seq;
    uint64_t share = BLOCKS_PARTS_MAX / (blocks->streams ? blocks->streams : 1);
    size_t begin = seq > first ? seq - first : 0, end, bytes = 0;
    int r;

    if (share < BLOCKS_PART_MIN)
        share = BLOCKS_PART_MIN;
    if (begin >= whole->records)
        return 0;
    for (end = begin; end < whole->records; end++) {
        if (end > begin && bytes + (end - begin) * sizeof(*whole->record) >= share)
            break;
        bytes += whole->record[end].payload_size;
    }
    r = copy_part(blocks, begin, end, bytes, block);
    return r < 0 ? r : end < whole->records;
}

int blocks_decode(struct blocks *blocks, const struct block_place *place, uint64_t seq,
                  struct file_block *block)
{
    const bool whole = fits(blocks, &place->piece->block, block);
    int r;

    if (!whole)
        blocks_drop(blocks, block);
    blocks->bytes -= block_bytes(block);
    if (whole) {
        r = decode(blocks, place, place->choice, block);
    } else {
        r = decode_shared(blocks, place);
        if (r == 0)
            r = take_part(blocks, seq, block);
    }
    blocks->bytes += block_bytes(block);
    return r;
}

void blocks_drop(struct blocks *blocks, struct file_block *block)
{
    blocks->bytes -= block_bytes(block);
    file_block_done(block);
}

void blocks_done(struct blocks *blocks)
{
    file_block_done(&blocks->whole);
    file_reader_close(blocks->reader);
    *blocks = (struct blocks){0};
}
