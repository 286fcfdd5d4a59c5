/* SPDX-License-Identifier: MIT
 *
 * Long texts, whole again: a line that was logged in several records, by shmlog_line().
 *
 * A piece of a line has SHMLOG_SITE_FLAG_LINE, and SHMLOG_SITE_FLAG_MORE unless it is the last one.
 * It is joined with the pieces of the same producer whose call sites are in the same function and
 * have the same level; whatever else the producer logs in between, from a signal handler say, comes
 * out on its own and in its place. Files of before the LINE flag: there a record with the MORE flag
 * goes on in the next record of its producer that looks like one of shmlog_line().
 *
 * The joined line has the time, ring and number of its first record, and comes when its last one
 * does. A line is at most JOIN_SIZE_MAX bytes; longer ones come out in parts of nearly that size.
 * What has no end when the records end comes out as it is, marked unfinished; so does a line that
 * has got no piece for `hold_ns`, and the oldest one when more than `held_max` bytes are waiting.
 */
#ifndef READER_JOIN_H
#define READER_JOIN_H

#include "reader/line.h"
#include "reader/position.h"

#define JOIN_SIZE_MAX (UINT64_C(64) << 20)
#define JOIN_HELD_MAX (UINT64_C(128) << 20) /* memory of all lines that wait for their end */
#define JOIN_WAIT_NS INT64_C(60000000000)

struct join;

/* Can records of the site be part of a longer text? */
bool join_takes(const struct file_site *site);

struct join_options {
    uint64_t hold_ns;  /* how long a line waits for its next piece, by CLOCK_MONOTONIC; 0: until the
                          records end */
    bool gives_up;     /* join_next() passes -EAGAIN on, instead of trying again */
    uint64_t held_max; /* bytes that wait; 0: JOIN_HELD_MAX */
};

/* `next` as cursor_next(), with `arg`. Returns 0; -ENOMEM. */
int join_open(int (*next)(void *arg, struct cursor_record *ret_record), void *arg,
              const struct join_options *options, struct join **ret_join);
void join_close(struct join *join);
/* The records that were read, and are in no line that was given: with a position, they are to be
 * read again when reading is gone on with. *ret_held is to be freed. 0, -ENOMEM. */
int join_held(const struct join *join, struct position_held **ret_held, size_t *ret_count);
/* 1: a line, valid until the next call (zero it before the first); 0: end; -EAGAIN with `gives_up`;
 * negative errno. */
int join_next(struct join *join, struct line *line);

#endif
