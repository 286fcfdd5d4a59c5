/* SPDX-License-Identifier: MIT
 *
 * Calls into shared rings, as of threads without restartable sequences, on a machine that has them.
 * It reaches into the header, so it brings the implementation along: one file of a program includes
 * it.
 */
#ifndef TESTS_KIT_SHARED_RINGS_H
#define TESTS_KIT_SHARED_RINGS_H

#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

/* From now on the calling thread and those that register later use shared rings. The calling one
 * begins with the shared ring of this index, and stays there as long as it finds it free. */
__attribute__((unused)) static void kit_share_from(struct shmlog *log, uint32_t first)
{
    struct shmlog_thread_ *const thread = shmlog_thread_(log);

    log->local.cpus = 0;
    log->local.severe_rings = 0;
    thread->key |= SHMLOG_BY_TURNS_;
    thread->ring = SHMLOG_NULL_;
    thread->hand = first;
}

__attribute__((unused)) static int kit_share(struct shmlog *log)
{
    kit_share_from(log, 0);
    return 0;
}

#endif
