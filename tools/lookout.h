/* SPDX-License-Identifier: MIT
 *
 * On the lookout: follow a segment, and tell of records for which something is so.
 *
 * SIGINT ends it; SIGTERM, too, when what was logged by then was looked at.
 */
#ifndef TOOLS_LOOKOUT_H
#define TOOLS_LOOKOUT_H

#include "reader/line.h"

#include <stddef.h>

struct lookout {
    const char *segment;
    const char *where; /* see shmlog-query(7); NULL: no record is told of */
    int64_t since_ns;  /* of records; 0: from when it is ready on */
    void (*ready)(void *arg);
    void (*record)(void *arg, struct line *line);
    void (*turn)(void *arg); /* each millisecond to 50 ms */
    void *arg;
    uint64_t missed; /* out: records that were overwritten before they were looked at */
};

/* Returns 0 when it was ended; negative errno with a line in ret_message, -EINVAL for a mistake in
 * `where`. */
int lookout_run(struct lookout *lookout, char *ret_message, size_t message_size);

#endif
