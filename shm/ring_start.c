/* SPDX-License-Identifier: MIT
 *
 * Where to read a ring from: known places, the oldest record, and the next safe one after being
 * overtaken; see ring_reader.h.
 *
 * Slots identify themselves: within any SHMLOG_RECORD_SLOTS slots in a row a record begins, and
 * says the low half of its number. The high half comes from a place whose number is known and the
 * number of slots since: exact as long as those are fewer than 2^32, an estimate after that.
 */
#include "shm/ring_parts.h"

#include <string.h>

#define ATTEMPTS 8 /* at slots that are overwritten faster than they are copied */

uint64_t shm_seq_extend(uint64_t near, uint32_t low)
{
    uint32_t step = low - (uint32_t)near;

    if (step < UINT32_C(1) << 31)
        return near + step;
    /* behind `near`, unless that would be below zero */
    step = (uint32_t)near - low;
    return near >= step ? near - step : near - step + (UINT64_C(1) << 32);
}

/* Number of the record that begins `span` slots after a place with the number `seq` and position
 * `pos`, from its low half. */
static uint64_t number_after(uint64_t pos, uint64_t seq, uint64_t span, uint32_t low)
{
    unsigned __int128 expected;
    uint64_t number;

    if (span <= UINT32_MAX)
        return seq + (uint32_t)(low - (uint32_t)seq);
    /* At as many records a slot as there were up to here. */
    expected = pos > seq && seq > 0 ? (unsigned __int128)span * seq / pos : span;
    number = shm_seq_extend(seq + (uint64_t)expected, low);
    if (number > seq + span)
        number -= UINT64_C(1) << 32;
    return number > seq ? number : seq + (uint32_t)(low - (uint32_t)seq);
}

/* Find the first record that begins at `from` or up to a record's slots after it, with a number
 * that fits a known place before it. 0 found; 1 there is none; -1 overwritten before it was copied.
 */
static int find_record(const struct shm_ring_reader *reader, uint64_t from, uint64_t known_pos,
                       uint64_t known_seq, struct shmlog_slot buffer[SHMLOG_RECORD_SLOTS],
                       uint64_t *ret_pos, uint64_t *ret_seq)
{
    shm_ring_copy(reader, from, buffer, SHMLOG_RECORD_SLOTS);
    if (shm_ring_overtaken(reader, from, shm_ring_head(reader->ring)))
        return -1;
    for (size_t i = 0; i < SHMLOG_RECORD_SLOTS; i++) {
        uint64_t span = from + i - known_pos, seq;

        if (!shm_ring_begins(&buffer[i], SHMLOG_RECORD_SLOTS - i, false))
            continue;
        seq = number_after(known_pos, known_seq, span, buffer[i].seq);
        if (seq - known_seq > span || (seq == known_seq && span > 0))
            continue; /* each record has a slot, and each slot a record */
        *ret_pos = from + i;
        *ret_seq = seq;
        return 0;
    }
    return 1;
}

/* A ring that nobody writes is read from its edge: all that still stands. One that is being written
 * overtakes a reader there at once, so that one goes on at some distance, to read a good piece
 * first. */
void shm_ring_catch_up(struct shm_ring_reader *reader, struct shmlog_slot *buffer,
                       struct shm_read *ret_read)
{
    const uint64_t kept = reader->capacity - shm_ring_margin(reader);
    uint64_t distance = reader->hunted ? reader->capacity / 8 : 0;
    uint64_t known_pos = reader->pos - reader->unsettled;
    uint64_t from = reader->pos, pos, seq;
    int r = -1;

    reader->hunted = true;
    for (int attempt = 0; r < 0 && attempt < ATTEMPTS; attempt++) {
        from = shm_ring_head(reader->ring) - kept + distance;
        if ((int64_t)(from - reader->pos) <= 0)
            return; /* the head went back: not by a writer */
        r = find_record(reader, from, known_pos, reader->seq, buffer, &pos, &seq);
        distance = reader->capacity / 8;
    }
    if (r < 0)
        return; /* written faster than it can be looked at; the next call tries again */
    if (r == 0 && seq == reader->seq)
        return; /* around the end of 64 bits, where no writer gets */
    if (r == 0) {
        reader->unsettled = pos - known_pos - (seq - reader->seq);
        shm_ring_lost(reader, pos, seq, seq - reader->seq, SHMLOG_LOST_OVERWRITTEN, ret_read);
        return;
    }
    /* Damaged as well: pass over what was looked at, and settle the count at the next record. */
    pos = from + SHMLOG_RECORD_SLOTS;
    reader->unsettled = pos - known_pos - 1;
    shm_ring_lost(reader, pos, reader->seq + 1, 1, SHMLOG_LOST_OVERWRITTEN, ret_read);
}

void shm_ring_reader_init(struct shm_ring_reader *reader, const struct shm_segment *segment,
                          uint32_t ring, uint64_t pos, uint64_t seq)
{
    memset(reader, 0, sizeof(*reader));
    reader->ring = segment->rings[ring].header;
    reader->slots = segment->rings[ring].slots;
    reader->capacity = segment->geometry.ring_slots;
    reader->overwrite = segment->geometry.on_full == SHMLOG_ON_FULL_OVERWRITE;
    reader->follows = reader->overwrite;
    reader->pos = pos;
    reader->seq = seq;
}

/* Where the collector is: its position and number. The number is stored before the tail, so the two
 * may not belong together; the slot at the tail, which stands as long as the tail does, settles
 * it. */
static void start_at_tail(struct shm_ring_reader *reader)
{
    const struct shmlog_ring *ring = reader->ring;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint64_t tail = shmlog_load_acquire_(&ring->tail); /* both pair with the collector's */
        uint64_t seq = shmlog_load_acquire_(&ring->tail_seq);
        uint64_t head = shm_ring_head(ring);
        struct shmlog_slot slot;

        reader->pos = tail;
        reader->seq = seq;
        if (head != tail && head - tail <= reader->capacity) {
            shm_ring_copy(reader, tail, &slot, 1);
            reader->seq = shm_seq_extend(seq, slot.seq);
        }
        if (reader->seq <= seq && tail == shmlog_load_acquire_(&ring->tail))
            return;
    }
}

static void start_at_oldest(struct shm_ring_reader *reader)
{
    const struct shmlog_ring *ring = reader->ring;
    struct shmlog_slot buffer[SHMLOG_RECORD_SLOTS];
    uint64_t kept = reader->capacity - shm_ring_margin(reader);
    uint64_t head = shm_ring_head(ring), known_pos = 0, known_seq = 1;

    reader->pos = 0;
    reader->seq = 1;
    if (head <= kept)
        return;
    for (uint64_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint64_t from = shm_ring_head(ring) - kept + attempt * (reader->capacity / 32);

        if (from > UINT32_MAX) { /* too far from the ring's beginning; perhaps not from the tail */
            known_seq = shmlog_load_acquire_(&ring->tail_seq);
            known_pos = shmlog_load_acquire_(&ring->tail);
        }
        if (known_pos > from || known_seq == 0 || known_seq - 1 > known_pos) {
            known_pos = 0;
            known_seq = 1;
        }
        if (find_record(reader, from, known_pos, known_seq, buffer, &reader->pos, &reader->seq) ==
            0)
            return;
    }
    /* No sound record at the old end: from the head on, then. */
    reader->pos = head;
    reader->seq = known_seq;
    reader->unsettled = head - known_pos;
}

void shm_ring_reader_init_oldest(struct shm_ring_reader *reader, const struct shm_segment *segment,
                                 uint32_t ring)
{
    shm_ring_reader_init(reader, segment, ring, 0, 1);
    reader->follows = true;
    if (reader->overwrite)
        start_at_oldest(reader);
    else
        start_at_tail(reader);
}

/* Does the tail lie where a writer could be with the record it fills? It is not, then: writers that
 * respect the tail do not get past it. */
static bool stands_from_tail(const struct shm_ring_reader *reader)
{
    const uint64_t tail =
        shmlog_load_acquire_(&reader->ring->tail); /* pairs with the collector's */
    const uint64_t fill = shm_ring_head(reader->ring) - tail;

    return !reader->overwrite && fill <= reader->capacity &&
           fill > reader->capacity - shm_ring_margin(reader);
}

void shm_ring_reader_init_kept(struct shm_ring_reader *reader, const struct shm_segment *segment,
                               uint32_t ring)
{
    shm_ring_reader_init(reader, segment, ring, 0, 1);
    reader->follows = true;
    if (stands_from_tail(reader))
        start_at_tail(reader);
    else
        start_at_oldest(reader);
}

uint64_t shm_ring_head_seq(const struct shm_segment *segment, uint32_t ring, uint64_t near,
                           uint64_t *ret_head)
{
    struct shm_ring_reader reader;
    struct shmlog_slot slot;
    uint64_t head;

    shm_ring_reader_init(&reader, segment, ring, 0, 0);
    reader.follows = reader.overwrite = true; /* go by the head alone */
    memset(&slot, 0, sizeof(slot));
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        head = shm_ring_head(reader.ring);
        if (head == 0)
            break;
        shm_ring_copy(&reader, head - 1, &slot, 1);
        if (!shm_ring_overtaken(&reader, head - 1, shm_ring_head(reader.ring)))
            break;
    }
    *ret_head = head;
    return head == 0 ? 0 : shm_seq_extend(near, slot.seq);
}
