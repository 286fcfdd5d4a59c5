/* SPDX-License-Identifier: MIT
 *
 * The files of a segment: see log_files.h.
 */
#include "reader/log_files.h"

#include <stdlib.h>

#define OPEN_FILES 16 /* beside those that are pinned */

static void close_file(struct log_files *files, struct log_file *file)
{
    file_reader_close(file->reader);
    file->reader = NULL;
    file->line =
        (struct shm_clock_line){0}; /* it may have grown more pairs when it is read again */
    files->open--;
}

static void close_least_used(struct log_files *files)
{
    struct log_file *oldest = NULL;

    for (size_t i = 0; i < files->count; i++) {
        struct log_file *file = &files->file[i];

        if (file->reader && !file->pins && (!oldest || file->used < oldest->used))
            oldest = file;
    }
    if (oldest)
        close_file(files, oldest);
}

int log_files_use(struct log_files *files, struct log_file *file)
{
    const struct file_piece *pieces;
    size_t count;
    int r;

    file->used = ++files->clock;
    if (file->reader)
        return 0;
    if (files->open >= OPEN_FILES)
        close_least_used(files);
    r = fileset_reader_open(file->file, &file->reader);
    if (r < 0)
        return r;
    files->open++;
    if (file->index_lies)
        file_reader_ignore_index(file->reader);
    r = file_reader_list(file->reader, &pieces, &count);
    if (r < 0)
        close_file(files, file);
    return r;
}

void log_files_done(struct log_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        file_reader_close(files->file[i].reader);
    free(files->file);
}

uint64_t log_file_first(const struct log_file *file, uint32_t ring, uint64_t *ret_position)
{
    size_t rings;
    const struct file_ledger_entry *const entry =
        file->reader ? file_reader_start(file->reader, &rings) : NULL;

    for (size_t i = 0; entry && i < rings; i++)
        if (entry[i].ring == ring) {
            if (ret_position)
                *ret_position = entry[i].next_pos;
            return entry[i].next_seq;
        }
    return 0;
}

void log_file_cpu(const struct log_file *file, uint32_t ring, uint32_t *ret_cpu)
{
    size_t rings;
    const struct file_ledger_entry *entry = file_reader_start(file->reader, &rings);

    if (!entry) /* the header is damaged: the seal says it, too */
        entry = file_reader_end(file->reader, &rings);
    for (size_t i = 0; entry && i < rings; i++)
        if (entry[i].ring == ring && entry[i].kind == SHMLOG_RING_CPU)
            *ret_cpu = entry[i].cpu;
}

/* For a moment that is not on the file's line: it becomes the one that this is on. */
int64_t log_file_ns_anew(struct log_file *file, uint64_t ticks)
{
    const struct shmlog_clock_pair *pairs;
    size_t count;
    int64_t ns;

    pairs = file_reader_clock(file->reader, &count);
    if (shm_clock_line(pairs, count, file->file->identity.clock_hz, ticks, &file->line) &&
        shm_clock_on_line(&file->line, ticks, &ns))
        return ns;
    return shm_clock_to_ns(pairs, count, file->file->identity.clock_hz, ticks, NULL);
}
