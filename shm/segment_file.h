/* SPDX-License-Identifier: MIT
 *
 * Parts that creating, opening and destroying a segment share. Not for use outside of shm/.
 */
#ifndef SHM_SEGMENT_FILE_H
#define SHM_SEGMENT_FILE_H

#include "shm/segment.h"

/* Open the directory's control file: regular, or -SHM_ERR_FOREIGN. If there is none:
 * -SHM_ERR_FOREIGN where the directory holds other things, -SHM_ERR_UNFINISHED where it is empty or
 * holds parts. */
int shm_control_open(int directory, bool writable, int *ret_fd);

/* Copy and check the header of a control file. `ret_copy` is filled as far as the file goes,
 * whatever the answer: 0 sound and live, or -SHM_ERR_UNFINISHED, _CLOSED, _FOREIGN, _OLDER, _NEWER,
 * _GEOMETRY, errno's. */
int shm_control_examine(int fd, struct shmlog_control *ret_copy);

/* Remember a version that was refused, for shm_strerror() in this thread. */
void shm_refused_version(uint32_t version);

/* Lock a control file as long as the descriptor lives: -SHM_ERR_BUSY if another has it, -EAGAIN if
 * it is no longer the directory's (whoever removed it was first). */
int shm_control_lock(int directory, int fd);

/* A segment object with room for its rings and nothing mapped. Of `copy`, identity and geometry are
 * kept; what changes in a running segment is not. */
int shm_segment_alloc(const char *path, const struct shmlog_control *copy, bool writable,
                      struct shm_segment **ret_segment);

/* Take a mapping as a ring's, or as the control file's: guard it, and point into it. On error,
 * which is -ENOMEM, it is unmapped. */
int shm_ring_use(struct shm_ring *ring, void *memory, size_t size, uint64_t page_kib,
                 bool writable);
int shm_control_use(struct shm_segment *segment, void *memory, size_t size, bool writable);
void shm_ring_unmap(struct shm_ring *ring); /* takes one that is not mapped */

/* Map an examined control file and the rings; a ring that is refused has header NULL. The
 * descriptor stays the caller's. */
int shm_segment_map(const char *path, int directory, int control_fd,
                    const struct shmlog_control *copy, bool writable,
                    struct shm_segment **ret_segment);

/* Mark what lies in the directory as closed and remove its files, with the control file locked and
 * examined. The directory stays. */
int shm_segment_clear(int directory, int control_fd, const struct shmlog_control *copy);

/* The creator's way to an existing segment: adopt it, or remove what may be removed and say so with
 * -EAGAIN. `plan` and `params` are what was asked for; its levels and rules go into `plan`. */
int shm_segment_adopt(const char *path, int directory, int control_fd, struct shmlog_control *plan,
                      const struct shm_params *params, bool (*outbox_empty)(const char *path),
                      struct shm_segment **ret_segment);

/* The entry of ring `index` as these parameters want it, its node looked up. */
void shm_segment_plan_ring(const struct shm_params *params, uint32_t index,
                           struct shmlog_ring_entry *ret_entry);

#endif
