/* SPDX-License-Identifier: MIT
 *
 * Leading producers up to the call and into traps; see stage.h.
 *
 * All instructions that were not hit yet have a trap; a producer runs into the first of them. So
 * there is one producer for each instruction that a scene gets to, in the order in which it gets to
 * them, and one more that ends well.
 */
#include "tests/death/stage.h"

#include "tests/death/choice.h"

#include <stdlib.h>
#include <string.h>

#define ABORTS_MAX 1000u

struct stage stage;

/* Add the addresses of the triggers that are due. */
static size_t add_triggers(uint64_t *to)
{
    size_t count = 0;

    switch (stage.scene->trigger) {
    case TRIGGER_NONE:
        break;
    case TRIGGER_ABORT:
    case TRIGGER_ABORTS:
        for (size_t i = 0; i < stage.places.sequences; i++) {
            const struct sequence *const s = &stage.places.sequence[i];
            if (stage.scene->trigger == TRIGGER_ABORTS)
                to[count++] = s->start;
            else if (stage.step == 0)
                to[count++] = places_commit(&stage.places, s);
        }
        break;
    case TRIGGER_DRAIN:
    case TRIGGER_DRAIN_SOME:
        if (stage.step == 0)
            to[count++] = places_function(&stage.places, "shmlog_sleep_");
        else if (stage.step == 1 && stage.scene->trigger == TRIGGER_DRAIN_SOME)
            to[count++] = places_function(&stage.places, "shmlog_monotonic_ns_");
    }
    return count;
}

static void arm(void)
{
    size_t count = 0;

    for (size_t i = 0; i < stage.places.count; i++)
        if (!stage.hit[i])
            stage.armed[count++] = stage.places.place[i].address;
    count += add_triggers(stage.armed + count);
    tracee_arm(&stage.tracee, stage.armed, count);
}

void stage_disarm(void)
{
    tracee_arm(&stage.tracee, NULL, 0);
}

/* Take what the scene wants to be short of. */
static void take_away(void)
{
    struct shm_segment *const s = stage.ledger.kit.segment;

    switch (stage.scene->shortage) {
    case SHORT_NOTHING:
        break;
    case SHORT_ENTRIES:
        for (uint32_t i = 0; i < s->geometry.producers_max; i++)
            if (!shm_producers(s)[i].claim)
                shm_producers(s)[i].claim = UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE;
        break;
    case SHORT_SITES:
        for (uint32_t i = 0; i < s->geometry.sites_max; i++)
            if (!shm_site_words(s)[i])
                shm_site_words(s)[i] = UINT64_C(1) << 32;
        break;
    case SHORT_LEVEL:
        s->control->level = SHMLOG_OFF;
        break;
    case SHORT_ARENA:
        s->control->arena_used = s->geometry.arena_size;
    }
}

void stage_clean_up(void)
{
    struct shm_segment *const s = stage.ledger.kit.segment;

    for (uint32_t i = 0; i < s->geometry.producers_max; i++)
        if (shm_producers(s)[i].claim == (UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE))
            shm_producers(s)[i].claim = 0;
    s->control->level = SHMLOG_TRACE;
    if (stage.scene->new_sites || stage.scene->shortage)
        ledger_forget_sites(&stage.ledger);
    ledger_bury(&stage.ledger);
}

void stage_start(void)
{
    const struct shm_segment *const s = stage.ledger.kit.segment;
    struct shmlog_ring *const ring = stage.ledger.kit.segment->rings[stage.ring].header;
    uint64_t lost;

    memset(&stage.ledger.page->mark, 0, sizeof(*stage.ledger.page) - offsetof(struct page, mark));
    /* the next one begins with the same ring, and finds nobody there until its call */
    if (stage.life.held || stage.scene->spare_rings > 1 || stage.scene->trigger == TRIGGER_ABORTS)
        for (uint32_t i = s->geometry.cpu_rings; i < s->geometry.rings; i++)
            s->rings[i].header->holder = 0;
    tracee_start(&stage.tracee, live, &stage.life);
    ledger_drain(&stage.ledger);
    KIT_COMPARE(tracee_go(&stage.tracee, 0), !=, 0);
    ledger_drain(&stage.ledger);
    lost = segment_kit_counted(&stage.ledger.kit);
    KIT_COMPARE(tracee_go(&stage.tracee, 0), !=, 0);
    KIT_EQ(stage.ledger.page->mark, 3);
    stage.counted = segment_kit_counted(&stage.ledger.kit);
    KIT_EQ(stage.counted - lost, stage.life.gave_up);
    if (stage.scene->limit == LIMIT_FRESH)
        ring->limit = ring->limit_severe = ring->head + RING_SLOTS;
    else if (stage.scene->limit == LIMIT_STALE)
        ring->limit = ring->limit_severe = ring->head;
    stage.step = 0;
    take_away();
}

static bool is_trigger(uint64_t trap)
{
    uint64_t trigger[64];
    const size_t count = add_triggers(trigger);

    for (size_t i = 0; i < count; i++)
        if (trigger[i] == trap)
            return true;
    return false;
}

/* What the trigger is for. The trap stays only where the sequence is to be aborted again. */
static void pull_trigger(uint64_t trap)
{
    struct shmlog_ring *const ring = stage.ledger.kit.segment->rings[stage.ring].header;

    if (stage.scene->trigger == TRIGGER_DRAIN_SOME && stage.step == 0)
        shmlog_store_release_(&ring->tail, ring->tail + 1);
    else if (stage.scene->trigger >= TRIGGER_DRAIN)
        ledger_drain(&stage.ledger);
    if (stage.step++ > ABORTS_MAX)
        KIT_FAIL("the producer does not leave sequences that are always aborted");
    if (stage.scene->trigger != TRIGGER_ABORTS)
        arm();
    tracee_step_back(&stage.tracee, trap);
}

long stage_go(void)
{
    arm();
    for (;;) {
        const uint64_t trap = tracee_go(&stage.tracee, 0);
        const long at = places_find(&stage.places, trap);

        if (trap && tracee_has_written(&stage.tracee))
            return STAGE_WATCHED;
        if (at >= 0 && !stage.hit[at])
            return at;
        if (is_trigger(trap)) {
            pull_trigger(trap);
            continue;
        }
        KIT_EQ(stage.ledger.page->mark, 4);
        return STAGE_BACK;
    }
}

void stage_settle(bool *ret_committed, uint64_t *ret_dropped)
{
    const uint64_t holes = stage.ledger.holes[STREAM_MAIN], lost = stage.ledger.kit.lost;

    ledger_drain(&stage.ledger);
    KIT_EQ(stage.ledger.kit.lost - lost +
               stage.life.gave_up * (stage.ledger.last[STREAM_MAIN] == stage.ledger.page->before),
           stage.ledger.holes[STREAM_MAIN] - holes);
    if (stage.life.gave_up && stage.ledger.last[STREAM_MAIN] + 2 == stage.ledger.page->before)
        stage.ledger.last[STREAM_MAIN]++; /* the call before gave up, and its number came nowhere */
    *ret_committed = ledger_settle(&stage.ledger, STREAM_MAIN, stage.ledger.page->before);
    *ret_dropped = segment_kit_counted(&stage.ledger.kit) - stage.counted;
}

void stage_open(const struct scene *scene)
{
    const struct segment_kit_params params = {
        .on_full = scene->on_full,
        .ring_bytes = RING_SLOTS * SHMLOG_SLOT_SIZE,
        .spare_rings = scene->spare_rings,
        .reserve = scene->reserve,
        .shared_ring = scene->shared,
        .only_cpu = 1 + stage.cpu,
        .wait_ns = scene->wait_ns,
        .producers_max = 4,
        .sites_max = 64,
    };

    memset(&stage.scene, 0, sizeof(stage) - offsetof(struct stage, scene));
    ledger_open(&stage.ledger, "death", &params);
    if (scene->clock)
        stage.ledger.kit.segment->control->clock = scene->clock;
    stage.scene = scene;
    stage.ledger.apart = scene->apart;
    stage.life = scene->life;
    stage.life.page = stage.ledger.page;
    stage.life.segment = stage.ledger.kit.segment->path;
    stage.life.call = scene->call;
    stage.life.position = scene->position;
    stage.life.fill = scene->fill;
    stage.life.cpu = stage.cpu;
    /* where the process has a single ring that the producer may hold, the thread could not go on */
    stage.life.thread = stage.fate == FATE_STOP && !scene->first && !scene->life.no_ring &&
                        !scene->life.no_cpu && !scene->life.busy;
    /* the core's is the first, then that for severe records, if there is one; spare ones follow */
    stage.ring = scene->spare_rings + scene->shared && (scene->life.share || scene->clock)
                     ? stage.ledger.kit.segment->geometry.cpu_rings
                     : scene->call >= CALL_SEVERE && scene->on_full == SHMLOG_ON_FULL_OVERWRITE;
    stage.hit = calloc(stage.places.count, sizeof(*stage.hit));
    stage.armed = calloc(stage.places.count + 64, sizeof(*stage.armed));
    KIT_CHECK(stage.hit && stage.armed);
    for (size_t i = 0; i < stage.places.count; i++)
        stage.hit[i] = choice_skips(i);
}

void stage_close(void)
{
    ledger_close(&stage.ledger);
    free(stage.hit);
    free(stage.armed);
}
