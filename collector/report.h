/* SPDX-License-Identifier: MIT
 *
 * What the collector got, in one readable screen.
 */
#ifndef COLLECTOR_REPORT_H
#define COLLECTOR_REPORT_H

#include "collector/options.h"
#include "shm/orphans.h"
#include "shm/segment.h"

struct report {
    const struct options *options;
    const struct shm_segment *segment;
    const char *backend;
    const char *directory;
    int running_on; /* core it is pinned to, -1 */
    bool realtime, locked;
    uint64_t taken_over; /* bytes found in the outbox, of a segment that was there */
};

void report_print(const struct report *report, FILE *out);

/* A line for each segment that left ring files behind: what was removed, and what was not. */
void report_orphans(const struct shm_orphan_list *list, FILE *out);

#endif
