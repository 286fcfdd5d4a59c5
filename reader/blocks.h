/* SPDX-License-Identifier: MIT
 *
 * Decoding blocks of files in bounded memory, for all sources of a cursor.
 *
 * A few bytes may claim to be half a million records, and each ring has a block of its own under
 * way. As long as all of them fit into BLOCKS_MAX, blocks are decoded whole, which is what the
 * files of a collector get. One that does not fit is decoded into a place that all share, and a
 * part of its records is copied; it is decoded again for the next part. So what a file claims costs
 * time, not memory, and no record is left out.
 */
#ifndef READER_BLOCKS_H
#define READER_BLOCKS_H

#include "reader/fileset.h"

#define BLOCKS_MAX (UINT64_C(256) << 20)      /* of blocks that are decoded whole */
#define BLOCKS_PARTS_MAX (UINT64_C(64) << 20) /* of parts, as long as each has BLOCKS_PART_MIN */
#define BLOCKS_PART_MIN (UINT64_C(32) << 10)

struct blocks {
    uint64_t bytes;          /* of all blocks handed out, whole or in part */
    size_t streams;          /* that hold one */
    struct file_block whole; /* the one that parts are taken of: */
    const struct fileset_file *whole_file;
    uint64_t whole_offset;
    /* Of large blocks; the other readers, of which many may be open, need not grow for these. */
    struct file_reader *reader;
    const struct fileset_file *reader_file;
};

/* Where a block is. */
struct block_place {
    const struct fileset_file *file;
    struct file_reader *reader; /* of it, open */
    const struct file_piece *piece;
    const struct file_choice *choice; /* NULL: all records, as of blocks that come in parts */
};

/* Decode the records from number `seq` on, or some of them; `block` as for file_reader_decode().
 * 1: there are more; 0: these are all; errors as of that, with an empty block. */
int blocks_decode(struct blocks *blocks, const struct block_place *place, uint64_t seq,
                  struct file_block *block);
void blocks_drop(struct blocks *blocks, struct file_block *block);
void blocks_done(struct blocks *blocks);

#endif
