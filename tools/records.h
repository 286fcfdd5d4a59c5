/* SPDX-License-Identifier: MIT
 *
 * Records: cursor -> join -> filter -> answer.
 */
#ifndef TOOLS_RECORDS_H
#define TOOLS_RECORDS_H

#include "tools/options.h"

/* What the options ask of records, on standard output; to the end, or until SIGINT or SIGTERM with
 * --follow. Returns the exit status; everything was told. */
int records(struct options *options);

#endif
