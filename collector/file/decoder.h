/* SPDX-License-Identifier: MIT
 *
 * What a decoder keeps between blocks: scratch that only grows.
 */
#ifndef COLLECTOR_FILE_DECODER_H
#define COLLECTOR_FILE_DECODER_H

#include "collector/file/block_decode.h"

struct decode_group {
    uint32_t site_id;
    uint32_t count;
    uint32_t first;       /* in `order` */
    const uint8_t *shape; /* in the content */
    const uint8_t *sizes; /* in the content: columns of the length words */
};

struct file_block_decoder {
    size_t room;
    uint32_t *group;
    uint32_t *order; /* records by group */
    uint32_t *place; /* of a record's payload in the block's memory */
    uint32_t *fill;  /* payload bytes of a record that were put in place */
    uint64_t *value;
    uint64_t *scratch;
    struct decode_group *groups;
    size_t group_count, group_room;
};

/* Room for the records of a block, in the scratch and in the block; -ENOMEM. */
int file_decoder_reserve(struct file_block_decoder *decoder, size_t records);
int file_decoder_reserve_groups(struct file_block_decoder *decoder, size_t groups);
int file_decoder_reserve_block(struct file_block *block, size_t records, size_t bytes);

#endif
