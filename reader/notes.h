/* SPDX-License-Identifier: MIT
 *
 * Blocks of a ring that may hold wanted records, in the order in which they are read.
 */
#ifndef READER_NOTES_H
#define READER_NOTES_H

#include "logfile/read/reader.h"

struct note {
    uint32_t file;
    uint32_t order; /* of noting: keeps the sort stable */
    struct file_piece piece;
};

struct notes {
    struct note *note;
    size_t count, room;
};

int notes_add(struct notes *notes, uint32_t file, const struct file_piece *piece); /* 0, -ENOMEM */
/* By the numbers of their first records. */
void notes_sort(struct notes *notes);
/* The latest moment from which on these lists have `records` records; 0: they have less. In ticks.
 * 0, -ENOMEM. */
int notes_tail(const struct notes *const *lists, size_t count, uint64_t records,
               uint64_t *ret_ticks);
/* Drop blocks that end before it. */
void notes_drop_before(struct notes *notes, uint64_t ticks);
void notes_done(struct notes *notes);

#endif
