/* SPDX-License-Identifier: MIT
 *
 * Housekeeping: all that may have to wait for a disk, a directory or /proc. It takes the outbox to
 * its files, finishes and retains these, watches the clock, asks which producers are alive, and
 * looks after the segment's files and the claim on the output directory.
 *
 * A process of its own, forked before draining begins. Not a thread: one that waits for a disk that
 * hangs keeps its whole process from ending, and what it does to its memory makes page faults of
 * the others wait. Nothing that it does can stop the drain, which goes on as long as outbox and
 * rings have room.
 *
 * Beside segment and outbox, the two share one page (struct housekeeping_page); each word of it has
 * one writer. It ends when the drain ends, however that ends; it holds the segment's lock until
 * then, so that no other collector writes while it still does.
 */
#ifndef COLLECTOR_HOUSEKEEPING_H
#define COLLECTOR_HOUSEKEEPING_H

#include "collector/breakdown.h"
#include "collector/options.h"
#include "collector/outbox.h"
#include "shm/segment.h"

#include <sched.h>

struct housekeeping;

struct housekeeping_params {
    const struct options *options;
    struct shm_segment *segment;
    struct outbox *outbox;
    const struct breakdown *breakdown; /* with --metrics, else NULL */
    const char *directory;             /* of the files */
    const char *name;                  /* that theirs begin with */
    int claim;                         /* on the directory; -1: none */
    const cpu_set_t *cpus;             /* that it may use; it leaves the drain's to that */
    uint64_t newest_file;              /* highest number of a file that is there */
};

/* Start it, and wait until it can write. Negative: ret_message says why not. */
int housekeeping_start(const struct housekeeping_params *params,
                       struct housekeeping **ret_housekeeping, char *ret_message,
                       size_t message_size);

/* What the files are written by: for people. */
const char *housekeeping_backend(const struct housekeeping *housekeeping);

/* 0; negative if it has ended, ret_message says why. Does not wait. */
int housekeeping_check(struct housekeeping *housekeeping, char *ret_message, size_t message_size);

/* The disk does not take the present files any more: it waits for journal_move(), and for what came
 * of that. */
bool housekeeping_wants_move(const struct housekeeping *housekeeping);
void housekeeping_moved(struct housekeeping *housekeeping, int error);

/* What another collector left is in its files: from now on they may be retained. */
void housekeeping_recovered(struct housekeeping *housekeeping);

/* Grows while the disk answers, or has nothing to answer: see disk_alarm.h. */
uint64_t housekeeping_answers(const struct housekeeping *housekeeping, uint64_t now_ns);
/* A line to be logged, and if it is not yet `said`, to be said, when it gets to it. False: four
 * wait. */
bool housekeeping_tell(struct housekeeping *housekeeping, unsigned level, const char *line,
                       bool said);
/* The rings are drained, for the last time but one: it takes a last look at them, says what was
 * lost and which alarms are over, and logs that. Call until it is true: then the log has it, as far
 * as there was room for it within a second. Does not wait. */
bool housekeeping_conclude(struct housekeeping *housekeeping);
/* It is to log nothing more into the segment, and not to be attached to it, once this returns; so
 * that this can be drained to its end. Waits for a second, should it be stopped in the midst. */
void housekeeping_silence(struct housekeeping *housekeeping);

/* Grows with all that is written. */
uint64_t housekeeping_progress(const struct housekeeping *housekeeping);
/* A failure is being waited out. */
bool housekeeping_is_stalled(const struct housekeeping *housekeeping);

/* The outbox is written, and nothing more will come: let it finish, and wait for its end. Negative:
 * the disk may not have everything, ret_message says what. */
#define HOUSEKEEPING_SETTLE_S 30 /* for the disk to say that it has the finished files */
int housekeeping_finish(struct housekeeping *housekeeping, char *ret_message, size_t message_size);

/* Kill it, if it still is there; what waits for a disk ends with the wait. Takes NULL. */
void housekeeping_close(struct housekeeping *housekeeping);

#endif
