/* SPDX-License-Identifier: MIT
 *
 * The records of one ring from the files of a segment: a stream that walks the notes of the ring's
 * blocks, and decodes one block at a time.
 */
#ifndef READER_FILE_STREAM_H
#define READER_FILE_STREAM_H

#include "reader/blocks.h"
#include "reader/holes.h"
#include "reader/horizon.h"
#include "reader/log_files.h"
#include "reader/looks.h"
#include "reader/notes.h"
#include "reader/source.h"
#include "reader/wanted.h"

/* What all streams of a segment's files go by. */
struct file_streams {
    const struct cursor_options *options;
    uint32_t segment; /* number within the cursor */
    bool all; /* records of all times and levels are wanted: numbers that are not there are lost */
    struct log_files log;
    struct blocks *blocks;  /* the cursor's */
    struct looks *looks;    /* NULL: the files are read once */
    struct horizon horizon; /* with looks: up to which moment the files are read */
};

struct file_stream {
    struct stream stream; /* first */
    struct file_streams *shared;
    struct notes notes; /* blocks to be read, in order */
    size_t next;        /* note to decode next */
    struct file_block block;
    size_t at; /* record of the block to look at next */
    struct log_file *pinned;
    bool resolved;     /* the record's site and producer are what the pinned file says */
    uint64_t next_seq; /* records before it were passed on */
    const struct hole *hole, *holes_end; /* those still to come */
    bool lost;                           /* a block before the next record could not be read */
    struct reach reach;                  /* with looks: what the files have of the ring, */
    uint64_t limit;                      /* and its first number that is not there yet */
};

/* The stream of a ring, without notes, from the position on if there are looks. NULL: no memory. */
struct file_stream *file_stream_open(struct file_streams *shared, uint32_t ring);
void file_stream_close(struct file_stream *stream);
/* All blocks were noted: the stream may be merged, if it has any. */
void file_stream_start(struct file_stream *stream, const struct holes *holes);

/* Which blocks and records of a file pass the condition. */
struct wanted file_streams_wanted(const struct file_streams *files, const struct log_file *file);
/* Tell of damage. */
void file_streams_damaged(const struct file_streams *files, const struct log_file *file,
                          uint64_t offset, int error, const char *reason);

#endif
