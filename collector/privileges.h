/* SPDX-License-Identifier: MIT
 *
 * What the collector asks of the kernel for itself: a core, real-time priority, locked memory. What
 * it does not get is a rung, not an error.
 */
#ifndef COLLECTOR_PRIVILEGES_H
#define COLLECTOR_PRIVILEGES_H

#include "collector/options.h"
#include "shm/segment.h"

#include <stddef.h>

struct privileges {
    int core; /* -1: not pinned */
    bool realtime, locked;
};

/* Pin as asked; -EINVAL with a message if there is no such core. */
int privileges_pin(const struct options *options, char *ret_message, size_t message_size);
/* Ask for the rest once everything is set up. What is not to be had is noted in the segment. */
void privileges_take(const struct options *options, struct privileges *ret_privileges,
                     const struct shm_segment *segment);

#endif
