/* SPDX-License-Identifier: MIT
 *
 * The pipeline: wires segment, outbox, housekeeping, journal and drain, and runs the drain.
 */
#ifndef COLLECTOR_PIPELINE_H
#define COLLECTOR_PIPELINE_H

#include "collector/options.h"

#include <signal.h>
#include <stddef.h>

struct pipeline;

/* Everything up to the point where producers can attach. On error `ret_message` has one line of
 * what, where and what to do. */
int pipeline_open(const struct options *options, struct pipeline **ret_pipeline, char *ret_message,
                  size_t message_size);

/* Run until *stop, set by a signal handler; *rotate asks for a new file. Drains, seals, and removes
 * the segment if nobody needs it. 0; negative with a message if something is left in shared memory
 * that could not be written. */
int pipeline_run(struct pipeline *pipeline, const volatile sig_atomic_t *stop,
                 volatile sig_atomic_t *rotate, char *ret_message, size_t message_size);
void pipeline_close(struct pipeline *pipeline);

#endif
