/* SPDX-License-Identifier: MIT
 *
 * The segments of a machine: those that are there, and one that needs no collector.
 */
#ifndef TOOLS_SEGMENTS_H
#define TOOLS_SEGMENTS_H

#include "reader/text.h"

#include <stddef.h>

struct segments_params {
    uint64_t ring_bytes; /* 0: the default, as for the others */
    uint32_t on_full, level;
};

/* Those of this user and of the system as a table, empty if there are none. 0; negative errno with
 * a line in ret_message. */
int segments_list(struct text *table, char *ret_message, size_t message_size);

/* Make a segment with a ring for each core; -EEXIST. By default a flight recorder. */
int segments_create(const char *name, const struct segments_params *params, char *ret_message,
                    size_t message_size);

#endif
