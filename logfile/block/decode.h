/* SPDX-License-Identifier: MIT
 *
 * From a block's content back to records.
 */
#ifndef LOGFILE_BLOCK_DECODE_H
#define LOGFILE_BLOCK_DECODE_H

#include "logfile/format.h"
#include "logfile/read/reader.h"

struct file_block_decoder; /* scratch that only grows */
int file_block_decoder_open(struct file_block_decoder **ret_decoder);
void file_block_decoder_close(struct file_block_decoder *decoder);

/* Decode `content` as the block that `info` (checked by file_block_info_valid()) describes into
 * `ret_block`. -EBADMSG with ret_block->records 0; -ENOMEM. */
int file_block_decode(struct file_block_decoder *decoder, const struct file_block_info *info,
                      const uint8_t *content, size_t size, struct file_block *ret_block);

/* What a block's header says, not yet checked. */
void file_block_info_of(const struct frame_block *frame, struct file_block_info *ret_info);
/* Do the numbers of a block header fit together and the hard limits? */
bool file_block_info_valid(const struct file_block_info *info);

#endif
