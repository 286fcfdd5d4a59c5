/* SPDX-License-Identifier: MIT
 *
 * Up to which number the records of a ring are there without a hole: what lies behind a hole is
 * not read yet, for what fills it may be on its way to the disk.
 */
#ifndef READER_REACH_H
#define READER_REACH_H

#include <stddef.h>
#include <stdint.h>

/* Numbers begin .. end-1 of a ring are there, or known to be lost. */
struct reach_run {
    uint64_t begin, end;
};

struct reach {
    struct reach_run *run;
    size_t count, room;
};

int reach_note(struct reach *reach, uint64_t begin, uint64_t end); /* 0, -ENOMEM */
/* The first number from `start` on that is in none of the runs; *ret_more: the next one that is, or
 * the same number if there is none. */
uint64_t reach_end(struct reach *reach, uint64_t start, uint64_t *ret_more);
void reach_done(struct reach *reach);

#endif
