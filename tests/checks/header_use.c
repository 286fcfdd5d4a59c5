/* SPDX-License-Identifier: MIT
 *
 * One file of two that use the public header; main of the program they make. Without a segment,
 * calls are counted, wherever they are made.
 */
#include "tests/checks/header_use.h"

static struct shmlog *volatile no_log;

uint64_t use_other(void)
{
    struct shmlog *const log = no_log;

    use_all(log);
    return shmlog_lost(log);
}
