/* SPDX-License-Identifier: MIT
 *
 * The table of scenes; see scenes.h. Together they have to reach every instruction of a log call.
 */
#include "tests/death/scenes.h"

#include "tests/death/ledger.h"

#define FULL .fill = RING_SLOTS, .limit = LIMIT_KEPT
/* what fills is not severe; nor is what comes before the position, which may not be far behind */
#define IN_RESERVE \
    .position = 10, .fill = RING_SLOTS - RING_SLOTS * 12 / 100, .limit = LIMIT_KEPT, .reserve = 12
#define WRAP .position = RING_SLOTS - 2
#define BRIEF .position = 10, .brief = true
#define BRIEF_FULL FULL, .brief = true
#define SECOND .life = {.second = true}
#define SECOND_SHARE .spare_rings = 2, .life = {.second = true, .share = true}
#define SHARED .clock = SHMLOG_CLOCK_MONOTONIC, .shared = true
#define SHARE .spare_rings = 2, .life = {.share = true}

/* clang-format off */
const struct scene scenes[] = {
    /* The core's ring */
    {"one slot", CALL_ONE, .position = 10},
    {"one slot, at the end of the ring", CALL_ONE, .position = RING_SLOTS - 1},
    {"one slot, limit out of date", CALL_ONE, WRAP, .limit = LIMIT_STALE},
    {"one slot, own time", CALL_ONE_AT, .position = 10},
    {"one slot, aborted", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORT},
    {"one slot, own time, aborted", CALL_ONE_AT, .position = RING_SLOTS - 1, .trigger = TRIGGER_ABORT},
    {"one slot, full, drop", CALL_ONE, FULL, .end = END_DROPPED},
    {"one slot, full, overwrite", CALL_ONE, SHMLOG_ON_FULL_OVERWRITE, .fill = RING_SLOTS, .limit = LIMIT_STALE},
    {"one slot, lapped, overwrite", CALL_ONE, SHMLOG_ON_FULL_OVERWRITE, .fill = RING_SLOTS + 100, .limit = LIMIT_KEPT},
    {"one slot, full, wait", CALL_ONE, SHMLOG_ON_FULL_WAIT, FULL, .trigger = TRIGGER_DRAIN},
    {"one slot, full, wait runs out", CALL_ONE, SHMLOG_ON_FULL_WAIT, FULL, .wait_ns = 50000, .end = END_DROPPED},
    {"one slot, full, wait ran out before", CALL_ONE, SHMLOG_ON_FULL_WAIT, FULL, .wait_ns = 50000, .end = END_DROPPED,
        .life = {.gave_up = true}},
    {"string", CALL_LONG, .position = 10},
    {"string, around the end of the ring", CALL_LONG, WRAP, .passes = true},
    {"string, limit out of date", CALL_LONG, WRAP, .limit = LIMIT_STALE},
    {"string, own time", CALL_LONG_AT, WRAP, .passes = true},
    {"string, full, drop", CALL_LONG, .fill = RING_SLOTS - 1, .limit = LIMIT_KEPT, .end = END_DROPPED},
    {"string, full, overwrite", CALL_LONG, SHMLOG_ON_FULL_OVERWRITE, WRAP, .fill = RING_SLOTS, .limit = LIMIT_STALE},
    {"string, lapped, overwrite", CALL_LONG, SHMLOG_ON_FULL_OVERWRITE, WRAP, .fill = RING_SLOTS + 100, .limit = LIMIT_KEPT},
    {"string, full, wait", CALL_LONG, SHMLOG_ON_FULL_WAIT, FULL, .trigger = TRIGGER_DRAIN_SOME},
    {"short string", CALL_SHORT, .position = 10},
    {"short string, limit out of date", CALL_SHORT, WRAP, .limit = LIMIT_STALE},
    {"short string, aborted", CALL_SHORT, .position = 10, .trigger = TRIGGER_ABORT},
    {"six numbers", CALL_SIX, .position = 10},
    {"two slots of numbers", CALL_WIDE, WRAP},
    {"two slots of numbers, aborted", CALL_WIDE, .position = 10, .trigger = TRIGGER_ABORT},
    {"struct", CALL_RAW, .position = 10},
    {"struct of several slots", CALL_RAW_LONG, WRAP, .passes = true},
    {"batch", CALL_BATCH, WRAP, .passes = true},
    {"batch, aborted", CALL_BATCH, .position = 10, .trigger = TRIGGER_ABORT},
    {"batch, second attachment", CALL_BATCH, .position = 10, SECOND},
    {"batch, limit out of date", CALL_BATCH, WRAP, .limit = LIMIT_STALE, .apart = true},
    {"batch, shared rings", CALL_BATCH, WRAP, SHARE, .apart = true},
    {"batch, first of its site", CALL_BATCH, BRIEF, .new_sites = true, .life = {.cold = true}},
    {"batch, in a forked child", CALL_BATCH, BRIEF, .life = {.fresh_thread = true}},
    {"batch, no log", CALL_BATCH, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"batch, level off", CALL_BATCH, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},

    /* Shared rings, by a thread without sequences */
    {"shared rings, one slot", CALL_ONE, .position = 10, SHARE},
    {"shared rings, one slot, at the end of the ring", CALL_ONE, .position = RING_SLOTS - 1, SHARE},
    {"shared rings, one slot, limit out of date", CALL_ONE, WRAP, .limit = LIMIT_STALE, SHARE},
    {"shared rings, one slot, own time", CALL_ONE_AT, .position = 10, SHARE},
    {"shared rings, one slot, full, drop", CALL_ONE, FULL, .end = END_DROPPED, SHARE},
    {"shared rings, one slot, full, overwrite", CALL_ONE, SHMLOG_ON_FULL_OVERWRITE, .fill = RING_SLOTS, .limit = LIMIT_STALE, SHARE},
    {"shared rings, one slot, full, wait", CALL_ONE, SHMLOG_ON_FULL_WAIT, FULL, .trigger = TRIGGER_DRAIN, SHARE},
    {"shared rings, string", CALL_LONG, WRAP, .passes = true, SHARE},
    {"shared rings, string, own time", CALL_LONG_AT, WRAP, .passes = true, SHARE},
    {"shared rings, string, full, drop", CALL_LONG, .fill = RING_SLOTS - 1, .limit = LIMIT_KEPT, .end = END_DROPPED, SHARE},
    {"shared rings, string, lapped, overwrite", CALL_LONG, SHMLOG_ON_FULL_OVERWRITE, WRAP, .fill = RING_SLOTS + 100,
        .limit = LIMIT_KEPT, SHARE},
    {"shared rings, string, full, wait", CALL_LONG, SHMLOG_ON_FULL_WAIT, FULL, .trigger = TRIGGER_DRAIN_SOME, SHARE},
    {"shared rings, short string", CALL_SHORT, .position = 10, SHARE},
    {"shared rings, two slots of numbers", CALL_WIDE, WRAP, SHARE},
    {"shared rings, struct", CALL_RAW, .position = 10, SHARE},
    {"shared rings, struct of several slots", CALL_RAW_LONG, WRAP, .passes = true, SHARE},
    {"shared rings, held for too long before", CALL_ONE, .position = 10, .spare_rings = 2, .life = {.share = true, .doubted = true}},
    {"shared rings, string, held for too long before", CALL_LONG, .position = 10, .spare_rings = 2,
        .life = {.share = true, .doubted = true}},
    {"shared rings, busy", CALL_ONE, .position = 10, .end = END_DROPPED, .spare_rings = 1, .life = {.share = true, .busy = true}},

    /* Severe ones, for which there is a reserve, or a ring */
    {"severe, limit out of date", CALL_SEVERE, .position = 10, .fill = RING_SLOTS / 2, .limit = LIMIT_STALE, .reserve = 12},
    {"severe, in the reserve", CALL_SEVERE, IN_RESERVE},
    {"severe, own time, in the reserve", CALL_SEVERE_AT, IN_RESERVE},
    {"severe, nobody waits, in the reserve", CALL_SEVERE, SHMLOG_ON_FULL_WAIT, IN_RESERVE},
    {"severe string, in the reserve", CALL_SEVERE_LONG, IN_RESERVE},
    {"severe string, own time, in the reserve", CALL_SEVERE_LONG_AT, IN_RESERVE},
    {"not severe, up to the reserve", CALL_ONE, IN_RESERVE, .end = END_DROPPED},
    {"not severe, string, up to the reserve", CALL_LONG, IN_RESERVE, .end = END_DROPPED},
    {"shared rings, severe, in the reserve", CALL_SEVERE, IN_RESERVE, SHARE},
    {"shared rings, severe string, in the reserve", CALL_SEVERE_LONG, IN_RESERVE, SHARE},
    {"severe, overwrite", CALL_SEVERE, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12},
    {"severe, own time, overwrite", CALL_SEVERE_AT, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12},
    {"severe, overwrite, aborts without end", CALL_SEVERE, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12,
        .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"severe string, overwrite", CALL_SEVERE_LONG, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12},
    {"severe string, own time, overwrite", CALL_SEVERE_LONG_AT, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12},
    {"severe, own time, overwrite, aborts without end", CALL_SEVERE_AT, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12,
        .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"severe, overwrite, core without a ring", CALL_SEVERE, SHMLOG_ON_FULL_OVERWRITE, BRIEF, .reserve = 12, .spare_rings = 2,
        .life = {.no_ring = true}},
    {"severe, overwrite, core beyond the table", CALL_SEVERE, SHMLOG_ON_FULL_OVERWRITE, BRIEF, .reserve = 12,
        .spare_rings = 2, .life = {.no_cpu = true}},
    {"severe, overwrite, second attachment", CALL_SEVERE, SHMLOG_ON_FULL_OVERWRITE, .position = 10, .reserve = 12, SECOND},

    /* One shared ring for all */
    {"shared, one slot", CALL_ONE, .position = 10, SHARED},
    {"shared, one slot, own time", CALL_ONE_AT, WRAP, SHARED},
    {"shared, one slot, limit out of date", CALL_ONE, WRAP, .limit = LIMIT_STALE, SHARED},
    {"shared, one slot, full, drop", CALL_ONE, FULL, .end = END_DROPPED, SHARED},
    {"shared, one slot, full, overwrite", CALL_ONE, SHMLOG_ON_FULL_OVERWRITE, .fill = RING_SLOTS, .limit = LIMIT_STALE, SHARED},
    {"shared, one slot, full, wait", CALL_ONE, SHMLOG_ON_FULL_WAIT, FULL, .trigger = TRIGGER_DRAIN, SHARED},
    {"shared, string", CALL_LONG, WRAP, .passes = true, SHARED},
    {"shared, severe, in the reserve", CALL_SEVERE, IN_RESERVE, SHARED},
    {"shared, aborts without end", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORTS, .shared = true},
    {"shared, held", CALL_ONE, BRIEF, .end = END_DROPPED, .clock = SHMLOG_CLOCK_MONOTONIC, .shared = true, .life = {.held = true}},

    /* A handler that logs by another attachment */
    {"handler elsewhere", CALL_ONE, .position = 10, .life = {.elsewhere = true}},
    {"handler elsewhere, own time", CALL_ONE_AT, .position = 10, .life = {.elsewhere = true}},
    {"handler elsewhere, aborted", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORT, .life = {.elsewhere = true}},
    {"handler elsewhere, string", CALL_LONG, WRAP, .life = {.elsewhere = true}},
    {"handler elsewhere, shared rings", CALL_ONE, .position = 10, .spare_rings = 1, .life = {.share = true, .elsewhere = true}},
    {"handler elsewhere, shared rings, string", CALL_LONG, WRAP, .spare_rings = 1, .life = {.share = true, .elsewhere = true}},
    {"handler elsewhere, shared rings, struct", CALL_RAW_LONG, WRAP, .spare_rings = 1, .life = {.share = true, .elsewhere = true}},
    {"handler elsewhere, second attachment", CALL_ONE, .position = 10, .life = {.second = true, .elsewhere = true}},
    {"handler elsewhere, second attachment, shared rings", CALL_ONE, .position = 10, .spare_rings = 1,
        .life = {.second = true, .share = true, .elsewhere = true}},

    /* From the core's ring to a shared one */
    {"aborts without end", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"aborts without end, own time", CALL_ONE_AT, .position = 10, .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"aborts without end, string", CALL_LONG, .position = 10, .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"aborts without end, no ring to go to", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORTS, .end = END_DROPPED},
    {"core without a ring", CALL_ONE, .position = 10, .spare_rings = 2, .life = {.no_ring = true}},
    {"core beyond the table", CALL_ONE, .position = 10, .spare_rings = 2, .life = {.no_cpu = true}},
    {"core beyond the table, own time", CALL_ONE_AT, .position = 10, .spare_rings = 2, .life = {.no_cpu = true}},
    {"core beyond the table, string", CALL_LONG, .position = 10, .spare_rings = 2, .life = {.no_cpu = true}},
    {"core beyond the table, struct", CALL_RAW, .position = 10, .spare_rings = 2, .life = {.no_cpu = true}},

    /* First calls */
    {"first call of a site", CALL_ONE, .position = 10, .new_sites = true, .first = true, .life = {.cold = true}},
    {"first call of a site with a string", CALL_LONG, .position = 10, .new_sites = true, .first = true,
        .life = {.cold = true}},
    {"first call of a struct", CALL_RAW, .position = 10, .new_sites = true, .first = true, .life = {.cold = true}},
    {"first call of a known site", CALL_ONE, .position = 10, .first = true, .life = {.cold = true}},
    {"first call in a forked child", CALL_ONE, .position = 10, .first = true, .life = {.fresh_thread = true}},
    {"open", CALL_OPEN, .new_sites = true, .first = true},

    /* An attachment that is not the process's first */
    {"second attachment", CALL_ONE, .position = 10, SECOND},
    {"second attachment, own time", CALL_ONE_AT, WRAP, SECOND},
    {"second attachment, aborted", CALL_ONE, .position = 10, .trigger = TRIGGER_ABORT, SECOND},
    {"second attachment, own time, aborted", CALL_ONE_AT, .position = 10, .trigger = TRIGGER_ABORT, SECOND},
    {"second attachment, full, drop", CALL_ONE, FULL, .end = END_DROPPED, SECOND},
    {"second attachment, own time, full, drop", CALL_ONE_AT, FULL, .end = END_DROPPED, SECOND},
    {"second attachment, shared rings", CALL_ONE, .position = 10, SECOND_SHARE},
    {"second attachment, shared rings, own time", CALL_ONE_AT, WRAP, SECOND_SHARE},

    /* What is left of the instructions */
    {"second attachment, own time, last slot", CALL_ONE_AT, .position = RING_SLOTS - 1, .brief = true, SECOND},
    {"one slot, no sites left", CALL_ONE, BRIEF, .end = END_DROPPED, .shortage = SHORT_SITES, .life = {.cold = true}},
    {"one slot, no entries left", CALL_ONE, BRIEF, .shortage = SHORT_ENTRIES, .life = {.fresh_thread = true}},
    {"one slot, no TSC, no entries left", CALL_ONE, BRIEF, .clock = SHMLOG_CLOCK_MONOTONIC, .shortage = SHORT_ENTRIES,
        .spare_rings = 1, .life = {.fresh_thread = true}},
    {"one slot, no log", CALL_ONE, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"one slot, in a forked child", CALL_ONE, BRIEF, .life = {.fresh_thread = true}},
    {"one slot, no room for its site", CALL_ONE, BRIEF, .end = END_DROPPED, .shortage = SHORT_ARENA, .life = {.cold = true}},
    {"one slot, own time, no log", CALL_ONE_AT, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"string, no log", CALL_LONG, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"string, own time, no log", CALL_LONG_AT, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"struct, no log", CALL_RAW, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"struct of several slots, no log", CALL_RAW_LONG, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"struct of several slots, in a forked child", CALL_RAW_LONG, BRIEF, .life = {.fresh_thread = true}},
    {"struct of several slots, aborts without end", CALL_RAW_LONG, BRIEF, .trigger = TRIGGER_ABORTS, .spare_rings = 2},
    {"struct of several slots, full", CALL_RAW_LONG, BRIEF_FULL, .end = END_DROPPED},
    {"struct of several slots, core beyond the table", CALL_RAW_LONG, BRIEF, .spare_rings = 2, .life = {.no_cpu = true}},
    {"struct of several slots, shared rings, full", CALL_RAW_LONG, BRIEF_FULL, .end = END_DROPPED, SHARE},
    {"struct of several slots, shared rings, no TSC", CALL_RAW_LONG, BRIEF, .clock = SHMLOG_CLOCK_MONOTONIC, .spare_rings = 2},
    {"short string, no log", CALL_SHORT, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"short string, level off", CALL_SHORT, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"short string, last slots", CALL_SHORT, .position = RING_SLOTS - 1, .brief = true},
    {"two slots of numbers, no log", CALL_WIDE, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"two slots of numbers, level off", CALL_WIDE, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"two slots of numbers, first of its site", CALL_WIDE, BRIEF, .new_sites = true, .life = {.cold = true}},
    {"six numbers, no log", CALL_SIX, BRIEF, .end = END_NOTHING, .life = {.no_log = true}},
    {"six numbers, level off", CALL_SIX, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"one slot, level off", CALL_ONE, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"one slot, own time, level off", CALL_ONE_AT, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"string, level off", CALL_LONG, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"string, own time, level off", CALL_LONG_AT, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"struct, level off", CALL_RAW, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"struct of several slots, level off", CALL_RAW_LONG, BRIEF, .shortage = SHORT_LEVEL, .end = END_NOTHING},
    {"registered already", CALL_REGISTER, BRIEF},
    {"open, no TSC, no ring", CALL_OPEN, .clock = SHMLOG_CLOCK_MONOTONIC, .end = END_DROPPED, .new_sites = true, .brief = true},
};
/* clang-format on */
const size_t scenes_count = sizeof(scenes) / sizeof(scenes[0]);
