/* SPDX-License-Identifier: MIT
 *
 * Looking into a segment's outbox beside the collector, which goes on: what was taken from the
 * rings and need not be in a file yet. Read only. The outbox is hostile input here: each entry is
 * copied once, its sizes are bounded, and the checksums of its frames have to fit.
 */
#ifndef LOGFILE_READ_OUTBOX_READER_H
#define LOGFILE_READ_OUTBOX_READER_H

#include "logfile/read/reader.h"

/* Calls `piece` for each block and gap that waits in the outbox `path` now, in the order in which
 * they were put there. What was in it at the call and is not passed on was written to its file
 * before the function returns.
 *
 * Returns 0; -ENOENT: there is none, or nothing was ever in it; -EACCES and other errno's: it
 * cannot be read; -EBADMSG: damaged, or of another segment. */
int file_outbox_read(const char *path, const uint8_t segment_uuid[16],
                     void (*piece)(void *arg, const struct file_piece *piece), void *arg);

#endif
