/* SPDX-License-Identifier: MIT
 *
 * Death at every instruction: in each scene a producer is stopped at one instruction of a log call
 * after the other, and there
 *
 *     kill     it is killed: its record is wholly there or wholly absent, all earlier ones are
 * there, and the next producer logs on in the same ring stop     it stays: another process, and
 * another thread of its own, log 1,000 records each meanwhile, and a reader gets them; then it goes
 * on, and its record arrives signal   it gets a signal whose handler logs, too: both records are
 * kept, or, with a ring of its own, the handler's is counted as lost
 *
 * All instructions that were not hit yet have a trap; a producer runs into the first of them. So
 * there is one producer for each instruction that a scene gets to, in the order in which it gets to
 * them, and one more that ends well. Instructions that no scene gets to are listed, and fail the
 * test where they belong to what each call runs through.
 *
 * usage: death kill|stop|signal [part of a scene's name]
 */
#include "tests/death/ledger.h"
#include "tests/death/scenes.h"
#include "tests/death/tracee.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHERS 1000u
#define LATE_MAX 3u
#define ABORTS_MAX 1000u

enum fate { FATE_KILL, FATE_STOP, FATE_SIGNAL };

static struct places places;
static struct tracee tracee;
static struct ledger ledger;
static enum fate fate;
static int cpu;
static bool thorough; /* everything in each scene */

/* A scene as it goes on. */
static struct {
    const struct scene *scene;
    struct life life;
    uint32_t ring;      /* that the call's record is to go to */
    bool *hit;          /* for each place */
    unsigned hits;      /* places that were hit */
    unsigned committed; /* of those, the record was there in the end */
    unsigned dropped;   /* or was counted as lost */
    unsigned nested_lost;
    unsigned late;    /* neither, though so before: a sequence that the kernel aborted */
    uint64_t counted; /* losses counted before the call */
    uint64_t *armed;  /* addresses */
    size_t triggers;  /* how many of them, at the end, are triggers */
    unsigned step;    /* triggers that fired */
} now;

/* ---- Which instructions ---- */

static bool in_list(const char *symbol, const char *const list[])
{
    for (; *list; list++)
        if (strncmp(symbol, *list, strlen(*list)) == 0)
            return true;
    return false;
}

/* Functions that read and write nothing but what is their thread's own: there, one scene is as
 * good as another. */
static bool is_private(const char *symbol)
{
    static const char *const list[] = {"shmlog_put_",        "shmlog_parse_format_",
                                       "shmlog_blob_add_",   "shmlog_argument_end_",
                                       "shmlog_add_names_",  "shmlog_build_site_",
                                       "shmlog_start_time_", "shmlog_read_file_",
                                       "shmlog_sys_",        "shmlog_block_signals_",
                                       "shmlog_unblock_",    "shmlog_random_",
                                       "shmlog_path_",       "shmlog_find_segment_",
                                       "shmlog_init_local_", "shmlog_check_control_",
                                       "shmlog_table_fits_", NULL};

    return in_list(symbol, list);
}

/* Not to be hit in this scene: in the short run, because of the scenes before. */
static bool is_done(const struct place *place)
{
    if (thorough)
        return false;
    if (now.scene->brief)
        return place->reached;
    if (fate == FATE_KILL)
        return is_private(place->symbol) && place->reached;
    return now.life.own ? place->reached_owned : place->reached;
}

/* What a log call runs through, and what makes it ready to: all of it has to be reached. */
static bool has_to_be_reached(const char *symbol)
{
    static const char *const list[] = {"call_",
                                       "shmlog_commit_",
                                       "shmlog_make_room_",
                                       "shmlog_wait_room_",
                                       "shmlog_nap_",
                                       "shmlog_monotonic_ns_",
                                       "shmlog_claim_ring_",
                                       "shmlog_register_",
                                       "shmlog_new_producer_",
                                       "shmlog_publish_site_",
                                       "shmlog_no_site_",
                                       "shmlog_block_signals_",
                                       "shmlog_unblock_signals_",
                                       NULL};

    return in_list(symbol, list);
}

/* ---- Up to the call ---- */

/* Add the addresses of the triggers that are due. */
static size_t add_triggers(uint64_t *to)
{
    size_t count = 0;

    switch (now.scene->trigger) {
    case TRIGGER_NONE:
        break;
    case TRIGGER_ABORT:
    case TRIGGER_ABORTS:
        for (size_t i = 0; i < places.sequences; i++) {
            const struct sequence *const s = &places.sequence[i];
            const bool first = strncmp(s->symbol, "call_", 5) == 0;

            if (now.scene->trigger == TRIGGER_ABORTS &&
                (first || strcmp(s->symbol, "shmlog_commit_slots_") == 0))
                to[count++] = s->start;
            else if (first && now.step == 0)
                to[count++] = places_commit(&places, s);
        }
        break;
    case TRIGGER_DRAIN:
    case TRIGGER_DRAIN_SOME:
        if (now.step == 0)
            to[count++] = places_function(&places, "shmlog_nap_");
        else if (now.step == 1 && now.scene->trigger == TRIGGER_DRAIN_SOME)
            to[count++] = places_function(&places, "shmlog_monotonic_ns_");
    }
    return count;
}

static void arm(void)
{
    size_t count = 0;

    for (size_t i = 0; i < places.count; i++)
        if (!now.hit[i])
            now.armed[count++] = places.place[i].address;
    now.triggers = add_triggers(now.armed + count);
    tracee_arm(&tracee, now.armed, count + now.triggers);
}

static void disarm(void)
{
    tracee_arm(&tracee, NULL, 0);
}

/* Take what the scene wants to be short of. */
static void take_away(void)
{
    struct shm_segment *const s = ledger.kit.segment;

    switch (now.scene->shortage) {
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

/* The producer is gone: give back what was taken away; entries and rings come free. */
static void clean_up(void)
{
    struct shm_segment *const s = ledger.kit.segment;

    for (uint32_t i = 0; i < s->geometry.producers_max; i++)
        if (shm_producers(s)[i].claim == (UINT64_C(1) << 32 | SHMLOG_PRODUCER_LIVE))
            shm_producers(s)[i].claim = 0;
    s->control->level = SHMLOG_TRACE;
    if (now.scene->new_sites || now.scene->shortage)
        ledger_forget_sites(&ledger);
    ledger_bury(&ledger);
}

/* A producer, up to just before the call. */
static void start(void)
{
    struct shmlog_ring *const ring = ledger.kit.segment->rings[now.ring].header;
    uint64_t lost;

    memset(&ledger.page->mark, 0, sizeof(*ledger.page) - offsetof(struct page, mark));
    tracee_start(&tracee, live, &now.life);
    ledger_drain(&ledger);
    KIT_COMPARE(tracee_go(&tracee, 0), !=, 0);
    ledger_drain(&ledger);
    lost = segment_kit_counted(&ledger.kit);
    KIT_COMPARE(tracee_go(&tracee, 0), !=, 0);
    KIT_EQ(ledger.page->mark, 3);
    now.counted = segment_kit_counted(&ledger.kit);
    KIT_EQ(now.counted - lost, now.life.gave_up);
    if (now.scene->limit == LIMIT_FRESH)
        ring->limit = ring->head + RING_SLOTS;
    else if (now.scene->limit == LIMIT_STALE)
        ring->limit = ring->head;
    now.step = 0;
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
    struct shmlog_ring *const ring = ledger.kit.segment->rings[now.ring].header;

    if (now.scene->trigger == TRIGGER_DRAIN_SOME && now.step == 0)
        shmlog_store_release_(&ring->tail, ring->tail + 1);
    else if (now.scene->trigger >= TRIGGER_DRAIN)
        ledger_drain(&ledger);
    if (now.step++ > ABORTS_MAX)
        KIT_FAIL("the producer does not leave sequences that are always aborted");
    if (now.scene->trigger != TRIGGER_ABORTS)
        arm();
    tracee_step_back(&tracee, trap);
}

/* Into the call: the place that it ran into, or -1 if it came back. */
static long go(void)
{
    arm();
    for (;;) {
        const uint64_t trap = tracee_go(&tracee, 0);
        const long at = places_find(&places, trap);

        if (at >= 0 && !now.hit[at])
            return at;
        if (is_trigger(trap)) {
            pull_trigger(trap);
            continue;
        }
        KIT_EQ(ledger.page->mark, 4);
        return -1;
    }
}

/* ---- The fates ---- */

/* What became of the call's record. Numbers that are missing in between were overwritten, and
 * counted, or are those of a call before that gave up. */
static void settle(bool *ret_committed, uint64_t *ret_dropped)
{
    const uint64_t holes = ledger.holes[STREAM_MAIN], lost = ledger.kit.lost;

    ledger_drain(&ledger);
    KIT_EQ(ledger.kit.lost - lost +
               now.life.gave_up * (ledger.last[STREAM_MAIN] == ledger.page->before),
           ledger.holes[STREAM_MAIN] - holes);
    if (now.life.gave_up && ledger.last[STREAM_MAIN] + 2 == ledger.page->before)
        ledger.last[STREAM_MAIN]++; /* the call before gave up, and its number came nowhere */
    *ret_committed = ledger_settle(&ledger, STREAM_MAIN, ledger.page->before);
    *ret_dropped = segment_kit_counted(&ledger.kit) - now.counted;
}

/* The same call again, without traps: what the dead has left behind is no hindrance. */
static void live_on(void)
{
    bool committed;
    uint64_t dropped;

    start();
    KIT_COMPARE(tracee_go(&tracee, 0), !=, 0);
    KIT_EQ(ledger.page->mark, 4);
    KIT_EQ(tracee_go(&tracee, 0), 0);
    settle(&committed, &dropped);
    KIT_EQ(committed, 1);
    KIT_EQ(dropped, 0);
    if (now.life.cold && now.scene->call == CALL_ONE)
        ledger_check_site(&ledger, "one %lu %lx");
    clean_up();
}

static void die(long at)
{
    const struct place *const place = &places.place[at];
    bool committed;
    uint64_t dropped;

    if (place->sequence >= 0 &&
        place->address == places_commit(&places, &places.sequence[place->sequence]))
        KIT_CHECK(ledger_slots_hold(&ledger, now.ring, ledger.page->before));
    tracee_kill(&tracee);
    settle(&committed, &dropped);
    now.committed += committed;
    now.dropped += dropped != 0;
    /* there or lost, not both; and what was so at one instruction is so at all later ones */
    KIT_COMPARE(committed + dropped, <=, 1);
    now.late += now.committed + now.dropped && !committed && !dropped;
    if (now.late > LATE_MAX)
        KIT_FAIL("neither there nor lost at %s + %" PRIx64 ", but at an instruction before it",
                 place->symbol, place->address - places_function(&places, place->symbol));
    if (place->sequence >= 0)
        KIT_EQ(committed, 0);
    for (size_t i = 0; i < places.sequences; i++)
        if (place->address == places.sequence[i].start + places.sequence[i].size)
            KIT_EQ(committed, 1);
    if (now.scene->first && (thorough || !is_private(place->symbol))) {
        ledger_bury(&ledger);
        live_on();
    } else {
        clean_up();
    }
}

/* Let a producer that was hit end its call, and its life. */
static void end_well(int signal, bool sure)
{
    bool committed;
    uint64_t dropped;

    KIT_COMPARE(tracee_go(&tracee, signal), !=, 0);
    KIT_EQ(ledger.page->mark, 4);
    KIT_EQ(tracee_go(&tracee, 0), 0);
    settle(&committed, &dropped);
    now.committed += committed;
    now.dropped += dropped != 0;
    if (fate == FATE_SIGNAL) {
        const bool nested = ledger_settle(&ledger, STREAM_NESTED, ledger.page->nested_before);

        if (now.scene->call == CALL_OPEN)
            KIT_EQ(committed, 1); /* the handler has no log yet */
        else
            KIT_EQ(committed + nested + dropped, 2);
        if (sure)
            KIT_EQ(committed, 1);
        if (sure && !now.life.own)
            KIT_EQ(nested || now.scene->call >= CALL_OPEN, 1);
        now.nested_lost += !nested;
    } else {
        KIT_EQ(committed + dropped, 1);
        if (sure)
            KIT_EQ(committed, 1);
    }
    clean_up();
}

static void wait_for_thread(uint64_t number)
{
    const uint64_t deadline = kit_deadline(30);

    __atomic_store_n(&ledger.page->thread_go, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &ledger.page->thread_go, FUTEX_WAKE, 1, NULL, NULL, 0);
    while (__atomic_load_n(&ledger.page->thread_after, __ATOMIC_ACQUIRE) != number) {
        if (kit_now_ns() > deadline)
            KIT_FAIL("the other thread got to %" PRIu64 " only", ledger.page->thread_after);
        sched_yield();
    }
}

/* While the producer stands still: everybody else goes on. */
static void others_go_on(void)
{
    const uint64_t thread = ledger.last[STREAM_THREAD], other = ledger.last[STREAM_OTHER];
    const pid_t pid = fork();
    int status;

    KIT_COMPARE(pid, >=, 0);
    if (pid == 0)
        _exit(live_other(now.life.segment, ledger.page, cpu, OTHERS));
    alarm(60);
    KIT_EQ(waitpid(pid, &status, 0), pid);
    alarm(0);
    KIT_EQ(status, 0);
    ledger_drain(&ledger);
    KIT_EQ(ledger.last[STREAM_OTHER], other + OTHERS);
    if (now.life.thread) {
        wait_for_thread(thread + OTHERS);
        ledger_drain(&ledger);
        KIT_EQ(ledger.last[STREAM_THREAD], thread + OTHERS);
    }
    KIT_EQ(ledger.holes[STREAM_OTHER] + ledger.holes[STREAM_THREAD], 0);
}

static void meet_fate(long at)
{
    /* with what comes below there is room, and no wait */
    const bool sure = now.scene->fill == 0 && now.scene->end == END_COMMITTED;

    places.place[at].reached = true;
    places.place[at].reached_owned |= now.life.own;
    now.hit[at] = true;
    now.hits++;
    if (fate == FATE_KILL) {
        die(at);
        return;
    }
    disarm();
    tracee_step_back(&tracee, places.place[at].address);
    ledger_drain(&ledger);
    if (fate == FATE_STOP)
        others_go_on();
    end_well(fate == FATE_SIGNAL ? SIGUSR1 : 0, sure);
}

/* ---- Scenes ---- */

static void open_scene(const struct scene *scene)
{
    const struct segment_kit_params params = {
        .on_full = scene->on_full,
        .ring_bytes = RING_SLOTS * SHMLOG_SLOT_SIZE,
        .spare_rings = scene->spare_rings,
        .only_cpu = 1 + cpu,
        .wait_ns = scene->wait_ns,
        .producers_max = 4,
        .sites_max = 64,
    };

    memset(&now, 0, sizeof(now));
    ledger_open(&ledger, "death", &params);
    if (scene->clock)
        ledger.kit.segment->control->clock = scene->clock;
    now.scene = scene;
    now.life = scene->life;
    now.life.page = ledger.page;
    now.life.segment = ledger.kit.segment->path;
    now.life.call = scene->call;
    now.life.position = scene->position;
    now.life.fill = scene->fill;
    now.life.text = ledger.text = scene->text ? scene->text : 190;
    now.life.cpu = cpu;
    /* where the core has no ring for the process, the thread would take the spare one */
    now.life.thread =
        fate == FATE_STOP && !scene->first && !scene->life.no_ring && !scene->life.no_cpu;
    now.ring = scene->life.own; /* the core's is the first, spare ones follow */
    now.hit = calloc(places.count, sizeof(*now.hit));
    now.armed = calloc(places.count + 64, sizeof(*now.armed));
    KIT_CHECK(now.hit && now.armed);
    for (size_t i = 0; i < places.count; i++)
        now.hit[i] = is_done(&places.place[i]);
}

static void run_scene(const struct scene *scene)
{
    const uint64_t since = kit_now_ns();
    bool committed;
    uint64_t dropped;
    long at;

    open_scene(scene);
    for (;;) {
        start();
        at = go();
        if (at < 0)
            break;
        meet_fate(at);
    }
    disarm();
    KIT_EQ(tracee_go(&tracee, 0), 0);
    settle(&committed, &dropped);
    KIT_EQ(committed, scene->end == END_COMMITTED);
    KIT_EQ(dropped, scene->end == END_DROPPED);
    KIT_EQ(ledger.page->owned,
           !scene->life.gone &&
               (scene->life.own || (scene->spare_rings && !scene->end) || scene->call == CALL_OWN));
    clean_up();
    printf("%-46s %4u instructions, %4u committed, %4u lost", scene->name, now.hits, now.committed,
           now.dropped);
    if (fate == FATE_SIGNAL)
        printf(", %4u of the handler's lost", now.nested_lost);
    printf(", %.2f s\n", (double)(kit_now_ns() - since) / 1e9);
    ledger_close(&ledger);
    free(now.hit);
    free(now.armed);
}

int main(int argc, char **argv)
{
    const char *const only = argc > 2 ? argv[2] : "";
    const char *const name = argc > 1 ? argv[1] : "";
    cpu_set_t set;
    size_t reached = 0;

    fate = strcmp(name, "stop") == 0     ? FATE_STOP
           : strcmp(name, "signal") == 0 ? FATE_SIGNAL
                                         : FATE_KILL;
    kit_begin("death");
    thorough = kit_number("SHMLOG_TEST_THOROUGH", 0) != 0;
    places_open(&places);
    tracee_init(&tracee, &places);
    cpu = kit_cpu(kit_cpus() - 1);
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* a switch is cheaper than waking another core */
    for (size_t i = 0; i < scenes_count; i++)
        if (strstr(scenes[i].name, only) && (fate == FATE_KILL || !scenes[i].brief))
            run_scene(&scenes[i]);
    for (size_t i = 0; i < places.count; i++)
        reached += places.place[i].reached;
    printf("%zu of %zu instructions reached\n", reached, places.count);
    if (fate == FATE_KILL && !*only && places_unreached(&places, has_to_be_reached))
        KIT_FAIL("some instructions of a log call were not reached");
    tracee_done(&tracee);
    places_close(&places);
    return 0;
}
