/* SPDX-License-Identifier: MIT
 *
 * Death at every instruction: in each scene a producer is stopped at one instruction of a log call
 * after the other, and there
 *
 *     kill     it is killed: its record is wholly there or wholly absent, all earlier ones are
 *              there, and the next producer logs on in the same ring
 *     stop     it stays: another process, and another thread of its own, log 1,000 records each
 *              meanwhile, and a reader gets them; then it goes on, and its record arrives
 *     signal   it gets a signal whose handler logs, too: both records are kept, or, where there is
 *              one shared ring, the handler's is counted as lost
 *
 * Instructions that no scene gets to are listed, and fail the test where they belong to what each
 * call runs through. An instruction is hit when a producer gets to it first; the loops that copy
 * records of several slots meet their fate at all passes as well, after each word that they write.
 *
 * usage: death kill|stop|signal [part of a scene's name]
 */
#include "tests/death/choice.h"
#include "tests/death/fates.h"
#include "tests/death/stage.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* In the short run, one in so many of the words of a record of several slots. */
#define WORDS_SAMPLE 5u

static bool no_watching; /* the machine cannot */

/* What the producer's entry says of its leaving the core's ring. */
static uint32_t why_of(const struct scene *scene)
{
    if (scene->clock)
        return SHMLOG_WHY_NO_TSC;
    if (scene->life.share)
        return SHMLOG_WHY_NO_RSEQ;
    if (scene->trigger == TRIGGER_ABORTS)
        return SHMLOG_WHY_ABORTS;
    return scene->life.no_ring || scene->life.no_cpu ? SHMLOG_WHY_NO_CORE : 0;
}

/* The last producer of a scene, that nothing happens to. */
static void check_end(const struct scene *scene)
{
    bool committed;
    uint64_t dropped;

    stage_disarm();
    KIT_EQ(tracee_go(&stage.tracee, 0), 0);
    stage_settle(&committed, &dropped);
    KIT_EQ(committed, scene->end == END_COMMITTED);
    KIT_EQ(dropped, scene->end == END_DROPPED);
    if (!scene->shortage)
        KIT_EQ(ledger_why(&stage.ledger), why_of(scene));
    stage_clean_up();
}

/* Word `word` of the call's record, going by its slots, each of which is written as two words of 4
 * bytes and seven of 8: a producer that has just written it. False: it wrote no such word. */
static bool write_up_to(unsigned word)
{
    const uint32_t slot = (stage.scene->position + word / 9) % RING_SLOTS;
    const uint32_t at = word % 9 < 2 ? word % 9 * 4 : (word % 9 - 1) * 8;
    long place;

    stage_start();
    if (!tracee_watch(&stage.tracee,
                      stage.ledger.page->ring + SHMLOG_RING_HEADER + slot * SHMLOG_SLOT_SIZE + at,
                      word % 9 < 2 ? 4 : 8)) {
        no_watching = true;
        tracee_kill(&stage.tracee);
        stage_settle(&(bool){0}, &(uint64_t){0});
        stage_clean_up();
        return false;
    }
    place = stage_go();
    if (place == STAGE_WATCHED)
        fates_meet(place);
    else
        check_end(stage.scene);
    return place == STAGE_WATCHED;
}

/* All passes of the loop that copies a record of several slots. */
static void run_passes(const struct scene *scene)
{
    const bool many = scene->call >= CALL_LONG && scene->call <= CALL_BATCH;
    const unsigned step = stage.thorough ? 1 : WORDS_SAMPLE * (stage.share ? stage.share : 1);
    const unsigned before = stage.hits;
    unsigned word = stage.number % step;

    if (!scene->passes || !many)
        return;
    memset(stage.hit, true, stage.places.count * sizeof(*stage.hit));
    while (!no_watching && write_up_to(word))
        word += step;
    if ((stage.hits - before + 1) * step < 2 * 9 && !no_watching) /* two slots' words */
        KIT_FAIL("only %u words of a record of several slots were seen to be written",
                 stage.hits - before);
}

static void run_scene(const struct scene *scene)
{
    const uint64_t since = kit_now_ns();
    unsigned instructions;
    long at;

    stage_open(scene);
    for (;;) {
        stage_start();
        at = stage_go();
        if (at < 0)
            break;
        fates_meet(at);
    }
    check_end(scene);
    instructions = stage.hits;
    run_passes(scene);
    stage.all_hits += stage.hits;
    printf("%-46s %4u instructions, %3u words, %4u committed, %4u lost", scene->name, instructions,
           stage.hits - instructions, stage.committed, stage.dropped);
    if (stage.fate == FATE_SIGNAL)
        printf(", %4u of the handler's lost", stage.nested_lost);
    printf(", %.2f s\n", (double)(kit_now_ns() - since) / 1e9);
    stage_close();
    stage.number++;
}

static enum fate fate_of(const char *name)
{
    return strcmp(name, "stop") == 0     ? FATE_STOP
           : strcmp(name, "signal") == 0 ? FATE_SIGNAL
                                         : FATE_KILL;
}

int main(int argc, char **argv)
{
    const char *const only = argc > 2 ? argv[2] : "";
    cpu_set_t set;
    size_t left;

    stage.fate = fate_of(argc > 1 ? argv[1] : "kill");
    kit_begin("death");
    stage.thorough = kit_number("SHMLOG_TEST_THOROUGH", 0) != 0;
    stage.share = stage.thorough ? 1 : (unsigned)kit_number("SHMLOG_TEST_SHARE", 1);
    places_open(&stage.places);
    tracee_init(&stage.tracee, &stage.places);
    stage.cpu = kit_cpu(kit_cpus() - 1);
    CPU_ZERO(&set);
    CPU_SET((unsigned)stage.cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* a switch is cheaper than waking another core */
    for (size_t i = 0; i < scenes_count; i++)
        /* whoever stands still with the shared ring does hold others up: see test shared_ring */
        if (strstr(scenes[i].name, only) && (stage.fate == FATE_KILL || !scenes[i].brief) &&
            !(stage.fate == FATE_STOP && scenes[i].shared))
            run_scene(&scenes[i]);
    left = choice_report(*only == 0);
    if (no_watching)
        printf("no debug registers here: loops were left at their first pass only\n");
    if (stage.fate == FATE_KILL && left)
        KIT_FAIL("some instructions of a log call were not reached");
    tracee_done(&stage.tracee);
    places_close(&stage.places);
    return 0;
}
