/* SPDX-License-Identifier: MIT
 *
 * Columns as a Parquet file (the Apache Parquet format, github.com/apache/parquet-format): flat,
 * all columns optional, pages PLAIN and by zstd.
 */
#ifndef READER_PARQUET_H
#define READER_PARQUET_H

#include "reader/columns.h"

struct parquet;

/* The stream stays the caller's; it need not be seekable. 0, -ENOMEM. */
int parquet_open(FILE *out, struct parquet **ret_parquet);
/* Write the rows as a row group, unless there are none. A column that was not there before is null
 * in the groups before. 0, -ENOMEM, or the error of writing. */
int parquet_put(struct parquet *parquet, struct columns *columns);
/* Write the end of the file. 0, -ENOMEM, or the error of writing. */
int parquet_end(struct parquet *parquet, struct columns *columns);
void parquet_close(struct parquet *parquet);

#endif
