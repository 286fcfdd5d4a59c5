/* SPDX-License-Identifier: MIT
 *
 * The ring reader's way over slots that are not the next record; see ring_reader.h.
 *
 * Every slot belongs to a record and carries its number, so after a stretch of L slots the next
 * record's number is ahead by at least 1 and at most L. A slot is believed to begin a record if its
 * number is that plausible and the record after it follows on. A step in numbers that is not
 * plausible means that a writer went on counting from a damaged slot: that is believed only when
 * two records in a row say so.
 *
 * All loops are bounded by the copy, and the cursor moves by at least a slot or a record.
 */
#include "shm/ring_parts.h"

enum follow { FOLLOW_NO, FOLLOW_UNSEEN, FOLLOW_YES };

/* What the copy shows behind the record at `i`. */
static enum follow followed(const struct shmlog_slot *buffer, size_t count, size_t i)
{
    size_t next = i + shm_slot_count(&buffer[i]);

    if (next >= count)
        return FOLLOW_UNSEEN;
    return buffer[next].seq == buffer[i].seq + 1 &&
                   shm_slot_count(&buffer[next]) - 1 < SHMLOG_RECORD_SLOTS
               ? FOLLOW_YES
               : FOLLOW_NO;
}

/* Not the expected number itself: the slots passed, or the first one, stood for that. */
static bool plausible(const struct shm_ring_reader *reader, const struct shmlog_slot *slot,
                      uint64_t passed)
{
    uint32_t step = slot->seq - (uint32_t)reader->seq;

    return step > 0 && step <= reader->unsettled + passed;
}

/* The next number that ends in `low`. */
static uint64_t next_ending_in(uint64_t seq, uint32_t low)
{
    uint32_t step = low - (uint32_t)seq;

    return seq + (step ? step : UINT64_C(1) << 32);
}

/* The first slot from which the numbers go on: with a plausible number, followed by its successor
 * or by nothing that is there to see. */
static size_t find_plausible(const struct shm_ring_reader *reader, const struct shmlog_slot *buffer,
                             size_t count, bool last)
{
    for (size_t i = 0; i < count; i++) {
        if (plausible(reader, &buffer[i], i) && shm_ring_begins(&buffer[i], count - i, last) &&
            followed(buffer, count, i) != FOLLOW_NO)
            return i;
    }
    return count;
}

/* The first slot that begins two records in a row, whatever their numbers. */
static size_t find_pair(const struct shm_ring_reader *reader, const struct shmlog_slot *buffer,
                        size_t count, bool last)
{
    if (reader->anchored && buffer[0].seq == reader->anchor && shm_ring_begins(buffer, count, last))
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (shm_ring_begins(&buffer[i], count - i, last) &&
            followed(buffer, count, i) == FOLLOW_YES)
            return i;
    }
    return count;
}

/* Pass over the whole copy. One record at least was in it; what else, the next sound one will
 * tell. */
static void pass(struct shm_ring_reader *reader, const struct shmlog_slot *buffer, size_t count,
                 bool last, struct shm_read *ret_read)
{
    reader->anchored = false;
    for (size_t i = 0; last && i < count; i++) {
        if (i + shm_slot_count(&buffer[i]) == count &&
            shm_ring_begins(&buffer[i], count - i, last)) {
            reader->anchored = true;
            reader->anchor = buffer[i].seq + 1;
            break;
        }
    }
    reader->unsettled += count - 1;
    shm_ring_lost(reader, reader->pos + count, reader->seq + 1, 1, SHMLOG_LOST_DAMAGED, ret_read);
}

void shm_ring_skip(struct shm_ring_reader *reader, const struct shmlog_slot *buffer, size_t count,
                   bool last, struct shm_read *ret_read)
{
    size_t i = find_plausible(reader, buffer, count, last);
    uint32_t step;

    if (i < count) {
        step = buffer[i].seq - (uint32_t)reader->seq;
        reader->unsettled += i - (uint64_t)step; /* plausible: not below zero */
        shm_ring_lost(reader, reader->pos + i, reader->seq + step, step, SHMLOG_LOST_DAMAGED,
                      ret_read);
        return;
    }
    i = find_pair(reader, buffer, count, last);
    if (i < count) {
        reader->unsettled = 0;
        reader->anchored = false;
        shm_ring_lost(reader, reader->pos + i, next_ending_in(reader->seq, buffer[i].seq), 1,
                      SHMLOG_LOST_DAMAGED, ret_read);
        return;
    }
    pass(reader, buffer, count, last, ret_read);
}
