/* SPDX-License-Identifier: MIT
 *
 * A command for records for which something is so.
 */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

#include <stddef.h>
#include <stdint.h>

struct watch_params {
    const char *segment;
    const char *where;   /* see shmlog-query(7) */
    int64_t since_ns;    /* of records; 0: now */
    const char *command; /* for sh -c; gets the record as a line of JSON, and SHMLOG_SKIPPED */
    void (*ready)(void);
    void (*said)(const char *line);
};

/* Run the command for each record that passes and comes while it does not run; of those that come
 * while it does, the next run is told how many there were. Until SIGINT or SIGTERM. Returns 0;
 * negative errno with a line in ret_message, -EINVAL for a mistake in `where`. */
int watch_run(const struct watch_params *params, char *ret_message, size_t message_size);

#endif
