/* SPDX-License-Identifier: MIT
 *
 * The census: see census.h. Twice a group of entries waits for all rings to get somewhere, with the
 * heads noted when the waiting began: for the ledger to pass them (the records are in the journal),
 * and for the heads to be a whole ring beyond them (the records are overwritten). Who comes
 * meanwhile waits for the next group.
 */
#include "collector/census.h"

#include "collector/foreign.h"
#include "shm/guard.h"
#include "shm/ring_reader.h"
#include "shm/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASKED_A_STEP 256u
#define SLOTS_A_STEP 16384u

enum stage {
    LIVING, /* or free, or not yet asked about */
    GONE,   /* dead or detached */
    UNREAD, /* in the group that waits for the ledger */
    READ,   /* its records are in the journal, its ring is free */
    FADING, /* in the group that waits for its records to be overwritten */
    LEAVING /* to be freed in this step */
};

struct entry {
    uint64_t claim; /* as it was when the stage was found; with `id`, whose entry it is */
    uint64_t start; /* of the thread */
    uint32_t id;
    uint32_t found; /* the step in which it was found dead */
    uint32_t
        since; /* the step in which it was seen first, as of another pid namespace; 0: it is not */
    enum stage stage;
    bool sought; /* it was dead when the search began */
    bool named;  /* a record was found that names it */
};

struct census {
    const struct shm_segment *segment;
    const struct outbox *outbox;
    struct foreign *foreign;
    struct entry *entry;   /* of the whole table */
    uint64_t *unread_head; /* of each ring when the group of this stage began to wait */
    uint64_t *fading_head;
    uint32_t step;
    uint32_t next; /* entry to be asked about first */
    uint32_t free;
    /* the search for records of the dead */
    bool searching;
    uint32_t ring; /* slots of it before `slot` were looked at */
    uint64_t slot;
};

int census_open(const struct shm_segment *segment, const struct outbox *outbox,
                struct census **ret_census)
{
    struct census *const c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->segment = segment;
    c->outbox = outbox;
    if (foreign_open(&c->foreign) < 0) {
        census_close(c);
        return -ENOMEM;
    }
    c->entry = calloc(segment->geometry.producers_max, sizeof(*c->entry));
    c->unread_head = calloc(segment->geometry.rings, sizeof(*c->unread_head));
    c->fading_head = calloc(segment->geometry.rings, sizeof(*c->fading_head));
    if (!c->entry || !c->unread_head || !c->fading_head) {
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
    foreign_close(c->foreign);
    free(c->entry);
    free(c->unread_head);
    free(c->fading_head);
    free(c);
}

/* ---- Who is dead ---- */

static uint64_t state_of(uint64_t claim)
{
    return claim & SHMLOG_PRODUCER_STATE;
}

/* What is known of an entry without asking /proc; LIVING: ask. */
static enum stage stage_of_claim(uint64_t claim)
{
    return state_of(claim) >= SHMLOG_PRODUCER_DEAD       ? READ
           : state_of(claim) == SHMLOG_PRODUCER_DETACHED ? GONE
                                                         : LIVING;
}

static bool is_known(const struct entry *e, uint64_t claim, uint32_t id)
{
    return e->stage != LIVING && e->claim == claim && e->id == id;
}

/* Ask whether the thread of an entry lives; `before`: what was known of the entry so far. */
static void ask_about(struct census *c, const struct shmlog_producer *producer,
                      const struct entry *before, struct entry *e)
{
    switch (shm_producer_alive(producer)) {
    case SHM_DEAD:
        e->stage = GONE;
        break;
    case SHM_ALIVE:
        break;
    default: /* of another namespace, or hidden: foreign_is_dead() knows the difference */
        e->since = before->since && before->claim == e->claim && before->id == e->id ? before->since
                                                                                     : c->step;
        if (foreign_is_dead(c->foreign, producer, e->since))
            e->stage = GONE;
    }
}

/* Look at an entry that is in use, and not known to be dead; `ask` whether its thread lives. */
static void look(struct census *c, uint32_t index, bool ask)
{
    struct entry *const e = &c->entry[index];
    const struct entry before = *e;
    struct shmlog_producer producer;

    e->stage = LIVING;
    if (shm_producer_at(c->segment, index, &producer) < 0 || !producer.claim)
        return;
    *e = (struct entry){
        .claim = producer.claim,
        .start = producer.start_time,
        .id = producer.id,
        .found = c->step,
        .stage = stage_of_claim(producer.claim),
    };
    if (e->stage == LIVING && ask)
        ask_about(c, &producer, &before, e);
    else if (before.claim == e->claim && before.id == e->id)
        e->since = before.since;
}

/* All entries, those first that there was no time for in the step before. */
static void look_around(struct census *c)
{
    const uint32_t used = shm_producers_used(c->segment);
    const struct shmlog_producer *const table = shm_producers(c->segment);
    uint32_t asked = 0, first = c->next < used ? c->next : 0, taken = 0;

    c->next = 0;
    for (uint32_t n = 0; n < used; n++) {
        const uint32_t i = first + n < used ? first + n : first + n - used;
        const uint64_t claim = shmlog_load_acquire_(&table[i].claim);
        bool ask;

        if (!claim) {
            c->entry[i].stage = LIVING;
            c->entry[i].since = 0;
            continue;
        }
        taken++;
        if (is_known(&c->entry[i], claim, shmlog_load_relaxed_(&table[i].id)))
            continue;
        ask = stage_of_claim(claim) == LIVING && asked < ASKED_A_STEP;
        if (ask && ++asked == ASKED_A_STEP)
            c->next = (i + 1) % used;
        look(c, i, ask);
    }
    c->free = c->segment->geometry.producers_max - taken;
    for (uint32_t i = 0; i < used; i++)
        if (c->entry[i].stage == LIVING && c->entry[i].since) {
            foreign_work(c->foreign, c->step);
            break;
        }
}

/* ---- Groups ---- */

static uint32_t count_stage(const struct census *c, enum stage stage)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++)
        count += c->entry[i].stage == stage;
    return count;
}

static uint32_t move_stage(struct census *c, enum stage from, enum stage to)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++)
        if (c->entry[i].stage == from) {
            c->entry[i].stage = to;
            count++;
        }
    return count;
}

static void begin_group(struct census *c, uint64_t *head, enum stage from, enum stage to)
{
    if (!move_stage(c, from, to))
        return;
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++)
        head[i] = c->segment->rings[i].header ? shm_ring_head(c->segment->rings[i].header) : 0;
}

static bool in_journal(const struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++)
        if (c->segment->rings[i].header &&
            (int64_t)(outbox_ledger(c->outbox, i)->next_pos - c->unread_head[i]) < 0)
            return false;
    return true;
}

static bool overwritten(const struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++) {
        const struct shmlog_ring *const ring = c->segment->rings[i].header;
        const uint64_t noted = c->fading_head[i];

        if (ring && noted && shm_ring_head(ring) - noted < c->segment->geometry.ring_slots)
            return false;
    }
    return true;
}

static bool claim_becomes(const struct census *c, uint32_t index, uint64_t claim)
{
    uint64_t before = c->entry[index].claim;

    return __atomic_compare_exchange_n(&shm_producers(c->segment)[index].claim, &before, claim, 0,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* The records of the group are in the journal. One that died while filling in its entry has none,
 * and the entry says nothing. */
static void bury(struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++) {
        struct entry *const e = &c->entry[i];
        const uint64_t claim =
            (e->claim & ~UINT64_C(0xffffffff)) |
            (state_of(e->claim) == SHMLOG_PRODUCER_DETACHED ? SHMLOG_PRODUCER_LEFT
                                                            : SHMLOG_PRODUCER_DEAD);

        if (e->stage != UNREAD)
            continue;
        if (state_of(e->claim) == SHMLOG_PRODUCER_FILLING) {
            e->stage = LEAVING;
            c->free++;
        } else if (claim_becomes(c, i, claim)) {
            e->claim = claim;
            e->stage = READ;
        } else {
            e->stage = LIVING; /* changed meanwhile: look again */
        }
    }
}

/* ---- A short table ---- */

static bool is_short(const struct census *c)
{
    return c->free <= c->segment->geometry.producers_max / 4;
}

static bool is_kept(const struct entry *e)
{
    return e->stage == READ || e->stage == FADING;
}

static void begin_search(struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++) {
        c->entry[i].sought = is_kept(&c->entry[i]);
        c->entry[i].named = false;
    }
    c->searching = true;
    c->ring = 0;
    c->slot = 0;
}

/* A slot that is written meanwhile may show anything, but no longer a record of the dead. */
static void look_at_slot(struct census *c, const struct shmlog_slot *slot)
{
    uint32_t id, index;

    if (!(__atomic_load_n(&slot->site, __ATOMIC_RELAXED) >> SHMLOG_SITE_SLOTS_SHIFT))
        return; /* a record goes on */
    id = shmlog_load_relaxed_(
        (const uint32_t *)(const void *)(slot->payload + SHMLOG_PAYLOAD_PRODUCER));
    index = (id & 0xffff) - 1;
    if (index < c->segment->geometry.producers_max && c->entry[index].id == id)
        c->entry[index].named = true;
}

/* A piece of the rings; true when all were looked at. */
static bool search(struct census *c)
{
    uint32_t left = SLOTS_A_STEP;

    for (; c->ring < c->segment->geometry.rings; c->ring++, c->slot = 0) {
        const struct shm_ring *const ring = &c->segment->rings[c->ring];
        uint64_t end = ring->header ? shm_ring_head(ring->header) : 0;

        if (end > c->segment->geometry.ring_slots)
            end = c->segment->geometry.ring_slots;
        for (; c->slot < end; c->slot++, left--) {
            if (!left)
                return false;
            look_at_slot(c, &ring->slots[c->slot]);
        }
    }
    return true;
}

static void search_for_records(struct census *c)
{
    if (!c->searching)
        begin_search(c);
    if (!search(c))
        return;
    c->searching = false;
    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++) {
        struct entry *const e = &c->entry[i];

        if (is_kept(e) && e->sought && !e->named) {
            e->stage = LEAVING;
            c->free++;
        }
    }
}

static int by_age(const void *a, const void *b)
{
    const struct entry *const x = *(const struct entry *const *)a;
    const struct entry *const y = *(const struct entry *const *)b;

    if (x->found != y->found)
        return x->found < y->found ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Until more than an eighth of the table is free, the oldest dead leave. */
static void let_oldest_go(struct census *c)
{
    const uint32_t want = c->segment->geometry.producers_max / 8 + 1;
    struct entry **kept;
    uint32_t count = 0;

    if (c->free >= want)
        return;
    kept = malloc(c->segment->geometry.producers_max * sizeof(*kept));
    if (!kept)
        return; /* the next step tries again */
    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++)
        if (is_kept(&c->entry[i]))
            kept[count++] = &c->entry[i];
    qsort(kept, count, sizeof(kept[0]), by_age);
    for (uint32_t i = 0; i < count && c->free < want; i++, c->free++)
        kept[i]->stage = LEAVING;
    free(kept);
}

/* ---- A step ---- */

static int free_leaving(struct census *c)
{
    int freed = 0;

    for (uint32_t i = 0; i < c->segment->geometry.producers_max; i++) {
        if (c->entry[i].stage != LEAVING)
            continue;
        freed += claim_becomes(c, i, 0);
        c->entry[i].stage = LIVING;
    }
    return freed;
}

/* What the drain leaves out has no part in what is waited for. */
static void leave_out_cut(struct census *c)
{
    for (uint32_t i = 0; i < c->segment->geometry.rings; i++)
        if (c->segment->rings[i].header && shm_guard_lost(c->segment->rings[i].lost))
            shm_ring_leave_out(&c->segment->rings[i]);
}

int census_work(struct census *c)
{
    c->step++;
    leave_out_cut(c);
    look_around(c);
    if (!count_stage(c, UNREAD))
        begin_group(c, c->unread_head, GONE, UNREAD);
    else if (in_journal(c))
        bury(c);
    if (!count_stage(c, FADING)) { /* none yet, or all had to leave early */
        begin_group(c, c->fading_head, READ, FADING);
    } else if (overwritten(c)) {
        c->free += move_stage(c, FADING, LEAVING);
    }
    if (is_short(c)) {
        search_for_records(c);
        let_oldest_go(c);
    } else {
        c->searching = false;
    }
    return free_leaving(c);
}
