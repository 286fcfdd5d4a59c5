/* SPDX-License-Identifier: MIT
 *
 * The small pieces of a file: header, dictionary entries, gaps; and giving pieces to another file.
 */
#include "logfile/block/encoder.h"

#include <errno.h>

/* ---- Frames ---- */

void file_frame_head(struct frame_head *head, unsigned kind, size_t size, const uint8_t uuid[16])
{
    *head = (struct frame_head){
        .magic = FILE_MAGIC,
        .size = (uint32_t)(size - 8),
        .tag = FILE_TAG,
        .kind = (uint8_t)kind,
        .version = FILE_VERSION,
    };
    memcpy(head->file_uuid, uuid, sizeof(head->file_uuid));
}

void file_frame_seal(uint8_t *frame, size_t size)
{
    uint64_t sum = XXH64(frame, size - sizeof(sum), 0);

    memcpy(frame + size - sizeof(sum), &sum, sizeof(sum));
}

/* Is a frame of a kind of many sizes as large as what is in it says? Other versions have rules of
 * their own. */
static bool size_fits(const uint8_t *frame, size_t size)
{
    struct frame_identity identity;
    struct frame_head head;
    struct frame_site site;

    memcpy(&head, frame, sizeof(head));
    if (head.version != FILE_VERSION)
        return true;
    if (head.kind == FILE_KIND_SITE) {
        if (size < sizeof(site) + sizeof(uint64_t))
            return false;
        memcpy(&site, frame, sizeof(site));
        return site.size <= SHMLOG_SITE_MAX &&
               size == sizeof(site) + ((site.size + 7u) & ~7u) + sizeof(uint64_t);
    }
    if (head.kind == FILE_KIND_HEADER || head.kind == FILE_KIND_LEDGER) {
        if (size < sizeof(identity) + sizeof(uint64_t))
            return false;
        memcpy(&identity, frame, sizeof(identity));
        return identity.rings <= FILE_LEDGER_MAX &&
               size == sizeof(identity) + identity.rings * sizeof(struct file_ledger_entry) +
                           sizeof(uint64_t);
    }
    return true;
}

bool file_frame_sound(const uint8_t *frame, size_t size)
{
    uint64_t sum;

    memcpy(&sum, frame + size - sizeof(sum), sizeof(sum));
    return sum == XXH64(frame, size - sizeof(sum), 0) && size_fits(frame, size);
}

size_t file_frame_size(const struct frame_head *head)
{
    static const uint16_t fixed[] = {
        [FILE_KIND_PRODUCER] = sizeof(struct frame_producer),
        [FILE_KIND_CLOCK] = sizeof(struct frame_clock),
        [FILE_KIND_BLOCK] = sizeof(struct frame_block),
        [FILE_KIND_GAP] = sizeof(struct frame_gap),
        [FILE_KIND_INDEX] = sizeof(struct frame_index),
        [FILE_KIND_TRAILER] = sizeof(struct frame_trailer),
        [FILE_KIND_ORIGIN] = sizeof(struct frame_origin),
    };
    uint64_t size = (uint64_t)head->size + 8;

    if (head->magic != FILE_MAGIC || head->tag != FILE_TAG || size > FILE_FRAME_MAX ||
        size < FILE_FRAME_MIN)
        return 0;
    if (head->version == FILE_VERSION && head->kind < sizeof(fixed) / sizeof(fixed[0]) &&
        fixed[head->kind] && fixed[head->kind] != size)
        return 0;
    return (size_t)size;
}

/* Append a finished frame. */
static int put_frame(struct frame_head *head, unsigned kind, size_t size, const uint8_t uuid[16],
                     struct file_buffer *out)
{
    int r = file_buffer_reserve(out, size);

    if (r < 0)
        return r;
    file_frame_head(head, kind, size, uuid);
    memcpy(out->data + out->size, head, size);
    file_frame_seal(out->data + out->size, size);
    out->size += size;
    return 0;
}

/* ---- Dictionary and gaps ---- */

int file_put_site(struct file_encoder *encoder, const uint8_t file_uuid[16], uint32_t id,
                  const uint8_t *bytes, size_t size, struct file_buffer *out)
{
    union {
        struct frame_site frame;
        uint8_t bytes[sizeof(struct frame_site) + SHMLOG_SITE_MAX + sizeof(uint64_t)];
    } u;
    size_t padded = (size + 7) & ~(size_t)7;

    (void)encoder;
    if (id > SHMLOG_SITE_ID_MASK || size > SHMLOG_SITE_MAX)
        return -EINVAL;
    memset(&u, 0, sizeof(u));
    u.frame.id = id;
    u.frame.size = (uint16_t)size;
    memcpy(u.bytes + sizeof(u.frame), bytes, size);
    return put_frame(&u.frame.head, FILE_KIND_SITE, sizeof(u.frame) + padded + sizeof(uint64_t),
                     file_uuid, out);
}

int file_put_producer(struct file_encoder *encoder, const uint8_t file_uuid[16],
                      const struct shmlog_producer *producer, struct file_buffer *out)
{
    struct frame_producer frame = {.producer = *producer};

    (void)encoder;
    return put_frame(&frame.head, FILE_KIND_PRODUCER, sizeof(frame), file_uuid, out);
}

int file_put_clock(struct file_encoder *encoder, const uint8_t file_uuid[16],
                   const struct shmlog_clock_pair *pair, struct file_buffer *out)
{
    struct frame_clock frame = {
        .ticks = pair->ticks,
        .realtime_ns = pair->realtime_ns,
        .error_ns = pair->error_ns,
    };

    (void)encoder;
    return put_frame(&frame.head, FILE_KIND_CLOCK, sizeof(frame), file_uuid, out);
}

int file_put_origin(const uint8_t file_uuid[16], const struct file_origin *origin,
                    struct file_buffer *out)
{
    struct frame_origin frame = {.origin = *origin};

    return put_frame(&frame.head, FILE_KIND_ORIGIN, sizeof(frame), file_uuid, out);
}

int file_put_gap(struct file_encoder *encoder, const struct file_gap *gap, struct file_buffer *out)
{
    struct frame_gap frame = {
        .ring = gap->ring,
        .cause = gap->cause,
        .count = gap->count,
        .seq = gap->seq,
        .pos = gap->pos,
        .time_before = gap->time_before,
        .time_after = gap->time_after,
    };

    (void)encoder;
    return put_frame(&frame.head, FILE_KIND_GAP, sizeof(frame), gap->file_uuid, out);
}

/* ---- Header and ledger: identity, then the ledger's entries ---- */

/* Copy a string into a field, NUL-terminated and zero-filled. */
static void put_text(char *to, const char *from, size_t size)
{
    size_t length = strnlen(from, size - 1);

    memcpy(to, from, length);
    memset(to + length, 0, size - length);
}

static void fill_identity(const struct file_identity *identity, struct frame_identity *frame)
{
    *frame = (struct frame_identity){
        .compatible = FILE_COMPATIBLE,
        .incompatible = FILE_INCOMPATIBLE,
        .file_number = identity->file_number,
        .created_ns = identity->created_ns,
        .clock_hz = identity->clock_hz,
        .ring_slots = identity->ring_slots,
        .clock = identity->clock,
        .on_full = identity->on_full,
    };
    memcpy(frame->segment_uuid, identity->segment_uuid, sizeof(frame->segment_uuid));
    put_text(frame->host, identity->host, sizeof(frame->host));
    put_text(frame->segment, identity->segment, sizeof(frame->segment));
    put_text(frame->segment_path, identity->segment_path, sizeof(frame->segment_path));
}

int file_put_ledger(const struct file_identity *identity, const struct file_ledger_entry *ledger,
                    size_t rings, unsigned kind, uint32_t flags, uint64_t sealed_ns,
                    struct file_buffer *out)
{
    size_t size = sizeof(struct frame_identity) + rings * sizeof(*ledger) + sizeof(uint64_t);
    struct frame_identity frame;
    uint8_t *to;
    int r;

    if (rings > FILE_LEDGER_MAX)
        return -EINVAL;
    r = file_buffer_reserve(out, size);
    if (r < 0)
        return r;
    fill_identity(identity, &frame);
    file_frame_head(&frame.head, kind, size, identity->file_uuid);
    frame.rings = (uint32_t)rings;
    frame.flags = flags;
    frame.sealed_ns = sealed_ns;
    to = out->data + out->size;
    memcpy(to, &frame, sizeof(frame));
    if (rings)
        memcpy(to + sizeof(frame), ledger, rings * sizeof(*ledger));
    file_frame_seal(to, size);
    out->size += size;
    return 0;
}

int file_put_header(struct file_encoder *encoder, const struct file_identity *identity,
                    const struct file_ledger_entry *ledger, size_t rings, struct file_buffer *out)
{
    (void)encoder;
    return file_put_ledger(identity, ledger, rings, FILE_KIND_HEADER, 0, 0, out);
}

/* ---- Walking over finished pieces in memory ---- */

int file_piece_frame(const uint8_t *pieces, size_t size, struct frame_head *ret_head,
                     size_t *ret_frame, size_t *ret_piece)
{
    size_t frame, data = 0;
    struct frame_head head;

    if (size < sizeof(head))
        return -EBADMSG;
    memcpy(&head, pieces, sizeof(head));
    frame = file_frame_size(&head);
    if (!frame || frame > size || head.version != FILE_VERSION || !file_frame_sound(pieces, frame))
        return -EBADMSG;
    if (head.kind == FILE_KIND_BLOCK) {
        struct frame_block block;

        memcpy(&block, pieces, sizeof(block));
        data = block.stored_size;
    } else if (head.kind == FILE_KIND_INDEX) {
        struct frame_index index;

        memcpy(&index, pieces, sizeof(index));
        data = index.stored_size;
    }
    if (data > size - frame)
        return -EBADMSG;
    *ret_head = head;
    *ret_frame = frame;
    *ret_piece = frame + data;
    return 0;
}

int file_retarget(uint8_t *pieces, size_t size, const uint8_t file_uuid[16])
{
    struct frame_head head;
    size_t frame, piece;

    /* All are looked at before the first is changed: on error they are as before. */
    for (size_t at = 0; at < size; at += piece) {
        int r = file_piece_frame(pieces + at, size - at, &head, &frame, &piece);

        if (r < 0)
            return r;
    }
    for (size_t at = 0; at < size; at += piece) {
        if (file_piece_frame(pieces + at, size - at, &head, &frame, &piece) < 0)
            return -EBADMSG;
        memcpy(pieces + at + offsetof(struct frame_head, file_uuid), file_uuid, 16);
        file_frame_seal(pieces + at, frame);
    }
    return 0;
}
