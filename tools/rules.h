/* SPDX-License-Identifier: MIT
 *
 * Rules for levels and sampling (shm/rules.h), as words of a command line and as a table.
 */
#ifndef TOOLS_RULES_H
#define TOOLS_RULES_H

#include "reader/text.h"
#include "shm/rules.h"

/* These take what an option says into a rule: NULL, or what it must be. */
const char *rules_take_process(const char *value, struct shmlog_rule *rule);
const char *rules_take_category(const char *value, struct shmlog_rule *rule);
const char *rules_take_site(const char *value, struct shmlog_rule *rule); /* PATTERN or FILE:LINE */
const char *rules_take_one_in(const char *value, struct shmlog_rule *rule);
const char *rules_take_per_second(const char *value, struct shmlog_rule *rule);
const char *rules_take_all(struct shmlog_rule *rule);

/* Has it no pattern: is it for all calls? */
bool rules_for_all(const struct shmlog_rule *rule);

/* All of a segment as a table, the level of the rest first. */
void rules_table(const struct shm_segment *segment, struct text *text);

#endif
