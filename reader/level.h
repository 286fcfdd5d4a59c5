/* SPDX-License-Identifier: MIT
 *
 * Levels by name.
 */
#ifndef READER_LEVEL_H
#define READER_LEVEL_H

#include <stdint.h>

/* What a word that is no level must be; of a record's, and of what is logged. */
#define LEVEL_WANTED "must be one of trace, debug, info, warn, error, critical"
#define LEVEL_OR_OFF_WANTED LEVEL_WANTED ", off"

/* "trace" .. "critical", "off"; "unknown" for other numbers. */
const char *level_name(uint32_t level);
/* The first letters will do ("warn", "crit"); or its number. -EINVAL. */
int level_parse(const char *string, uint32_t *ret_level);

#endif
