/* SPDX-License-Identifier: MIT
 *
 * The control file's tables, read as hostile input: everything is copied once, then bounded.
 */
#ifndef SHM_TABLES_H
#define SHM_TABLES_H

#include "shm/segment.h"

/* Copy site `id` out of the arena: a struct shmlog_site with what follows it, at most
 * SHMLOG_SITE_MAX bytes; `ret_size` is its size, >= sizeof(struct shmlog_site). In place of the
 * text of a call it has the names of the arguments (shm/argument_names.h). Else what is inside is
 * not looked at beyond its size and the hash in its word. -ENOENT: no such site (yet); -EBADMSG:
 * damaged. */
int shm_site_copy(const struct shm_segment *segment, uint32_t id, uint8_t *ret_site,
                  size_t *ret_size);

/* Is it the number of what every segment has, and which is in no table: SHMLOG_SITE_INLINE and a
 * level? */
static inline bool shm_site_is_inline(uint32_t id)
{
    return id >= SHMLOG_SITE_INLINE && id - SHMLOG_SITE_INLINE <= SHMLOG_CRITICAL;
}

/* Copy the entry of producer `id`. -ENOENT if the entry now belongs to another id, or to none. */
int shm_producer_copy(const struct shm_segment *segment, uint32_t id,
                      struct shmlog_producer *ret_producer);

/* Copy entry number `index` whoever has it; 0 and a claim of 0 for a free one. */
int shm_producer_at(const struct shm_segment *segment, uint32_t index,
                    struct shmlog_producer *ret_producer);

enum shm_alive { SHM_DEAD, SHM_ALIVE, SHM_UNKNOWN };

/* Does the thread of this entry still live? By tid and start time, from /proc. Unknown for other
 * pid namespaces. */
enum shm_alive shm_producer_alive(const struct shmlog_producer *producer);

/* Does the thread with this start time (0: any) still live, which is of that pid namespace? As
 * above. */
enum shm_alive shm_thread_alive(uint32_t pid, uint32_t tid, uint64_t start, uint64_t pid_ns);

/* Inode of this process's pid namespace, 0 unknown. */
uint64_t shm_pid_ns(void);

/* State and start time, from a stat file of /proc. Returns false if it cannot be read. */
bool shm_proc_stat(const char *path, char *ret_state, uint64_t *ret_start);

/* Start time of a thread as in struct shmlog_producer; 0 if there is no such thread. */
uint64_t shm_thread_start(uint32_t pid, uint32_t tid);

/* Number of producer entries worth looking at (bounded copy of producers_used). */
uint32_t shm_producers_used(const struct shm_segment *segment);

#endif
