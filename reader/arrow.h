/* SPDX-License-Identifier: MIT
 *
 * Columns by the Arrow C data interface (arrow.apache.org/docs/format/CDataInterface.html): a
 * struct array with a child for each column, which is a copy and outlives the columns.
 */
#ifndef READER_ARROW_H
#define READER_ARROW_H

#include "reader/columns.h"
#include "reader/shmlog_reader.h"

/* 0; -ENOMEM, with neither of both to be released. */
int arrow_export(struct columns *columns, struct ArrowSchema *ret_schema,
                 struct ArrowArray *ret_array);

#endif
