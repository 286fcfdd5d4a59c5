/* SPDX-License-Identifier: MIT
 *
 * Parts of the ring reader that its files share. Not for use outside of shm/.
 */
#ifndef SHM_RING_PARTS_H
#define SHM_RING_PARTS_H

#include "shm/ring_reader.h"

/* Slots that the record beginning here claims to have; above 64 also where reserved bits are set.
 */
static inline uint32_t shm_slot_count(const struct shmlog_slot *slot)
{
    return slot->site >> SHMLOG_SITE_SLOTS_SHIFT;
}

/* Copy slots out of the ring, around its end; count <= capacity. */
void shm_ring_copy(const struct shm_ring_reader *reader, uint64_t pos, struct shmlog_slot *buffer,
                   size_t count);

/* Slots ahead of the head, as it is seen, that a writer may be writing; see ring_slots.c. */
static inline uint64_t shm_ring_margin(const struct shm_ring_reader *reader)
{
#if defined(__x86_64__)
    (void)reader;
    return SHMLOG_RECORD_SLOTS;
#else
    return (reader->overwrite ? 1 : 2) * SHMLOG_RECORD_SLOTS;
#endif
}

/* With this head, may slots from `pos` on have been overwritten? */
bool shm_ring_overtaken(const struct shm_ring_reader *reader, uint64_t pos, uint64_t head);

/* Does a record begin here, as far as the `room` slots from it show? `last`: nothing is committed
 * behind them. Its number is not looked at. */
bool shm_ring_begins(const struct shmlog_slot *slot, size_t room, bool last);

/* Take whole records from the front of the copy at the cursor; false if there is none. */
bool shm_ring_take(struct shm_ring_reader *reader, const struct shmlog_slot *buffer, size_t count,
                   struct shm_read *ret_read);

/* Report a loss and move the cursor. */
void shm_ring_lost(struct shm_ring_reader *reader, uint64_t pos, uint64_t seq, uint64_t lost,
                   uint32_t cause, struct shm_read *ret_read);

/* The copy at the cursor begins with something that is no record, or not the next one: skip it. */
void shm_ring_skip(struct shm_ring_reader *reader, const struct shmlog_slot *buffer, size_t count,
                   bool last, struct shm_read *ret_read);

/* The cursor was overtaken: go on where there is some time left. */
void shm_ring_catch_up(struct shm_ring_reader *reader, struct shmlog_slot *buffer,
                       struct shm_read *ret_read);

#endif
