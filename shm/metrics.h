/* SPDX-License-Identifier: MIT
 *
 * A segment in numbers, as Prometheus takes them: text of the exposition format, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats), names by its conventions.
 */
#ifndef SHM_METRICS_H
#define SHM_METRICS_H

#include "shm/segment.h"

#include <stdio.h>

/* All metrics of the segment, each with its help and type; whether `to` took them is the caller's
 * to ask. Cost: some loads for each ring, and /proc is asked once. */
void shm_metrics_put(const struct shm_segment *segment, FILE *to);

/* For more metrics: help and type of one, and a line of it, with a label beside the segment's. */
void shm_metrics_head(FILE *to, const char *name, const char *type, const char *help);
void shm_metrics_row(const struct shm_segment *segment, const char *name, const char *label,
                     const char *value, uint64_t number, FILE *to);

/* Replace the file at `path` by them, and by what more() puts behind them: whoever reads it sees
 * all of the old ones or of the new ones. 0; negative errno. */
int shm_metrics_write(const struct shm_segment *segment, const char *path,
                      void (*more)(FILE *to, const void *arg), const void *arg);

#endif
