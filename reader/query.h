/* SPDX-License-Identifier: MIT
 *
 * Conditions on records, as --where takes them: shmlog-query(7) is the language.
 *
 *     level >= warn && process == "gateway" && (order_id == 12345 || px * qty > 1e6)
 *
 * Names that are no metadata are arguments, which each call site has its own of. What an argument
 * that a record has not got takes part in is neither true nor false, and such a record does not
 * pass unless the rest decides alone.
 */
#ifndef READER_QUERY_H
#define READER_QUERY_H

#include "reader/line.h"

#define QUERY_TEXT_MAX 65536u /* bytes of a condition */

struct query;

/* `now_ns`: what `now` means. Returns 0; -EINVAL with one line in ret_message, which says the
 * column; -ENOMEM. */
int query_compile(const char *text, int64_t now_ns, struct query **ret_query, char *ret_message,
                  size_t message_size);
void query_close(struct query *query);

/* Not for two threads at a time. */
bool query_passes(struct query *query, struct line *line);

struct file_ranges;
/* May a record pass that has this site (or none), host and segment, and in a block of which
 * `ranges` says what values its records have? NULL: it is not known. */
bool query_may_pass(struct query *query, const struct cursor_record *like,
                    const struct file_ranges *ranges);

/* Records outside of these cannot pass: what a cursor skips undecoded. Only ever narrows what is
 * there. */
void query_narrow(const struct query *query, struct cursor_options *options);

/* A name that none of the sites has that were looked at: true, and one line about it, with the name
 * that is nearest. */
bool query_has_stranger(const struct query *query, char *ret_message, size_t message_size);

#endif
