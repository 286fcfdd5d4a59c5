/* SPDX-License-Identifier: MIT
 *
 * A segment as files and memory: create, open, inspect, destroy.
 *
 * A segment is a directory (mode 0750): `control`, one `ring-NNN` per ring (a file on the
 * directory's tmpfs, or a symbolic link to a file on a hugetlbfs mount), and what its collector
 * keeps there. The collector creates; producers and tools open. The creator holds an exclusive
 * flock on `control` as long as it lives, so there is one collector at a time.
 *
 * What is read from the files is hostile: geometry is copied and bounded once, at open, and only
 * the copy is used. Mappings are guarded against files that are cut short (shm/guard.h).
 *
 * Not thread-safe; one segment object belongs to one thread.
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include "producer/segment_tables.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Errors beside errno's, returned negative. */
#define SHM_ERR_FOREIGN SHMLOG_ERR_FOREIGN       /* not a shmlog file, or of another segment */
#define SHM_ERR_OLDER SHMLOG_ERR_OLDER           /* made by an older layout version */
#define SHM_ERR_NEWER SHMLOG_ERR_NEWER           /* by a newer one, or with unknown features */
#define SHM_ERR_GEOMETRY SHMLOG_ERR_GEOMETRY     /* its sizes do not add up: damaged */
#define SHM_ERR_UNFINISHED SHMLOG_ERR_UNFINISHED /* its creator died or is still at it */
#define SHM_ERR_BUSY 4006                        /* another collector runs on it */
#define SHM_ERR_CLOSED SHMLOG_ERR_CLOSED         /* being removed */
#define SHM_ERR_CUT 4009                         /* a file was cut short under way */

/* A text for an errno or an SHM_ERR_*, positive or negative; for SHM_ERR_OLDER and _NEWER it names
 * the version that this thread met last. Good until the thread's next call. */
const char *shm_strerror(int error);

struct shm_params {
    const char *name;     /* for people: control.name */
    const uint32_t *cpus; /* one CPU ring for each; ids < SHMLOG_CPUS_MAX */
    uint32_t cpu_count;
    uint32_t spare_rings; /* for threads that cannot use those, all shared */
    uint64_t ring_bytes;  /* of slots in each ring: a power of two, >= 64 KiB */
    uint32_t on_full;     /* SHMLOG_ON_FULL_* */
    uint32_t level;
    /* For records of SHMLOG_SEVERE and above: percent of each ring's slots, at most 50. Overwrite:
     * anything but 0 gives every core a second ring, for them alone. */
    uint32_t reserve;
    bool shared_ring;   /* one more, the last, also for older programs; left out beyond 2048 */
    uint64_t wait_ns;   /* wait policy: longest wait; UINT64_MAX for ever */
    uint64_t page_kib;  /* largest page size to try: 1048576, 2048, 4; 0: the largest that fits */
    bool numa;          /* bind rings to the nodes of their cores */
    uint32_t sites_max; /* 0: 65536 */
    uint32_t producers_max; /* 0: 4096 */
    int group;              /* gid that may attach, -1: that of the process */
};

struct shm_ring {
    struct shmlog_ring *header; /* NULL: this ring's file was refused, see `error` */
    struct shmlog_slot *slots;
    struct shmlog_ring_entry entry; /* a copy, bounded */
    uint64_t map_size;
    void *memory;   /* the mapping */
    uint32_t *lost; /* 1 when its file was cut short, see shm/guard.h: slots may read as zero. In
                       memory that is shared with processes forked from this one */
    int error;      /* 0, or why the ring could not be mapped */
};

struct shm_segment {
    char path[PATH_MAX];
    struct shmlog_control *control; /* shared */
    struct shmlog_control geometry; /* copy made at open: identity and geometry only */
    struct shm_ring *rings;         /* geometry.rings of them */
    uint32_t *rings_lost;           /* their marks */
    uint64_t slot_mask;
    uint64_t map_size;
    uint32_t control_lost; /* set when the control file was cut short: it may read as zero */
    uid_t owner;           /* of the control file; rings of others are refused */
    int control_fd;
    bool writable;
    bool created; /* by this object, not adopted */
};

/* Create the segment at `path`, or adopt the one that is there.
 *
 * Creates ring by ring: file of the largest page size that works (1 GiB, 2 MiB, transparent huge, 4
 * KiB; a size is tried if it is at most twice the ring's), bound to the node of the ring's core,
 * allocated and populated, then verified (page size by /proc/self/smaps, node by move_pages); what
 * was got is in the ring table and in control->rungs. The control file's magic is stored last.
 *
 * A segment that is there and was left by a collector that died or stopped is adopted: ret->created
 * is false. If its geometry or policy differs from params and it holds no unread record, no outbox
 * entry and no live producer, it is destroyed and made anew; otherwise it is adopted as it is and
 * the caller sees from ret->geometry what it got. A half-created one is removed and made anew. One
 * that is foreign, older or newer is left alone: -SHM_ERR_FOREIGN, _OLDER, _NEWER; so is one of
 * another user: -EPERM. On adoption every ring file is checked; rings that are refused have header
 * NULL, and keep the segment from being made anew, since they may hold records, unless their files
 * are gone. If all are refused, the first one's error is returned; if all are gone, and nothing
 * else is in the way, the segment is made anew.
 * `outbox_empty` says whether the collector's own file in the directory holds nothing; it is asked
 * only on adoption with another geometry and gets the segment's path.
 *
 * Errors: -SHM_ERR_BUSY when another collector holds it, -ENOSPC when memory is short, errno's.
 * On error `ret_message` (may be NULL) has one line of what, where and what to do. */
int shm_segment_create(const char *path, const struct shm_params *params,
                       bool (*outbox_empty)(const char *path), struct shm_segment **ret_segment,
                       char *ret_message, size_t message_size);

/* Open a segment that is there, to read or (writable) as a tool that changes it. A ring whose
 * file is missing, foreign or of the wrong size has header NULL; the segment is open all the same.
 * Errors: -ENOENT, -EACCES, -SHM_ERR_*. */
int shm_segment_open(const char *path, bool writable, struct shm_segment **ret_segment);

/* Unmap and close; the files stay. Takes NULL. */
void shm_segment_close(struct shm_segment *segment);

/* Remove a segment's files, those on hugetlbfs too, and its directory. Only files that a segment
 * has are removed; -ENOTEMPTY, with nothing touched, if others are there. Half-created,
 * half-removed and damaged ones are removed, too. -SHM_ERR_BUSY while a collector holds it;
 * -ENOENT; what is not a segment of this version is refused: -SHM_ERR_FOREIGN, _OLDER, _NEWER. */
int shm_segment_destroy(const char *path);

/* True if nothing would be lost by removing it: all rings are read up to their heads. */
bool shm_segment_drained(const struct shm_segment *segment);
bool shm_segment_in_use(const struct shm_segment *segment); /* a producer entry that is alive */

/* Leave out a ring whose file was cut short, as if it had been refused at open: header is NULL from
 * now on. */
void shm_ring_leave_out(struct shm_ring *ring);

/* As many as were asked for: params.spare_rings. */
static inline uint32_t shm_spare_rings(const struct shmlog_control *geometry)
{
    const bool shared = geometry->compatible & SHMLOG_COMPATIBLE_SHARED_RING;

    return geometry->rings - geometry->cpu_rings - shared;
}

/* The control file's tables; pointers into shared memory, offsets bounded at open. */
struct shmlog_ring_entry *shm_ring_entries(const struct shm_segment *segment);
struct shmlog_clock_pair *shm_clock_pairs(const struct shm_segment *segment);
struct shmlog_producer *shm_producers(const struct shm_segment *segment);
uint64_t *shm_site_words(const struct shm_segment *segment);
uint8_t *shm_arena(const struct shm_segment *segment);

#endif
