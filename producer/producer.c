/* SPDX-License-Identifier: MIT
 *
 * libshmlog-producer: the header's implementation, for those who would rather link it.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"
