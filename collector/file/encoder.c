/* SPDX-License-Identifier: MIT
 *
 * The encoder as an object, and its zstd side.
 */
#include "collector/file/encoder.h"

#include <errno.h>
#include <stdlib.h>

#define FRAME_OVERHEAD 32 /* of a zstd frame: head, checksum, last block */
#define CUT_OVERHEAD 8    /* of one more zstd block */

int file_encoder_open(struct file_encoder **ret_encoder, int zstd_level)
{
    struct file_encoder *encoder = calloc(1, sizeof(*encoder));

    if (!encoder)
        return -ENOMEM;
    file_columns_init(&encoder->columns);
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
    free(encoder->start);
    free(encoder->group);
    free(encoder->order);
    free(encoder->value);
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

static int compress_content(struct file_encoder *encoder, ZSTD_outBuffer *output)
{
    const struct file_columns *columns = &encoder->columns;
    size_t from = 0;

    ZSTD_CCtx_reset(encoder->zstd, ZSTD_reset_session_only);
    ZSTD_CCtx_setPledgedSrcSize(encoder->zstd, encoder->content.size);
    for (size_t i = 0; i < columns->cuts; i++) {
        size_t to = columns->cut[i];
        int r;

        if (to == from || to == encoder->content.size)
            continue;
        r = compress_part(encoder, from, to, ZSTD_e_flush, output);
        if (r < 0)
            return r;
        from = to;
    }
    return compress_part(encoder, from, encoder->content.size, ZSTD_e_end, output);
}

int file_encoder_compress(struct file_encoder *encoder, struct file_buffer *out)
{
    ZSTD_outBuffer output;
    int r = file_buffer_reserve(out, ZSTD_compressBound(encoder->content.size) + FRAME_OVERHEAD +
                                         encoder->columns.cuts * CUT_OVERHEAD);

    if (r == 0) {
        output = (ZSTD_outBuffer){out->data + out->size, out->room - out->size, 0};
        r = compress_content(encoder, &output);
    }
    if (r == 0)
        out->size += output.pos;
    encoder->content.size = 0;
    encoder->columns.cuts = 0;
    return r;
}
