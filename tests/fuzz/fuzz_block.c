/* SPDX-License-Identifier: MIT
 *
 * The content of a block, as it comes out of zstd: hostile bytes into the decoder.
 *
 * Input: records, slots beside one for each (8 bits each), first number (16), then the content.
 * What was decoded without an error must keep the promises that readers build upon: payloads lie in
 * the block's memory without overlapping, are no longer than their slots, and begin with time and
 * producer.
 */
#include "logfile/block/choice.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define RECORDS_MAX 128u /* of an input: more only cost time */

static void check_records(const struct file_block *block, const struct file_block_info *info)
{
    const uint8_t *memory = block->memory;
    uint32_t slots = 0;
    uint64_t sum = 0;

    FUZZ_CHECK(block->records == info->records);
    for (size_t i = 0; i < block->records; i++) {
        const struct file_record *record = &block->record[i];
        uint64_t time;
        uint32_t producer;

        FUZZ_CHECK(record->seq == info->first_seq + i);
        FUZZ_CHECK(record->slots >= 1 && record->slots <= SHMLOG_RECORD_SLOTS);
        FUZZ_CHECK(record->payload_size >= SHMLOG_PAYLOAD_ARGS);
        FUZZ_CHECK(record->payload_size <= record->slots * SHMLOG_SLOT_PAYLOAD);
        FUZZ_CHECK(record->payload >= memory &&
                   record->payload + record->slots * SHMLOG_SLOT_PAYLOAD <=
                       memory + block->memory_size);
        memcpy(&time, record->payload + SHMLOG_PAYLOAD_TIME, sizeof(time));
        memcpy(&producer, record->payload + SHMLOG_PAYLOAD_PRODUCER, sizeof(producer));
        FUZZ_CHECK(time == record->time && producer == record->producer);
        for (uint32_t b = 0; b < record->payload_size; b++)
            sum += record->payload[b];
        slots += record->slots;
    }
    FUZZ_CHECK(slots == info->slots);
    __asm__ volatile("" ::"r"(sum));
}

/* Takes all columns that can be taken, as a condition would, and chooses by them. */
static enum file_chosen choose(void *arg, struct file_group *group, uint8_t *ret_wanted)
{
    uint64_t sum = 0;
    uint32_t fields = 0;

    for (unsigned f = 0; f < group->shape.fields; f++)
        if (group->shape.field[f].type != SHMLOG_TYPE_TEXT &&
            (!shape_is_string(&group->shape.field[f]) || group->entries[f]))
            fields |= UINT32_C(1) << f;
    if (file_group_take(group, fields) < 0)
        return FILE_CHOSEN_ALL;
    for (unsigned f = 0; f < group->shape.fields; f++) {
        struct file_value value;

        for (size_t i = 0; i < group->count; i++) {
            const uint64_t one = group->value[f]   ? group->value[f][i]
                                 : group->index[f] ? group->index[f][i]
                                                   : 0;

            ret_wanted[i] ^= one & 1;
        }
        for (unsigned e = 0; group->index[f] && e < group->entries[f]; e++) {
            file_group_entry(group, f, e, &value);
            for (uint32_t b = 0; b < value.size; b++)
                sum += value.data[b];
        }
    }
    __asm__ volatile("" ::"r"(sum));
    return FILE_CHOSEN_SOME;
}

/* What is chosen is some of what there is. */
static void check_chosen(const struct file_block *block, const struct file_block *chosen)
{
    size_t at = 0;

    for (size_t i = 0; i < block->records && at < chosen->records; i++) {
        const struct file_record *const one = &block->record[i], *const other = &chosen->record[at];

        if (one->seq != other->seq)
            continue;
        FUZZ_CHECK(one->payload_size == other->payload_size &&
                   !memcmp(one->payload, other->payload, one->payload_size));
        at++;
    }
    FUZZ_CHECK(at == chosen->records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    struct file_block_info info = {.codec = 1};
    struct file_block block = {0}, chosen = {0};
    const struct file_choice choice = {choose, NULL};
    struct file_block_decoder *decoder;
    uint8_t *content;
    int r;

    info.records = 1 + (uint32_t)fuzz_take(&in, 1) % RECORDS_MAX;
    info.slots = info.records + (uint32_t)fuzz_take(&in, 1);
    info.first_seq = fuzz_take(&in, 2);
    info.stored_size = info.raw_size = (uint32_t)fuzz_left(&in);
    if (!file_block_info_valid(&info))
        return -1;
    FUZZ_CHECK(file_block_decoder_open(&decoder) == 0);
    content = fuzz_copy(in.at, fuzz_left(&in));
    r = file_block_decode(decoder, &info, content, fuzz_left(&in), &block);
    FUZZ_CHECK(r == 0 || r == -EBADMSG);
    if (file_block_decode_chosen(decoder, &info, content, fuzz_left(&in), &choice, &chosen) == 0)
        FUZZ_CHECK(r == 0 || chosen.records == 0);
    else
        FUZZ_CHECK(r < 0 && chosen.records == 0);
    free(content);
    check_chosen(&block, &chosen);
    file_block_done(&chosen);
    if (r == 0)
        check_records(&block, &info);
    else
        FUZZ_CHECK(block.records == 0);
    file_block_done(&block);
    file_block_decoder_close(decoder);
    return 0;
}
