/* SPDX-License-Identifier: MIT
 *
 * Proving that nothing is missing: for every ring, produced = written + dropped + in ring.
 */
#ifndef TOOLS_VERIFY_H
#define TOOLS_VERIFY_H

#include <stddef.h>
#include <stdio.h>

/* Check the files, all blocks of them. To `out`: a table for each segment, notes, and last
 * `produced=N written=N dropped=N in_ring=N`; to `err`: a line for each problem. 0: it balances and
 * all is sound; 1: not; negative errno with one line in ret_message. */
int verify(const char *const *path, size_t count, FILE *out, FILE *err, char *ret_message,
           size_t message_size);

#endif
