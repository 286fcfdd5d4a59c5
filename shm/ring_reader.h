/* SPDX-License-Identifier: MIT
 *
 * Reading a ring: a cursor that tells records, not yet, overwritten and damaged apart.
 *
 * The collector and live tools read through this. Slots are copied out once, and only the
 * copy is looked at: a record is passed on if its slots say so consistently (slot count, the same
 * sequence number in all, that number next in line). With the overwrite policy the head is read
 * again after the copy, and what may have been overwritten meanwhile is counted as lost. Never
 * writes to the ring; never reads outside it, whatever it holds; each call does a bounded amount of
 * work.
 */
#ifndef SHM_RING_READER_H
#define SHM_RING_READER_H

#include "shm/segment.h"

struct shm_ring_reader {
    const struct shmlog_ring *ring;
    const struct shmlog_slot *slots;
    uint64_t capacity; /* slots in the ring */
    bool overwrite;
    bool follows;  /* somebody else moves the tail: slots may be written while they are read */
    bool anchored; /* see `anchor` */
    bool hunted;   /* overtaken, and nothing was read since */
    uint64_t pos;  /* position of the next slot to read */
    uint64_t seq;  /* number of the next record, 64 bits */
    /* After damage, until the next sound record: */
    uint64_t unsettled; /* slots passed whose records may not be counted as lost yet */
    uint32_t anchor;    /* what the next record's number ends in, if what was last passed over was
                           a sound record after all */
};

enum shm_read_kind {
    SHM_READ_NONE,    /* nothing new up to the bound */
    SHM_READ_RECORDS, /* `records` whole records in `slots` slots of the buffer */
    SHM_READ_LOST,    /* `lost` records are gone, for `cause`; the cursor is past them */
};

struct shm_read {
    enum shm_read_kind kind;
    size_t slots;
    size_t records;
    uint64_t first_pos;
    uint64_t first_seq;
    uint64_t lost;
    uint32_t cause; /* SHMLOG_LOST_OVERWRITTEN or SHMLOG_LOST_DAMAGED */
};

/* Start at a known place: position and number of the next record (the collector's ledger). This is
 * the reader that moves the tail. */
void shm_ring_reader_init(struct shm_ring_reader *reader, const struct shm_segment *segment,
                          uint32_t ring, uint64_t pos, uint64_t seq);

/* Start at the oldest record that can still be read: the tail, or with the overwrite policy the
 * oldest one not yet overwritten. For all readers beside the collector; with any policy they may
 * be overtaken, and then read SHMLOG_LOST_OVERWRITTEN. */
void shm_ring_reader_init_oldest(struct shm_ring_reader *reader, const struct shm_segment *segment,
                                 uint32_t ring);

/* Start at the oldest record whose slots are sure to stand, read by the collector or not: a look
 * back over a whole ring, less the slots that a writer may be filling. Where the collector has not
 * given those free, they stand too. As with init_oldest(), writers may overtake this cursor. */
void shm_ring_reader_init_kept(struct shm_ring_reader *reader, const struct shm_segment *segment,
                               uint32_t ring);

/* Copy up to `max` slots (>= 2 * SHMLOG_RECORD_SLOTS) of whole records from the cursor, not beyond
 * position `upto` (from shm_ring_head() or shm_ring_doorbell(), both acquire; it is bounded again
 * here), and move the cursor past them. One kind of result per call; ret_read->kind NONE ends a
 * drain. An `upto` that is wild (behind the cursor, more than a ring ahead) reads as none; where
 * the reader may be overtaken, more than a ring ahead means overwritten.
 *
 * Damage: slots that do not parse are skipped up to the next slot that begins a plausible record,
 * one whose number is ahead of the expected one by no more than the slots passed. Lost is that step
 * in numbers. Where nothing plausible follows within the copy, 1 is lost for now and the rest when
 * it does; where the numbering itself was damaged, 1 is lost and reader->seq goes on with the next
 * number that ends as the slots say. For the collector's reader, the head is not touched. */
void shm_ring_read(struct shm_ring_reader *reader, uint64_t upto, struct shmlog_slot *buffer,
                   size_t max, struct shm_read *ret_read);

/* The head, with acquire (pairs with the release that commits a record). */
uint64_t shm_ring_head(const struct shmlog_ring *ring);

/* The doorbell, with acquire: a head some thousand records ago, behind the head or equal. */
uint64_t shm_ring_doorbell(const struct shmlog_ring *ring);

/* Number of the newest committed record (0: none yet): from the slot before the head, extended to
 * 64 bits around `near`, a number known to be at most 2^31 away. Consistent with *ret_head. */
uint64_t shm_ring_head_seq(const struct shm_segment *segment, uint32_t ring, uint64_t near,
                           uint64_t *ret_head);

/* The 64-bit number closest to `near` that ends in `low`. */
uint64_t shm_seq_extend(uint64_t near, uint32_t low);

#endif
