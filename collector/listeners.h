/* SPDX-License-Identifier: MIT
 *
 * Listeners: programs that follow the segment while it is drained, one that prints records and one
 * that runs a command for them. They read the rings as anybody may; what they are too slow for is
 * overwritten, counted by them, and in the files all the same. Nobody waits for them.
 */
#ifndef COLLECTOR_LISTENERS_H
#define COLLECTOR_LISTENERS_H

#include "collector/options.h"

#include <sys/types.h>

#define LISTENERS 2u

struct listeners {
    pid_t pid[LISTENERS]; /* 0: none, or it has ended */
    bool ending;
    void (*say)(const char *line);
};

/* Are the conditions right, and the programs there? 0; negative errno with a line in ret_message.
 * Takes as long as a program takes to start. */
int listeners_check(const struct options *options, char *ret_message, size_t message_size);

/* Start those that were asked for, for records from now on. The calling process is the one that is
 * to look after them; if it dies they end. */
void listeners_start(struct listeners *listeners, const struct options *options,
                     const char *segment);

/* Has one ended? It is told of, and not started again. */
void listeners_look(struct listeners *listeners);

/* Have them take what was logged by now, and end. While the segment is not closed: they may be
 * about to open it. */
void listeners_end(struct listeners *listeners);
bool listeners_have_ended(struct listeners *listeners);
void listeners_kill(struct listeners *listeners); /* those that have not */

#endif
