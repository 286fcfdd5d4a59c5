/* SPDX-License-Identifier: MIT
 *
 * The geometry of a segment: laying it out for creation, and checking what a ring's entry
 * claims (for the header see shmlog_check_control_()).
 */
#ifndef SHM_GEOMETRY_H
#define SHM_GEOMETRY_H

#include "shm/segment.h"

/* Largest page size worth trying for a ring: at most `page_kib` (0: any) and at most twice the
 * ring, so that rounding up does not waste more than the ring itself. */
uint64_t shm_geometry_page_kib(uint64_t ring_bytes, uint64_t page_kib);

/* Bytes of a ring file before rounding up to its pages. */
uint64_t shm_geometry_ring_size(const struct shmlog_control *geometry);

/* Fill in the sizes, offsets and policy of a control header; the rest is zero. -EINVAL with a
 * reason. */
int shm_geometry_plan(const struct shm_params *params, struct shmlog_control *ret_control,
                      const char **ret_reason);

/* Fill in the entry of ring `index` of that plan as it is wanted; what was got is left zero. */
void shm_geometry_plan_ring(const struct shm_params *params, uint32_t index,
                            struct shmlog_ring_entry *ret_entry);

/* Check a copy of an entry of the ring table. */
int shm_geometry_check_ring(const struct shmlog_control *geometry, uint32_t index,
                            const struct shmlog_ring_entry *copy);

/* Do both describe the same rings, tables and policy? */
bool shm_geometry_same(const struct shmlog_control *a, const struct shmlog_control *b);

#endif
