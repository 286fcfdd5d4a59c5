/* SPDX-License-Identifier: MIT
 *
 * A regular expression, as egrep has them (POSIX extended, with \d \s \w \b), over bytes. Matching
 * takes time linear in the text, whatever the expression and the text are: both may be anybody's.
 */
#ifndef READER_PATTERN_H
#define READER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pattern;

/* Returns 0; -EINVAL with the reason in ret_message if `text` is no expression, or one that takes
 * too much memory; -ENOMEM. */
int pattern_open(const char *text, struct pattern **ret_pattern, char *ret_message,
                 size_t message_size);
void pattern_close(struct pattern *pattern);

/* Does it match anywhere in the text? Any thread. */
bool pattern_matches(const struct pattern *pattern, const char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
