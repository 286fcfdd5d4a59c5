/* SPDX-License-Identifier: MIT
 *
 * A log that attaches later (SHMLOG_OPEN_LATER), and segments that come and go under it.
 */
#ifndef TESTS_PRODUCER_LATER_KIT_H
#define TESTS_PRODUCER_LATER_KIT_H

#include "tests/producer/segment_kit.h"

#include "producer/shmlog.h"

#define LATER_SEGMENT "later"
#define LATER_KINDS 6u

extern const struct shmlog_options later_options;

struct shmlog *later_open(void);

/* One call of each kind, LATER_KINDS; all have the number and the writer, one byte. */
void later_log(struct shmlog *log, uint64_t number, uint8_t writer);
/* One of them. */
void later_log_one(struct shmlog *log, unsigned kind, uint64_t number, uint8_t writer);
/* Number and writer of a record; fails the test unless it is whole. */
uint64_t later_number(const struct shmlog_slot *slots, uint8_t *ret_writer);

/* Ways for a segment to be gone. What is mapped can still be read, until it is closed. */
enum later_way {
    LATER_RENAMED,
    LATER_NO_CONTROL, /* its control file is removed */
    LATER_REPLACED,   /* another segment's files are in its place: an empty one's */
    LATER_WAYS
};
void later_remove(const struct segment_kit *kit, enum later_way way);
void later_close_removed(struct segment_kit *kit);

/* How many mappings this process has of files in this test's runtime folder. */
unsigned later_mappings(void);

#endif
