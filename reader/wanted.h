/* SPDX-License-Identifier: MIT
 *
 * Which blocks of a file may have records that pass a condition.
 */
#ifndef READER_WANTED_H
#define READER_WANTED_H

#include "reader/query_columns.h"

struct wanted {
    struct query *where; /* NULL: all may */
    struct file_reader *reader;
    struct cursor_record like; /* segment and host of the file's records */
};

/* Bits of the sites whose records may pass, as blocks have them. The file's dictionary was read. */
uint64_t wanted_sites(const struct wanted *wanted);
/* By what `ranges` says, if that is about the block. */
bool wanted_by_ranges(const struct wanted *wanted, const struct file_piece *block,
                      const struct file_piece *ranges);
/* As struct file_choice has it, with a struct wanted: which records of a block may be wanted. */
enum file_chosen wanted_choose(void *wanted, struct file_group *group, uint8_t *ret_wanted);

#endif
