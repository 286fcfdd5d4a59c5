/* SPDX-License-Identifier: MIT
 *
 * Going on where an earlier run stopped: the position file, and the output that belongs to it.
 *
 * The file is replaced after what was printed has been written. If standard output is a regular
 * file, the position says how long it was then, and the next run cuts off what came later: so each
 * record is in it once, whenever a run is killed. What went into a pipe cannot be taken back: there
 * the records since the last save come again.
 */
#ifndef TOOLS_RESUME_H
#define TOOLS_RESUME_H

#include "reader/join.h"
#include "reader/position.h"

struct resume {
    const char *path; /* NULL: nothing is kept */
    struct position position;
    bool has_output; /* that is a regular file */
    uint64_t saved;  /* lines that had been read when it was saved last */
    uint64_t due_ns; /* when it is to be saved at the latest, CLOCK_MONOTONIC */
};

/* 0; negative errno with a line in ret_message. `path` NULL: there is nothing to do, now or later.
 */
int resume_open(struct resume *resume, const char *path, char *ret_message, size_t message_size);
/* Did an earlier run print something that is still there? */
bool resume_goes_on(const struct resume *resume);
/* Is it time to save, after so many lines, even though there is more to read? */
bool resume_is_due(const struct resume *resume, uint64_t lines);
/* So many lines were read, and what was to be printed of them is written. Nothing is done if there
 * were no more since the last time; 0: it is saved in any case. */
int resume_save(struct resume *resume, const struct join *join, uint64_t lines, char *ret_message,
                size_t message_size);
void resume_done(struct resume *resume);

#endif
