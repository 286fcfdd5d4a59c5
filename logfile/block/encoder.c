/* SPDX-License-Identifier: MIT
 *
 * The encoder as an object, and its zstd side.
 */
#include "logfile/block/encoder.h"

#include <errno.h>
#include <stdlib.h>

#define FRAME_OVERHEAD 32 /* of a zstd frame: head, checksum, last block */
#define CUT_OVERHEAD 8    /* of one more zstd block */
#define ZSTD_BLOCK_HEAD 3 /* RFC 8878, 3.1.1.2 */
#define ZSTD_BLOCK_MAX (128u << 10)
#define ZSTD_CHECKSUM 4

/* For contents of nothing but columns: what is left there for zstd are distributions of bytes, and
 * looking hard for matches costs time and makes them larger. */
#define COLUMN_MIN_MATCH 7
#define COLUMN_HASH_LOG 6
#define COLUMN_LEVEL_MAX 2 /* above, the user asked for effort */

int file_encoder_open(struct file_encoder **ret_encoder, int zstd_level)
{
    struct file_encoder *encoder = calloc(1, sizeof(*encoder));

    if (!encoder)
        return -ENOMEM;
    file_columns_init(&encoder->columns);
    encoder->zstd_level = zstd_level;
    encoder->quick = -1;
    encoder->zstd = ZSTD_createCCtx();
    if (!encoder->zstd) {
        file_encoder_close(encoder);
        return -ENOMEM;
    }
    if (ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, zstd_level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_contentSizeFlag, 1))) {
        file_encoder_close(encoder);
        return -EINVAL;
    }
    *ret_encoder = encoder;
    return 0;
}

void file_encoder_close(struct file_encoder *encoder)
{
    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->zstd);
    file_columns_done(&encoder->columns);
    file_buffer_done(&encoder->content);
    file_buffer_done(&encoder->ranges);
    free(encoder->start);
    free(encoder->group);
    free(encoder->order);
    free(encoder->key);
    free(encoder->index);
    free(encoder->string_at);
    free(encoder->count_up);
    free(encoder->value);
    for (unsigned w = 0; w < KERNEL_SLOT_WORDS; w++)
        free(encoder->word[w]);
    free(encoder->groups);
    free(encoder->group_of[0]);
    free(encoder->group_of[1]);
    free(encoder);
}

/* Feed content[from, to) and end a zstd block, or the frame. */
static int compress_part(struct file_encoder *encoder, size_t from, size_t to,
                         ZSTD_EndDirective end, ZSTD_outBuffer *output)
{
    ZSTD_inBuffer input = {encoder->content.data + from, to - from, 0};
    size_t left;

    do {
        left = ZSTD_compressStream2(encoder->zstd, output, &input, end);
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? -ENOMEM : -EINVAL;
        if (left && output->pos == output->size)
            return -EINVAL;
    } while (left);
    return 0;
}

/* Tune zstd to columns, or back: 0 means what the level has. */
static int tune(struct file_encoder *encoder, bool columnar)
{
    const bool quick = columnar && encoder->zstd_level <= COLUMN_LEVEL_MAX;
    ZSTD_CCtx *const zstd = encoder->zstd;

    if (ZSTD_isError(ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only)) ||
        ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(zstd, encoder->content.size)))
        return -EINVAL;
    if (quick == encoder->quick)
        return 0;
    if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_strategy, quick ? ZSTD_fast : 0)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, quick ? COLUMN_MIN_MATCH : 0)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, quick ? COLUMN_HASH_LOG : 0)))
        return -EINVAL;
    encoder->quick = quick;
    return 0;
}

/* Feed content[0, soft), one zstd block after each cut, and end the frame if `end`. */
static int compress_soft(struct file_encoder *encoder, size_t soft, bool end,
                         ZSTD_outBuffer *output)
{
    const struct file_columns *columns = &encoder->columns;
    size_t from = 0;

    for (size_t i = 0; i < columns->cuts; i++) {
        size_t to = columns->cut[i];
        int r;

        if (to == from || to == soft)
            continue;
        r = compress_part(encoder, from, to, ZSTD_e_flush, output);
        if (r < 0)
            return r;
        from = to;
    }
    return compress_part(encoder, from, soft, end ? ZSTD_e_end : ZSTD_e_flush, output);
}

static uint8_t *put_le(uint8_t *to, uint64_t v, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        *to++ = (uint8_t)(v >> (8 * i));
    return to;
}

/* Go on with the frame that zstd has begun: content[soft, size) as raw blocks, the last of which is
 * the frame's, then the checksum of all of the content. zstd would search the same bytes for what
 * is not there before it stores them in the same way. A block may not be larger than the window:
 * that is at least the content's size, or 128 KiB. */
static void put_raw_blocks(const struct file_encoder *encoder, size_t soft, ZSTD_outBuffer *output)
{
    const struct file_buffer *content = &encoder->content;
    uint8_t *to = (uint8_t *)output->dst + output->pos;

    for (size_t at = soft; at < content->size;) {
        const size_t left = content->size - at;
        const size_t size = left < ZSTD_BLOCK_MAX ? left : ZSTD_BLOCK_MAX;

        to = put_le(to, size << 3 | (size == left), ZSTD_BLOCK_HEAD);
        memcpy(to, content->data + at, size);
        to += size;
        at += size;
    }
    to = put_le(to, XXH64(content->data, content->size, 0), ZSTD_CHECKSUM);
    output->pos = (size_t)(to - (uint8_t *)output->dst);
}

int file_encoder_compress(struct file_encoder *encoder, size_t soft, bool columnar,
                          struct file_buffer *out)
{
    const size_t size = encoder->content.size;
    ZSTD_outBuffer output;
    int r = file_buffer_reserve(out,
                                ZSTD_compressBound(size) + FRAME_OVERHEAD +
                                    (encoder->columns.cuts + size / ZSTD_BLOCK_MAX) * CUT_OVERHEAD);

    if (r == 0)
        r = tune(encoder, columnar);
    if (r == 0) {
        output = (ZSTD_outBuffer){out->data + out->size, out->room - out->size, 0};
        r = compress_soft(encoder, soft, soft == size, &output);
    }
    if (r == 0 && soft < size)
        put_raw_blocks(encoder, soft, &output);
    if (r == 0)
        out->size += output.pos;
    encoder->content.size = 0;
    file_columns_begin(&encoder->columns);
    return r;
}

int file_encode_column(struct encode *e, size_t count)
{
    return file_columns_put(&e->encoder->columns, e->encoder->value, count, &e->encoder->content);
}
