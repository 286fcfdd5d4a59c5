/* SPDX-License-Identifier: MIT
 *
 * Inside the journal: what filling files (journal.c) and taking over those that another collector
 * or a failed disk left (journal_move.c) share.
 */
#ifndef COLLECTOR_JOURNAL_PARTS_H
#define COLLECTOR_JOURNAL_PARTS_H

#include "collector/journal.h"
#include "shm/clock.h"

#define INDEX_ENTRY 32u                   /* bytes of a piece in the index, about, and generously */
#define DICTIONARY_MAX (JOURNAL_ROOM / 2) /* sites and producers that go along with a block */

#define JOURNAL_SITE_WORDS ((SHMLOG_SITE_ID_MASK + 1) / 64)

struct journal {
    struct journal_params p;
    struct file_encoder *encoder;
    struct file_index *index;
    struct file_buffer buffer;
    struct file_identity identity;
    struct outbox_file file;
    struct file_sites sites;    /* parsed, for the encoder; ids never change their meaning */
    uint64_t *site_in_file;     /* bit set: is in this file's dictionary */
    uint32_t *producer_in_file; /* by entry index: the id that is in this file's dictionary */
    struct shmlog_clock_pair pair[SHM_CLOCK_PAIRS]; /* the segment's when it had `clock_count` */
    size_t pairs;
    uint64_t clock_count;
    uint64_t pair_in_file[SHM_CLOCK_PAIRS]; /* by number: the `seq` that is in this file */
    uint64_t clock_looked; /* ticks up to which it was looked whether the clock was set */
    bool has_records;
    uint64_t pieces;                  /* committed to this file: its index grows with them */
    struct file_ledger_entry *ledger; /* scratch: all rings and the segment's own line */
    uint32_t last_site, last_producer;
};

uint64_t journal_realtime_ns(void);

/* The ledger as committed, with what the rings say was produced: all rings and the segment's own
 * line. Good until the next call. */
struct file_ledger_entry *journal_ledger(struct journal *journal);

/* A file of this number that begins now, with a UUID of its own, and what its header says of it. */
void journal_new_file(const struct journal *journal, uint64_t number, struct outbox_file *ret_file,
                      struct file_identity *ret_identity);

/* A site, as it was when it was first asked for: what was sound then may be scribbled over by now.
 * NULL: there is none. */
int journal_site(struct journal *journal, uint32_t id, const struct file_site **ret_site);

/* The segment's clock pairs; the range of them that records with times from `first` to `last` need.
 */
const struct shmlog_clock_pair *journal_clock(struct journal *journal, uint64_t first,
                                              uint64_t last, size_t *ret_begin, size_t *ret_end);

/* Take note that the file has no entries of the dictionary. */
void journal_forget_dictionary(struct journal *journal);

#endif
