/* SPDX-License-Identifier: MIT
 *
 * Which records of a block are wanted, by its columns: before the records are made, and of few
 * columns only. A block of which nothing is wanted is never taken apart.
 */
#ifndef LOGFILE_BLOCK_CHOICE_H
#define LOGFILE_BLOCK_CHOICE_H

#include "logfile/block/decode.h"
#include "logfile/block/shape.h"

#define FILE_GROUP_PIECE 256u

struct decode;
struct decode_group;

/* Records of a block that have one site and one shape, in their order in the block. */
struct file_group {
    uint32_t site;
    size_t count; /* at least 1 */
    struct file_shape shape;
    /* Of the fields that were taken, for each record. Behind the last one there are zeros, up to a
     * multiple of FILE_GROUP_PIECE. */
    const uint64_t *value[FILE_SITE_ARGS_MAX]; /* numbers, as struct file_value has them */
    const uint8_t *index[FILE_SITE_ARGS_MAX];  /* strings: which entry of the dictionary */
    unsigned entries[FILE_SITE_ARGS_MAX];      /* of that */
    /* the decoder's */
    struct decode *decode;
    struct bytes_in column[FILE_SITE_ARGS_MAX]; /* where the columns begin */
};

/* Take the columns of the fields whose bits are set. -ENOTSUP if one of them is a text or has
 * strings without a dictionary; -EBADMSG, -ENOMEM. */
int file_group_take(struct file_group *group, uint32_t fields);
/* An entry of the dictionary of a field that was taken. */
void file_group_entry(const struct file_group *group, unsigned field, unsigned entry,
                      struct file_value *ret_value);

enum file_chosen {
    FILE_CHOSEN_NONE,
    FILE_CHOSEN_ALL,
    FILE_CHOSEN_SOME, /* those whose byte in ret_wanted, zeroed at first, is not 0 */
};

struct file_choice {
    enum file_chosen (*choose)(void *arg, struct file_group *group, uint8_t *ret_wanted);
    void *arg;
};

/* As file_block_decode(), with the records that are chosen alone. What is wrong with a block of
 * which none is chosen may remain unseen. */
int file_block_decode_chosen(struct file_block_decoder *decoder, const struct file_block_info *info,
                             const uint8_t *content, size_t size, const struct file_choice *choice,
                             struct file_block *ret_block);

#endif
