/* SPDX-License-Identifier: MIT
 *
 * Records as a Parquet file.
 */
#ifndef TOOLS_EXPORT_H
#define TOOLS_EXPORT_H

#include "tools/answer.h"

/* The fields are the answer's from now on; none: all, with a column for each argument. 0, -ENOMEM.
 * Memory: a row group of up to 64 MiB. */
int export_open(struct field_list *fields, FILE *out, struct answer **ret_answer);

#endif
