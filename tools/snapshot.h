/* SPDX-License-Identifier: MIT
 *
 * What the rings of a segment hold now, as an ordinary log file: the last seconds of a flight
 * recorder.
 *
 * Nothing is taken out of the rings; a collector may be at work. The file has the records that were
 * committed when the snapshot began, all sites and producers, and a clock pair of that moment, so
 * that times are right without a collector, too.
 */
#ifndef TOOLS_SNAPSHOT_H
#define TOOLS_SNAPSHOT_H

#include "shm/segment.h"

struct snapshot_params {
    const struct shm_segment *segment;
    const char *directory;        /* made if it is missing */
    uint64_t last_ns;             /* only blocks with records as new as that; 0: all */
    const char *service, *reason; /* for the file: of whom it is (NULL: the segment's name), why */
    uint32_t pid;                 /* of the process that it is about; 0: none */
    uint64_t keep; /* remove older snapshots of the segment's name but so many; 0: none */
};

/* Write DIRECTORY/SEGMENT-snapshot-TIME.shmlog; it appears when it is whole. 0; negative errno with
 * a line in ret_message. *ret_path (PATH_MAX bytes) is the file, *ret_records what is in it,
 * *ret_lost what was overwritten while it was read. */
int snapshot_take(const struct snapshot_params *params, char *ret_path, uint64_t *ret_records,
                  uint64_t *ret_lost, char *ret_message, size_t message_size);

#endif
