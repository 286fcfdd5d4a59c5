/* SPDX-License-Identifier: MIT
 *
 * The account of one ring while its files are being checked: what should come next, what was found,
 * and whether the ledgers in the files agree.
 *
 * Pure arithmetic over numbers from files, so it can be tested without any.
 */
#ifndef TOOLS_ACCOUNT_H
#define TOOLS_ACCOUNT_H

#include "logfile/read/reader.h"

/* Losses that take sequence numbers of a ring; the others lie between two records. */
static inline bool account_takes_seq(uint32_t cause)
{
    return cause == SHMLOG_LOST_OVERWRITTEN || cause == SHMLOG_LOST_DAMAGED;
}

struct account {
    uint32_t ring, cpu, kind;
    uint64_t next_seq;
    uint64_t written; /* since the segment was made: found in the files, or in those of `before` */
    uint64_t lost[SHMLOG_LOST_CAUSES];
    uint64_t before; /* of `written`: in the oldest files, which retention removed */
    uint64_t absent; /* written as ledgers say, but not found: a file or a block of it is gone */
    /* times of records, in ticks: the newest so far, how many are older than one before them, by
     * how much at most; and the first record whose time was not looked at yet */
    uint64_t newest_time, backwards, backwards_by, next_timed;
    uint64_t oldest_time; /* UINT64_MAX: none yet */
    /* records whose producer no file knows, or is not one who writes to this ring; the number of
     * the first one, and who that names */
    struct account_origin {
        uint64_t records, first_seq;
        uint32_t producer;
    } unknown, misplaced;
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

/* The same where retention removed the files in between while these were read. */
void account_skip(struct account *account, const struct file_ledger_entry *start);

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

/* Records first .. end-1 of the ring that are on their way to a file. */
struct account_range {
    uint64_t first, end;
    bool lost; /* they are a gap */
};

/* Close it by the ring itself. What the collector had taken from it before the files were listed
 * is in the files or on its way there; else it is missing. */
struct account_ring {
    uint64_t newest; /* number of its newest record */
    uint64_t oldest; /* overwrite: of the oldest one that was not written over; else 0 */
    uint64_t lost[SHMLOG_LOST_CAUSES]; /* by its writers */
    uint64_t taken_before; /* number of the first record that the collector had not taken when it
                              was asked before the files were listed; 0: it is not known which of
                              those that it had are on their way */
    uint64_t taken;        /* the same after they were read */
    const struct account_range *waiting; /* on the way then, in the order of their numbers */
    size_t waits;
};
void account_close_live(struct account *account, const struct account_ring *ring,
                        const struct account_report *report);

#endif
