/* SPDX-License-Identifier: MIT
 *
 * The reckoning: what came out of the rings against what the producers noted in their page.
 *
 * This is the collector's part in these tests, too: it reads the rings, and lets the collector's
 * own census find who is gone.
 */
#ifndef TESTS_DEATH_LEDGER_H
#define TESTS_DEATH_LEDGER_H

#include "tests/death/calls.h"
#include "tests/producer/segment_kit.h"

#define RING_SLOTS 2048u

enum stream { STREAM_MAIN, STREAM_NESTED, STREAM_THREAD, STREAM_OTHER, STREAMS };

struct census;
struct ledger {
    struct segment_kit kit;
    struct census *census;
    struct page *page;       /* shared with the producers */
    uint64_t last[STREAMS];  /* number of the last record, or that is settled otherwise */
    uint64_t holes[STREAMS]; /* numbers passed over */
    uint32_t last_site;      /* of the last record */
    uint32_t parts;          /* of a batch, so far */
    bool apart;              /* they may be there without the others */
};

void ledger_open(struct ledger *ledger, const char *name, const struct segment_kit_params *params);
void ledger_close(struct ledger *ledger);

/* Read all rings. Each record must be whole and the next of its producer or a later one; a batch
 * must be wholly there. */
void ledger_drain(struct ledger *ledger);

/* Is the record that is being logged, or was, in a ring? Its number counts as settled now. */
bool ledger_settle(struct ledger *ledger, enum stream stream, uint64_t number);

/* The reason for which a producer of the table wanted a ring of its own; the one with most of a
 * reason, 0 none. */
uint32_t ledger_why(const struct ledger *ledger);

/* Nobody is left: entries and rings must come free. */
void ledger_bury(struct ledger *ledger);

/* Forget all sites, as in a new segment. */
void ledger_forget_sites(struct ledger *ledger);
/* The site of the last record must have this format. */
void ledger_check_site(const struct ledger *ledger, const char *format);

/* Do the slots at `head` hold this record, whole but for the head? */
bool ledger_slots_hold(const struct ledger *ledger, uint32_t ring, uint64_t number);

#endif
