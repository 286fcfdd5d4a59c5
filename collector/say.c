/* SPDX-License-Identifier: MIT
 *
 * Messages for people: see say.h. Put together before they are written, since two processes say
 * something.
 */
#include "collector/say.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

void say_line(const char *line)
{
    fprintf(stderr, "shmlog-collector: %s\n", line);
}

void say(const char *format, ...)
{
    char line[2 * PATH_MAX + 512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    say_line(line);
}
