/* SPDX-License-Identifier: MIT
 *
 * Moments: those of now, and reading them from a command line.
 */
#ifndef READER_WHEN_H
#define READER_WHEN_H

#include <stddef.h>
#include <stdint.h>

/* Now, in ns: of CLOCK_REALTIME, and of CLOCK_MONOTONIC. */
int64_t when_now(void);
uint64_t when_monotonic(void);

/* What a word that is no moment must be. */
#define WHEN_WANTED "must be a time, as 2026-11-21T02:09:10.5, @SECONDS, or -10m for so long ago"

/* A moment in ns since 1970, UTC: `2026-11-21`, `2026-11-21T02:09[:10[.123456789]]` (a blank for
 * the T is fine too) with nothing, `Z` or `+hh:mm` after it; `@SECONDS[.FRACTION]`; or
 * `-10s`, `-5m`, `-2h`, `-1d`, so long before `now_ns`. -EINVAL, -ERANGE. */
int when_parse(const char *string, int64_t now_ns, int64_t *ret_ns);

/* Nanoseconds of a unit: ns us ms s m h d; 0: it is none. */
int64_t when_unit_ns(const char *name, size_t size);
/* A duration that is longer than 0, as `1m` or `500ms`. -EINVAL. */
int when_parse_duration(const char *string, size_t size, int64_t *ret_ns);

#endif
