/* SPDX-License-Identifier: MIT
 *
 * The drain: see drain.h.
 */
#include "collector/drain.h"

#include "shm/guard.h"
#include "shm/losses.h"
#include "shm/ring_reader.h"
#include "shm/stats.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH_SLOTS_MAX 16384u /* 1 MiB: good blocks without holding up the other rings */
#define GAPS_MAX 32u

/* Records that writers dropped, and where in the ring that was. */
struct pending_gap {
    uint64_t pos;
    uint32_t cause;
    uint64_t count;
};

struct drained_ring {
    struct shm_ring_reader reader;
    struct shmlog_ring *header;         /* NULL: no ring, left out */
    uint64_t stop_at;                   /* head when stopping began */
    uint64_t checked_ns;                /* when everything up to the head was last taken */
    uint64_t noted[SHMLOG_LOST_CAUSES]; /* losses that are in the ledger or in `gap` */
    struct pending_gap gap[GAPS_MAX];
    uint32_t gaps;
    uint64_t last_time; /* ticks of the newest record taken */
};

struct drain {
    struct drain_params p;
    struct drained_ring *ring;
    uint32_t rings;
    uint64_t capacity;
    struct shmlog_slot *batch;
    size_t batch_slots;
    uint64_t noted[SHMLOG_LOST_CAUSES]; /* of the segment's own line */
};

static size_t batch_slots(uint64_t capacity, uint64_t entry_max)
{
    const uint64_t fit = (entry_max - JOURNAL_ROOM) / SHMLOG_SLOT_SIZE;
    const uint64_t slots = capacity / 2 < BATCH_SLOTS_MAX ? capacity / 2 : BATCH_SLOTS_MAX;

    return fit < slots ? fit : slots;
}

int drain_open(const struct drain_params *params, struct drain **ret_drain)
{
    const struct shm_segment *const segment = params->segment;
    struct drain *const d = calloc(1, sizeof(*d));

    if (!d)
        return -ENOMEM;
    d->p = *params;
    d->rings = segment->geometry.rings;
    d->capacity = segment->geometry.ring_slots;
    d->batch_slots = batch_slots(d->capacity, outbox_max(params->outbox));
    d->ring = calloc(d->rings, sizeof(*d->ring));
    d->batch = aligned_alloc(64, d->batch_slots * sizeof(*d->batch));
    if (!d->ring || !d->batch) {
        drain_close(d);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < d->rings; i++) {
        const struct file_ledger_entry *const line = outbox_ledger(params->outbox, i);
        struct drained_ring *const ring = &d->ring[i];

        ring->header = segment->rings[i].header;
        if (!ring->header)
            continue;
        shm_ring_reader_init(&ring->reader, segment, i, line->next_pos, line->next_seq);
        memcpy(ring->noted, line->lost, sizeof(ring->noted));
    }
    memcpy(d->noted, outbox_ledger(params->outbox, d->rings)->lost, sizeof(d->noted));
    *ret_drain = d;
    return 0;
}

void drain_close(struct drain *d)
{
    if (!d)
        return;
    free(d->ring);
    free(d->batch);
    free(d);
}

/* Wake some of the writers that sleep until there is room, those that sleep longest. Few of them
 * fill a ring, and the others would only find it full again; they are woken as room is made again
 * and again. Should those that were woken log nothing, the others' sleep ends by itself. The fence:
 * see shmlog_sleep_(). The call does not sleep. */
#define WAKE_AT_ONCE 4
static void wake_writers(struct shmlog_ring *ring)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!shmlog_load_relaxed_(&ring->waiting))
        return;
    __atomic_store_n(&ring->waiting, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&ring->wakes, 1, __ATOMIC_SEQ_CST);
    if (syscall(SYS_futex, &ring->wakes, FUTEX_WAKE, WAKE_AT_ONCE, NULL, NULL, 0) == WAKE_AT_ONCE)
        __atomic_store_n(&ring->waiting, 1, __ATOMIC_RELAXED); /* there may be more */
}

/* Let the writers have the slots before the cursor. */
static void release(const struct drain *d, struct drained_ring *ring)
{
    struct shmlog_ring *const header = ring->header;

    if (shmlog_load_relaxed_(&header->tail) == ring->reader.pos)
        return;
    shmlog_store_relaxed_(&header->tail_seq, ring->reader.seq);
    shmlog_store_release_(&header->tail, ring->reader.pos); /* pairs with the writers' acquire */
    if (d->p.segment->geometry.on_full == SHMLOG_ON_FULL_WAIT)
        wake_writers(header);
}

static bool is_cut(const struct drain *d, uint32_t index)
{
    return shm_guard_lost(d->p.segment->rings[index].lost);
}

/* Tell others what the ledger has of losses that only a reader finds. */
static void publish_found(const struct drain *d, uint32_t index)
{
    const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, index);

    if (!is_cut(d, index))
        shm_losses_publish(d->p.segment->rings[index].header, line->next_seq,
                           line->lost[SHMLOG_LOST_OVERWRITTEN], line->lost[SHMLOG_LOST_DAMAGED]);
}

/* And of all losses of the rings that are left out: nobody can read them there any more. */
static void publish_left_out(const struct drain *d)
{
    uint64_t lost[SHMLOG_LOST_CAUSES] = {0};

    for (uint32_t i = 0; i < d->rings; i++)
        for (uint32_t cause = 0; !d->ring[i].header && cause < SHMLOG_LOST_CAUSES; cause++)
            lost[cause] += outbox_ledger(d->p.outbox, i)->lost[cause];
    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
        shmlog_store_relaxed_(&d->p.segment->control->collector_lost_rings[cause], lost[cause]);
}

void drain_release_all(struct drain *d)
{
    publish_left_out(d);
    for (uint32_t i = 0; i < d->rings; i++) {
        if (!d->ring[i].header)
            continue;
        publish_found(d, i);
        release(d, &d->ring[i]);
    }
}

/* Queue what the writers of a ring have dropped since the last look, as of position `pos`: none of
 * it was dropped further on. */
static void note_losses(struct drained_ring *ring, uint64_t pos)
{
    for (uint32_t cause = 0; cause < SHMLOG_LOST_BY_WRITERS; cause++) {
        /* pairs with the release of a writer's count: the head that was in the way is seen, too */
        const uint64_t lost = shmlog_load_acquire_(&ring->header->lost[cause]);
        struct pending_gap *gap = ring->gaps ? &ring->gap[ring->gaps - 1] : NULL;

        if (lost <= ring->noted[cause])
            continue;
        if (!gap || gap->cause != cause || (gap->pos != pos && ring->gaps < GAPS_MAX)) {
            if (ring->gaps == GAPS_MAX)
                continue; /* later, with what comes until then */
            gap = &ring->gap[ring->gaps++];
            *gap = (struct pending_gap){.cause = cause};
        }
        gap->pos = pos; /* a full queue: the later place for both, behind all that came before */
        gap->count += lost - ring->noted[cause];
        ring->noted[cause] = lost;
    }
}

static uint64_t record_time(const struct shmlog_slot *slot)
{
    uint64_t time;

    memcpy(&time, slot->payload + SHMLOG_PAYLOAD_TIME, sizeof(time));
    return time;
}

/* Write a gap into the file and its count into the ledger. `line` is the ring's ledger as it is to
 * be. */
static int put_gap(struct drain *d, uint32_t index, uint32_t cause, uint64_t count, uint64_t pos,
                   uint64_t seq, uint64_t time_after)
{
    struct file_ledger_entry line = *outbox_ledger(d->p.outbox, index);
    struct file_gap gap = {
        .ring = index < d->rings ? index : UINT32_MAX,
        .cause = cause,
        .count = count,
        .seq = seq,
        .pos = pos,
        .time_before = index < d->rings ? d->ring[index].last_time : 0,
        .time_after = time_after,
    };

    line.lost[cause] += count;
    line.next_seq = seq;
    line.next_pos = pos;
    return journal_gap(d->p.journal, &gap, &line);
}

/* Write the queued gaps at or before `pos`, where the cursor's committed part is. */
static int put_gaps(struct drain *d, uint32_t index, uint64_t upto, uint64_t time_after)
{
    struct drained_ring *const ring = &d->ring[index];
    const struct file_ledger_entry *line = outbox_ledger(d->p.outbox, index);

    while (ring->gaps && ring->gap[0].pos <= upto) {
        const int r = put_gap(d, index, ring->gap[0].cause, ring->gap[0].count, line->next_pos,
                              line->next_seq, time_after);

        if (r < 0)
            return r;
        memmove(&ring->gap[0], &ring->gap[1], --ring->gaps * sizeof(ring->gap[0]));
        line = outbox_ledger(d->p.outbox, index);
    }
    return 0;
}

/* The slot with which the last record of a batch begins; the slots after it say 0. */
static const struct shmlog_slot *last_record(const struct shmlog_slot *slots, size_t count)
{
    const struct shmlog_slot *last = slots + count - 1;

    while (last > slots && !(last->site >> SHMLOG_SITE_SLOTS_SHIFT))
        last--;
    return last;
}

/* How many slots, and records, of the batch of `all` records lie before position `pos`. */
static size_t records_before(const struct shmlog_slot *slots, size_t count, size_t all,
                             uint64_t first_pos, uint64_t pos, size_t *ret_records)
{
    size_t at = 0, records = 0;

    if (pos - first_pos >= count) {
        *ret_records = all;
        return count;
    }
    while (at < count && first_pos + at < pos) {
        const uint32_t n = slots[at].site >> SHMLOG_SITE_SLOTS_SHIFT & SHMLOG_SITE_SLOTS_MASK;

        at += n ? n : 1;
        records++;
    }
    *ret_records = records;
    return at;
}

/* A batch into the journal, in parts where gaps lie inside it. -EAGAIN: as much as there was room
 * for. */
static int put_batch(struct drain *d, uint32_t index, const struct shm_read *read)
{
    struct drained_ring *const ring = &d->ring[index];
    size_t at = 0, left = read->records;

    while (at < read->slots) {
        const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, index);
        struct file_ledger_entry after;
        struct journal_batch part = {
            .ring = index,
            .first_pos = line->next_pos,
            .first_seq = line->next_seq,
            .slots = d->batch + at,
        };
        int r = put_gaps(d, index, part.first_pos, record_time(part.slots));

        if (r < 0)
            return r;
        part.slot_count = records_before(part.slots, read->slots - at, left, part.first_pos,
                                         ring->gaps ? ring->gap[0].pos : UINT64_MAX, &part.records);
        after = *outbox_ledger(d->p.outbox, index);
        after.next_pos += part.slot_count;
        after.next_seq += part.records;
        after.written += part.records;
        r = journal_block(d->p.journal, &part, &after);
        if (r < 0)
            return r;
        ring->last_time = record_time(last_record(part.slots, part.slot_count));
        at += part.slot_count;
        left -= part.records;
    }
    return 0;
}

/* The outbox was full: the cursor goes back to what is committed. What the reader knows of damage
 * before it holds as long as nothing was taken. */
static void go_back(struct drain *d, uint32_t index, const struct shm_ring_reader *before)
{
    const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, index);
    struct shm_ring_reader *const reader = &d->ring[index].reader;

    if (line->next_pos == before->pos)
        *reader = *before;
    reader->pos = line->next_pos;
    reader->seq = line->next_seq;
}

/* How many records are lost with a ring whose file was cut short: by its header and the slot of its
 * newest record if they are still there; else nobody knows, and it counts as one. */
static uint64_t lost_with_ring(const struct drain *d, uint32_t index)
{
    const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, index);
    const struct shmlog_ring *const header = d->ring[index].header;
    uint64_t head, newest;

    if (shmlog_load_acquire_(&header->magic) != SHMLOG_RING_MAGIC)
        return 1;
    newest = shm_ring_head_seq(d->p.segment, index, line->next_seq, &head);
    if (head == line->next_pos)
        return 0;
    if (!d->ring[index].reader.follows && head - line->next_pos > d->capacity)
        return 1; /* no writer gets that far: whoever cut the file wrote this */
    return newest - line->next_seq < head - line->next_pos ? newest - line->next_seq + 1 : 1;
}

/* The ring's file was cut short, and no sound record follows: the rest is a gap, and the ring is
 * left out from now on. Losses queued for further on go before it: the cursor will not get there.
 */
static int lose_ring(struct drain *d, uint32_t index)
{
    struct drained_ring *const ring = &d->ring[index];
    const struct file_ledger_entry *line;
    uint64_t lost;
    int r = 0;

    for (unsigned turn = 0; r == 0 && turn < 2; turn++) { /* twice, as settle() does */
        note_losses(ring, ring->reader.pos);
        r = put_gaps(d, index, UINT64_MAX, 0);
    }
    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    line = outbox_ledger(d->p.outbox, index);
    lost = lost_with_ring(d, index);
    if (lost)
        r = put_gap(d, index, SHMLOG_LOST_DAMAGED, lost, line->next_pos, line->next_seq + lost, 0);
    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    ring->header = NULL;
    shm_ring_leave_out(&d->p.segment->rings[index]);
    publish_left_out(d);
    return 1;
}

/* Take one batch, up to `upto`. The slots taken. */
static int64_t take(struct drain *d, uint32_t index, uint64_t upto)
{
    struct drained_ring *const ring = &d->ring[index];
    const struct shm_ring_reader before = ring->reader;
    struct shm_read read;
    int r = 0;

    shm_ring_read(&ring->reader, upto, d->batch, d->batch_slots, &read);
    if (__builtin_expect(read.kind != SHM_READ_RECORDS && is_cut(d, index), 0)) {
        ring->reader = before; /* what follows are zeros, not what writers left */
        return lose_ring(d, index);
    }
    if (read.kind == SHM_READ_NONE)
        return 0;
    if (read.kind == SHM_READ_LOST) {
        r = put_gap(d, index, read.cause, read.lost, ring->reader.pos, ring->reader.seq, 0);
        if (r == 0)
            publish_found(d, index);
        read.slots = 1; /* work was done */
    } else {
        r = put_batch(d, index, &read);
    }
    if (r == -EAGAIN) {
        go_back(d, index, &before);
        read.slots = ring->reader.pos - before.pos;
    } else if (r < 0) {
        return r;
    }
    if (outbox_is_lost(d->p.outbox))
        return -EIO; /* what was taken is nowhere now but in the ring */
    note_losses(ring, shmlog_load_relaxed_(&ring->header->tail) + d->capacity);
    release(d, ring);
    return (int64_t)read.slots;
}

/* Everything of the ring was taken. If nothing has come since, when the losses had been read, then
 * all of them go here; else those that lie further on wait for the cursor. Twice: then there was
 * room in the queue for all causes. */
static int settle(struct drain *d, uint32_t index)
{
    struct drained_ring *const ring = &d->ring[index];
    const uint64_t pos = ring->reader.pos;
    int r = 0;

    for (unsigned turn = 0; r == 0 && turn < 2; turn++) {
        note_losses(ring, shmlog_load_relaxed_(&ring->header->tail) + d->capacity);
        r = put_gaps(d, index, shm_ring_head(ring->header) == pos ? UINT64_MAX : pos, 0);
    }
    return r == -EAGAIN ? 0 : r;
}

/* Losses of records that never got to a ring. 1: not all could be written yet. */
static int put_segment_losses(struct drain *d)
{
    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++) {
        const uint64_t lost = shmlog_load_relaxed_(&d->p.segment->control->lost[cause]);
        int r;

        if (lost <= d->noted[cause])
            continue;
        r = put_gap(d, d->rings, cause, lost - d->noted[cause], 0, 1, 0);
        if (r < 0)
            return r == -EAGAIN ? 1 : r;
        d->noted[cause] = lost;
    }
    return 0;
}

int64_t drain_work(struct drain *d, uint64_t now_ns)
{
    int64_t work = 0;
    int r;

    for (uint32_t i = 0; i < d->rings; i++) {
        struct drained_ring *const ring = &d->ring[i];
        uint64_t bell;
        int64_t n = 0;

        if (!ring->header)
            continue;
        bell = shm_ring_doorbell(ring->header);
        if (__builtin_expect(is_cut(d, i), 0)) {
            n = take(d, i, shm_ring_head(ring->header)); /* as far as its records are sound */
        } else if (bell - ring->reader.pos - 1 < d->capacity) { /* ahead of the cursor, and sane */
            n = take(d, i, bell);
        } else if (now_ns - ring->checked_ns >= d->p.flush_ns) {
            const uint64_t head = shm_ring_head(ring->header);

            n = take(d, i, head);
            if (n >= 0 && ring->header && ring->reader.pos == head) {
                ring->checked_ns = now_ns;
                r = settle(d, i);
                n = r < 0 ? r : n;
            }
        }
        if (n < 0)
            return n;
        work += n;
    }
    r = put_segment_losses(d);
    return r < 0 ? r : work;
}

void drain_begin_stop(struct drain *d)
{
    for (uint32_t i = 0; i < d->rings; i++) {
        struct drained_ring *const ring = &d->ring[i];

        if (!ring->header)
            continue;
        ring->stop_at = shm_ring_head(ring->header);
        /* no writer gets further ahead of the tail than that: a damaged head leads nowhere */
        if (!ring->reader.follows && ring->stop_at - ring->reader.pos > d->capacity)
            ring->stop_at = ring->reader.pos;
    }
}

int drain_stop(struct drain *d)
{
    bool more = false;
    int r;

    for (uint32_t i = 0; i < d->rings; i++) {
        struct drained_ring *const ring = &d->ring[i];
        int64_t n;

        if (!ring->header)
            continue;
        n = take(d, i, ring->stop_at);
        if (n < 0)
            return (int)n;
        if (is_cut(d, i)) {
            more |= ring->header != NULL;
            continue;
        }
        if ((int64_t)(ring->stop_at - ring->reader.pos) > 0) {
            more = true;
            continue;
        }
        r = settle(d, i);
        if (r < 0)
            return r;
        /* what lies beyond the cursor comes from producers that go on: the next collector's */
        more |= ring->gaps > 0 && (ring->gap[0].pos <= ring->reader.pos ||
                                   shm_ring_head(ring->header) == ring->reader.pos);
    }
    r = put_segment_losses(d);
    return r < 0 ? r : r || more;
}

void drain_totals(const struct drain *d, uint64_t *ret_written, struct shm_losses *ret_lost)
{
    memset(ret_lost, 0, sizeof(*ret_lost));
    *ret_written = 0;
    for (uint32_t i = 0; i <= d->rings; i++) { /* the last line: what never got to a ring */
        const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, i);

        *ret_written += line->written;
        for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
            ret_lost->cause[cause] += line->lost[cause];
    }
}

/* Have all losses been put into the journal, as the ledger has them? */
static bool accounted(const uint64_t *lost, const struct file_ledger_entry *line, uint32_t causes)
{
    for (uint32_t cause = 0; cause < causes; cause++)
        if (shmlog_load_relaxed_(&lost[cause]) > line->lost[cause])
            return false;
    return true;
}

bool drain_is_complete(const struct drain *d)
{
    for (uint32_t i = 0; i < d->rings; i++) {
        const struct shmlog_ring *const header = d->ring[i].header;
        const struct file_ledger_entry *const line = outbox_ledger(d->p.outbox, i);

        if (header && (shm_ring_head(header) != line->next_pos ||
                       !accounted(header->lost, line, SHMLOG_LOST_BY_WRITERS)))
            return false;
    }
    return accounted(d->p.segment->control->lost, outbox_ledger(d->p.outbox, d->rings),
                     SHMLOG_LOST_CAUSES);
}
