/* SPDX-License-Identifier: MIT
 *
 * Shapes: from sites, to bytes, and back, checked.
 */
#include "logfile/block/shape.h"

#include <errno.h>

/* Place a value of this type after `end`, as SHAPE_ARGS does. */
static void place(struct file_shape_field *field, unsigned type, uint32_t *end)
{
    unsigned size = file_type_size(type);
    uint32_t offset = (*end + size - 1) & ~(uint32_t)(size - 1);

    *field = (struct file_shape_field){(uint8_t)type, (uint16_t)offset, (uint16_t)size};
    *end = offset + size;
}

static bool place_arguments(const struct file_site *site, struct file_shape *shape)
{
    shape->end = SHMLOG_PAYLOAD_ARGS;
    for (unsigned i = 0; i < site->args; i++) {
        place(&shape->field[i], site->arg[i].type, &shape->end);
        if (shape->field[i].offset != site->arg[i].offset)
            return false;
    }
    return true;
}

void file_shape_of_site(const struct file_site *site, struct file_shape *ret_shape)
{
    *ret_shape = (struct file_shape){.kind = SHAPE_OPAQUE, .end = SHMLOG_PAYLOAD_ARGS};
    if (!site)
        return;
    if (site->kind == SHMLOG_SITE_RAW) {
        ret_shape->kind = SHAPE_STRUCT;
        ret_shape->fields = site->args;
        ret_shape->end = SHMLOG_PAYLOAD_RAW + site->record_size;
        for (unsigned i = 0; i < site->args; i++)
            ret_shape->field[i] = (struct file_shape_field){
                site->arg[i].type,
                (uint16_t)(SHMLOG_PAYLOAD_RAW + site->arg[i].offset),
                site->arg[i].size,
            };
    } else if (place_arguments(site, ret_shape)) {
        ret_shape->kind = SHAPE_ARGS;
        ret_shape->fields = site->args;
        for (unsigned i = 0; i < site->args; i++)
            ret_shape->strings += shape_is_string(&ret_shape->field[i]);
    }
}

static uint8_t *put_u16(uint8_t *to, unsigned v)
{
    *to++ = (uint8_t)v;
    *to++ = (uint8_t)(v >> 8);
    return to;
}

uint8_t *file_shape_put(uint8_t *to, const struct file_shape *shape)
{
    *to++ = shape->kind;
    if (shape->kind == SHAPE_OPAQUE)
        return to;
    *to++ = (uint8_t)shape->fields;
    if (shape->kind == SHAPE_STRUCT)
        to = put_u16(to, shape->end - SHMLOG_PAYLOAD_RAW);
    for (unsigned i = 0; i < shape->fields; i++) {
        const struct file_shape_field *field = &shape->field[i];

        *to++ = field->type;
        if (shape->kind == SHAPE_STRUCT) {
            to = put_u16(to, field->offset - SHMLOG_PAYLOAD_RAW);
            to = put_u16(to, field->size);
        }
    }
    return to;
}

static int get_arguments(struct bytes_in *in, struct file_shape *shape)
{
    for (unsigned i = 0; i < shape->fields; i++) {
        unsigned type = bytes_u8(in);

        if (!file_type_size(type))
            return -EBADMSG;
        place(&shape->field[i], type, &shape->end);
        shape->strings += shape_is_string(&shape->field[i]);
    }
    return 0;
}

static int get_fields(struct bytes_in *in, struct file_shape *shape)
{
    uint32_t struct_size = bytes_u16(in);

    shape->end = SHMLOG_PAYLOAD_RAW + struct_size;
    if (shape->end > SHMLOG_RECORD_PAYLOAD)
        return -EBADMSG;
    for (unsigned i = 0; i < shape->fields; i++) {
        struct file_shape_field *field = &shape->field[i];
        unsigned size;
        uint32_t offset;

        field->type = bytes_u8(in);
        offset = bytes_u16(in);
        field->size = bytes_u16(in);
        field->offset = (uint16_t)(SHMLOG_PAYLOAD_RAW + offset);
        size = field->type == SHMLOG_TYPE_TEXT ? field->size : file_type_size(field->type);
        if (!size || field->size != size || shape_is_string(field) || offset + size > struct_size)
            return -EBADMSG;
    }
    return 0;
}

int file_shape_get(struct bytes_in *in, struct file_shape *ret_shape)
{
    int r = 0;

    *ret_shape = (struct file_shape){.kind = bytes_u8(in), .end = SHMLOG_PAYLOAD_ARGS};
    if (ret_shape->kind > SHAPE_STRUCT)
        return -EBADMSG;
    if (ret_shape->kind == SHAPE_OPAQUE)
        return in->bad ? -EBADMSG : 0;
    ret_shape->fields = bytes_u8(in);
    if (ret_shape->fields > FILE_SITE_ARGS_MAX)
        return -EBADMSG;
    r = ret_shape->kind == SHAPE_ARGS ? get_arguments(in, ret_shape) : get_fields(in, ret_shape);
    return in->bad ? -EBADMSG : r;
}
