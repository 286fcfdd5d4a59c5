/* SPDX-License-Identifier: MIT
 *
 * The census: see census.h. Two steps take turns: note who is gone and where all heads are; when
 * the ledger has passed those heads, free the noted.
 */
#include "collector/census.h"

#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <errno.h>
#include <stdlib.h>

struct census {
    const struct shm_segment *segment;
    const struct outbox *outbox;
    uint64_t *head;  /* of each ring when the gone were noted */
    uint64_t *claim; /* of each noted entry, 0: not noted */
    uint32_t noted;
};

int census_open(const struct shm_segment *segment, const struct outbox *outbox,
                struct census **ret_census)
{
    struct census *const c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->segment = segment;
    c->outbox = outbox;
    c->head = calloc(segment->geometry.rings + 1, sizeof(*c->head));
    c->claim = calloc(segment->geometry.producers_max, sizeof(*c->claim));
    if (!c->head || !c->claim) {
        census_close(c);
        return -ENOMEM;
    }
    *ret_census = c;
    return 0;
}

void census_close(struct census *c)
{
    if (!c)
        return;
    free(c->head);
    free(c->claim);
    free(c);
}

static bool is_gone(const struct shmlog_producer *producer)
{
    return (producer->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_DETACHED ||
           shm_producer_alive(producer) == SHM_DEAD;
}

static void note(struct census *c)
{
    const uint32_t used = shm_producers_used(c->segment);

    for (uint32_t i = 0; i < used; i++) {
        struct shmlog_producer producer;

        c->claim[i] = 0;
        if (shm_producer_at(c->segment, i, &producer) < 0 || !producer.claim || !is_gone(&producer))
            continue;
        c->claim[i] = producer.claim;
        c->noted++;
    }
    if (!c->noted)
        return;
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++)
        c->head[i] = c->segment->rings[i].header ? shm_ring_head(c->segment->rings[i].header) : 0;
}

static bool passed(const struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++)
        if (c->segment->rings[i].header &&
            (int64_t)(outbox_ledger(c->outbox, i)->next_pos - c->head[i]) < 0)
            return false;
    return true;
}

static void free_entry(struct census *c, uint32_t index)
{
    struct shmlog_producer *const entry = &shm_producers(c->segment)[index];
    uint64_t claim = c->claim[index];
    const uint32_t id = entry->id;

    if (shmlog_load_relaxed_(&entry->claim) != claim)
        return;
    /* whatever ring it had: the entry may not have got to naming it */
    for (uint32_t i = c->segment->geometry.cpu_rings; i < c->segment->geometry.rings; i++) {
        struct shmlog_ring *const ring = c->segment->rings[i].header;
        uint32_t owner = id;

        if (ring && (id & 0xffff) == index + 1) /* not an id that is another entry's */
            __atomic_compare_exchange_n(&ring->owner, &owner, 0, 0, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED);
    }
    __atomic_compare_exchange_n(&entry->claim, &claim, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

int census_work(struct census *c)
{
    int freed = 0;

    if (!c->noted) {
        note(c);
        return 0;
    }
    if (!passed(c))
        return 0;
    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++) {
        if (!c->claim[i])
            continue;
        free_entry(c, i);
        c->claim[i] = 0;
        freed++;
    }
    c->noted = 0;
    return freed;
}
