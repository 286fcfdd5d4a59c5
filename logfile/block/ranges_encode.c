/* SPDX-License-Identifier: MIT
 *
 * The values of a block's records, noted while its columns are made, and their frame.
 */
#include "logfile/block/encoder.h"
#include "logfile/bytes.h"
#include "logfile/ranges.h"

#include <errno.h>
#include <math.h>

#define RANGES_SHARE 50 /* of what is written, ranges are at most one part in so many */
#define RANGE_ROOM (2 * FILE_VARINT_MAX + 2 * FILE_VARINT_MAX) /* of one, whatever it says */

/* The place for a range's value, behind what it is of; NULL: there is no room, and no range. */
static uint8_t *begin(struct encode *e, const struct encode_group *group, unsigned argument,
                      enum file_range_kind kind)
{
    struct file_encoder *const encoder = e->encoder;
    uint8_t *to;

    if (encoder->range_count == FILE_RANGES_MAX)
        return NULL;
    if (file_buffer_reserve(&encoder->ranges, RANGE_ROOM) < 0) {
        encoder->ranges_failed = true;
        return NULL;
    }
    to = encoder->ranges.data + encoder->ranges.size;
    to = bytes_put_varint(to, (uint64_t)(group - encoder->groups));
    return bytes_put_varint(to, argument * FILE_RANGE_KINDS + kind);
}

static void end(struct encode *e, const uint8_t *to)
{
    e->encoder->ranges.size = (size_t)(to - e->encoder->ranges.data);
    e->encoder->range_count++;
}

void file_encode_note_integers(struct encode *e, const struct encode_group *group,
                               unsigned argument, bool is_signed)
{
    const int64_t min = e->encoder->columns.min, max = e->encoder->columns.max;
    uint8_t *to;

    if (min > max || (!is_signed && (min < 0) != (max < 0)))
        return; /* around the largest of all numbers: rare, and its order another one */
    to = begin(e, group, argument, is_signed ? FILE_RANGE_SIGNED : FILE_RANGE_UNSIGNED);
    if (!to)
        return;
    to = is_signed ? bytes_put_svarint(to, (uint64_t)min) : bytes_put_varint(to, (uint64_t)min);
    end(e, bytes_put_varint(to, (uint64_t)max - (uint64_t)min));
}

/* The upper half of a float (sign, exponent, 7 bits) that is not below the value, or not above. */
static uint16_t rounded(double value, bool up)
{
    const float single = (float)value;
    const bool wrong = up ? (double)single < value : (double)single > value;
    uint32_t bits, rest;

    memcpy(&bits, &single, sizeof(bits));
    rest = bits & 0xffff;
    bits -= rest;         /* towards 0 */
    if (bits >> 31 != up) /* that is the wrong way */
        bits += wrong || rest ? 0x10000 : 0;
    else
        bits -= wrong && !rest ? 0x10000 : 0;
    return (uint16_t)(bits >> 16);
}

/* Of values that are no decimals. False: one is NaN. */
static bool find_reals(const uint64_t *v, size_t count, unsigned width, double *ret_least,
                       double *ret_most)
{
    *ret_least = INFINITY;
    *ret_most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        const uint32_t low = (uint32_t)v[i];
        float single;
        double value;

        memcpy(&single, &low, sizeof(single));
        memcpy(&value, &v[i], sizeof(value));
        if (width == sizeof(single))
            value = (double)single;
        if (isnan(value))
            return false;
        *ret_least = value < *ret_least ? value : *ret_least;
        *ret_most = value > *ret_most ? value : *ret_most;
    }
    return true;
}

void file_encode_note_reals(struct encode *e, const struct encode_group *group, unsigned argument,
                            const uint64_t *v, unsigned width)
{
    double least = e->encoder->columns.least, most = e->encoder->columns.most;
    uint16_t bounds[2];
    uint8_t *to;

    if (least > most && !find_reals(v, group->count, width, &least, &most))
        return;
    bounds[0] = rounded(least, false);
    bounds[1] = rounded(most, true);
    to = begin(e, group, argument, FILE_RANGE_REAL);
    if (!to)
        return;
    memcpy(to, bounds, sizeof(bounds));
    end(e, to + sizeof(bounds));
}

void file_encode_note_strings(struct encode *e, const struct encode_group *group, unsigned argument,
                              uint64_t strings)
{
    uint8_t *const to = begin(e, group, argument, FILE_RANGE_STRINGS);

    if (!to)
        return;
    memcpy(to, &strings, sizeof(strings));
    end(e, to + sizeof(strings));
}

int file_encode_put_ranges(struct encode *e, const struct file_block_params *params,
                           size_t block_size, struct file_buffer *out)
{
    struct file_encoder *const encoder = e->encoder;
    struct frame_ranges frame = {.ring = params->ring, .first_seq = params->first_seq};
    const size_t room = sizeof(frame) + (2 + encoder->group_count) * FILE_VARINT_MAX +
                        encoder->ranges.size + 2 * sizeof(uint64_t);
    size_t size;
    uint8_t *to;
    int r;

    if (encoder->ranges_failed)
        return -ENOMEM;
    if (!encoder->range_count || encoder->group_count > FILE_RANGE_SITES_MAX)
        return 0;
    r = file_buffer_reserve(out, room);
    if (r < 0)
        return r;
    to = bytes_put_varint(out->data + out->size + sizeof(frame), encoder->group_count);
    for (size_t g = 0; g < encoder->group_count; g++)
        to = bytes_put_varint(to, encoder->groups[g].site_id);
    to = bytes_put_varint(to, encoder->range_count);
    memcpy(to, encoder->ranges.data, encoder->ranges.size);
    to += encoder->ranges.size;
    frame.size = (uint32_t)(to - (out->data + out->size + sizeof(frame)));
    while ((size_t)(to - (out->data + out->size)) % sizeof(uint64_t))
        *to++ = 0;
    size = (size_t)(to - (out->data + out->size)) + sizeof(uint64_t);
    encoder->ranges_due += block_size;
    if (size > encoder->ranges_due / RANGES_SHARE || size > FILE_FRAME_MAX)
        return 0;
    encoder->ranges_due -= size * RANGES_SHARE;
    file_frame_head(&frame.head, FILE_KIND_RANGES, size, params->file_uuid);
    memcpy(out->data + out->size, &frame, sizeof(frame));
    file_frame_seal(out->data + out->size, size);
    out->size += size;
    return 0;
}
