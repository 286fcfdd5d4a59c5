/* SPDX-License-Identifier: MIT
 *
 * One cursor over log records, wherever they are: live rings of a segment, or files; merged in time
 * order, resolved to sites, producers and wall-clock time.
 *
 * Order: the rings of a segment are merged by ticks, then ring, then sequence number; within a ring
 * the order is that of the sequence numbers, whatever the times say. Several segments are merged by
 * wall-clock time. A record that is in the files more than once comes out once.
 *
 * Memory: one decoded block, or a part of one, for each ring that has records at the current
 * moment, in all bounded as reader/blocks.h says, and 200 bytes for each block of the files. A live
 * segment is read without consuming anything.
 */
#ifndef READER_CURSOR_H
#define READER_CURSOR_H

#include "logfile/read/reader.h"
#include "shm/segment.h"

struct cursor;
struct position;
struct query;

struct cursor_record {
    int64_t time_ns; /* CLOCK_REALTIME */
    uint64_t ticks;
    uint64_t seq;
    uint64_t lost_ticks; /* of the record of its ring before which some were lost last; 0: none */
    uint32_t ring;
    uint32_t cpu;     /* ~0: a shared ring's */
    uint32_t segment; /* number within the cursor: producer and site ids are a segment's own */
    uint32_t site_id, producer_id;          /* site_id 0: the record brought its site along */
    const struct file_site *site;           /* NULL: unknown */
    const struct shmlog_producer *producer; /* NULL: unknown */
    const char *host, *segment_name;        /* as `site`, good until the cursor's next call */
    const uint8_t *payload;
    uint32_t payload_size;
    struct position_ring *place; /* of its ring, with a position; else NULL */
};

struct cursor_options {
    int64_t since_ns,
        until_ns; /* INT64_MIN, INT64_MAX: no bound; blocks outside are skipped undecoded */
    uint32_t min_level;
    struct query *where; /* blocks of files in which nothing can pass are skipped undecoded; others'
                            records come all. NULL: none are; stays the caller's */
    /* Files: blocks that have none of the newest so many records are skipped undecoded; others'
     * records come all. 0: none is. */
    uint64_t tail;
    /* Segment: begin with what the collector has not taken, or, with since_ns, with all that is
     * there; wait for more, and for the next segment of that name when it is gone or not there
     * yet. Files: wait for more in them, and for more files in directories. cursor_next() then
     * returns -EAGAIN after each pause without a record, and 0 only when on_idle() ends it. */
    bool follow;
    /* Files: records that it counts as passed on are left out, and those that are given are counted
     * in it. NULL: none; stays the caller's. */
    struct position *position;
    /* `follow`: a line for people, when a segment is gone, waited for, or there. May be NULL. */
    void (*on_change)(void *arg, const char *line);
    /* `reason` says more than the error does, or is NULL. */
    void (*on_damage)(void *arg, const char *where, uint64_t offset, int error, const char *reason);
    /* Records that were lost on their way to the files. */
    void (*on_gap)(void *arg, const struct file_gap *gap);
    /* Records of a live ring that this reader was too slow for: writers have used their slots
     * again. `unread` of them were overwritten before the collector had taken them; these are lost
     * as well, and on_gap() is told. The others are in the files, or on their way there. */
    void (*on_missed)(void *arg, uint32_t ring, uint64_t records, uint64_t unread);
    /* Before each pause of `follow`; true ends it, after what was committed by then. May be NULL.
     */
    bool (*on_idle)(void *arg);
    void *arg;
};

/* `paths`: one segment (name or path of its directory with a control file), or files, or
 * directories of files. */
int cursor_open(const char *const *paths, size_t count, const struct cursor_options *options,
                struct cursor **ret_cursor, char *ret_message, size_t message_size);
void cursor_close(struct cursor *cursor);
/* 1: a record, valid until the next call; 0: end; -EAGAIN: none yet (see `follow`), call again;
 * negative errno. */
int cursor_next(struct cursor *cursor, struct cursor_record *ret_record);

#endif
