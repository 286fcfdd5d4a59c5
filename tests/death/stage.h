/* SPDX-License-Identifier: MIT
 *
 * A scene as it goes on: its segment, and one producer after the other that is led up to the call
 * and into a trap. There is one stage, used from the tester's only thread.
 */
#ifndef TESTS_DEATH_STAGE_H
#define TESTS_DEATH_STAGE_H

#include "tests/death/ledger.h"
#include "tests/death/scenes.h"
#include "tests/death/tracee.h"

enum fate { FATE_KILL, FATE_STOP, FATE_SIGNAL };

struct stage {
    /* for all scenes */
    enum fate fate;
    int cpu;
    bool thorough;     /* everything in each scene */
    unsigned share;    /* only one instruction in so many; 0, 1: all */
    unsigned all_hits; /* in all scenes */
    unsigned number;   /* of the scene */
    struct places places;
    struct tracee tracee;
    struct ledger ledger;
    /* of one scene */
    const struct scene *scene;
    struct life life;
    uint32_t ring;      /* that the call's record is to go to */
    bool *hit;          /* for each place: no trap is there any more */
    unsigned hits;      /* producers that met their fate */
    unsigned committed; /* of those, the record was there in the end */
    unsigned dropped;   /* or was counted as lost */
    unsigned nested_lost;
    unsigned late;    /* neither, though so before: a sequence that the kernel aborted */
    uint64_t counted; /* losses counted before the call */
    uint64_t *armed;  /* addresses */
    unsigned step;    /* triggers that fired */
};
extern struct stage stage;

void stage_open(const struct scene *scene);
void stage_close(void);

/* A new producer, up to just before the call. */
void stage_start(void);
/* Into the call: the place that it ran into; STAGE_WATCHED if it wrote what is watched; STAGE_BACK
 * if it came back. */
#define STAGE_BACK (-1)
#define STAGE_WATCHED (-2)
long stage_go(void);
/* No more traps. */
void stage_disarm(void);

/* What became of the call's record. Numbers that are missing in between were overwritten, and
 * counted, or are those of a call before that gave up. */
void stage_settle(bool *ret_committed, uint64_t *ret_dropped);
/* The producer is gone: give back what was taken away; entries and rings come free. */
void stage_clean_up(void);

#endif
