/* SPDX-License-Identifier: MIT
 *
 * The data behind a frame: read, checked, and unpacked.
 */
#include "logfile/read/reader_state.h"

#include <errno.h>

int file_reader_unpack(struct file_reader *reader, uint64_t offset, size_t stored, size_t raw,
                       uint64_t hash)
{
    size_t size;
    int r;

    if (offset > reader->source.size || stored > reader->source.size - offset)
        return -FILE_ERR_CUT;
    reader->stored.size = reader->content.size = 0;
    r = file_buffer_reserve(&reader->stored, stored);
    if (r == 0)
        r = file_source_read(&reader->source, offset, reader->stored.data, stored);
    if (r < 0)
        return r;
    if (XXH64(reader->stored.data, stored, 0) != hash) {
        if (!stored || reader->stored.data[stored - 1])
            return -FILE_ERR_DAMAGED;
        r = file_scan_zeros(&reader->source, offset + stored);
        return r < 0 ? r : r > 0 ? -FILE_ERR_CUT : -FILE_ERR_DAMAGED;
    }
    if (ZSTD_getFrameContentSize(reader->stored.data, stored) != raw ||
        ZSTD_findFrameCompressedSize(reader->stored.data, stored) != stored)
        return -FILE_ERR_DAMAGED;
    r = file_buffer_reserve(&reader->content, raw);
    if (r < 0)
        return r;
    if (!reader->zstd)
        reader->zstd = ZSTD_createDCtx();
    if (!reader->zstd)
        return -ENOMEM;
    size =
        ZSTD_decompressDCtx(reader->zstd, reader->content.data, raw, reader->stored.data, stored);
    if (ZSTD_isError(size) || size != raw)
        return -FILE_ERR_DAMAGED;
    reader->content.size = raw;
    return 0;
}
