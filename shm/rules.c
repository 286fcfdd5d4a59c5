/* SPDX-License-Identifier: MIT
 *
 * Levels and rules, see rules.h.
 */
#include "shm/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool same_patterns(const struct shmlog_rule *a, const struct shmlog_rule *b)
{
    return a->line == b->line && !strcmp(a->process, b->process) &&
           !strcmp(a->category, b->category) && !strcmp(a->site, b->site);
}

void shm_rules_read(const struct shm_segment *segment, struct shm_rules *ret_rules)
{
    const struct shmlog_control *const control = segment->control;

    ret_rules->level = shm_rules_level(segment);
    ret_rules->count = shmlog_load_relaxed_(&control->rules);
    if (ret_rules->count > SHMLOG_RULES_MAX)
        ret_rules->count = SHMLOG_RULES_MAX;
    for (uint32_t i = 0; i < SHMLOG_RULES_MAX; i++) {
        struct shmlog_rule *const rule = &ret_rules->rule[i];

        *rule = control->rule[i];
        rule->process[sizeof(rule->process) - 1] = '\0';
        rule->category[sizeof(rule->category) - 1] = '\0';
        rule->site[sizeof(rule->site) - 1] = '\0';
    }
}

uint32_t shm_rules_level(const struct shm_segment *segment)
{
    return shmlog_load_relaxed_(shmlog_load_relaxed_(&segment->control->rules)
                                    ? &segment->control->base_level
                                    : &segment->control->level);
}

const char *shm_rules_cause(uint32_t cause)
{
    return cause == SHMLOG_SKIPPED_ONE_IN ? "one_in" : "per_second";
}

uint64_t shm_rules_skipped(const struct shm_segment *segment, uint32_t cause)
{
    return shmlog_load_relaxed_(&segment->control->skipped[cause]);
}

bool shm_rules_steered(const struct shm_segment *segment)
{
    return shmlog_load_relaxed_(&segment->control->generation) != 0;
}

void shm_rules_keep(const struct shm_segment *segment, struct shmlog_control *plan)
{
    const struct shmlog_control *const control = segment->control;

    if (!shm_rules_steered(segment))
        return;
    plan->level = control->level;
    plan->generation = control->generation;
    plan->rules = control->rules;
    plan->base_level = control->base_level;
    plan->rules_level = control->rules_level;
    memcpy(plan->rule, control->rule, sizeof(plan->rule));
}

/* The control file's own lock is its collector's. */
static int lock(const struct shm_segment *segment, int *ret_directory)
{
    const int directory = open(segment->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0)
        return -errno;
    while (flock(directory, LOCK_EX) < 0) {
        const int error = errno;

        if (error == EINTR)
            continue;
        close(directory);
        return -error;
    }
    *ret_directory = directory;
    return 0;
}

/* Producers that find the new generation go by all of it; who found the one before, amid the
 * change, looks again at its next call. */
static void store(struct shm_segment *segment, const struct shm_rules *rules)
{
    struct shmlog_control *const control = segment->control;
    uint32_t lowest = SHMLOG_OFF;

    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].level < lowest)
            lowest = rules->rule[i].level;
    memcpy(control->rule, rules->rule, sizeof(control->rule));
    shmlog_store_relaxed_(&control->base_level, rules->level);
    shmlog_store_relaxed_(&control->rules_level, lowest);
    shmlog_store_relaxed_(&control->rules, rules->count);
    /* release: all before it, pairs with the acquire of shmlog_register_site_() */
    __atomic_fetch_add(&control->generation, 2, __ATOMIC_RELEASE);
    shmlog_store_release_(&control->level, lowest < rules->level ? lowest : rules->level);
}

int shm_rules_set_level(struct shm_segment *segment, uint32_t level, uint32_t *ret_before)
{
    struct shm_rules rules;
    int directory, r = lock(segment, &directory);

    if (r < 0)
        return r;
    shm_rules_read(segment, &rules);
    *ret_before = rules.level;
    rules.level = level;
    store(segment, &rules);
    close(directory);
    return 0;
}

/* Take the rule with the same patterns out, the others keep their order. */
static bool take_out(struct shm_rules *rules, const struct shmlog_rule *rule,
                     struct shmlog_rule *ret_rule)
{
    for (uint32_t i = 0; i < rules->count; i++)
        if (same_patterns(&rules->rule[i], rule)) {
            *ret_rule = rules->rule[i];
            rules->count--;
            memmove(&rules->rule[i], &rules->rule[i + 1],
                    (rules->count - i) * sizeof(rules->rule[0]));
            return true;
        }
    return false;
}

int shm_rules_set(struct shm_segment *segment, const struct shmlog_rule *rule)
{
    struct shmlog_rule fresh = *rule, before;
    struct shm_rules rules;
    int directory, r = lock(segment, &directory);

    if (r < 0)
        return r;
    shm_rules_read(segment, &rules);
    if (take_out(&rules, rule, &before)) {
        if (fresh.level == SHMLOG_RULE_KEEP)
            fresh.level = before.level;
        if (!fresh.one_in) {
            fresh.one_in = before.one_in;
            fresh.gap_ns = before.gap_ns;
        }
    }
    if (rules.count < SHMLOG_RULES_MAX) {
        rules.rule[rules.count++] = fresh;
        store(segment, &rules);
    } else {
        r = -ENOSPC;
    }
    close(directory);
    return r;
}

int shm_rules_unset(struct shm_segment *segment, const struct shmlog_rule *rule)
{
    struct shmlog_rule before;
    struct shm_rules rules;
    int directory, r = lock(segment, &directory);

    if (r < 0)
        return r;
    shm_rules_read(segment, &rules);
    if (!rule)
        rules.count = 0;
    else if (!take_out(&rules, rule, &before))
        r = -ENOENT;
    if (r == 0)
        store(segment, &rules);
    close(directory);
    return r;
}
