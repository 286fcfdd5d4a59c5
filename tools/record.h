/* SPDX-License-Identifier: MIT
 *
 * A flight recorder at work: a segment is followed, and a snapshot is taken whenever something
 * happens that was asked for.
 */
#ifndef TOOLS_RECORD_H
#define TOOLS_RECORD_H

#include "tools/snapshot.h"

struct record_params {
    const char *segment;
    struct snapshot_params snapshot; /* without the segment */
    const char *where;               /* a record for which this is so; NULL: none */
    bool on_death;     /* a process that was logging has ended without closing its log */
    uint64_t every_ns; /* 0: not by time */
    uint64_t pause_ns; /* at least so long between two snapshots that a record or a death
                          asks for: meanwhile, what asks is answered by one at its end */
    /* A line about each snapshot: its file, records, and why. */
    void (*taken)(const char *path, uint64_t records, const char *why);
    void (*failed)(const char *message);
    void (*ready)(void);
};

/* Until SIGTERM or SIGINT; SIGUSR1 asks for a snapshot, too. Returns 0, also when the segment is
 * gone for good; negative errno with a line in ret_message. */
int record_run(const struct record_params *params, char *ret_message, size_t message_size);

#endif
