/* SPDX-License-Identifier: MIT
 *
 * Inside housekeeping: the page that is shared with the drain, and the two sides of the fork:
 * housekeeping.c is the drain's, housekeeper.c the other one.
 */
#ifndef COLLECTOR_HOUSEKEEPING_PARTS_H
#define COLLECTOR_HOUSEKEEPING_PARTS_H

#include "collector/housekeeping.h"

#define HOUSEKEEPING_LINES 4u
#define HOUSEKEEPING_LINE 768u

enum housekeeping_state { HOUSEKEEPING_STARTING, HOUSEKEEPING_READY, HOUSEKEEPING_FAILED };

struct housekeeping_page {
    /* stored by housekeeping */
    uint32_t state;        /* HOUSEKEEPING_*; FAILED: `message` says why, and it has ended */
    uint32_t stalled;      /* a failure is being waited out */
    uint32_t moves_wanted; /* counts them */
    uint64_t progress;     /* grows with all that is written */
    uint64_t answers;      /* grows while the disk answers: see disk_alarm.h */
    uint32_t elsewhere;    /* what it waits for is no disk */
    uint32_t attached;     /* it logs, or is about to */
    uint32_t heard;        /* lines of the drain's that it has taken */
    uint32_t concluded;    /* its last look was taken */
    char backend[64];      /* before READY */
    int32_t error;         /* before FAILED */
    char message[PATH_MAX + 512];
    /* stored by the drain */
    _Alignas(64) uint32_t moves_done; /* the last one wanted, with what came of it */
    int32_t move_error;
    uint32_t recovered;
    uint32_t stop;       /* the outbox is written, nothing more will come */
    uint32_t concluding; /* take a last look */
    uint32_t silent;     /* log nothing more */
    uint32_t told;       /* lines; the last ones are: */
    struct {
        uint32_t level, said; /* said: on stderr, too */
        char text[HOUSEKEEPING_LINE];
    } line[HOUSEKEEPING_LINES];
};

/* The process's whole life. */
_Noreturn void housekeeper_run(const struct housekeeping_params *params,
                               struct housekeeping_page *page);

#endif
