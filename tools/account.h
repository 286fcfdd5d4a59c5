/* SPDX-License-Identifier: MIT
 *
 * The account of one ring while its files are being checked: what should come next, what was found,
 * and whether the ledgers in the files agree.
 *
 * Pure arithmetic over numbers from files, so it can be tested without any.
 */
#ifndef TOOLS_ACCOUNT_H
#define TOOLS_ACCOUNT_H

#include "collector/file/reader.h"

/* Losses that take sequence numbers of a ring; the others lie between two records. */
static inline bool account_takes_seq(uint32_t cause)
{
    return cause == SHMLOG_LOST_OVERWRITTEN || cause == SHMLOG_LOST_DAMAGED;
}

struct account {
    uint32_t ring, cpu, kind;
    uint64_t next_seq;
    uint64_t written; /* since the segment was made */
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint64_t before; /* of `written`: in files that are no longer there */
    /* times of records, in ticks: the newest so far, how many are older than one before them, by
     * how much at most; and the first record whose time was not looked at yet */
    uint64_t newest_time, backwards, backwards_by, next_timed;
    uint64_t missing; /* records that should be in the files and are not */
    /* A piece is missing in a file that has no good seal. That is in order if the next file starts
     * no later than there; what follows in this one is not counted. */
    bool broken;
    uint64_t broken_at;
    /* the ring's own count, once known */
    bool proven;
    uint64_t produced, dropped, in_ring;
};

/* What a check has to say; NULL where there is nothing. */
typedef void account_problem(void *arg, const struct account *account, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct account_report {
    account_problem *problem;
    void *arg;
};

/* The first file of the segment: its ledger is the past that is no longer there. */
void account_begin(struct account *account, const struct file_ledger_entry *start);

/* The start ledger of a further file. `firm`: the file before has a good seal, so this one must
 * start where that ended. Otherwise it may start earlier: what it repeats is counted once. */
void account_next_file(struct account *account, const struct file_ledger_entry *start, bool firm,
                       const struct account_report *report);

/* A sound block, or a gap. `firm`: the file has a good seal, nothing may be missing in it. */
void account_block(struct account *account, uint64_t first_seq, uint64_t records, bool firm,
                   const struct account_report *report);
void account_gap(struct account *account, const struct file_gap *gap, bool firm,
                 const struct account_report *report);

/* The end ledger of a file with a good seal. */
void account_seal(struct account *account, const struct file_ledger_entry *end,
                  const struct account_report *report);

/* No further file: what is broken stays so. */
void account_end(struct account *account, const struct account_report *report);

uint64_t account_lost(const struct account *account); /* sum over the causes */

/* Close the account by the count of the last seal, the segment being gone. */
void account_close_sealed(struct account *account, uint64_t produced,
                          const struct account_report *report);

/* Close it by the ring itself: its newest record, the oldest one that is still there or in the
 * collector's hands, and its writers' losses. */
struct account_ring {
    uint64_t newest, oldest;
    uint64_t lost[SHMLOG_LOST_CAUSES];
};
void account_close_live(struct account *account, const struct account_ring *ring,
                        const struct account_report *report);

#endif
