/* SPDX-License-Identifier: MIT
 *
 * Memory for one ring: a file of the best page size, on the right node, populated.
 *
 * The ladder: hugetlbfs with 1 GiB pages, with 2 MiB pages, then a tmpfs file with transparent
 * huge pages, then 4 KiB pages. A rung is left for the next one when its mount, its pages, the
 * permission or the memory on the node is missing. Everything is allocated here, so that nothing
 * fails with SIGBUS later.
 */
#ifndef SHM_PLACE_H
#define SHM_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct shm_place_params {
    const char *directory; /* of the segment */
    const char *file;      /* name in it, e.g. "ring-007" */
    const char *unique;    /* name to use on a hugetlbfs mount, e.g. "shmlog-<uuid>-ring-007" */
    uint64_t size;         /* bytes wanted; the file gets this rounded up to the page size */
    uint64_t page_kib;     /* largest page to try */
    int node;              /* NUMA node wanted, -1 none */
    int mode;              /* of the file */
    int group;             /* gid, -1 none */
};

struct shm_placed {
    void *memory; /* mapped shared, read and write */
    uint64_t size;
    uint32_t page_kib;
    bool transparent;   /* huge by THP, not hugetlbfs */
    int node;           /* node of its first page, -1 unknown */
    uint64_t rungs;     /* SHMLOG_RUNG_* that were taken on the way */
    uint32_t why_small; /* as in struct shmlog_ring_entry */
};

/* -ENOSPC, -ENOMEM or errno's when not even 4 KiB pages could be had; -EEXIST when the file is
 * there. Never leaves a file behind on error, nor, when killed, one that shm_place_remove() does
 * not find: a link to a hugetlbfs is made before the file it points to. */
int shm_place(const struct shm_place_params *params, struct shm_placed *ret_placed);

/* "shmlog-<uuid>-<file>", the name to use on a hugetlbfs. -ENAMETOOLONG */
#define SHM_UNIQUE_NAME_MAX 80
#define SHM_UNIQUE_PREFIX_LENGTH 40u /* up to <file> */
int shm_place_unique(const uint8_t uuid[16], const char *file,
                     char ret_unique[SHM_UNIQUE_NAME_MAX]);

/* Open a placed file again: a plain file in the directory, or a link of exactly that unique name
 * into a hugetlbfs. No other link is followed. -ENOENT, -SHM_ERR_FOREIGN, errno's. `ret_page_kib`
 * (may be NULL) is the size of the pages that its mapping will have. */
int shm_place_open(int directory, const char *file, const char *unique, bool writable, int *ret_fd,
                   uint64_t *ret_page_kib);

/* Remove a placed file and what its link points to, if that has the unique name (NULL: any that
 * ends in `file`) on a hugetlbfs. A file that is not there is no error. */
int shm_place_remove(int directory, const char *file, const char *unique);

/* Node of a CPU, online or not; -1 if unknown, the machine has no such CPU now, or no NUMA. */
int shm_node_of_cpu(unsigned cpu);

/* Free huge pages of the size on the node (-1: all), -1 unknown: for hints like "needs 12, has 3".
 */
long shm_free_huge_pages(uint64_t page_kib, int node);

#endif
