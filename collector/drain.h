/* SPDX-License-Identifier: MIT
 *
 * The drain: one for all rings. Takes records out of the rings in batches and gives them to the
 * journal, with the gaps between them.
 *
 * It keeps off the lines that are being written: it polls doorbells, drains up to them, and looks
 * at a head only when the flush age is over. A batch is copied out once. After the journal's commit
 * the ring's tail is released.
 *
 * A ring whose file is cut short under way is left out from then on; what it held is a gap.
 *
 * Losses counted by writers become gaps: before each release it reads a ring's counters. Whatever
 * was dropped since the release before was dropped with the ring full up to that tail plus its
 * capacity, so that is where the gap goes, when the cursor gets there.
 */
#ifndef COLLECTOR_DRAIN_H
#define COLLECTOR_DRAIN_H

#include "collector/journal.h"
#include "collector/outbox.h"
#include "shm/losses.h"

struct drain;

struct drain_params {
    const struct shm_segment *segment;
    struct outbox *outbox;
    struct journal *journal;
    uint64_t flush_ns; /* records older than this are taken though the doorbell has not rung */
};

int drain_open(const struct drain_params *params, struct drain **ret_drain);
void drain_close(struct drain *drain);

/* Tails as the ledger has them: after a crash they may lag behind it. */
void drain_release_all(struct drain *drain);

/* One round over the rings, a batch each at most. Returns the slots taken; negative: a system
 * error. */
int64_t drain_work(struct drain *drain, uint64_t now_ns);

/* The last rounds: first note where the heads are, then take everything up to there, a batch of
 * each ring in each call: 0 when nothing is left, 1: call again, negative: a system error. */
void drain_begin_stop(struct drain *drain);
int drain_stop(struct drain *drain);

/* What the ledger has: records written and lost since the segment was made. */
void drain_totals(const struct drain *drain, uint64_t *ret_written, struct shm_losses *ret_lost);

/* Everything that the rings hold and all losses that writers counted are in the journal. */
bool drain_is_complete(const struct drain *drain);

#endif
