/* SPDX-License-Identifier: MIT
 *
 * The segments of a machine: those that are there, and one that needs no collector.
 */
#ifndef TOOLS_SEGMENTS_H
#define TOOLS_SEGMENTS_H

#include "reader/text.h"

#include <stddef.h>

/* Zero it: the defaults, a flight recorder. */
struct segments_params {
    uint64_t ring_bytes;
    uint32_t on_full, level;
};

/* These take what an option says: NULL, or what it must be. */
const char *segments_take_ring_size(const char *value, struct segments_params *params);
const char *segments_take_on_full(const char *value, struct segments_params *params);
const char *segments_take_level(const char *value, struct segments_params *params);

/* Those of this user and of the system as a table, empty if there are none. 0; negative errno with
 * a line in ret_message. */
int segments_list(struct text *table, char *ret_message, size_t message_size);

/* Make a segment with a ring for each core; -EEXIST. */
int segments_create(const char *name, const struct segments_params *params, char *ret_message,
                    size_t message_size);

#endif
