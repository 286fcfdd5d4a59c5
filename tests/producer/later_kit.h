/* SPDX-License-Identifier: MIT
 *
 * A log that attaches by itself (SHMLOG_OPEN_LATER), segments that come and go under it, and
 * threads and a timer's signal that log all the time.
 */
#ifndef TESTS_PRODUCER_LATER_KIT_H
#define TESTS_PRODUCER_LATER_KIT_H

#include "tests/producer/segment_kit.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#define LATER_SEGMENT "later"
#define LATER_KINDS 5u
#define LATER_MANY 1000u

extern const struct shmlog_options later_options;

/* Each way to commit, once for each record: LATER_KINDS calls. */
void later_log(struct shmlog *log, unsigned records);

struct shmlog *later_open(void);
void later_await_segment(struct shmlog *log);
void later_await_loss(struct shmlog *log);

/* Away with the segment's files; what is mapped can still be read, until it is closed. */
void later_remove(const struct segment_kit *kit);
void later_close_removed(struct segment_kit *kit);

/* A segment of random size. */
void later_params(uint64_t *state, uint32_t on_full, struct segment_kit_params *ret_params);
/* More than LATER_MANY slots were committed to the segment. */
void later_await_records(struct segment_kit *kit);

/* Threads log until the end, one of them into a ring of its own whenever there is a segment; and so
 * does a signal handler. Returns how many calls they made. One log at a time. */
void later_busy_begin(struct shmlog *log);
uint64_t later_busy_end(void);

#endif
