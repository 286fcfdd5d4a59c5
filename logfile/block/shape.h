/* SPDX-License-Identifier: MIT
 *
 * The shape of a group of records: where their values lie in the payload. It stands in the block
 * itself, so that a block can be decoded without the dictionary.
 */
#ifndef LOGFILE_BLOCK_SHAPE_H
#define LOGFILE_BLOCK_SHAPE_H

#include "logfile/bytes.h"
#include "logfile/writer.h"

#define SHAPE_OPAQUE 0u /* payload bytes as they are */
#define SHAPE_ARGS 1u   /* values one after the other, each aligned to its size; then strings */
#define SHAPE_STRUCT 2u /* fields anywhere in a struct */

#define SHAPE_TEXT_SHORT 16u /* TEXT up to this size is columns of integers */

struct file_shape_field {
    uint8_t type;
    uint16_t offset; /* in the payload */
    uint16_t size;
};

struct file_shape {
    uint8_t kind;
    unsigned strings; /* STRING and BYTES among the fields */
    unsigned fields;
    uint32_t end; /* payload offset of the end of the fixed part */
    struct file_shape_field field[FILE_SITE_ARGS_MAX];
};

/* Room that file_shape_put() wants. */
#define SHAPE_SIZE_MAX (4u + 5u * FILE_SITE_ARGS_MAX)

/* The shape of a site's records: OPAQUE for NULL, and for arguments that are not where the types
 * alone would put them. */
void file_shape_of_site(const struct file_site *site, struct file_shape *ret_shape);
uint8_t *file_shape_put(uint8_t *to, const struct file_shape *shape);
/* -EBADMSG */
int file_shape_get(struct bytes_in *in, struct file_shape *ret_shape);

static inline bool shape_is_string(const struct file_shape_field *field)
{
    return field->type == SHMLOG_TYPE_STRING || field->type == SHMLOG_TYPE_BYTES;
}

static inline bool shape_is_long_text(const struct file_shape_field *field)
{
    return field->type == SHMLOG_TYPE_TEXT && field->size > SHAPE_TEXT_SHORT;
}

static inline bool shape_is_float(const struct file_shape_field *field)
{
    return field->type == SHMLOG_TYPE_F32 || field->type == SHMLOG_TYPE_F64;
}

#endif
