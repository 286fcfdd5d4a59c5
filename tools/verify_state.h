/* SPDX-License-Identifier: MIT
 *
 * Inside --verify: what is shared between reading the files and closing the accounts.
 */
#ifndef TOOLS_VERIFY_STATE_H
#define TOOLS_VERIFY_STATE_H

#include "tools/account.h"
#include "reader/fileset.h"

#include <stdio.h>

#define VERIFY_NO_RING UINT32_MAX /* the segment's own line: lost before any ring */

struct verify_live;

struct verify {
    FILE *out, *err;
    struct fileset set;
    const struct fileset_file *file; /* the one being read, NULL at the end */
    struct account *account;         /* of one segment */
    size_t accounts;
    struct verify_live **live; /* segments that are there, asked before the files were listed */
    size_t lives;
    /* Files of the segment that retention removed before they were read; `skipped`: the last ones
     * that were to be read among them. */
    uint64_t removed;
    bool skipped;
    struct file_block block;
    size_t begun;        /* unfinished files without even a whole header: nothing else is in them */
    uint64_t clock_seen; /* ticks of the newest clock pair looked at, of one segment */
    uint64_t clock_first; /* of its first one, if the files begin where the segment does; else 0 */
    uint64_t problems;
    uint64_t produced, written, dropped, in_ring; /* totals */
};

/* The seal of the last file, if that has a good one. */
struct verify_last {
    struct file_ledger_entry *seal; /* NULL: none */
    size_t rings;
};

/* Read files first .. end-1 of the set, all of one segment, into accounts. 0, -errno. */
int verify_read_files(struct verify *verify, size_t first, size_t end,
                      struct verify_last *ret_last);

/* The live segment (verify_live.c). verify_ask_segments() finds those that the listed files are of,
 * notes what their collector has taken from the rings and what of it is on its way to the files;
 * the files must be listed again after it. 0, -ENOMEM. */
int verify_ask_segments(struct verify *verify);
void verify_forget_segments(struct verify *verify);
/* NULL: the segment is gone. */
const struct verify_live *verify_find_live(const struct verify *verify,
                                           const struct file_identity *identity);
/* Close the account of a ring by the segment as it is now. */
void verify_close_live(struct verify *verify, const struct verify_live *live,
                       struct account *account);

/* Of time (verify_clock.c): the clock pairs of a file that was read, the times of a block's
 * records, and what is to be said of the latter. A record that a further file repeats is looked at
 * once: its second time would be older than those of the records after it. */
void verify_clock(struct verify *verify, const struct file_reader *reader);
void verify_times(struct account *account, uint64_t first_seq, const struct file_block *block);
void verify_print_times(struct verify *verify, const struct file_identity *identity);

/* Of where records come from (verify_origin.c): can the producer that a record names have written
 * to that ring, at that time? To be asked of a block before verify_times(). */
void verify_origins(struct verify *verify, const struct file_reader *reader,
                    struct account *account, uint64_t first_seq, const struct file_block *block);
void verify_print_origins(struct verify *verify, const struct file_identity *identity);
/* Does the segment know this producer as one that logs, with no reason to use shared rings? */
bool verify_live_shares_none(const struct verify_live *live, uint32_t producer);

void verify_problem(struct verify *verify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An account_problem; `arg` is a struct verify. */
void verify_account_problem(void *arg, const struct account *account, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
