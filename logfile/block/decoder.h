/* SPDX-License-Identifier: MIT
 *
 * Inside decoding: what a decoder keeps between blocks, scratch that only grows; and what the parts
 * of taking a block apart share.
 */
#ifndef LOGFILE_BLOCK_DECODER_H
#define LOGFILE_BLOCK_DECODER_H

#include "logfile/block/decode.h"
#include "logfile/column/column.h"
#include "logfile/block/shape.h"

/* The strings of an argument: a dictionary and indices into it, or length words; the numbers are in
 * the decoder's `value`. */
struct decode_strings {
    uint32_t entries; /* 0: no dictionary */
    uint32_t word[COLUMN_DICT_MAX];
    const uint8_t *bytes[COLUMN_DICT_MAX];
};

struct decode_group {
    uint32_t site_id;
    uint32_t count;
    uint32_t first;           /* in `order` */
    const uint8_t *shape;     /* in the content */
    const uint8_t *sizes;     /* in the content: columns of the length words, */
    const uint8_t *sizes_end; /* and the end of what was left when they came */
    uint32_t dicts;           /* bit a: string argument a has a dictionary */
};

struct file_alike;

/* choice.c: what is kept while records are chosen. */
struct file_choosing {
    uint8_t *wanted; /* a byte for each record, by group */
    uint8_t *chosen; /* in the order of the records */
    size_t records;  /* room for so many */
    uint64_t *value[FILE_SITE_ARGS_MAX];
    size_t room[FILE_SITE_ARGS_MAX];
    struct decode_strings strings[FILE_SITE_ARGS_MAX];
};

struct file_block_decoder {
    size_t room;
    uint32_t *group;
    uint32_t *order; /* records by group */
    uint32_t *place; /* of a record's payload in the block's memory */
    uint32_t *fill;  /* payload bytes of a record that were put in place */
    uint64_t *value;
    uint64_t *scratch;
    uint64_t *reference; /* see struct column_relatives */
    uint8_t *key;        /* for each dictionary of a group, an index for each record */
    size_t key_room;
    struct decode_group *groups;
    size_t group_count, group_room;
    struct file_alike *alike;       /* NULL: no such block came yet */
    struct file_choosing *choosing; /* NULL: nothing was to be chosen yet */
};

/* What decoding one block works on. */
struct decode {
    struct file_block_decoder *decoder;
    struct file_block *block;
    uint8_t *payloads;
    struct bytes_in in;
    uint32_t records;
    uint32_t slots;                    /* of the records placed so far */
    struct column_relatives relatives; /* of the group under work */
};

static inline uint8_t *decode_payload(const struct decode *d, uint32_t i)
{
    return d->payloads + d->decoder->place[i];
}

/* Put the column in `value` into the payloads of a group. Bytes are or-ed in for texts, since
 * these may overlap with other fields and have only what is before their NUL. */
void file_decode_scatter(const struct decode *d, const struct decode_group *group, uint32_t offset,
                         unsigned width, bool text);

/* The next column of the content, into the decoder's `value`; -EBADMSG. */
int file_decode_column(struct decode *d, size_t count, unsigned width);

/* decode.c: the groups, and the column of them: which one each record has, and `first` and `count`
 * of each. -EBADMSG, -ENOMEM. */
int file_decode_group_table(struct decode *d);
int file_decode_groups(struct decode *d);
/* The shape of a group of the table. */
struct file_shape file_decode_shape(const struct decode *d, const struct decode_group *group);

/* string_decode.c: the next column of string lengths; -EBADMSG. */
int file_decode_strings(struct decode *d, size_t count, struct decode_strings *ret_strings);
static inline uint32_t decode_string_word(const struct decode_strings *strings, uint64_t value)
{
    return strings->entries ? strings->word[(uint8_t)value] : (uint32_t)value;
}
/* Step over it; 0 entries: it has no dictionary. -EBADMSG. */
int file_decode_skip_strings(struct decode *d, size_t count, unsigned *ret_entries);
/* Come back to these columns when payloads have their places: put in length words, and the strings
 * of dictionaries; keep the indices in `relatives`. -EBADMSG, -ENOMEM. */
int file_decode_put_strings(struct decode *d, struct decode_group *group,
                            const struct file_shape *shape);

/* payload_decode.c: for a group, the columns of its values, and the bytes of its strings; -EBADMSG.
 */
int file_decode_fields(struct decode *d, struct decode_group *group,
                       const struct file_shape *shape);
int file_decode_bytes(struct decode *d, struct decode_group *group, const struct file_shape *shape);

/* alike_decode.c: all that comes after the group table, for a block whose records are all alike. 1:
 * done, 0: it is not one of these, -EBADMSG, -ENOMEM. */
int file_decode_alike(struct decode *d, const struct file_shape *shape);
void file_alike_free(struct file_alike *alike);

/* decoder.c */

/* Room for the records of a block, in the scratch and in the block; -ENOMEM. */
int file_decoder_reserve(struct file_block_decoder *decoder, size_t records);
int file_decoder_reserve_keys(struct file_block_decoder *decoder, size_t keys);
int file_decoder_reserve_groups(struct file_block_decoder *decoder, size_t groups);
int file_decoder_reserve_block(struct file_block *block, size_t records, size_t bytes);

#endif
