/* SPDX-License-Identifier: MIT
 *
 * The bytes of a file, through pread and a window: a file that shrinks while it is read gives short
 * reads, never a signal.
 */
#ifndef LOGFILE_READ_SOURCE_H
#define LOGFILE_READ_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#define FILE_SOURCE_WINDOW (256u << 10) /* largest piece that file_source_get() gives */

struct file_source {
    int fd;
    uint64_t size; /* of the file when last looked at */
    uint8_t *window;
    uint64_t at; /* of the window in the file */
    size_t have;
};

int file_source_open(const char *path, struct file_source *ret_source);
void file_source_done(struct file_source *source);
/* Look at the file's size again, and forget what was read of it. */
int file_source_refresh(struct file_source *source);
/* `size` bytes (<= FILE_SOURCE_WINDOW) at `offset`, good until the next call. -FILE_ERR_CUT: the
 * file has not as many. */
int file_source_get(struct file_source *source, uint64_t offset, size_t size,
                    const uint8_t **ret_bytes);
/* Read `size` bytes (<= FILE_SOURCE_WINDOW) at `offset` into the window, and nothing behind them,
 * for the calls of file_source_get() to come. -FILE_ERR_CUT. */
int file_source_look(struct file_source *source, uint64_t offset, size_t size);
/* Read into memory of the caller's own. -FILE_ERR_CUT. */
int file_source_read(struct file_source *source, uint64_t offset, void *to, size_t size);

#endif
