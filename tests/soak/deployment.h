/* SPDX-License-Identifier: MIT
 *
 * A program as it is deployed again and again: its call sites are new each time, until the table of
 * sites is full, and each logs once.
 */
#ifndef TESTS_SOAK_DEPLOYMENT_H
#define TESTS_SOAK_DEPLOYMENT_H

#include <stdint.h>

struct deployment_page {
    uint64_t begun;  /* calls that began: the number of the last one's site */
    uint64_t logged; /* calls that returned */
};

struct deployment {
    struct deployment_page *page; /* shared memory, that of all deployments */
    const char *segment;
    unsigned sites;
};

/* Attach, log from each site, and end. Returns an exit status; takes a struct deployment. */
int deployment_live(void *deployment);

#endif
