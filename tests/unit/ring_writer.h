/* SPDX-License-Identifier: MIT
 *
 * A reference writer and a ring without files, for tests of the reader: the commit protocol in its
 * plainest form. Slots are filled, then the head is stored with release; nothing else.
 *
 * Every payload word follows from the record's number, so that a reader can tell a record from one
 * that is torn. Stores into slots are atomic by word: the reader may look at the same time.
 */
#ifndef TESTS_UNIT_RING_WRITER_H
#define TESTS_UNIT_RING_WRITER_H

#include "shm/ring_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ring_fixture {
    struct shm_segment segment;
    struct shm_ring ring;
    uint64_t dropped;
};

static inline struct ring_fixture *ring_fixture_open(uint64_t slots, uint32_t on_full)
{
    struct ring_fixture *f = calloc(1, sizeof(*f));
    size_t size = SHMLOG_RING_HEADER + slots * SHMLOG_SLOT_SIZE;

    if (!f || !(f->ring.header = aligned_alloc(4096, (size + 4095) & ~(size_t)4095)))
        abort();
    memset(f->ring.header, 0, size);
    f->ring.slots = (struct shmlog_slot *)((uint8_t *)f->ring.header + SHMLOG_RING_HEADER);
    f->ring.header->tail_seq = 1;
    f->segment.rings = &f->ring;
    f->segment.geometry.rings = 1;
    f->segment.geometry.ring_slots = slots;
    f->segment.geometry.on_full = on_full;
    f->segment.slot_mask = slots - 1;
    return f;
}

static inline void ring_fixture_close(struct ring_fixture *f)
{
    free(f->ring.header);
    free(f);
}

/* Word `index` (1..7) of slot `slot` of record `number`. */
static inline uint64_t ring_word(uint64_t number, uint32_t slot, uint32_t index)
{
    return (number * 64 + slot) * UINT64_C(0x9e3779b97f4a7c15) + index;
}

static inline void ring_put_slot(struct ring_fixture *f, uint64_t pos, uint64_t number,
                                 uint32_t site, uint32_t slot)
{
    typedef uint64_t __attribute__((may_alias)) word;
    word *to = (word *)(void *)&f->ring.slots[pos & f->segment.slot_mask];

    __atomic_store_n(&to[0], (uint32_t)number | (uint64_t)site << 32, __ATOMIC_RELAXED);
    for (uint32_t i = 1; i < 8; i++)
        __atomic_store_n(&to[i], ring_word(number, slot, i), __ATOMIC_RELAXED);
}

/* Write record `number` of `count` slots. False, and counted, if the policy drops it. */
static inline bool ring_put(struct ring_fixture *f, uint64_t number, uint32_t site, uint32_t count)
{
    struct shmlog_ring *ring = f->ring.header;
    uint64_t head = shmlog_load_relaxed_(&ring->head);

    /* pairs with the reader's release of the tail */
    if (f->segment.geometry.on_full != SHMLOG_ON_FULL_OVERWRITE &&
        head + count - shmlog_load_acquire_(&ring->tail) > f->segment.geometry.ring_slots) {
        f->dropped++;
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        ring_put_slot(f, head + i, number, site | (i == 0 ? count << SHMLOG_SITE_SLOTS_SHIFT : 0),
                      i);
    shmlog_store_release_(&ring->head, head + count);
    return true;
}

/* Are the words of record `number`, at the front of `slots`, all its own? Returns its slots, 0 if
 * not. */
static inline uint32_t ring_check(const struct shmlog_slot *slots, uint64_t number)
{
    uint32_t count = slots[0].site >> SHMLOG_SITE_SLOTS_SHIFT;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t words[8];

        memcpy(words, &slots[i], sizeof(words));
        if (slots[i].seq != (uint32_t)number)
            return 0;
        for (uint32_t j = 1; j < 8; j++) {
            if (words[j] != ring_word(number, i, j))
                return 0;
        }
    }
    return count;
}

/* Check all records of a result; false if any is torn or its slots do not add up. */
static inline bool ring_check_read(const struct shmlog_slot *buffer, const struct shm_read *read)
{
    size_t slots = 0;

    for (size_t i = 0; i < read->records; i++) {
        uint32_t count = ring_check(buffer + slots, read->first_seq + i);

        if (count == 0)
            return false;
        slots += count;
    }
    return slots == read->slots;
}

/* What the collector does when records are taken over. */
static inline void ring_release(struct ring_fixture *f, const struct shm_ring_reader *reader)
{
    shmlog_store_release_(&f->ring.header->tail_seq, reader->seq);
    shmlog_store_release_(&f->ring.header->tail, reader->pos);
}

/* xorshift64*, so that runs repeat. */
static inline uint64_t ring_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
