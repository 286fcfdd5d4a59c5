/* SPDX-License-Identifier: MIT
 *
 * A segment's directory: which files belong in it, and removing them.
 */
#ifndef SHM_DIRECTORY_H
#define SHM_DIRECTORY_H

#include "shm/segment.h"

#include <dirent.h>

#define SHM_CONTROL_FILE "control"
#define SHM_OUTBOX_FILE "outbox"           /* the collector's: blocks on their way to a disk */
#define SHM_OUTBOX_NEXT_FILE "outbox.next" /* one that is to replace it */
#define SHM_RING_FILE_MAX 16

/* "ring-007" */
void shm_ring_file(uint32_t index, char ret_name[SHM_RING_FILE_MAX]);

/* Is it such a name, of any ring? */
bool shm_is_ring_file(const char *name);

/* What a directory holds, as bits. Without a control file, files that have the names of a segment's
 * but were made by none are others, too. */
#define SHM_HAS_CONTROL 1
#define SHM_HAS_PARTS 2  /* other files of a segment */
#define SHM_HAS_OTHERS 4 /* files that do not belong in a segment */

/* The next entry of any directory. Returns 1 with *ret_entry, good until the next call; 0 at the
 * end; -errno if the directory cannot be read on, for which readdir() returns NULL as at the end.
 */
int shm_directory_next(DIR *stream, const struct dirent **ret_entry);

/* The UUID in the directory's control file, which need not be finished otherwise. -ENOENT if there
 * is no such file, or what has its name is none; other errno's say nothing. */
int shm_directory_uuid(int directory, uint8_t ret_uuid[16]);

/* Negative errno, or SHM_HAS_* bits. */
int shm_directory_look(int directory);

/* Remove all files of a segment but the control file. `uuid` as in the control file: links are
 * followed only to this segment's own files; NULL: to any segment's. */
int shm_directory_clear_parts(int directory, const uint8_t *uuid);

/* The same, and then the control file. */
int shm_directory_clear(int directory, const uint8_t *uuid);

#endif
