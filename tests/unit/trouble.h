/* SPDX-License-Identifier: MIT
 *
 * Calls of libc that fail, one after the other: memory, files, mappings.
 *
 * The test is linked with --wrap for each of trouble_wraps in meson.build. Armed with n, the n-th
 * call of those that the code under test makes from then on fails, as if the system had said so;
 * all others work. A test tries n = 1, 2, ... until a run needs fewer than n calls.
 */
#ifndef TESTS_UNIT_TROUBLE_H
#define TESTS_UNIT_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#define TROUBLE_MOST 100000u /* calls that no run gets to: it would not end */

/* The n-th call from now fails; 0: none. */
void trouble_arm(uint64_t n);
/* End of the part that is tried: true if a call failed since trouble_arm(). */
bool trouble_disarm(void);
/* Name of the call that failed. */
const char *trouble_call(void);
/* Files that the process has open: as many before as after. */
unsigned trouble_open_files(void);

#endif
