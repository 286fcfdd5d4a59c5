/* SPDX-License-Identifier: MIT
 *
 * Files that cannot be gone on with: the one that a collector before this one left open, which is
 * sealed with an index made from what is in it; and one that the disk does not take any more, whose
 * unacknowledged pieces move to a new file.
 *
 * A move makes a whole new outbox and puts it in place of the old one at a stroke, so that a crash
 * at any point finds one or the other. In it are the bad seal of the file that failed, the new
 * file's header and dictionary, then all pieces of the old outbox, of whatever file, but for
 * headers and seals. The new file's ledger is that of the moment when the oldest of them was made:
 * the present one less what they hold.
 */
#include "collector/journal_parts.h"

#include "logfile/format.h"
#include "logfile/read/reader.h"
#include "shm/clock.h"
#include "shm/stats.h"
#include "shm/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Add the pieces of the file at `path` to the index. */
static int index_file(struct journal *j, const char *path)
{
    struct file_reader *reader = NULL;
    struct file_buffer bytes = {0};
    struct file_piece piece;
    int fd, r;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    r = file_reader_open(path, &reader);
    if (r == 0 && memcmp(file_reader_identity(reader)->file_uuid, j->file.uuid, 16) != 0)
        r = -FILE_ERR_FOREIGN;
    while (r >= 0 && (r = file_reader_next(reader, &piece)) >= 0 && piece.kind != FILE_PIECE_END) {
        if (piece.kind == FILE_PIECE_DAMAGED)
            continue;
        bytes.size = 0;
        r = file_buffer_reserve(&bytes, piece.size);
        if (r == 0 && pread(fd, bytes.data, piece.size, (off_t)piece.offset) != (ssize_t)piece.size)
            r = -EIO;
        if (r == 0)
            r = file_index_add(j->index, piece.offset, bytes.data, piece.size);
    }
    file_buffer_done(&bytes);
    file_reader_close(reader);
    close(fd);
    return r;
}

int journal_seal_left(struct journal *j, const char *path)
{
    if (!j->file.open)
        return 0;
    file_index_clear(j->index);
    if (index_file(j, path) < 0)
        file_index_clear(j->index); /* readers do without an index */
    return journal_seal(j);
}

/* ---- Moving ---- */

/* The file of the oldest piece that is in none yet. */
struct front {
    bool found;
    uint64_t number, created_ns, offset;
    uint8_t uuid[16];
};

struct move {
    struct journal *journal;
    const char *directory; /* another one; NULL: the same */
    struct outbox *next;
    struct file_index *index;
    struct file_identity identity;
    struct outbox_file file;
    struct file_ledger_entry *ledger; /* as of the oldest piece */
    bool *seen;                       /* of each line: its oldest piece was met */
    uint64_t pieces;
    uint64_t first_time;      /* of the records in the outbox */
    bool has_records, sealed; /* there was a seal among them */
};

/* Call `piece` for each piece in an entry; 0, or what it says, or -EBADMSG. */
static int for_pieces(struct move *m, const uint8_t *bytes, size_t size,
                      int (*piece)(struct move *m, const struct frame_head *head,
                                   const uint8_t *bytes, size_t size))
{
    struct frame_head head;
    size_t frame, whole;
    int r = 0;

    for (size_t at = 0; r == 0 && at < size; at += whole) {
        r = file_piece_frame(bytes + at, size - at, &head, &frame, &whole);
        if (r == 0)
            r = piece(m, &head, bytes + at, whole);
    }
    return r;
}

static int find_front(const struct journal *j, struct front *ret_front)
{
    struct front front = {.found = j->file.open,
                          .number = j->file.number,
                          .created_ns = j->file.created_ns,
                          .offset = j->file.offset};
    uint64_t pos = outbox_tail(j->p.outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    memcpy(front.uuid, j->file.uuid, 16);
    while ((r = outbox_next(j->p.outbox, &pos, &entry, &bytes)) > 0) {
        struct frame_head head;

        if (entry->kind == OUTBOX_ENTRY_BAD_SEAL)
            continue;
        if (entry->size < sizeof(head))
            return -EBADMSG;
        memcpy(&head, bytes, sizeof(head));
        memcpy(front.uuid, head.file_uuid, 16);
        front.found = true;
        front.number = entry->file_number;
        front.created_ns = entry->file_created_ns;
        front.offset = entry->file_offset;
        break;
    }
    if (r < 0)
        return r;
    *ret_front = front;
    return 0;
}

/* Take a piece out of the ledger. */
static int subtract(struct move *m, const struct frame_head *head, const uint8_t *bytes,
                    size_t size)
{
    const uint32_t rings = m->journal->p.segment->geometry.rings;
    struct file_ledger_entry *line;
    uint64_t seq, pos;
    uint32_t ring;

    (void)size;
    if (head->kind == FILE_KIND_BLOCK) {
        struct frame_block block;

        memcpy(&block, bytes, sizeof(block));
        ring = block.ring;
        if (ring >= rings)
            return -EBADMSG;
        line = &m->ledger[ring];
        line->written -= block.records;
        seq = block.first_seq;
        pos = block.first_pos;
        if (block.time_min < m->first_time)
            m->first_time = block.time_min;
    } else if (head->kind == FILE_KIND_GAP) {
        struct frame_gap gap;

        memcpy(&gap, bytes, sizeof(gap));
        ring = gap.ring == UINT32_MAX ? rings : gap.ring;
        if (ring > rings || gap.cause >= SHMLOG_LOST_CAUSES)
            return -EBADMSG;
        line = &m->ledger[ring];
        line->lost[gap.cause] -= gap.count;
        seq = gap.seq;
        if (gap.cause == SHMLOG_LOST_OVERWRITTEN || gap.cause == SHMLOG_LOST_DAMAGED)
            seq -= gap.count;
        pos = gap.pos;
    } else {
        return 0;
    }
    if (!m->seen[ring]) {
        m->seen[ring] = true;
        line->next_seq = seq;
        line->next_pos = pos;
    }
    return 0;
}

static int wind_back_ledger(struct move *m)
{
    const struct journal *const j = m->journal;
    uint64_t pos = outbox_tail(j->p.outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    memcpy(m->ledger, journal_ledger(m->journal),
           (j->p.segment->geometry.rings + 1) * sizeof(*m->ledger));
    while ((r = outbox_next(j->p.outbox, &pos, &entry, &bytes)) > 0) {
        if (entry->kind == OUTBOX_ENTRY_DATA)
            r = for_pieces(m, bytes, entry->size, subtract);
        if (r < 0)
            break;
    }
    return r < 0 ? r : 0;
}

/* Commit what is in the journal's buffer to the new outbox as a piece of the new file. -ENOSPC. */
static int put(struct move *m, uint64_t records)
{
    struct file_buffer *const buffer = &m->journal->buffer;
    const struct outbox_entry entry = {
        .kind = OUTBOX_ENTRY_DATA,
        .size = buffer->size,
        .file_number = m->file.number,
        .file_created_ns = m->file.created_ns,
        .file_offset = m->file.offset,
        .records = records,
    };
    int r;

    if (!buffer->size)
        return 0;
    if (!outbox_has_room(m->next, buffer->size))
        return -ENOSPC;
    r = file_index_add(m->index, m->file.offset, buffer->data, buffer->size);
    if (r < 0)
        return r;
    m->file.offset += buffer->size;
    outbox_commit(m->next, &entry, buffer->data, 0, NULL, &m->file);
    m->pieces++;
    buffer->size = 0;
    return 0;
}

static int put_bad_seal(struct move *m, const struct front *front)
{
    struct journal *const j = m->journal;
    struct file_identity identity = m->identity;
    struct outbox_entry entry = {
        .kind = OUTBOX_ENTRY_BAD_SEAL,
        .file_number = front->number,
        .file_created_ns = front->created_ns,
        .file_offset = front->offset,
    };
    int r;

    identity.file_number = front->number;
    identity.created_ns = front->created_ns;
    memcpy(identity.file_uuid, front->uuid, 16);
    j->buffer.size = 0;
    r = file_put_seal(j->encoder, &identity, m->ledger, j->p.segment->geometry.rings + 1, NULL,
                      front->offset, true, journal_realtime_ns(), &j->buffer);
    if (r < 0)
        return r;
    entry.size = j->buffer.size;
    if (!outbox_has_room(m->next, entry.size))
        return -ENOSPC;
    outbox_commit(m->next, &entry, j->buffer.data, 0, NULL, &m->file);
    return 0;
}

static int put_sites(struct move *m, uint32_t first, uint32_t end)
{
    struct journal *const j = m->journal;
    int r = 0;

    for (uint32_t id = first; r == 0 && id < end; id++) {
        const struct file_site *site;

        r = journal_site(j, id, &site);
        if (r == 0 && site)
            r = file_put_site(j->encoder, m->file.uuid, id, site->bytes, site->size, &j->buffer);
        if (r == 0 && j->buffer.size > DICTIONARY_MAX)
            r = put(m, 0);
    }
    return r;
}

/* All sites and producers that there are, and those that the file had so far: the pieces that move
 * need not bring along what they mention. */
static int put_dictionary(struct move *m)
{
    struct journal *const j = m->journal;
    const struct shm_segment *const segment = j->p.segment;
    const uint32_t producers = shm_producers_used(segment);
    int r = file_index_repeat(j->index, m->file.uuid, &j->buffer);

    if (r == 0)
        r = put_sites(m, 1, segment->geometry.sites_max);
    if (r == 0)
        r = put_sites(m, SHMLOG_SITE_INLINE, SHMLOG_SITE_INLINE + SHMLOG_CRITICAL + 1);
    for (uint32_t i = 0; r == 0 && i < producers; i++) {
        struct shmlog_producer producer;

        if (shm_producer_at(segment, i, &producer) < 0 ||
            shm_producer_copy(segment, producer.id, &producer) < 0)
            continue;
        r = file_put_producer(j->encoder, m->file.uuid, &producer, &j->buffer);
        if (r == 0 && j->buffer.size > DICTIONARY_MAX)
            r = put(m, 0);
    }
    return r;
}

static int put_beginning(struct move *m)
{
    struct journal *const j = m->journal;
    const struct shmlog_clock_pair *pairs;
    size_t begin, end;
    int r;

    j->buffer.size = 0;
    r = file_put_header(j->encoder, &m->identity, m->ledger, j->p.segment->geometry.rings + 1,
                        &j->buffer);
    pairs = journal_clock(j, m->first_time, UINT64_MAX, &begin, &end);
    for (size_t i = begin; r == 0 && i < end; i++)
        r = file_put_clock(j->encoder, m->file.uuid, &pairs[i], &j->buffer);
    if (r == 0)
        r = put_dictionary(m);
    return r < 0 ? r : put(m, 0);
}

static int copy_piece(struct move *m, const struct frame_head *head, const uint8_t *bytes,
                      size_t size)
{
    struct file_buffer *const buffer = &m->journal->buffer;
    int r;

    if (head->kind == FILE_KIND_HEADER)
        return 0;
    r = file_buffer_reserve(buffer, size);
    if (r < 0)
        return r;
    memcpy(buffer->data + buffer->size, bytes, size);
    r = file_retarget(buffer->data + buffer->size, size, m->file.uuid);
    buffer->size += size;
    m->has_records |= head->kind == FILE_KIND_BLOCK || head->kind == FILE_KIND_GAP;
    return r;
}

static int put_bad_seals_of_before(struct move *m)
{
    const struct journal *const j = m->journal;
    uint64_t pos = outbox_tail(j->p.outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(j->p.outbox, &pos, &entry, &bytes)) > 0) {
        if (entry->kind != OUTBOX_ENTRY_BAD_SEAL)
            continue;
        if (!outbox_has_room(m->next, entry->size))
            return -ENOSPC;
        outbox_commit(m->next, entry, bytes, 0, NULL, &m->file);
    }
    return r;
}

static int put_pieces(struct move *m)
{
    const struct journal *const j = m->journal;
    uint64_t pos = outbox_tail(j->p.outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(j->p.outbox, &pos, &entry, &bytes)) > 0) {
        m->sealed |= entry->kind == OUTBOX_ENTRY_SEAL;
        if (entry->kind != OUTBOX_ENTRY_DATA)
            continue;
        r = for_pieces(m, bytes, entry->size, copy_piece);
        if (r == 0)
            r = put(m, entry->records);
        if (r < 0)
            break;
    }
    return r;
}

static int fill(struct move *m, const struct front *front)
{
    int r = m->directory ? 0 : put_bad_seals_of_before(m);

    if (r == 0 && front->offset && !m->directory)
        r = put_bad_seal(m, front);
    if (r == 0)
        r = put_beginning(m);
    return r < 0 ? r : put_pieces(m);
}

/* The new file's number is the next after those of which something is on the disk. */
static void begin_move(struct move *m, const struct front *front)
{
    const uint64_t newest = m->journal->p.newest_file;
    uint64_t number = front->offset ? front->number + 1 : front->number;

    if (m->directory && number <= newest)
        number = newest + 1;
    journal_new_file(m->journal, number, &m->file, &m->identity);
    m->pieces = 0;
    m->has_records = m->sealed = false;
    file_index_clear(m->index);
}

static int replace(struct move *m, const struct front *front)
{
    struct journal *const j = m->journal;
    uint64_t size = outbox_size(j->p.outbox);
    int r;

    do { /* the beginning of a file more than before may need more room */
        begin_move(m, front);
        r = outbox_create_next(j->p.outbox, j->p.segment->path, size, &m->next);
        if (r < 0)
            return r;
        r = m->directory ? outbox_set_directory(m->next, m->directory) : 0;
        if (r == 0)
            r = fill(m, front);
        if (r < 0)
            outbox_drop_next(m->next, j->p.segment->path);
        size *= 2;
    } while (r == -ENOSPC);
    if (r < 0)
        return r;
    r = outbox_replace(j->p.outbox, m->next, j->p.segment->path);
    if (r < 0)
        outbox_drop_next(m->next, j->p.segment->path);
    return r;
}

static void adopt(struct move *m)
{
    struct journal *const j = m->journal;
    struct file_index *const before = j->index;

    j->index = m->index;
    m->index = before;
    j->file = m->file;
    j->identity = m->identity;
    j->pieces = m->pieces;
    j->has_records = m->has_records;
    journal_forget_dictionary(j);
    j->p.stats[SHM_STAT_files]++;
    j->p.stats[SHM_STAT_file_number] = j->file.number;
}

static int move(struct journal *j, const char *directory)
{
    const uint32_t lines = j->p.segment->geometry.rings + 1;
    struct move m = {.journal = j, .directory = directory, .first_time = UINT64_MAX};
    struct front front;
    int r = find_front(j, &front);

    if (r < 0 || !(front.found || directory))
        return r;
    m.ledger = calloc(lines, sizeof(*m.ledger));
    m.seen = calloc(lines, sizeof(*m.seen));
    r = m.ledger && m.seen ? file_index_open(&m.index) : -ENOMEM;
    if (r == 0)
        r = wind_back_ledger(&m);
    if (r == 0)
        r = replace(&m, &front);
    if (r == 0)
        adopt(&m);
    if (r == 0 && m.sealed) /* what was to be finished is; if there is room, else by and by */
        (void)journal_seal(j);
    file_index_close(m.index);
    free(m.ledger);
    free(m.seen);
    return r;
}

int journal_move(struct journal *j)
{
    return move(j, NULL);
}

int journal_move_to(struct journal *j, const char *directory)
{
    return move(j, directory);
}
