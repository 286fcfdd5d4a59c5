/* SPDX-License-Identifier: MIT
 *
 * What a test and the programs whose CLOCK_MONOTONIC it drives share: see kit_clock_begin(). Such a
 * program reads now + forward, and where the clock stands, stood + forward.
 */
#ifndef TESTS_KIT_DRIVEN_CLOCK_H
#define TESTS_KIT_DRIVEN_CLOCK_H

#include <stdint.h>

#define DRIVEN_CLOCK_ENV "SHMLOG_TEST_DRIVEN_CLOCK" /* the file that is mapped */

struct driven_clock {
    uint64_t stood, forward; /* ns; stood is 0 while the clock goes */
};

#endif
