/* SPDX-License-Identifier: MIT
 *
 * Retention: removes the oldest sealed files of a segment when there are too many, too much, or too
 * old. The file being written is never touched, nor are files of other names.
 */
#ifndef COLLECTOR_RETENTION_H
#define COLLECTOR_RETENTION_H

#include <stdint.h>

struct retention_params {
    const char *directory;
    const char *segment;
    uint64_t count; /* files to keep at most, 0: any */
    uint64_t bytes; /* 0: any */
    uint64_t age_s; /* by time of sealing; 0: any */
};

/* Files removed, or a negative errno. Cost: a directory listing. */
int retention_work(const struct retention_params *params, uint64_t now_realtime_ns);

#endif
