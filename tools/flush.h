/* SPDX-License-Identifier: MIT
 *
 * Waiting until what is in the rings is in the files.
 */
#ifndef TOOLS_FLUSH_H
#define TOOLS_FLUSH_H

#include "shm/segment.h"

/* Wait until the collector has written, and has on the disk, all that was committed when this was
 * called. 0; -ETIMEDOUT after timeout_ns; -ENOMEM. */
int flush_wait(const struct shm_segment *segment, uint64_t timeout_ns);

#endif
