/* SPDX-License-Identifier: MIT
 *
 * Reading RANGES frames: hostile bytes.
 */
#include "logfile/ranges.h"
#include "logfile/bytes.h"

#include <errno.h>
#include <stdlib.h>

static int get_sites(struct bytes_in *in, struct file_ranges *ranges)
{
    const uint64_t sites = bytes_varint(in);

    if (in->bad || sites > FILE_RANGE_SITES_MAX || sites > (uint64_t)(in->end - in->at))
        return -EBADMSG;
    ranges->site = calloc(sites + 1, sizeof(*ranges->site));
    if (!ranges->site)
        return -ENOMEM;
    for (; ranges->sites < sites; ranges->sites++) {
        const uint64_t site = bytes_varint(in);

        if (in->bad || site > SHMLOG_SITE_ID_MASK)
            return -EBADMSG;
        ranges->site[ranges->sites] = (uint32_t)site;
    }
    return 0;
}

/* The upper half of one. */
static float get_float(struct bytes_in *in)
{
    const uint32_t bits = (uint32_t)bytes_u16(in) << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool get_value(struct bytes_in *in, struct file_range *range)
{
    const uint8_t *at;
    uint64_t span;

    switch (range->kind) {
    case FILE_RANGE_SIGNED:
        range->min = bytes_svarint(in);
        span = bytes_varint(in);
        range->max = range->min + span;
        return span <= (uint64_t)INT64_MAX - range->min; /* no overflow */
    case FILE_RANGE_UNSIGNED:
        range->min = bytes_varint(in);
        span = bytes_varint(in);
        range->max = range->min + span;
        return span <= UINT64_MAX - range->min;
    case FILE_RANGE_REAL:
        range->least = get_float(in);
        range->most = get_float(in);
        return range->least <= range->most;
    default:
        at = bytes_take(in, sizeof(range->strings));
        if (at)
            memcpy(&range->strings, at, sizeof(range->strings));
        return true;
    }
}

static int get_range(struct bytes_in *in, const struct file_ranges *ranges,
                     struct file_range *ret_range)
{
    const uint64_t group = bytes_varint(in), what = bytes_varint(in);

    if (in->bad || group >= ranges->sites || what >= FILE_SITE_ARGS_MAX * FILE_RANGE_KINDS)
        return -EBADMSG;
    ret_range->site = ranges->site[group];
    ret_range->argument = (uint8_t)(what / FILE_RANGE_KINDS);
    ret_range->kind = what % FILE_RANGE_KINDS;
    return get_value(in, ret_range) && !in->bad ? 0 : -EBADMSG;
}

static int get_ranges(struct bytes_in *in, struct file_ranges *ranges)
{
    const uint64_t count = bytes_varint(in);

    if (in->bad || count > FILE_RANGES_MAX || count > (uint64_t)(in->end - in->at))
        return -EBADMSG;
    ranges->range = calloc(count + 1, sizeof(*ranges->range));
    if (!ranges->range)
        return -ENOMEM;
    for (; ranges->count < count; ranges->count++) {
        const int r = get_range(in, ranges, &ranges->range[ranges->count]);

        if (r < 0)
            return r;
    }
    return 0;
}

int file_ranges_get(const uint8_t *frame, size_t size, struct file_ranges *ret_ranges)
{
    struct frame_ranges head;
    struct bytes_in in;
    int r;

    if (size < sizeof(head) + sizeof(uint64_t))
        return -EBADMSG;
    memcpy(&head, frame, sizeof(head));
    if (head.head.kind != FILE_KIND_RANGES || head.size > size ||
        sizeof(head) + (head.size + UINT64_C(7)) / 8 * 8 + sizeof(uint64_t) != size)
        return -EBADMSG;
    *ret_ranges = (struct file_ranges){.ring = head.ring, .first_seq = head.first_seq};
    in = (struct bytes_in){frame + sizeof(head), frame + sizeof(head) + head.size, false};
    r = get_sites(&in, ret_ranges);
    if (r == 0)
        r = get_ranges(&in, ret_ranges);
    if (r < 0)
        file_ranges_done(ret_ranges);
    return r;
}

void file_ranges_done(struct file_ranges *ranges)
{
    free(ranges->site);
    free(ranges->range);
    *ranges = (struct file_ranges){0};
}
