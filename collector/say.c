/* SPDX-License-Identifier: MIT
 *
 * Messages for people: see say.h. Put together before they are written, since two processes say
 * something.
 */
#include "collector/say.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_ONCE_MAX 1024 /* well below PIPE_BUF: whole, or not at all */

static int at_once = -1;
static bool at_once_is_socket;

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

/* A pipe or terminal is opened once more: the flag that it does not block goes with the open file,
 * and others share that of stderr. */
void say_at_once_open(void)
{
    struct stat st;

    if (at_once >= 0 || fstat(STDERR_FILENO, &st) < 0)
        return;
    at_once_is_socket = S_ISSOCK(st.st_mode);
    if (at_once_is_socket)
        at_once = STDERR_FILENO;
    else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        at_once = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool say_at_once(const char *line)
{
    char text[AT_ONCE_MAX];
    int size;

    if (at_once < 0)
        return false;
    size = snprintf(text, sizeof(text), "shmlog-collector: %.*s\n", AT_ONCE_MAX - 32, line);
    return (at_once_is_socket ? send(at_once, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL)
                              : write(at_once, text, (size_t)size)) == size;
}
