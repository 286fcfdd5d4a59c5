/* SPDX-License-Identifier: MIT
 *
 * The levels of a segment: that of all calls, and rules for some of them, in its control file.
 * Producers go by them: those that run from their next call on, those that start later as well.
 * They stay as long as the segment does, see shm_rules_steered().
 *
 * Who changes them holds a lock; a producer may read them at any moment.
 */
#ifndef SHM_RULES_H
#define SHM_RULES_H

#include "shm/segment.h"

struct shm_rules {
    uint32_t level; /* of what no rule is about */
    uint32_t count;
    struct shmlog_rule rule[SHMLOG_RULES_MAX]; /* the last that is for a site counts */
};

/* A bounded copy. */
void shm_rules_read(const struct shm_segment *segment, struct shm_rules *ret_rules);

/* The level of what no rule is about. */
uint32_t shm_rules_level(const struct shm_segment *segment);

/* "one_in", "per_second": why sampling left records out, by SHMLOG_SKIPPED_*. */
const char *shm_rules_cause(uint32_t cause);
uint64_t shm_rules_skipped(const struct shm_segment *segment, uint32_t cause);

/* All of these return 0 or an errno, negative; the segment is open for writing.
 *
 * Set the level of what no rule is about. */
int shm_rules_set_level(struct shm_segment *segment, uint32_t level, uint32_t *ret_before);

/* Set a rule, as the last. One with the same patterns goes, and what `rule` says nothing of is as
 * it was there. -ENOSPC: there are SHMLOG_RULES_MAX others. */
int shm_rules_set(struct shm_segment *segment, const struct shmlog_rule *rule);

/* Remove the rule with the same patterns, -ENOENT if there is none; NULL: all rules. */
int shm_rules_unset(struct shm_segment *segment, const struct shmlog_rule *rule);

/* Was any of it set since the segment was made? Such a segment is kept when its collector ends. */
bool shm_rules_steered(const struct shm_segment *segment);

/* Take the levels and rules of a segment into the plan of the one that takes its place. */
void shm_rules_keep(const struct shm_segment *segment, struct shmlog_control *plan);

#endif
