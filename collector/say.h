/* SPDX-License-Identifier: MIT
 *
 * Messages for people: a line each on stderr, with the program's name.
 */
#ifndef COLLECTOR_SAY_H
#define COLLECTOR_SAY_H

#include <stdbool.h>

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_line(const char *line);

/* For whoever must not wait: stderr where a write to it can be refused instead, which is a pipe, a
 * socket or a terminal. A file is on a disk, and that may be the one that hangs. To be
 * opened once, which may wait. Was the line said? */
void say_at_once_open(void);
bool say_at_once(const char *line);

#endif
