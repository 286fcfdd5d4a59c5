/* SPDX-License-Identifier: MIT
 *
 * Messages for people: a line each on stderr, with the program's name.
 */
#ifndef COLLECTOR_SAY_H
#define COLLECTOR_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_line(const char *line);

#endif
