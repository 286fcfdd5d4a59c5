/* SPDX-License-Identifier: MIT
 *
 * What a test and the programs whose CLOCK_MONOTONIC it drives share: see kit_clock_begin(). Such a
 * program reads from + (now - from) / slower + forward, and with `slower` 0 from + forward.
 */
#ifndef TESTS_KIT_DRIVEN_CLOCK_H
#define TESTS_KIT_DRIVEN_CLOCK_H

#include <stdint.h>

#define DRIVEN_CLOCK_ENV "SHMLOG_TEST_DRIVEN_CLOCK" /* the file that is mapped */

struct driven_clock {
    uint64_t from, slower, forward; /* ns, a divisor, ns */
};

#endif
