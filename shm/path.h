/* SPDX-License-Identifier: MIT
 *
 * Where segments live: from a segment's name to its directory.
 *
 * A name has letters, digits, '.', '_' and '-', does not begin with '.' or '-', and has at most 63
 * bytes. With slashes before it, it is a path and taken as it is; so a path does not end in a
 * slash, and it is not that of a runtime folder. Otherwise it is looked up in the runtime folder:
 * $SHMLOG_DIR if set; else /dev/shm/shmlog-UID of the effective user, then /dev/shm/shmlog (the
 * system's, made by root). A folder in /dev/shm counts only if it belongs to that user (or root)
 * and nobody else may write to it.
 */
#ifndef SHM_PATH_H
#define SHM_PATH_H

#include <stddef.h>

/* Path of the segment `name` for attaching: the first runtime folder that has it, or that this user
 * may not look into, or, where none has, the first one it would be looked for in. -EINVAL for a bad
 * name, -EISDIR for the path of a runtime folder, there or not yet, -ENAMETOOLONG, -EACCES if none
 * has it and one of the folders cannot be trusted. */
int shm_path_find(const char *name, char *ret_path, size_t size);

/* The runtime folders that names are looked up in, in this order; returns how many, 1 or 2. The
 * texts are good until the thread's next call, and as long as the environment stays. */
#define SHM_PATH_FOLDERS 2
unsigned shm_path_folders(const char *ret_folder[SHM_PATH_FOLDERS]);

/* Path of the segment `name` for creating: in $SHMLOG_DIR, or /dev/shm/shmlog for root, or
 * /dev/shm/shmlog-UID. Makes the runtime folder (mode 0755 for root's, else 0750) but not the
 * segment's own. -EINVAL, -EISDIR, -ENAMETOOLONG, -EPERM if the folder is another's, -ENOTDIR if it
 * is no directory, or the error of mkdir. */
int shm_path_make(const char *name, char *ret_path, size_t size);

/* Why that runtime folder is not used although it is there: what it is, whose, and what to do, as
 * one line in `ret_text`. Returns 0, or a negative errno if nothing is to be said of it. */
int shm_path_explain(const char *folder, char *ret_text, size_t size);

#endif
