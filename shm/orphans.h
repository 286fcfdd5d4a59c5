/* SPDX-License-Identifier: MIT
 *
 * Ring files on a hugetlbfs whose segment is gone. A segment's directory holds only links to them,
 * so whoever removes the directory by hand leaves them behind, and the huge pages with them.
 *
 * A ring's header names the directory that it was made for, and that directory's filesystem. Its
 * file is an orphan if that filesystem is where it was, and has no segment of this UUID: neither
 * around the place where the segment was nor, down to four levels, anywhere else. So a directory
 * that was moved on its filesystem keeps its rings, and so does one in a container whose filesystem
 * is not visible from here. Other files (of an earlier version, of a creator that was killed over
 * them, of a filesystem elsewhere) are reported, and never removed.
 *
 * A process that has an orphan mapped keeps its memory until it unmaps it.
 */
#ifndef SHM_ORPHANS_H
#define SHM_ORPHANS_H

#include "shm/segment.h"

/* The files that one segment left in one folder. */
struct shm_orphans {
    char files[PATH_MAX];   /* as a pattern: "FOLDER/shmlog-UUID-ring-*" */
    char segment[PATH_MAX]; /* its path; empty: the files do not say */
    uint32_t removed, kept; /* how many; kept: their segment may exist */
    uint64_t removed_bytes, kept_bytes;
    int error; /* negative errno: of those kept, why some could not be removed */
};

struct shm_orphan_list {
    struct shm_orphans *group;
    size_t count, room;
    int error;             /* negative errno: a folder could not be read to its end */
    char unread[PATH_MAX]; /* that folder, the last one */
};

/* Look through one folder, remove what is an orphan and belongs to this user (root: to anyone), and
 * add what was found to the list. Cost: for each segment met, a walk over its filesystem. Returns
 * 0; -ENOMEM, or an error of opening or reading the folder, which may have more then. */
int shm_orphans_remove_in(const char *folder, struct shm_orphan_list *list);

/* The same of all hugetlbfs mounts. One that cannot be read is noted in the list. -ENOMEM */
int shm_orphans_remove(struct shm_orphan_list *ret_list);

void shm_orphans_done(struct shm_orphan_list *list);

#endif
