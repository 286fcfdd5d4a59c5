/* SPDX-License-Identifier: MIT
 *
 * The files of a segment, opened when they are needed; only so many stay open.
 */
#ifndef READER_LOG_FILES_H
#define READER_LOG_FILES_H

#include "reader/fileset.h"
#include "shm/clock.h"

struct log_file {
    const struct fileset_file *file;
    struct file_reader *reader; /* NULL: closed */
    bool index_lies;            /* it was seen when the blocks were noted */
    unsigned pins;              /* who stands in one of its blocks: it stays open */
    struct shm_clock_line line; /* that the last moment lay on */
    uint64_t sites;             /* bits of those whose records may be wanted */
    uint64_t used;              /* when it was last asked for */
    bool left;                  /* with looks: some of it is left for a later one */
};

struct log_files {
    struct log_file *file;
    size_t count, open;
    uint64_t clock; /* counts uses */
};

/* Open the file if it is not; its dictionary is complete then. 0; errors of file_reader_open() and
 * file_reader_list(). */
int log_files_use(struct log_files *files, struct log_file *file);
void log_files_done(struct log_files *files);

/* The number that a ring's records in an open file begin with, and (unless NULL) the position in
 * the ring; 0: it does not say. */
uint64_t log_file_first(const struct log_file *file, uint32_t ring, uint64_t *ret_position);

/* Set *ret_cpu to the core of a ring, if the file says it. */
void log_file_cpu(const struct log_file *file, uint32_t ring, uint32_t *ret_cpu);

int64_t log_file_ns_anew(struct log_file *file, uint64_t ticks);
/* A moment of an open file's clock as CLOCK_REALTIME. */
static inline int64_t log_file_ns(struct log_file *file, uint64_t ticks)
{
    int64_t ns;

    return shm_clock_on_line(&file->line, ticks, &ns) ? ns : log_file_ns_anew(file, ticks);
}

#endif
