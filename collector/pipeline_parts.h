/* SPDX-License-Identifier: MIT
 *
 * Inside the pipeline: what setting up (pipeline_open.c) and running (pipeline.c) share.
 */
#ifndef COLLECTOR_PIPELINE_PARTS_H
#define COLLECTOR_PIPELINE_PARTS_H

#include "collector/disk_alarm.h"
#include "collector/drain.h"
#include "collector/housekeeping.h"
#include "collector/journal.h"
#include "collector/pipeline.h"
#include "collector/privileges.h"

#include <time.h>

#define MS UINT64_C(1000000)

struct pipeline {
    struct options options;
    char directory[PATH_MAX];
    const char *name; /* of the segment */
    char prefix[160]; /* of the names of its files: that, and the instance's if there is one */
    int claim;        /* on the directory; -1: none */
    cpu_set_t cpus;   /* that this process might use before it was pinned */
    struct shm_segment *segment;
    struct outbox *outbox;
    struct housekeeping *housekeeping;
    struct breakdown *breakdown; /* with --metrics */
    struct journal *journal;
    struct drain *drain;
    struct privileges privileges;
    struct disk_alarm disk_alarm;
    uint64_t newest_file; /* highest number of a file that was there */
    uint64_t taken_over;
    bool moving;       /* what is in the outbox is for a directory that is gone */
    bool recovering;   /* a file was left open: it is sealed once the outbox is written */
    bool concluding;   /* it stops, and housekeeping is to take its last look */
    bool concluded;    /* housekeeping has taken its last look, and logs no more */
    bool remove;       /* nobody needs the segment any more */
    uint64_t clock_ns; /* when the newest clock pair was taken */
    uint64_t beat_ns;
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
/* Close the segment to producers, if nobody uses it and there is nothing in it. Closed, then looked
 * again: a producer that is attaching sees the state, or is seen. */
bool pipeline_close_segment(struct pipeline *pipeline);

#endif
