/* SPDX-License-Identifier: MIT
 *
 * Looking into an outbox: see outbox_reader.h.
 *
 * First the head is read, then the tail: what lies between them was there when the tail was read,
 * and what lies before the tail is in its file. An entry that the tail has passed while it was
 * copied may have been written over; it is in its file, too, and is left out.
 */
#include "logfile/read/outbox_reader.h"
#include "logfile/block/decode.h"
#include "logfile/format.h"
#include "logfile/outbox_layout.h"
#include "logfile/read/reader_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A block, and entries of the dictionary before it. */
#define ENTRY_MAX (FILE_STORED_MAX + (32u << 20))

struct box {
    int fd;
    uint64_t data_offset, data_size;
    uint64_t head;
    uint8_t *bytes; /* of an entry */
    uint64_t room;
};

static int get(const struct box *box, uint64_t offset, void *to, size_t size)
{
    const ssize_t n = pread(box->fd, to, size, (off_t)offset);

    return n < 0 ? -errno : (size_t)n < size ? -EBADMSG : 0;
}

static int get_tail(const struct box *box, uint64_t *ret_tail)
{
    return get(box, offsetof(struct outbox_header, tail), ret_tail, sizeof(*ret_tail));
}

static int check(struct box *box, const uint8_t segment_uuid[16])
{
    struct outbox_header header; /* without its lines */
    struct stat st;
    int r;

    if (fstat(box->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    r = get(box, 0, &header, sizeof(header));
    if (r < 0)
        return r;
    if (!header.magic)
        return -ENOENT;
    if (header.magic != OUTBOX_MAGIC || header.version != OUTBOX_VERSION ||
        memcmp(header.segment_uuid, segment_uuid, 16) != 0)
        return -EBADMSG;
    box->data_offset = header.data_offset;
    box->data_size = header.data_size;
    if (box->data_size < OUTBOX_ALIGN || box->data_size & (box->data_size - 1) ||
        box->data_offset < sizeof(header) || box->data_offset > (uint64_t)st.st_size ||
        box->data_size > (uint64_t)st.st_size - box->data_offset)
        return -EBADMSG;
    return get(box, offsetof(struct outbox_header, head), &box->head, sizeof(box->head));
}

/* The blocks and gaps of an entry's bytes. */
static int pass_on(const struct box *box, uint64_t size,
                   void (*piece)(void *arg, const struct file_piece *piece), void *arg)
{
    size_t frame, whole;

    for (uint64_t at = 0; at < size; at += whole) {
        const uint8_t *const bytes = box->bytes + at;
        struct file_piece found = {.offset = at};
        struct frame_head head;

        if (file_piece_frame(bytes, size - at, &head, &frame, &whole) < 0)
            return -EBADMSG;
        found.size = whole;
        if (head.kind == FILE_KIND_BLOCK) {
            struct frame_block block;

            memcpy(&block, bytes, sizeof(block));
            found.kind = FILE_PIECE_BLOCK;
            file_block_info_of(&block, &found.block);
            if (!file_block_info_valid(&found.block))
                return -EBADMSG;
        } else if (head.kind == FILE_KIND_GAP) {
            struct frame_gap gap;

            memcpy(&gap, bytes, sizeof(gap));
            found.kind = FILE_PIECE_GAP;
            file_gap_of(&gap, head.file_uuid, &found.gap);
            if (!file_gap_valid(&gap))
                return -EBADMSG;
        } else {
            continue;
        }
        piece(arg, &found);
    }
    return 0;
}

/* Copy the entry at `pos`. Its size may be anything, if the tail has passed it. */
static int copy_entry(struct box *box, uint64_t pos, struct outbox_entry *ret_entry)
{
    const uint64_t at = pos & (box->data_size - 1), left = box->head - pos;
    int r = get(box, box->data_offset + at, ret_entry, sizeof(*ret_entry));

    if (r < 0)
        return r;
    if (ret_entry->size > box->data_size - at - sizeof(*ret_entry) || ret_entry->size > left)
        return -EBADMSG;
    if (ret_entry->kind != OUTBOX_ENTRY_DATA)
        return ret_entry->kind && ret_entry->kind <= OUTBOX_ENTRY_BAD_SEAL ? 0 : -EBADMSG;
    if (ret_entry->size > ENTRY_MAX)
        return -EBADMSG;
    if (ret_entry->size > box->room) {
        uint8_t *grown = realloc(box->bytes, ret_entry->size);

        if (!grown)
            return -ENOMEM;
        box->bytes = grown;
        box->room = ret_entry->size;
    }
    return get(box, box->data_offset + at + sizeof(*ret_entry), box->bytes, ret_entry->size);
}

static int walk(struct box *box, void (*piece)(void *arg, const struct file_piece *piece),
                void *arg)
{
    uint64_t pos = 0, tail;
    int r = get_tail(box, &pos);

    /* a tail beyond the head: all that was there has been written */
    while (r == 0 && (int64_t)(box->head - pos) > 0) {
        struct outbox_entry entry;

        if (pos % OUTBOX_ALIGN || box->head - pos > box->data_size)
            return -EBADMSG;
        r = copy_entry(box, pos, &entry);
        if (r < 0 && r != -EBADMSG)
            return r;
        if (get_tail(box, &tail) < 0)
            return -EBADMSG;
        if ((int64_t)(tail - pos) > 0) {
            pos = tail;
            r = 0;
            continue;
        }
        if (r == 0 && entry.kind == OUTBOX_ENTRY_DATA)
            r = pass_on(box, entry.size, piece, arg);
        pos += sizeof(entry) + ((entry.size + OUTBOX_ALIGN - 1) & ~(uint64_t)(OUTBOX_ALIGN - 1));
    }
    return r;
}

int file_outbox_read(const char *path, const uint8_t segment_uuid[16],
                     void (*piece)(void *arg, const struct file_piece *piece), void *arg)
{
    struct box box = {.fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    int r;

    if (box.fd < 0)
        return -errno;
    r = check(&box, segment_uuid);
    if (r == 0)
        r = walk(&box, piece, arg);
    free(box.bytes);
    close(box.fd);
    return r;
}
