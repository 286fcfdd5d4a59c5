/* SPDX-License-Identifier: MIT
 *
 * Searching a file's bytes for the next sound frame.
 *
 * Only frames of up to FILE_FRAME_SMALL bytes are found, so that bytes made to look like the
 * beginnings of many large ones cannot make the search slow.
 */
#include "logfile/read/reader_state.h"

#include <errno.h>

#define SEARCH (64u << 10) /* bytes searched at once */
_Static_assert(SEARCH + FILE_FRAME_SMALL <= FILE_SOURCE_WINDOW, "a search reads the file once");

/* End of the last byte in `bytes` that is not zero. */
static size_t used_bytes(const uint8_t *bytes, size_t size)
{
    while (size && !bytes[size - 1])
        size--;
    return size;
}

/* Is there a small sound frame at `offset`? */
static int try_frame(struct file_source *source, uint64_t offset, const uint8_t *uuid)
{
    const uint8_t *bytes;
    struct frame_head head;
    struct found found;
    int r = file_source_get(source, offset, sizeof(head), &bytes);

    if (r == 0) {
        memcpy(&head, bytes, sizeof(head));
        if (!file_frame_size(&head) || file_frame_size(&head) > FILE_FRAME_SMALL)
            return 0;
        r = file_scan_frame(source, offset, uuid, &found);
    }
    if (r == -FILE_ERR_CUT || r == -FILE_ERR_DAMAGED)
        return 0;
    return r < 0 ? r : 1;
}

/* Search the bytes [*offset, end) of the file, which with room for a small frame after them fit the
 * window, so that trying a frame never reads the file again. As file_scan_next(). */
static int search(struct file_source *source, uint64_t *offset, uint64_t end, const uint8_t *uuid,
                  uint64_t *used)
{
    static const uint32_t magic = FILE_MAGIC;
    uint64_t ahead = end + FILE_FRAME_SMALL < source->size ? end + FILE_FRAME_SMALL : source->size;

    while (*offset < end) {
        const uint8_t *bytes, *hit;
        size_t at;
        int r = file_source_get(source, *offset, (size_t)(ahead - *offset), &bytes);

        if (r < 0)
            return r;
        hit = memmem(bytes, (size_t)(ahead - *offset), &magic, sizeof(magic));
        at = hit ? (size_t)(hit - bytes) : (size_t)(end - *offset);
        if (at >= end - *offset) {
            at = (size_t)(end - *offset);
            hit = NULL;
        }
        if (used_bytes(bytes, at))
            *used = *offset + used_bytes(bytes, at);
        *offset += at;
        if (!hit)
            return 0;
        r = try_frame(source, *offset, uuid);
        if (r != 0)
            return r;
        *offset += 1;
        *used = *offset;
    }
    return 0;
}

int file_scan_next(struct file_source *source, uint64_t offset, uint64_t limit, const uint8_t *uuid,
                   uint64_t *ret_next)
{
    uint64_t used = offset;

    limit = limit < source->size ? limit : source->size;
    while (offset < limit) {
        uint64_t end = limit - offset < SEARCH ? limit : offset + SEARCH;
        int r = search(source, &offset, end, uuid, &used);

        if (r == -FILE_ERR_CUT)
            break;
        if (r < 0)
            return r;
        if (r > 0) {
            *ret_next = offset;
            return 1;
        }
    }
    *ret_next = used;
    return 0;
}

int file_scan_zeros(struct file_source *source, uint64_t offset)
{
    while (offset < source->size) {
        uint64_t left = source->size - offset;
        size_t part = left < SEARCH ? (size_t)left : SEARCH;
        const uint8_t *bytes;
        int r = file_source_get(source, offset, part, &bytes);

        if (r == -FILE_ERR_CUT)
            break; /* shorter by now */
        if (r < 0)
            return r;
        if (used_bytes(bytes, part))
            return 0;
        offset += part;
    }
    return 1;
}
