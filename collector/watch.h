/* SPDX-License-Identifier: MIT
 *
 * The watch: are the segment's files still those that are mapped? Files may be deleted, replaced,
 * cut short or made inaccessible by whoever may write to the directory. What is mapped is drained
 * as long as it lasts; the watch says, once for each file, what happened and what it means.
 */
#ifndef COLLECTOR_WATCH_H
#define COLLECTOR_WATCH_H

#include "shm/segment.h"

struct watch;

struct watch_params {
    const struct shm_segment *segment; /* just opened */
    void (*say)(const char *line);
};

int watch_open(const struct watch_params *params, struct watch **ret_watch);
void watch_close(struct watch *watch);

/* Look at some of the files, all of them in turn; call it about twice a second. A ring's file that
 * is found too short is marked as cut (shm_ring.lost) before anybody runs into it. Returns the
 * changes said. */
int watch_work(struct watch *watch);

#endif
