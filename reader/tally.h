/* SPDX-License-Identifier: MIT
 *
 * Which gaps of a file the next file has again. After an I/O error the collector writes to the next
 * file what may not be on the disk in this one. Gaps that are alike are still two losses in
 * general, so they are not told by what they say: the HEADER of the next file has the count from
 * which it goes on.
 */
#ifndef READER_TALLY_H
#define READER_TALLY_H

#include "logfile/read/reader.h"

struct tally {
    struct file_ledger_entry *counted; /* at the file's start, and its gaps so far; NULL: not known,
                                          or all of the file counts */
    size_t rings;
    const struct file_ledger_entry *next; /* the next file's start */
    size_t next_rings;
};

/* Begin with the first gap of `reader`. `next`: that of the next file, which must stay open, or
 * NULL. 0, -ENOMEM. */
int tally_init(struct tally *tally, const struct file_reader *reader,
               const struct file_reader *next);
void tally_done(struct tally *tally);
/* The file's next gap: does it count, or does the next file have it again? */
bool tally_counts(struct tally *tally, const struct file_gap *gap);

#endif
