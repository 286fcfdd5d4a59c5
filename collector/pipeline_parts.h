/* SPDX-License-Identifier: MIT
 *
 * Inside the pipeline: what setting up (pipeline_open.c) and running (pipeline.c) share.
 */
#ifndef COLLECTOR_PIPELINE_PARTS_H
#define COLLECTOR_PIPELINE_PARTS_H

#include "collector/census.h"
#include "collector/drain.h"
#include "collector/journal.h"
#include "collector/pipeline.h"
#include "collector/privileges.h"
#include "collector/retention.h"
#include "collector/steady_clock.h"
#include "collector/store.h"
#include "collector/watch.h"
#include "collector/writeback.h"

#include <time.h>

#define MS UINT64_C(1000000)

struct pipeline {
    struct options options;
    char directory[PATH_MAX];
    const char *name; /* of the segment, for file names */
    int claim;        /* on the directory; -1: none */
    bool claim_lost;  /* another collector has it, which was said */
    struct shm_segment *segment;
    struct outbox *outbox;
    struct store *store;
    struct writeback *writeback;
    struct journal *journal;
    struct drain *drain;
    struct census *census;
    struct watch *watch;
    struct privileges privileges;
    struct retention retention;
    struct steady_clock steady_clock;
    uint64_t taken_over;
    bool moving;     /* what is in the outbox is for a directory that is gone */
    bool recovering; /* a file was left open: it is sealed once the outbox is written */
    bool remove;     /* nobody needs the segment any more */
    int move_error;  /* why the last move to new files failed; 0: it did not */
    struct shmlog_clock_pair clock; /* the newest; error_ns UINT64_MAX: none yet */
    uint64_t beat_ns, clock_ns, census_ns, claim_ns, retention_ns;
    uint64_t written_to; /* the outbox's tail at the last beat */
    char *message;
    size_t message_size;
};

static inline uint64_t pipeline_clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A message for people, and the error on its way. */
int pipeline_fail(struct pipeline *pipeline, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The backend, and writeback on it. */
int pipeline_open_store(struct pipeline *pipeline);
/* A round of writeback, with what it takes when something failed: the work done, or an error with
 * a message. */
int pipeline_write(struct pipeline *pipeline, uint64_t now);
/* What is in the outbox is for files in a directory that is gone: it goes to new ones in this. */
int pipeline_leave_directory(struct pipeline *pipeline);
/* Everything is written and finished: see that the disk has it. Negative, with a message: it may
 * not. */
int pipeline_settle(struct pipeline *pipeline);
/* Close the segment to producers, if nobody uses it and there is nothing in it. Closed, then looked
 * again: a producer that is attaching sees the state, or is seen. */
bool pipeline_close_segment(struct pipeline *pipeline);
/* One line on stderr. */
void pipeline_say(const char *line);

/* Read the clock, for the segment and for the files. */
void pipeline_publish_clock(struct pipeline *pipeline);

/* Note when the count of losses has grown since the last look, by whichever collector. */
void pipeline_check_losses(struct pipeline *pipeline, uint64_t now);

#endif
