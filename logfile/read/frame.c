/* SPDX-License-Identifier: MIT
 *
 * One frame of a file, and what it says. A frame counts if its magic, tag, size, file UUID, version
 * and checksum are right; nothing else in it is looked at before.
 */
#include "logfile/read/reader_state.h"

int file_scan_frame(struct file_source *source, uint64_t offset, const uint8_t *uuid,
                    struct found *ret_found)
{
    const uint8_t *bytes;
    int r = file_source_get(source, offset, sizeof(struct frame_head), &bytes);

    ret_found->size = 0;
    ret_found->reason = "ends within the head of a frame";
    if (r < 0)
        return r;
    memcpy(&ret_found->head, bytes, sizeof(ret_found->head));
    ret_found->reason = "no frame begins here";
    if (ret_found->head.magic != FILE_MAGIC || ret_found->head.tag != FILE_TAG)
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "frame of another file";
    if (uuid && memcmp(ret_found->head.file_uuid, uuid, 16))
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "frame of another version";
    if (uuid && ret_found->head.version != FILE_VERSION)
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "frame of an impossible size";
    ret_found->size = file_frame_size(&ret_found->head);
    if (!ret_found->size)
        return -FILE_ERR_DAMAGED;
    ret_found->reason = "ends within a frame";
    r = file_source_get(source, offset, ret_found->size, &ret_found->frame);
    if (r < 0)
        return r;
    ret_found->reason = "checksum of a frame does not fit";
    if (!file_frame_sound(ret_found->frame, ret_found->size))
        return -FILE_ERR_DAMAGED;
    ret_found->reason = NULL;
    return 0;
}

bool file_gap_valid(const struct frame_gap *frame)
{
    return (frame->ring < SHMLOG_RINGS_MAX || frame->ring == UINT32_MAX) &&
           frame->cause < SHMLOG_LOST_CAUSES;
}

void file_gap_of(const struct frame_gap *frame, const uint8_t uuid[16], struct file_gap *ret_gap)
{
    *ret_gap = (struct file_gap){
        .ring = frame->ring,
        .cause = frame->cause,
        .count = frame->count,
        .seq = frame->seq,
        .pos = frame->pos,
        .time_before = frame->time_before,
        .time_after = frame->time_after,
    };
    memcpy(ret_gap->file_uuid, uuid, 16);
}
