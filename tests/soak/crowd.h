/* SPDX-License-Identifier: MIT
 *
 * A process whose threads come and go: so many at once, each logs a few records in its short life.
 * What they logged is noted outside the system, in a page that survives SIGKILL.
 */
#ifndef TESTS_SOAK_CROWD_H
#define TESTS_SOAK_CROWD_H

#include <stdint.h>

struct crowd_page {
    uint64_t begun;  /* calls that began */
    uint64_t logged; /* calls that returned */
    uint64_t came;   /* threads */
    uint64_t stop;   /* set by the test: end now */
};

struct crowd_life {
    struct crowd_page *page; /* shared memory */
    const char *segment;
    unsigned threads; /* at once */
};

/* Attach, and live until told to stop. Returns an exit status; takes a struct crowd_life. */
int crowd_live(void *life);

#endif
