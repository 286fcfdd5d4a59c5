/* SPDX-License-Identifier: MIT
 *
 * What a log file says of itself.
 */
#ifndef TOOLS_INFO_FILE_H
#define TOOLS_INFO_FILE_H

#include "reader/text.h"

/* Append it, as text or as one line of JSON. 0; negative errno or -FILE_ERR_*. */
int info_file(const char *path, bool json, struct text *out);

#endif
