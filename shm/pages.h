/* SPDX-License-Identifier: MIT
 *
 * Page sizes: what memory really lies on, what the machine has left, and hugetlbfs mounts.
 */
#ifndef SHM_PAGES_H
#define SHM_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Magic of a hugetlbfs, as fstatfs() gives it. */
#define SHM_HUGETLBFS_MAGIC 0x958458f6L

struct shm_pages {
    uint64_t kernel_kib; /* page size of the mapping */
    uint64_t pmd_kib;    /* how much of it is mapped by transparent huge pages */
};

/* The mapping that holds `memory`, from /proc/self/smaps. -ENOENT when it is not there. */
int shm_pages_of(const void *memory, struct shm_pages *ret_pages);

/* Size of a small page, in KiB. */
uint64_t shm_small_page_kib(void);

/* Bytes that could be had without swapping, UINT64_MAX unknown. */
uint64_t shm_memory_available(void);

/* Mount point number `nth` (from 0) of a hugetlbfs with pages of this size: $SHMLOG_HUGETLBFS
 * first, then those of /proc/self/mountinfo. $SHMLOG_HUGETLBFS set but empty: none. -ENOENT: no
 * more. */
int shm_hugetlbfs_mount(uint64_t page_kib, unsigned nth, char *ret_path, size_t size);

#endif
