/* SPDX-License-Identifier: MIT
 *
 * The guard: what happens when a mapped file is cut short under way.
 *
 * Whoever may write to a segment's files may also truncate them, and an access to what is gone
 * raises SIGBUS. For a mapping that is guarded, the handler puts zero pages in the place of the
 * rest of it and sets the owner's mark; the access goes on and reads zeros, which readers bound and
 * check like anything else in shared memory. The owner looks at the mark from time to time. A
 * SIGBUS for any other address goes to whatever handled it before.
 *
 * Any thread may run into the handler, and add and remove mappings of its own.
 */
#ifndef SHM_GUARD_H
#define SHM_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guard [memory, memory + size), mapped with `protection` from a file of pages of `page` bytes.
 * *lost becomes 1 when part of it is gone; it has to live until the guard is removed. The first
 * call installs the handler. -ENOMEM; then the mapping is not guarded. */
int shm_guard_add(void *memory, size_t size, size_t page, int protection, uint32_t *lost);

/* Before it is unmapped. Takes what was never guarded. */
void shm_guard_remove(const void *memory);

static inline bool shm_guard_lost(const uint32_t *lost)
{
    return __atomic_load_n(lost, __ATOMIC_RELAXED) != 0;
}

#endif
