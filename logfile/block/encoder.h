/* SPDX-License-Identifier: MIT
 *
 * What an encoder keeps between pieces: scratch that only grows.
 */
#ifndef LOGFILE_BLOCK_ENCODER_H
#define LOGFILE_BLOCK_ENCODER_H

#include "logfile/column/kernel.h"
#include "logfile/format.h"
#include "logfile/block/shape.h"

#include <zstd.h>
#include <zstd_errors.h>

/* The records of one site within a block that are taken apart in the same way. */
struct encode_group {
    uint32_t site_id;
    const struct file_site *site; /* NULL: kept as opaque bytes */
    uint32_t count;
    uint32_t slots;                      /* of its records */
    uint32_t fit;                        /* slots from which on a record holds its fixed part */
    uint32_t fixed_end;                  /* payload bytes of that */
    uint16_t length_at[SHMLOG_ARGS_MAX]; /* bytes from a record's first slot to the length words of
                                            its strings */
    unsigned strings;
    const uint32_t *order; /* the first slot of each of its records */
    uint32_t dicts;        /* bit a: string argument a has a dictionary */
    uint32_t key_count;    /* strings in the one that serves as key; 0: none */
    unsigned key_argument;
};

struct file_encoder {
    ZSTD_CCtx *zstd;
    int zstd_level;
    int quick; /* the parameters that zstd is set to, -1 none yet */
    struct file_columns columns;
    struct file_buffer content;

    /* Per record of the block: */
    size_t room;
    uint32_t *start; /* index of its first slot */
    uint32_t *group; /* index of its group */
    uint32_t *order; /* records sorted by group, in their order within it: their start */
    uint8_t *key;    /* in that order: the index of its string, where a group has a dictionary */
    uint8_t *index;  /* indices under work */
    uint32_t *string_at; /* of the records of the group under work: payload offset of a string */
    uint32_t *count_up;  /* 0, 1, 2, ...: the start where each record has one slot */
    uint64_t *value;     /* the column under work */
    uint64_t *word[KERNEL_SLOT_WORDS]; /* of one slot of each record of a group, see `spread` */

    struct file_buffer ranges; /* of the block under work, as its frame has them, */
    size_t range_count;        /* so many */
    bool ranges_failed;        /* there was no memory for one */
    uint64_t ranges_due;       /* bytes of blocks that no ranges were written for yet */

    struct encode_group *groups;
    size_t group_count, group_room;
    /* 1 + index of the group of a site's records, 0 none yet; [0] understood, [1] opaque */
    uint32_t *group_of[2];
    uint32_t sites_room;
};

/* What encoding one block works on. */
struct encode {
    struct file_encoder *encoder;
    const struct shmlog_slot *slots;
    size_t slot_count;
    size_t records;
    const uint32_t *start; /* of each record: its first slot */
    /* What the encoder's words hold: slot number `spread_slot` of the records in `spread_order`. */
    const uint32_t *spread_order;
    uint32_t spread_slot;
    unsigned spread_words;
};

/* group.c */

/* Room for the records of a block; -ENOMEM. */
int file_encode_reserve(struct file_encoder *encoder, size_t records);
/* Find the records in the slots, and sort them into groups. -EINVAL if they are not whole records.
 */
int file_encode_find_records(struct encode *e, const struct file_block_params *params);
/* Spread slot number `slot` of each of the records in `order` into the encoder's words, the first
 * `words` (4..8) of it at least: what has been done is not done again. */
void file_encode_spread(struct encode *e, const uint32_t *order, size_t count, uint32_t slot,
                        unsigned words);
void file_encode_forget_groups(struct file_encoder *encoder);
/* Slots that a record of an understood group needs; more than SHMLOG_RECORD_SLOTS if its strings
 * are too long for any. Length words are within the record if it has the slots for its fixed part.
 */
uint32_t file_encode_needed(const struct encode_group *group, const struct shmlog_slot *first);

/* block_encode.c: append the encoder's `value` as a column. */
int file_encode_column(struct encode *e, size_t count);

/* payload_encode.c: of a group, how large its records are; the columns of its values; the bytes of
 * its strings. -ENOMEM. */
int file_encode_sizes(struct encode *e, struct encode_group *group, const struct file_shape *shape);
int file_encode_fields(struct encode *e, struct encode_group *group,
                       const struct file_shape *shape);
int file_encode_bytes(struct encode *e, struct encode_group *group, const struct file_shape *shape);

/* string_encode.c */

/* Go to the first string of each record of a group, whose fixed part ends at `end`, and on to the
 * next after the one whose length word is at `field_offset`. */
void file_encode_strings_start(struct encode *e, const struct encode_group *group, uint32_t end);
void file_encode_strings_step(struct encode *e, const struct encode_group *group,
                              uint32_t field_offset);
/* Append the strings, of string argument number `argument` (argument `field` of the site), where
 * the encoder is, by a dictionary: 1; 0 if there are too many. -ENOMEM. */
int file_encode_string_dict(struct encode *e, struct encode_group *group, unsigned argument,
                            unsigned field, uint32_t field_offset);

/* ranges_encode.c */

/* Note a column of a group's records (of integers: the one that was put last);
 * file_encode_put_ranges() says whether there was memory. */
void file_encode_note_integers(struct encode *e, const struct encode_group *group,
                               unsigned argument, bool is_signed);
void file_encode_note_reals(struct encode *e, const struct encode_group *group, unsigned argument,
                            const uint64_t *v, unsigned width);
/* `strings`: the bits of all of them. */
void file_encode_note_strings(struct encode *e, const struct encode_group *group, unsigned argument,
                              uint64_t strings);
/* Append the frame of what was noted, unless ranges take too much of what is written. -ENOMEM. */
int file_encode_put_ranges(struct encode *e, const struct file_block_params *params,
                           size_t block_size, struct file_buffer *out);

/* encoder.c */

/* Append one zstd frame of the encoder's content, with a checksum and its size in it: the first
 * `soft` bytes compressed, with new zstd blocks at the columns' cuts, and what comes after as it
 * is. `columnar`: the former are nothing but columns. Takes content and columns back to empty. */
int file_encoder_compress(struct file_encoder *encoder, size_t soft, bool columnar,
                          struct file_buffer *out);

#endif
