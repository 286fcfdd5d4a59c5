/* SPDX-License-Identifier: MIT
 *
 * Sites and producers, copied out of shared memory; see tables.h. Whether a producer lives is asked
 * in producer_alive.c.
 */
#include "shm/tables.h"

#include "shm/inline_site.h"
#include "shm/argument_names.h"

#include <errno.h>
#include <string.h>

int shm_site_copy(const struct shm_segment *segment, uint32_t id, uint8_t *ret_site,
                  size_t *ret_size)
{
    uint64_t word, offset, room = segment->geometry.arena_size;
    uint8_t copy[SHMLOG_SITE_MAX];
    const uint8_t *site;
    uint16_t size;

    if (shm_site_is_inline(id)) {
        *ret_size = shm_inline_site(id, ret_site);
        return 0;
    }
    if (id == 0 || id >= segment->geometry.sites_max)
        return -ENOENT;
    /* pairs with the release by which a producer publishes a complete site */
    word = shmlog_load_acquire_(&shm_site_words(segment)[id]);
    if (word == 0)
        return -ENOENT;
    offset = (word & UINT32_MAX) * 8;
    if (room < sizeof(struct shmlog_site) || offset > room - sizeof(struct shmlog_site))
        return -EBADMSG;
    site = shm_arena(segment) + offset;
    size = __atomic_load_n((const uint16_t *)site, __ATOMIC_RELAXED);
    if (size < sizeof(struct shmlog_site) || size > SHMLOG_SITE_MAX || size > room - offset)
        return -EBADMSG;
    memcpy(copy, site, size);
    if (shmlog_site_hash_(copy, size) != (uint32_t)(word >> 32))
        return -EBADMSG; /* covers the size, too, should it have changed meanwhile */
    shm_argument_names(copy, size, ret_site, ret_size);
    return 0;
}

/* Copy an entry that may change under our eyes, and tell whether it stayed the same one: the words
 * of claim and id are read again after the rest. */
static bool copy_entry(const struct shmlog_producer *entry, struct shmlog_producer *ret_copy)
{
    /* The entry is an array of words here, whatever its fields are. */
    typedef uint64_t __attribute__((may_alias)) word;
    const word *from = (const word *)entry;
    word *to = (word *)ret_copy;

    for (size_t i = 0; i < sizeof(*entry) / sizeof(word); i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE); /* pairs with the release of claim */
    return to[0] == __atomic_load_n(&from[0], __ATOMIC_ACQUIRE) &&
           to[1] == __atomic_load_n(&from[1], __ATOMIC_RELAXED);
}
_Static_assert(offsetof(struct shmlog_producer, claim) == 0 &&
                   offsetof(struct shmlog_producer, id) == 8 &&
                   sizeof(struct shmlog_producer) % 8 == 0,
               "claim and id are the first two words");

int shm_producer_at(const struct shm_segment *segment, uint32_t index,
                    struct shmlog_producer *ret_producer)
{
    struct shmlog_producer copy;

    if (index >= segment->geometry.producers_max)
        return -EINVAL;
    for (int attempt = 0; attempt < 4; attempt++) {
        if (copy_entry(&shm_producers(segment)[index], &copy)) {
            *ret_producer = copy;
            return 0;
        }
    }
    return -EAGAIN; /* somebody keeps changing it */
}

int shm_producer_copy(const struct shm_segment *segment, uint32_t id,
                      struct shmlog_producer *ret_producer)
{
    uint32_t index = (id & 0xffff) - 1;
    struct shmlog_producer copy;

    if ((id & 0xffff) == 0 || shm_producer_at(segment, index, &copy) < 0)
        return -ENOENT;
    if (copy.claim == 0 || (copy.claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_FILLING ||
        copy.id != id)
        return -ENOENT;
    *ret_producer = copy;
    return 0;
}

uint32_t shm_producers_used(const struct shm_segment *segment)
{
    uint32_t used = shmlog_load_acquire_(&segment->control->producers_used);

    return used < segment->geometry.producers_max ? used : segment->geometry.producers_max;
}

static bool producer_in_use(const struct shmlog_producer *producer)
{
    uint32_t state = producer->claim & SHMLOG_PRODUCER_STATE;

    if (producer->claim == 0 || state == SHMLOG_PRODUCER_DETACHED || state == SHMLOG_PRODUCER_LEFT)
        return false;
    switch (shm_producer_alive(producer)) {
    case SHM_ALIVE:
        return true;
    case SHM_DEAD:
        return false;
    default:
        /* Of another pid namespace: take it for alive, unless it never finished registering. */
        return state != SHMLOG_PRODUCER_FILLING;
    }
}

bool shm_segment_in_use(const struct shm_segment *segment)
{
    struct shmlog_producer producer;
    uint32_t used = shm_producers_used(segment);

    for (uint32_t i = 0; i < used; i++) {
        if (shm_producer_at(segment, i, &producer) == 0 && producer_in_use(&producer))
            return true;
    }
    return false;
}
