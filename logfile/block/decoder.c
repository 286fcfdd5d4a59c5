/* SPDX-License-Identifier: MIT
 *
 * The memory of decoding: the decoder's scratch, and what a block's records lie in.
 */
#include "logfile/block/decoder.h"

#include <errno.h>
#include <stdlib.h>

int file_block_decoder_open(struct file_block_decoder **ret_decoder)
{
    struct file_block_decoder *decoder = calloc(1, sizeof(*decoder));

    if (!decoder)
        return -ENOMEM;
    *ret_decoder = decoder;
    return 0;
}

static void choosing_free(struct file_choosing *choosing)
{
    if (!choosing)
        return;
    free(choosing->wanted);
    free(choosing->chosen);
    for (unsigned f = 0; f < FILE_SITE_ARGS_MAX; f++)
        free(choosing->value[f]);
    free(choosing);
}

void file_block_decoder_close(struct file_block_decoder *decoder)
{
    if (!decoder)
        return;
    free(decoder->group);
    free(decoder->order);
    free(decoder->place);
    free(decoder->fill);
    free(decoder->value);
    free(decoder->scratch);
    free(decoder->reference);
    free(decoder->key);
    free(decoder->groups);
    file_alike_free(decoder->alike);
    choosing_free(decoder->choosing);
    free(decoder);
}

static bool grow_u32(uint32_t **array, size_t count)
{
    uint32_t *grown = realloc(*array, count * sizeof(*grown));

    if (grown)
        *array = grown;
    return grown != NULL;
}

static bool grow_u64(uint64_t **array, size_t count)
{
    uint64_t *grown = realloc(*array, count * sizeof(*grown));

    if (grown)
        *array = grown;
    return grown != NULL;
}

int file_decoder_reserve(struct file_block_decoder *decoder, size_t records)
{
    if (records <= decoder->room)
        return 0;
    if (!grow_u32(&decoder->group, records) || !grow_u32(&decoder->order, records) ||
        !grow_u32(&decoder->place, records) || !grow_u32(&decoder->fill, records) ||
        !grow_u64(&decoder->value, records) || !grow_u64(&decoder->scratch, records) ||
        !grow_u64(&decoder->reference, records))
        return -ENOMEM;
    decoder->room = records;
    return 0;
}

/* What was there is not kept. */
int file_decoder_reserve_keys(struct file_block_decoder *decoder, size_t keys)
{
    keys++; /* for those of a group without records, too, there is a place */
    if (keys <= decoder->key_room)
        return 0;
    free(decoder->key);
    decoder->key_room = 0;
    decoder->key = malloc(keys);
    if (!decoder->key)
        return -ENOMEM;
    decoder->key_room = keys;
    return 0;
}

int file_decoder_reserve_groups(struct file_block_decoder *decoder, size_t groups)
{
    struct decode_group *grown;

    if (groups <= decoder->group_room)
        return 0;
    grown = realloc(decoder->groups, groups * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    decoder->groups = grown;
    decoder->group_room = groups;
    return 0;
}

/* What was in the block is not kept. */
int file_decoder_reserve_block(struct file_block *block, size_t records, size_t bytes)
{
    if (records > block->record_room) {
        free(block->record);
        block->record_room = 0;
        block->record = malloc(records * sizeof(*block->record));
        if (!block->record)
            return -ENOMEM;
        block->record_room = records;
    }
    if (bytes > block->memory_size) {
        free(block->memory);
        block->memory_size = 0;
        block->memory = malloc(bytes);
        if (!block->memory)
            return -ENOMEM;
        block->memory_size = bytes;
    }
    return 0;
}

void file_block_done(struct file_block *block)
{
    if (!block)
        return;
    free(block->record);
    free(block->memory);
    *block = (struct file_block){0};
}

void file_decode_scatter(const struct decode *d, const struct decode_group *group, uint32_t offset,
                         unsigned width, bool text)
{
    const uint32_t *order = d->decoder->order + group->first;
    const uint64_t *value = d->decoder->value;

    if (text) {
        for (size_t i = 0; i < group->count; i++) {
            for (unsigned b = 0; b < width; b++)
                decode_payload(d, order[i])[offset + b] |= (uint8_t)(value[i] >> (8 * b));
        }
    } else if (width == 8) {
        for (size_t i = 0; i < group->count; i++)
            memcpy(decode_payload(d, order[i]) + offset, &value[i], 8);
    } else if (width == 4) {
        for (size_t i = 0; i < group->count; i++)
            memcpy(decode_payload(d, order[i]) + offset, &value[i], 4);
    } else {
        for (size_t i = 0; i < group->count; i++)
            memcpy(decode_payload(d, order[i]) + offset, &value[i], width);
    }
}
