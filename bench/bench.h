/* SPDX-License-Identifier: MIT
 *
 * What the bench programs that log with shmlog share: the call, and a segment whose collector keeps
 * up. The work itself is in work.h.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/work.h"
#include "producer/shmlog.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The one call that everything here is about. */
#define BENCH_LOG(log, id, order)                                                           \
    shmlog_info((log), "order %lu px %.2f qty %u side %c", (id), (order)->px, (order)->qty, \
                (order)->side)
#define BENCH_LOG_AT(log, ticks, id, order)                                               \
    shmlog_info_at((log), (ticks), "order %lu px %.2f qty %u side %c", (id), (order)->px, \
                   (order)->qty, (order)->side)

/* Attach, or exit with a message. */
struct shmlog *bench_attach(const char *segment);
/* From now on the attachment's calls go into shared rings, as where there are no sequences. */
void bench_share(struct shmlog *log);
/* The ring that this pinned thread logs to, from its first record on, if nobody else does. */
struct shmlog_ring *bench_ring(struct shmlog *log, unsigned cpu);
unsigned bench_ring_page_kib(struct shmlog *log, const struct shmlog_ring *ring);
/* Wait until the collector has taken all records of the ring; exits if it does not. */
void bench_wait_drained(const struct shmlog_ring *ring);
/* Records lost in the segment so far must be none. */
void bench_check_lossless(struct shmlog *log);

#endif
