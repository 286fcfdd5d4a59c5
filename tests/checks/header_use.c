/* SPDX-License-Identifier: MIT
 *
 * One file of two that use the public header; main of the program they make. Without a segment,
 * calls are counted, wherever they are made.
 */
#include "tests/checks/header_use.h"

uint64_t use_other(void)
{
    use_all(NULL);
    return shmlog_lost(NULL);
}
