/* SPDX-License-Identifier: MIT
 *
 * Slots of a ring: copying them out, and taking records from the copy.
 *
 * Two ways to be sure of a copy:
 *
 *   The collector, with the drop and wait policies, moves the tail itself, and no writer passes it
 *   by more than a ring: everything between tail and head stands still. One copy, no second look;
 *   the head's line, which the writers need, is not touched.
 *
 *   Everybody else may be overtaken. Slots are copied, then the head is read again. A writer may be
 *   up to SHMLOG_RECORD_SLOTS past the head with a record that is not committed, so whatever lies
 *   less than that ahead of the old lap's end is not believed. Where the tail is respected by
 *   writers, slots it has not passed are safe all the same.
 *
 * How late a head may be seen: x86 shows a writer's stores in order, and so does the writer of an
 * overwrite ring elsewhere. The others need no such order for the collector's sake, so that a
 * record may be seen to be written while the head of the one before is not yet seen: then two
 * records.
 */
#include "shm/ring_parts.h"

#include <assert.h>
#include <string.h>

uint64_t shm_ring_head(const struct shmlog_ring *ring)
{
    return shmlog_load_acquire_(&ring->head); /* pairs with the store that commits */
}

uint64_t shm_ring_doorbell(const struct shmlog_ring *ring)
{
    return shmlog_load_acquire_(&ring->doorbell); /* pairs with the writer's store of it */
}

/* Slots that may be written meanwhile: word by word, and each before what is loaded later. */
static void copy_unstable(struct shmlog_slot *to, const struct shmlog_slot *from, size_t count)
{
    typedef uint64_t __attribute__((may_alias)) word;
    const word *in = (const word *)(const void *)from;
    word *out = (word *)(void *)to;

    for (size_t i = 0; i < count * (sizeof(*to) / sizeof(word)); i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_ACQUIRE);
}

void shm_ring_copy(const struct shm_ring_reader *reader, uint64_t pos, struct shmlog_slot *buffer,
                   size_t count)
{
    size_t start = (size_t)(pos & (reader->capacity - 1));
    size_t first = count < reader->capacity - start ? count : (size_t)reader->capacity - start;

    assert(count <= reader->capacity);
    if (reader->follows) {
        copy_unstable(buffer, reader->slots + start, first);
        copy_unstable(buffer + first, reader->slots, count - first);
    } else {
        memcpy(buffer, reader->slots + start, first * sizeof(*buffer));
        memcpy(buffer + first, reader->slots, (count - first) * sizeof(*buffer));
    }
}

bool shm_ring_overtaken(const struct shm_ring_reader *reader, uint64_t pos, uint64_t head)
{
    uint64_t ahead = head - pos;

    if (!reader->follows || ahead <= reader->capacity - shm_ring_margin(reader) ||
        ahead > (uint64_t)INT64_MAX)
        return false;
    if (reader->overwrite || ahead > reader->capacity)
        return true;
    /* pairs with the collector's release; not passed by the tail means not free for writers */
    return (int64_t)(shmlog_load_acquire_(&reader->ring->tail) - pos) > 0;
}

/* The slots after the first of a record of `count` slots, as far as `room` shows them. */
static bool continues(const struct shmlog_slot *first, size_t count, size_t room)
{
    uint32_t site = first->site & SHMLOG_SITE_ID_MASK;

    for (size_t i = 1; i < count && i < room; i++) {
        if (first[i].seq != first->seq || first[i].site != site)
            return false;
    }
    return true;
}

bool shm_ring_begins(const struct shmlog_slot *slot, size_t room, bool last)
{
    uint32_t count = shm_slot_count(slot);

    return count - 1 < SHMLOG_RECORD_SLOTS && (count <= room || !last) &&
           continues(slot, count, room);
}

/* Whole records from the front, numbered from `seq`: the slots they take, and how many they are. */
static size_t parse(const struct shmlog_slot *slots, size_t count, uint32_t seq,
                    size_t *ret_records)
{
    size_t i = 0, records = 0;

    while (i < count && slots[i].seq == seq) {
        const uint32_t site = slots[i].site;
        const uint32_t size = shm_slot_count(&slots[i]);

        if (__builtin_expect(size != 1, 0)) {
            if (size - 1 >= SHMLOG_RECORD_SLOTS || size > count - i ||
                !continues(&slots[i], size, size))
                break;
            i += size;
            seq++;
            records++;
            continue;
        }
        do { /* one like the one before it, mostly */
            i++;
            seq++;
            records++;
        } while (i < count && slots[i].site == site && slots[i].seq == seq);
    }
    *ret_records = records;
    return i;
}

void shm_ring_lost(struct shm_ring_reader *reader, uint64_t pos, uint64_t seq, uint64_t lost,
                   uint32_t cause, struct shm_read *ret_read)
{
    ret_read->kind = SHM_READ_LOST;
    ret_read->first_pos = reader->pos;
    ret_read->first_seq = reader->seq;
    ret_read->lost = lost;
    ret_read->cause = cause;
    reader->pos = pos;
    reader->seq = seq;
}

bool shm_ring_take(struct shm_ring_reader *reader, const struct shmlog_slot *buffer, size_t count,
                   struct shm_read *ret_read)
{
    size_t records;
    size_t slots = parse(buffer, count, (uint32_t)reader->seq, &records);

    if (records == 0)
        return false;
    ret_read->kind = SHM_READ_RECORDS;
    ret_read->slots = slots;
    ret_read->records = records;
    ret_read->first_pos = reader->pos;
    ret_read->first_seq = reader->seq;
    reader->pos += slots;
    reader->seq += records;
    reader->unsettled = 0;
    reader->anchored = false;
    reader->hunted = false;
    return true;
}
