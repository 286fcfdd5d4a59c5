/* SPDX-License-Identifier: MIT
 *
 * Standard output and standard error of shmlog-dump, and what becomes its exit status.
 */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

enum { EXIT_WELL = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

/* One line on standard error, behind all that was printed. */
void output_complain(const char *message);
/* 0, or the error of writing. */
int output_flush(void);
/* The exit status for an errno or an error of reading, which is told. A reader that has gone away
 * is no failure of ours. */
int output_status(int error);

#endif
