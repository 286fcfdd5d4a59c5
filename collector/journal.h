/* SPDX-License-Identifier: MIT
 *
 * The journal: turns batches of records and gaps into pieces of log files, and commits them to the
 * outbox together with the ledger. Decides when a file begins and when it is sealed.
 *
 * A file begins with its header and the newest clock pairs. Sites, producers and the clock pairs by
 * which its records are converted go into it before the first block that needs them: wherever a
 * file is cut, its records have the times that they have live.
 */
#ifndef COLLECTOR_JOURNAL_H
#define COLLECTOR_JOURNAL_H

#include "collector/outbox.h"
#include "shm/segment.h"

struct journal;

struct journal_params {
    const struct shm_segment *segment;
    struct outbox *outbox;
    const char *segment_name;
    int zstd_level;
    uint64_t rotate_bytes; /* 0: never by size */
    uint64_t rotate_ns;    /* 0: never by time */
    uint64_t newest_file;  /* highest number of a file that is there: the next one's is higher */
    uint64_t *stats;
    struct breakdown *breakdown; /* that counts what went into files; NULL: none */
};

/* What an entry may need beside the slots of its batch. */
#define JOURNAL_ROOM (64u * 1024)

int journal_open(const struct journal_params *params, struct journal **ret_journal);
void journal_close(struct journal *journal);

/* Whole records of one ring, as shm_ring_read() gives them, with JOURNAL_ROOM not more than an
 * entry of the outbox takes. `line` is the ring's ledger once they are in. -EAGAIN: the outbox is
 * full, nothing happened. */
struct journal_batch {
    uint32_t ring;
    uint64_t first_pos, first_seq;
    const struct shmlog_slot *slots;
    size_t slot_count, records;
};
int journal_block(struct journal *journal, const struct journal_batch *batch,
                  const struct file_ledger_entry *line);

/* A gap; `line` as above. `gap->file_uuid` is filled in here. */
int journal_gap(struct journal *journal, struct file_gap *gap,
                const struct file_ledger_entry *line);

/* Begin a file now rather than with the first piece. -EAGAIN. */
int journal_begin(struct journal *journal);

/* Seal the file; the next piece begins another. 0 also if none is open. -EAGAIN. */
int journal_seal(struct journal *journal);

/* Seal the file that a collector before this one left open, with an index made from what is in it
 * at `path`. */
int journal_seal_left(struct journal *journal, const char *path);

/* The disk does not take the file of the oldest entry in the outbox any more, or it is gone: what
 * is in the outbox moves to a new file, and the old one gets a bad seal if anything of it is on the
 * disk. The outbox changes its memory and its size; positions in it begin anew. Nothing may be
 * under way from it. Negative: nothing happened, try again later; -EBADMSG: the outbox is damaged.
 */
int journal_move(struct journal *journal);
/* The same when the directory of all the files is gone: new ones are begun in another one, and
 * there is nothing to be sealed. */
int journal_move_to(struct journal *journal, const char *directory);

/* Is the file due for rotation by size or time? One without records is not. */
bool journal_due(const struct journal *journal, uint64_t now_realtime_ns);
bool journal_is_open(const struct journal *journal);

#endif
