/* SPDX-License-Identifier: MIT
 *
 * Records that went into files, counted by level, category and process, for --metrics. In memory
 * that the drain, which counts, shares with housekeeping, which writes the metrics. It begins anew
 * with each collector.
 */
#ifndef COLLECTOR_BREAKDOWN_H
#define COLLECTOR_BREAKDOWN_H

#include "logfile/site.h"
#include "shm/segment.h"

#include <stdio.h>

struct breakdown;

/* -ENOMEM. It lives as long as the process. */
int breakdown_open(struct breakdown **ret_breakdown);

/* Count whole records. Cost: a look at each, and for one that differs from that before it by site
 * or producer two loads; names are looked up at first. */
void breakdown_add(struct breakdown *breakdown, const struct shm_segment *segment,
                   const struct file_sites *sites, const struct shmlog_slot *slots, size_t count);

/* As Prometheus takes them. For any process that shares it. */
void breakdown_put(const struct breakdown *breakdown, const struct shm_segment *segment, FILE *to);

#endif
