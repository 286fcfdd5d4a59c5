/* SPDX-License-Identifier: MIT
 *
 * Blocks whose records are all alike, each in one slot, without strings: what most blocks are.
 * Their columns are read side by side, some hundred values of each at a time, and become payloads
 * and records while they are in the processor's cache.
 *
 * The general way gives the same for them; it is taken for a block in which only the columns
 * themselves tell that it is not one of these.
 */
#include "logfile/column/reader.h"
#include "logfile/block/decoder.h"
#include "logfile/block/record.h"

#include <errno.h>
#include <stdlib.h>

#define PIECE 256u /* records at a time */

_Static_assert(PIECE % 8 == 0, "a piece of a column");
_Static_assert(KERNEL_PAYLOAD_WORDS * 8 == SHMLOG_SLOT_PAYLOAD, "words of a slot");
_Static_assert(SHMLOG_PAYLOAD_TIME == 0 && SHMLOG_PAYLOAD_PRODUCER == 8, "words of a payload");

struct file_alike {
    struct column_reader producer, time, other;
    struct column_reader field[FILE_SITE_ARGS_MAX];
    uint64_t word[KERNEL_PAYLOAD_WORDS][PIECE];
    uint64_t value[PIECE];
    uint64_t scratch[PIECE];
};

void file_alike_free(struct file_alike *alike)
{
    free(alike);
}

static bool is_simple(const struct decode *d, const struct file_shape *shape)
{
    if (d->decoder->group_count != 1 || shape->kind == SHAPE_OPAQUE || shape->strings ||
        shape->end > SHMLOG_SLOT_PAYLOAD || d->block->info.slots != d->records)
        return false;
    for (unsigned f = 0; f < shape->fields; f++) {
        const struct file_shape_field *field = &shape->field[f];

        if (field->type == SHMLOG_TYPE_TEXT || field->offset % 8 + field->size > 8)
            return false;
    }
    return true;
}

/* Find all columns. 0: the block is not one of these. */
static int open_columns(struct decode *d, struct file_alike *alike, const struct file_shape *shape)
{
    int r = column_reader_open(&alike->other, &d->in, d->records, 4); /* groups */

    if (r < 0 || !column_reader_is_zero(&alike->other))
        return r;
    r = column_reader_open(&alike->producer, &d->in, d->records, 4);
    if (r == 0)
        r = column_reader_open(&alike->time, &d->in, d->records, 8);
    if (r == 0)
        r = column_reader_open(&alike->other, &d->in, d->records, 1); /* extra slots */
    if (r < 0 || !column_reader_is_zero(&alike->other))
        return r;
    for (unsigned f = 0; r == 0 && f < shape->fields; f++)
        r = column_reader_open(&alike->field[f], &d->in, d->records, shape->field[f].size);
    if (r == 0 && d->in.at != d->in.end)
        r = -EBADMSG;
    return r < 0 ? r : 1;
}

/* The columns' next values into words of payloads. */
static int take_piece(struct file_alike *alike, const struct file_shape *shape, size_t count)
{
    const struct unpack_kernels *kernels = alike->time.kernels;
    int r = column_reader_take(&alike->time, count, alike->word[0], alike->scratch);

    kernels->fill(alike->word[1], count, 0);
    if (r == 0)
        r = column_reader_take(&alike->producer, count, alike->value, alike->scratch);
    kernels->insert(alike->word[1], alike->value, count, UINT32_MAX, 0);
    for (unsigned w = 2; w < KERNEL_PAYLOAD_WORDS; w++)
        kernels->fill(alike->word[w], count, 0);
    for (unsigned f = 0; r == 0 && f < shape->fields; f++) {
        const struct file_shape_field *field = &shape->field[f];
        uint64_t *word = alike->word[field->offset / 8];

        if (field->size == 8) {
            r = column_reader_take(&alike->field[f], count, word, alike->scratch);
            continue;
        }
        r = column_reader_take(&alike->field[f], count, alike->value, alike->scratch);
        kernels->insert(word, alike->value, count, (UINT64_C(1) << 8 * field->size) - 1,
                        8 * (field->offset % 8u));
    }
    return r;
}

static void put_records(const struct decode *d, const struct file_alike *alike,
                        const struct file_shape *shape, size_t at, size_t count)
{
    const uint64_t seq = d->block->info.first_seq + at;
    const uint32_t site = d->decoder->groups[0].site_id;
    const uint8_t *payload = d->payloads + at * SHMLOG_SLOT_PAYLOAD;
    struct file_record *record = d->block->record + at;

    for (size_t i = 0; i < count; i++, payload += SHMLOG_SLOT_PAYLOAD)
        record[i] = (struct file_record){
            .seq = seq + i,
            .time = alike->word[0][i],
            .site = site,
            .producer = (uint32_t)alike->word[1][i],
            .payload = payload,
            .payload_size = shape->end,
            .slots = 1,
        };
}

int file_decode_alike(struct decode *d, const struct file_shape *shape)
{
    const struct bytes_in in = d->in;
    struct file_alike *alike = d->decoder->alike;
    int r;

    if (!is_simple(d, shape))
        return 0;
    if (!alike)
        alike = d->decoder->alike = malloc(sizeof(*alike));
    if (!alike)
        return -ENOMEM;
    r = open_columns(d, alike, shape);
    if (r == -ENOTSUP)
        r = 0;
    if (r == 0)
        d->in = in;
    if (r <= 0)
        return r;
    for (size_t at = 0; at < d->records; at += PIECE) {
        const size_t count = d->records - at < PIECE ? d->records - at : PIECE;
        uint64_t *word[KERNEL_PAYLOAD_WORDS];

        r = take_piece(alike, shape, count);
        if (r < 0)
            return r;
        for (unsigned w = 0; w < KERNEL_PAYLOAD_WORDS; w++)
            word[w] = alike->word[w];
        alike->time.kernels->store_payloads(d->payloads + at * SHMLOG_SLOT_PAYLOAD, word, count);
        put_records(d, alike, shape, at, count);
    }
    return 1;
}
