/* SPDX-License-Identifier: MIT
 *
 * A condition over the columns of a block: which records may pass, before there are records.
 */
#ifndef READER_QUERY_COLUMNS_H
#define READER_QUERY_COLUMNS_H

#include "logfile/block/choice.h"
#include "reader/query.h"

/* Which records of the group may pass; `like` is as for query_may_pass(). What columns cannot tell
 * may. */
enum file_chosen query_choose(struct query *query, const struct cursor_record *like,
                              struct file_group *group, uint8_t *ret_wanted);

#endif
