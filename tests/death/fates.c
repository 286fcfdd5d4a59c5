/* SPDX-License-Identifier: MIT
 *
 * Killed, left standing, or interrupted; see fates.h.
 */
#include "tests/death/fates.h"

#include "tests/death/choice.h"
#include "tests/death/stage.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATE_MAX 3u

/* The same call again, without traps: what the dead has left behind is no hindrance. */
static void live_on(void)
{
    bool committed;
    uint64_t dropped;

    stage_start();
    KIT_COMPARE(tracee_go(&stage.tracee, 0), !=, 0);
    KIT_EQ(stage.ledger.page->mark, 4);
    KIT_EQ(tracee_go(&stage.tracee, 0), 0);
    stage_settle(&committed, &dropped);
    KIT_EQ(committed, 1);
    KIT_EQ(dropped, 0);
    if (stage.life.cold && stage.scene->call == CALL_ONE)
        ledger_check_site(&stage.ledger, "one %lu %lx");
    stage_clean_up();
}

/* What holds for a dead producer's record because of where it stood. */
static void check_place(const struct place *place, bool committed)
{
    if (place->sequence >= 0)
        KIT_EQ(committed, 0);
    for (size_t i = 0; i < stage.places.sequences; i++)
        if (place->address == stage.places.sequence[i].start + stage.places.sequence[i].size)
            KIT_EQ(committed, 1);
}

static void die(const struct place *place)
{
    bool committed;
    uint64_t dropped;

    if (place && place->sequence >= 0 &&
        place->address == places_commit(&stage.places, &stage.places.sequence[place->sequence]))
        KIT_CHECK(ledger_slots_hold(&stage.ledger, stage.ring, stage.ledger.page->before));
    tracee_kill(&stage.tracee);
    stage_settle(&committed, &dropped);
    stage.committed += committed;
    stage.dropped += dropped != 0;
    if (!place) { /* in the midst of its slots */
        KIT_EQ(committed + dropped, 0);
        stage_clean_up();
        return;
    }
    /* there or lost, not both; and what was so at one instruction is so at all later ones */
    KIT_COMPARE(committed + dropped, <=, 1);
    /* but for a wait that runs out by the clock: on a busy machine one does at once, the next not
     */
    stage.late +=
        !stage.scene->wait_ns && stage.committed + stage.dropped && !committed && !dropped;
    if (stage.late > LATE_MAX)
        KIT_FAIL("neither there nor lost at %s + %" PRIx64 ", but at an instruction before it",
                 place->symbol, place->address - places_function(&stage.places, place->symbol));
    if (!stage.scene->apart)
        check_place(place, committed);
    if (stage.scene->first && (stage.thorough || !choice_is_private(place->symbol))) {
        ledger_bury(&stage.ledger);
        live_on();
    } else {
        stage_clean_up();
    }
}

/* Let a producer that was hit end its call, and its life. */
static void end_well(int signal, bool sure)
{
    bool committed;
    uint64_t dropped;

    KIT_COMPARE(tracee_go(&stage.tracee, signal), !=, 0);
    KIT_EQ(stage.ledger.page->mark, 4);
    KIT_EQ(tracee_go(&stage.tracee, 0), 0);
    stage_settle(&committed, &dropped);
    stage.committed += committed;
    stage.dropped += dropped != 0;
    if (stage.fate == FATE_SIGNAL) {
        const bool nested =
            ledger_settle(&stage.ledger, STREAM_NESTED, stage.ledger.page->nested_before);

        if (stage.scene->call == CALL_OPEN)
            KIT_EQ(committed, 1); /* the handler has no log yet */
        else
            KIT_EQ(committed + nested + dropped, 2);
        if (sure)
            KIT_EQ(committed, 1);
        if (sure && (stage.scene->spare_rings > 1 || !stage.scene->shared || stage.life.elsewhere))
            KIT_EQ(nested || stage.scene->call >= CALL_OPEN, 1);
        stage.nested_lost += !nested;
    } else {
        KIT_EQ(committed + dropped, 1);
        if (sure)
            KIT_EQ(committed, 1);
    }
    stage_clean_up();
}

static void wait_for_thread(uint64_t number)
{
    const uint64_t deadline = kit_deadline(KIT_PATIENCE);

    __atomic_store_n(&stage.ledger.page->thread_go, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &stage.ledger.page->thread_go, FUTEX_WAKE, 1, NULL, NULL, 0);
    while (__atomic_load_n(&stage.ledger.page->thread_after, __ATOMIC_ACQUIRE) != number) {
        if (kit_now_ns() > deadline)
            KIT_FAIL("the other thread got to %" PRIu64 " only", stage.ledger.page->thread_after);
        sched_yield();
    }
}

/* While the producer stands still: everybody else goes on. */
static void others_go_on(void)
{
    const uint64_t thread = stage.ledger.last[STREAM_THREAD],
                   other = stage.ledger.last[STREAM_OTHER];
    const pid_t pid = fork();
    int status;

    KIT_COMPARE(pid, >=, 0);
    if (pid == 0)
        _exit(live_other(stage.life.segment, stage.ledger.page, stage.cpu, OTHERS));
    alarm(KIT_PATIENCE);
    KIT_EQ(waitpid(pid, &status, 0), pid);
    alarm(0);
    KIT_EQ(status, 0);
    ledger_drain(&stage.ledger);
    KIT_EQ(stage.ledger.last[STREAM_OTHER], other + OTHERS);
    if (stage.life.thread) {
        wait_for_thread(thread + OTHERS);
        ledger_drain(&stage.ledger);
        KIT_EQ(stage.ledger.last[STREAM_THREAD], thread + OTHERS);
    }
    KIT_EQ(stage.ledger.holes[STREAM_OTHER] + stage.ledger.holes[STREAM_THREAD], 0);
}

void fates_meet(long at)
{
    /* with what comes below there is room, and no wait */
    const bool sure = stage.scene->fill == 0 && stage.scene->end == END_COMMITTED;
    struct place *const place = at >= 0 ? &stage.places.place[at] : NULL;

    if (place) {
        place->reached = true;
        place->reached_shared |= stage.life.share;
        stage.hit[at] = true;
    }
    stage.hits++;
    if (stage.fate == FATE_KILL) {
        die(place);
        return;
    }
    stage_disarm();
    if (place)
        tracee_step_back(&stage.tracee, place->address);
    ledger_drain(&stage.ledger);
    if (stage.fate == FATE_STOP)
        others_go_on();
    end_well(stage.fate == FATE_SIGNAL ? SIGUSR1 : 0, sure);
}
