/* SPDX-License-Identifier: MIT
 *
 * What a call passes on its way to a ring: its site is registered, and the rules have it logged.
 * The word of a site says both for as long as the rules are as they were.
 */

/* Calls that do not log each time: whose turn it is. */
int shmlog_turn_(uint64_t *state, uint64_t n, unsigned long *ret_skipped)
{
    const uint64_t calls = __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);

    *ret_skipped = calls && n ? n - 1 : 0;
    return !n || calls % n == 0;
}

SHMLOG_STATIC_ int shmlog_due_ns_(uint64_t *state, uint64_t ns, unsigned long *ret_skipped)
{
    const uint64_t now = shmlog_monotonic_ns_();
    const uint64_t next = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
    uint64_t due = shmlog_load_relaxed_(&state[1]);

    if (now < due || !__atomic_compare_exchange_n(&state[1], &due, next, 0, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&state[0], 1, __ATOMIC_RELAXED);
        return 0;
    }
    *ret_skipped = __atomic_exchange_n(&state[0], 0, __ATOMIC_RELAXED);
    return 1;
}
int shmlog_due_(uint64_t *state, uint64_t ms, unsigned long *ret_skipped)
{
    return shmlog_due_ns_(state, ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * 1000000,
                          ret_skipped);
}

/* Does a pattern, with * and ?, match all of a text? */
SHMLOG_COLD_ int shmlog_matches_(const char *pattern, const char *text)
{
    const char *star = SHMLOG_NULL_, *from = text;

    while (*text || *pattern == '*') {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return 0;
        }
    }
    return !*pattern;
}

/* Is the rule, a copy, for the site? */
SHMLOG_COLD_ int shmlog_rule_is_for_(const struct shmlog_rule *rule, const struct shmlog *log,
                                     const struct shmlog_site_ *site)
{
    const char *const slash = strrchr(site->file, '/');

    return (!*rule->process || shmlog_matches_(rule->process, log->local.process)) &&
           (!*rule->category || shmlog_matches_(rule->category, shmlog_string_(site, 2))) &&
           (!rule->line || rule->line == site->line) &&
           (!*rule->site || shmlog_matches_(rule->site, site->file) ||
            (slash && shmlog_matches_(rule->site, slash + 1)) ||
            shmlog_matches_(rule->site, site->function) ||
            shmlog_matches_(rule->site, shmlog_string_(site, 0)));
}

/* Note in the plan of a site what the rules say. Returns whether they leave calls out. Pieces of
 * text are not sampled. */
SHMLOG_COLD_ int shmlog_apply_rules_(const struct shmlog *log, const struct shmlog_site_ *site,
                                     struct shmlog_plan_ *plan)
{
    const uint32_t rules = shmlog_load_relaxed_(&log->control.rules);
    uint32_t level = rules ? shmlog_load_relaxed_(&log->control.base_level) : SHMLOG_TRACE;

    plan->one_in = 1;
    for (uint32_t i = 0; i < rules && i < SHMLOG_RULES_MAX; i++) {
        struct shmlog_rule rule = log->control.rule[i];

        rule.process[31] = rule.category[39] = rule.site[75] = 0;
        if (!shmlog_rule_is_for_(&rule, log, site))
            continue;
        level = rule.level <= SHMLOG_OFF ? rule.level : level;
        if (rule.one_in && !site->flags) {
            plan->one_in = rule.one_in;
            plan->gap_ns = rule.gap_ns;
        }
    }
    if (site->level < level)
        plan->one_in = 0;
    return plan->one_in != 1 || plan->gap_ns;
}

/* Is a call of a site whose calls are not all logged one of those that are? */
SHMLOG_STATIC_ int shmlog_is_sampled_(struct shmlog *log, struct shmlog_plan_ *plan,
                                      uint64_t records)
{
    const uint64_t one_in = shmlog_load_relaxed_(&plan->one_in);
    const uint64_t gap_ns = shmlog_load_relaxed_(&plan->gap_ns);
    const uint32_t cause = gap_ns ? SHMLOG_SKIPPED_GAP : SHMLOG_SKIPPED_ONE_IN;
    unsigned long before;

    if (!one_in)
        return 0;
    if (gap_ns ? shmlog_due_ns_(plan->turns, gap_ns, &before)
               : shmlog_turn_(plan->turns, one_in, &before))
        return 1;
    __atomic_fetch_add(&log->control.skipped[cause], records, __ATOMIC_RELAXED);
    return 0;
}

/* What the lower half of a site's word is while it may go straight: as long as it is of this
 * attachment, and the rules are as they were. Odd. */
SHMLOG_INLINE_ uint64_t shmlog_site_key_(const struct shmlog *log)
{
    return log->local.site_key ^ shmlog_load_relaxed_(&log->control.generation);
}

/* Returns the site's word with the lower half 0, or 1 where rules leave calls out. 0 or 1 in all:
 * there is no room for it in the table, and will be none, or the table is gone. Threads that
 * register the same site store the same. */
SHMLOG_COLD_ uint64_t shmlog_register_site_(struct shmlog *log, struct shmlog_site_ *site)
{
    /* acquire: the rules after it, pairs with the release of who changed them */
    const uint64_t key = log->local.site_key ^ shmlog_load_acquire_(&log->control.generation);
    union {
        struct shmlog_plan_ as_made;
        uint64_t words[sizeof(struct shmlog_plan_) / 8];
    } plan;
    struct shmlog_blob_ blob;
    uint64_t word = 1;
    uint32_t id;

    shmlog_describe_(&blob, site, (log->local.geometry.compatible & SHMLOG_COMPATIBLE_TEXT) != 0);
    id = shmlog_publish_(log, &blob);
    if (shmlog_control_gone_(log)) /* not to be kept for another log of the segment */
        return 0;
    if (id) {
        memset(&plan, 0, sizeof(plan));
        if (site->kind != SHMLOG_SITE_RAW)
            shmlog_plan_(&plan.as_made, shmlog_types_(site),
                         site->kind == SHMLOG_SITE_PRINTF ? shmlog_strings_(site) : "");
        word = (uint64_t)(id | 1u << SHMLOG_SITE_SLOTS_SHIFT) << 32 |
               (uint64_t)shmlog_apply_rules_(log, site, &plan.as_made);
        for (uint32_t i = 0; i < sizeof(plan) / 8; i++) /* another thread may store the same */
            shmlog_store_relaxed_(&((uint64_t *)(void *)&log->local.plans[id])[i], plan.words[i]);
    }
    /* release: the plan before it, pairs with the acquire of shmlog_find_site_() */
    shmlog_store_release_(&site->word, word ^ key);
    return word;
}

/* Where a call goes. */
struct shmlog_target_ {
    struct shmlog *log; /* NULL: nowhere; if it is lost by that, it is counted */
    uint64_t word;      /* of the site there */
};
/* `word`, with the key in it, is not that of a site whose calls are all logged. */
SHMLOG_STATIC_ struct shmlog *shmlog_settle_(struct shmlog *log, struct shmlog_site_ *site,
                                             uint64_t *word, uint64_t records)
{
    if ((uint32_t)*word > 1)
        *word = shmlog_register_site_(log, site);
    if (*word <= 1) {
        __atomic_fetch_add(&log->control.lost[SHMLOG_LOST_NO_SITE], records, __ATOMIC_RELAXED);
        __atomic_fetch_add(&shmlog_thread_(log)->lost, records, __ATOMIC_RELAXED);
        return SHMLOG_NULL_;
    }
    if (!(*word & 1))
        return log;
    *word ^= 1;
    return shmlog_is_sampled_(log, &log->local.plans[*word >> 32 & SHMLOG_SITE_ID_MASK], records)
               ? log
               : SHMLOG_NULL_;
}
/* The site's word is not that of one which goes straight, or the log stands for others. */
SHMLOG_STATIC_ struct shmlog_target_ shmlog_find_site_(struct shmlog *log,
                                                       struct shmlog_site_ *site, uint64_t records)
{
    struct shmlog_target_ to;

    to.log = shmlog_current_(log);
    to.word = 0;
    if (!to.log) {
        shmlog_miss_(log, records);
        return to;
    }
    to.word = shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(to.log);
    if (SHMLOG_UNLIKELY_((uint32_t)to.word != 0))
        to.log = shmlog_settle_(to.log, site, &to.word, records);
    return to;
}
SHMLOG_INLINE_ struct shmlog_target_ shmlog_target_(struct shmlog *log, struct shmlog_site_ *site,
                                                    uint64_t records)
{
    struct shmlog_target_ to;

    to.log = log;
    /* pairs with the release of shmlog_register_site_() */
    to.word = shmlog_load_acquire_(&site->word) ^ shmlog_site_key_(log);
    if (SHMLOG_UNLIKELY_((uint32_t)to.word != 0))
        to = shmlog_find_site_(log, site, records);
    return to;
}
