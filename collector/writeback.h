/* SPDX-License-Identifier: MIT
 *
 * Writeback: takes the outbox's entries to their files, in any order, and frees them in order.
 *
 * Policy on failure: where waiting can mend it (no space, quota, read-only, a directory that is
 * gone), a write is tried again, with the file opened anew, after a pause that grows to a second,
 * until it works. After any other error of a write, after any error of a sync, and where what was
 * written of the file is not there any more, it takes a new file: writeback_needs_new_file().
 * Meanwhile the outbox fills, then the rings, and the rings' policy decides about further records.
 * Said once when it begins, every ten seconds while it goes on or comes back with the same error,
 * and once when it is over.
 *
 * A file is named DIR/SEGMENT-YYYYMMDDTHHMMSS-NUMBER.shmlog, with .part appended until its seal is
 * written.
 */
#ifndef COLLECTOR_WRITEBACK_H
#define COLLECTOR_WRITEBACK_H

#include "collector/outbox.h"
#include "collector/store.h"

struct writeback;

struct writeback_params {
    struct outbox *outbox;
    struct store *store;
    const char *directory;
    const char *segment;                           /* name, for the files' names */
    bool durable;                                  /* free an entry only when it is on the disk */
    void (*say)(unsigned level, const char *line); /* messages for people; SHMLOG_WARN or _INFO */
    uint64_t *stats;                               /* control.stats */
};

int writeback_open(const struct writeback_params *params, struct writeback **ret_writeback);
void writeback_close(struct writeback *writeback);

/* Start and finish what can be, without waiting for a disk that has a queue; returns what was done.
 * Negative: the outbox is damaged. */
int writeback_work(struct writeback *writeback, uint64_t now_ns);

/* Everything in the outbox is written (and synced), nothing is under way. */
bool writeback_idle(const struct writeback *writeback);
/* A failure is being waited out. */
bool writeback_stalled(const struct writeback *writeback);
/* Grows while the disk answers, or there is nothing that it could answer. */
uint64_t writeback_answers(const struct writeback *writeback);

/* The pause after a failure is over, nothing is under way, and it takes a new file to go on: leave
 * the present ones, with those removed of which nothing counts yet (negative: not now); let
 * journal_move() make a new outbox, and the store know its memory; then begin anew with that, or,
 * if one of these did not work, pause again. */
bool writeback_needs_new_file(const struct writeback *writeback, uint64_t now_ns);
int writeback_leave_files(struct writeback *writeback);
void writeback_begin_anew(struct writeback *writeback, bool moved, uint64_t now_ns);

/* Without --durable, a finished file is synced once, while all else goes on. Nothing else will
 * come: sync what is finished without delay; true when all is. */
bool writeback_settle(struct writeback *writeback);
/* Files, since it was opened, of which that failed. What was in them is written nowhere else. */
unsigned writeback_doubtful(const struct writeback *writeback);

/* Another store from now on; nothing may be under way in the old one. */
void writeback_use(struct writeback *writeback, struct store *store);
bool writeback_is_under_way(const struct writeback *writeback);

/* Path of a file, with .part or as sealed. -ENAMETOOLONG. */
int writeback_path(const char *directory, const char *segment, uint64_t number, uint64_t created_ns,
                   bool part, char *ret_path, size_t size);

#endif
