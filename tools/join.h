/* SPDX-License-Identifier: MIT
 *
 * Long texts, whole again: a record of a site with SHMLOG_SITE_FLAG_MORE goes on in the next record
 * of its producer.
 *
 * The joined line has the time, ring and number of its first record, and comes when its last one
 * does. A line is at most JOIN_SIZE_MAX bytes; longer ones come out in pieces of that size. What
 * has no end when the records end comes out as it is, marked unfinished.
 */
#ifndef TOOLS_JOIN_H
#define TOOLS_JOIN_H

#include "tools/line.h"

#define JOIN_SIZE_MAX (UINT64_C(64) << 20)

struct join;

/* `next` as cursor_next(), with `arg`. */
int join_open(int (*next)(void *arg, struct cursor_record *ret_record), void *arg,
              struct join **ret_join);
void join_close(struct join *join);
/* 1: a line, valid until the next call (zero it before the first); 0: end; negative errno. */
int join_next(struct join *join, struct line *line);

#endif
