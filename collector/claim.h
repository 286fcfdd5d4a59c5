/* SPDX-License-Identifier: MIT
 *
 * The claim on an output directory: one collector at a time writes a segment's files there.
 *
 * The segment's lock does not say so: two segments of one name, in two runtime folders or on two
 * hosts that share a volume, would number and name their files alike. The claim is a flock() on
 * DIR/.SEGMENT.lock, which holds a line that names its owner. The file stays; the lock goes with
 * the process that holds it.
 */
#ifndef COLLECTOR_CLAIM_H
#define COLLECTOR_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Take the claim on `directory` for files of the segment name `segment`; `segment_path` is where
 * the segment is, `pid` the collector. Stores a descriptor that holds the claim until it is closed
 * and returns 0; -EBUSY if another collector has it, with its line in ret_owner; -EOPNOTSUPP or
 * -ENOLCK where the filesystem has no locks; other errno's. */
int claim_take(const char *directory, const char *segment, const char *segment_path, pid_t pid,
               int *ret_fd, char *ret_owner, size_t owner_size);

/* Is the file of the claim `fd` still the one that the next collector would look at? It is not once
 * the file was deleted, or the directory replaced; then the claim keeps nobody out. */
bool claim_holds(int fd, const char *directory, const char *segment);

#endif
