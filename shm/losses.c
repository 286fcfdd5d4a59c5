/* SPDX-License-Identifier: MIT
 *
 * Records lost so far: see losses.h. Numbers from shared memory are added up and nothing else is
 * done with them.
 */
#include "shm/losses.h"

#include "shm/ring_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPTS 8 /* at a copy that is written meanwhile */

void shm_losses_publish(struct shmlog_ring *ring, uint64_t seq, uint64_t overwritten,
                        uint64_t damaged)
{
    struct shmlog_found *const found = ring->found;
    struct shmlog_found *const next = &found[found[0].seq > found[1].seq];

    if (found[0].seq >= seq || found[1].seq >= seq)
        return; /* said before, by this collector or the one before it */
    shmlog_store_relaxed_(&next->overwritten, overwritten);
    shmlog_store_relaxed_(&next->damaged, damaged);
    shmlog_store_release_(&next->seq, seq); /* pairs with newest_found() */
}

/* The copy that counts. One that is read while it is being written is the older one by then. */
static struct shmlog_found newest_found(const struct shmlog_ring *ring)
{
    struct shmlog_found copy = {0};

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const uint64_t seq[2] = {shmlog_load_acquire_(&ring->found[0].seq),
                                 shmlog_load_acquire_(&ring->found[1].seq)};
        const unsigned i = seq[1] > seq[0];

        copy.seq = seq[i];
        copy.overwritten = shmlog_load_acquire_(&ring->found[i].overwritten);
        copy.damaged = shmlog_load_acquire_(&ring->found[i].damaged);
        if (shmlog_load_acquire_(&ring->found[0].seq) == seq[0] &&
            shmlog_load_acquire_(&ring->found[1].seq) == seq[1])
            break;
    }
    return copy;
}

/* Records from number `seq` on that are gone without anybody's having read them. */
static uint64_t overwritten_since(const struct shm_segment *segment, uint32_t index, uint64_t seq)
{
    const struct shmlog_ring *const ring = segment->rings[index].header;
    struct shm_ring_reader oldest;

    if (segment->geometry.on_full != SHMLOG_ON_FULL_OVERWRITE ||
        shm_ring_head(ring) - shmlog_load_acquire_(&ring->tail) + SHMLOG_RECORD_SLOTS <=
            segment->geometry.ring_slots)
        return 0;
    shm_ring_reader_init_oldest(&oldest, segment, index);
    return oldest.seq > seq ? oldest.seq - seq : 0;
}

void shm_losses_of_ring(const struct shm_segment *segment, uint32_t index,
                        struct shm_losses *ret_losses)
{
    const struct shmlog_ring *const ring = segment->rings[index].header;
    struct shmlog_found found;
    uint64_t seq;

    memset(ret_losses, 0, sizeof(*ret_losses));
    if (!ring)
        return;
    for (uint32_t cause = 0; cause < SHMLOG_LOST_BY_WRITERS; cause++)
        ret_losses->cause[cause] = shmlog_load_acquire_(&ring->lost[cause]);
    seq = shmlog_load_acquire_(&ring->tail_seq); /* first: what was found is at least as new */
    found = newest_found(ring);
    ret_losses->cause[SHMLOG_LOST_OVERWRITTEN] =
        found.overwritten + overwritten_since(segment, index, found.seq > seq ? found.seq : seq);
    ret_losses->cause[SHMLOG_LOST_DAMAGED] = found.damaged;
}

void shm_losses_before_rings(const struct shm_segment *segment, struct shm_losses *ret_losses)
{
    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
        ret_losses->cause[cause] = shmlog_load_acquire_(&segment->control->lost[cause]);
}

void shm_losses_of_segment(const struct shm_segment *segment, struct shm_losses *ret_losses)
{
    shm_losses_before_rings(segment, ret_losses);
    for (uint32_t i = 0; i < segment->geometry.rings; i++) {
        struct shm_losses ring;

        shm_losses_of_ring(segment, i, &ring);
        for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
            ret_losses->cause[cause] += ring.cause[cause];
    }
    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
        ret_losses->cause[cause] +=
            shmlog_load_relaxed_(&segment->control->collector_lost_rings[cause]);
}

const char *shm_losses_name(unsigned cause)
{
    static const char *const names[SHMLOG_LOST_CAUSES] = {
        "full", "waited", "nested", "reserved", "overwritten", "damaged", "no-ring", "no-site",
    };

    return cause < SHMLOG_LOST_CAUSES ? names[cause] : "?";
}

uint64_t shm_losses_sum(const struct shm_losses *losses)
{
    uint64_t sum = 0;

    for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
        sum += losses->cause[cause];
    return sum;
}

void shm_losses_text(const struct shm_losses *losses, char *ret_text, size_t size)
{
    size_t at = 0;

    *ret_text = 0;
    for (unsigned i = 0; i < SHMLOG_LOST_CAUSES && at < size; i++)
        if (losses->cause[i])
            at += (size_t)snprintf(ret_text + at, size - at, "%s%" PRIu64 " %s", at ? ", " : "",
                                   losses->cause[i], shm_losses_name(i));
}
