/* SPDX-License-Identifier: MIT
 *
 * The scenes in which a producer dies: which call, on which ring, in which state.
 */
#ifndef TESTS_DEATH_SCENES_H
#define TESTS_DEATH_SCENES_H

#include "tests/death/calls.h"

#include <stddef.h>

/* What the writers' line says of the room at the call. */
enum limit {
    LIMIT_FRESH, /* there is room */
    LIMIT_STALE, /* none, before the tail is looked at */
    LIMIT_KEPT,  /* as it is */
};

/* What happens on the way, beside death. */
enum trigger {
    TRIGGER_NONE,
    TRIGGER_ABORT,     /* the first sequence is aborted once */
    TRIGGER_ABORTS,    /* all sequences are aborted, always */
    TRIGGER_DRAIN,     /* while the producer waits, the ring is drained */
    TRIGGER_DRAIN_SOME /* the same, first not enough, then all */
};

enum end {
    END_COMMITTED,
    END_DROPPED,
    END_NOTHING, /* there is no log */
};

/* What of the segment is full, or as good as. */
enum shortage { SHORT_NOTHING, SHORT_ENTRIES, SHORT_SITES, SHORT_ARENA, SHORT_LEVEL };

struct scene {
    const char *name;
    enum call call;
    uint32_t on_full;  /* 0: drop */
    uint32_t position; /* of the record, masked */
    uint32_t fill;     /* slots filled before it */
    enum limit limit;
    enum trigger trigger;
    enum end end; /* of the call, if nobody dies */
    uint32_t spare_rings;
    uint32_t reserve; /* percent */
    bool shared;      /* there is a shared ring */
    uint64_t wait_ns;
    struct life life; /* its flags */
    enum shortage shortage;
    uint32_t clock; /* 0: the TSC */
    bool apart;     /* a batch, whose records are committed each by itself */
    bool brief;     /* only for what other scenes do not reach; killed only */
    bool passes;    /* for all passes of the loops that copy slots, too */
    bool new_sites; /* the segment knows no site before the call */
    bool first;     /* the first call of something: kept short, and lived through after a death */
};

extern const struct scene scenes[];
extern const size_t scenes_count;

#endif
