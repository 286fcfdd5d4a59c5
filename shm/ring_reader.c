/* SPDX-License-Identifier: MIT
 *
 * The ring reader: one read; see ring_reader.h. Copying slots and taking records from the copy is
 * in ring_slots.c, where to begin reading in ring_start.c, what to do about damage in
 * ring_damage.c.
 */
#include "shm/ring_parts.h"

#include <assert.h>
#include <string.h>

void shm_ring_read(struct shm_ring_reader *reader, uint64_t upto, struct shmlog_slot *buffer,
                   size_t max, struct shm_read *ret_read)
{
    uint64_t ahead;
    size_t count;

    assert(max >= 2 * SHMLOG_RECORD_SLOTS);
    memset(ret_read, 0, sizeof(*ret_read));
    if (reader->follows) {
        uint64_t head = shm_ring_head(reader->ring);

        if (shm_ring_overtaken(reader, reader->pos, head)) {
            shm_ring_catch_up(reader, buffer, ret_read);
            return;
        }
        if ((int64_t)(upto - head) > 0)
            upto = head;
    }
    ahead = upto - reader->pos;
    if (ahead == 0 || ahead > reader->capacity)
        return;
    count = ahead < max ? (size_t)ahead : max;
    shm_ring_copy(reader, reader->pos, buffer, count);
    if (reader->follows && shm_ring_overtaken(reader, reader->pos, shm_ring_head(reader->ring))) {
        shm_ring_catch_up(reader, buffer, ret_read);
        return;
    }
    if (!shm_ring_take(reader, buffer, count, ret_read))
        shm_ring_skip(reader, buffer, count, count == ahead, ret_read);
}
