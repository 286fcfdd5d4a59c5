/* SPDX-License-Identifier: MIT
 *
 * What a name on the command line stands for: a live segment, a log file, or a directory of them.
 */
#ifndef READER_TARGET_H
#define READER_TARGET_H

#include "shm/segment.h"

enum target_kind { TARGET_SEGMENT, TARGET_FILE, TARGET_DIRECTORY };

/* A name without a slash is that of a segment in the runtime folder if there is one, whatever files
 * are here. Otherwise a directory with a `control` file is a segment, and everything else is what
 * it is. ret_path (PATH_MAX bytes) gets the path to open. On error, ret_message has one line: what,
 * and what to do. */
int target_find(const char *name, enum target_kind *ret_kind, char *ret_path, char *ret_message,
                size_t message_size);

/* Open the segment that `name` stands for; on error ret_message as above. */
int target_open_segment(const char *name, bool writable, struct shm_segment **ret_segment,
                        char *ret_message, size_t message_size);

#endif
