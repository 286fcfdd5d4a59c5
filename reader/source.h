/* SPDX-License-Identifier: MIT
 *
 * Inside the cursor: sources (one segment each, live or in files) and the merge of their rings.
 */
#ifndef READER_SOURCE_H
#define READER_SOURCE_H

#include "reader/cursor.h"

/* The records of one ring, in the order of their sequence numbers. */
struct stream {
    uint32_t ring;
    bool loaded;    /* `record` is there; else only a lower bound of its ticks */
    uint64_t ticks; /* of the record, or the bound */
    struct cursor_record record;
    /* A stream that is not loaded gets its record by it; one that is, its next record or a bound of
     * those to come. 1; 0: no more; negative errno. */
    int (*advance)(struct stream *stream);
};

/* A stream in the heap, and what it is compared by, so that comparing need not go to the streams.
 */
struct merge_entry {
    uint64_t ticks;
    uint32_t ring;
    struct stream *stream;
};

/* A heap of streams by ticks, then by ring, of which each has one stream. Owns the array, not the
 * streams. */
struct merge {
    struct merge_entry *heap;
    size_t count;
    bool taken; /* the record of heap[0] was passed on: advance it first */
};

int merge_init(struct merge *merge, size_t streams);
void merge_done(struct merge *merge);
/* Takes a stream whose `ticks` is set. */
void merge_add(struct merge *merge, struct stream *stream);
/* 1: *ret_stream has the earliest record; 0: all streams are at their end; negative errno. The
 * record counts as taken once merge_take() is called. */
int merge_peek(struct merge *merge, struct stream **ret_stream);
static inline void merge_take(struct merge *merge)
{
    merge->taken = true;
}

/* One segment's records, merged. */
struct source {
    /* 1: the next record, good until the next call; 0: end; -EAGAIN: none yet; negative errno */
    int (*next)(struct source *source, const struct cursor_record **ret_record);
    void (*close)(struct source *source);
    /* the cursor's */
    const struct cursor_record *record;
    bool waiting; /* `record` is the next one and was not yet passed on */
    bool ended;
    bool stopped; /* `next` returned 0 because on_idle() said so */
};

struct blocks;
struct looks;

struct source_params {
    const struct cursor_options *options;
    uint32_t segment;      /* number within the cursor */
    struct blocks *blocks; /* files: of the cursor */
    struct looks *looks;   /* files that are read again and again; NULL: once */
    bool from_start; /* `follow`: also what the collector has taken; all before it counts as missed
                      */
};

/* Does the record itself pass the bounds of the options? */
static inline bool source_wants(const struct cursor_options *options,
                                const struct cursor_record *record)
{
    return record->time_ns >= options->since_ns && record->time_ns <= options->until_ns &&
           (!record->site || record->site->level >= options->min_level);
}

/* Takes the segment over, on success. */
int source_live_open(struct shm_segment *segment, const struct source_params *params,
                     struct source **ret_source);

/* The live segment of that name, and when it is gone the next one, and so on: `next` returns 0 only
 * when on_idle() ends it. On error ret_message is set. */
int source_follow_open(const char *name, const struct source_params *params,
                       struct source **ret_source, char *ret_message, size_t message_size);

struct fileset;
/* Files first .. end-1 of the set, all of one segment; the set stays with the caller and must live
 * as long as the source. */
int source_files_open(const struct fileset *set, size_t first, size_t end,
                      const struct source_params *params, struct source **ret_source);

#endif
