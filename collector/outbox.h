/* SPDX-License-Identifier: MIT
 *
 * The outbox: where bytes for files wait, in shared memory, until they are written.
 *
 * A file `outbox` in the segment's directory (mode 0600): a ring of entries, and beside it the
 * ledger that says up to where each ring has been taken over. An entry is a piece of a log file,
 * with the file and the offset that it goes to; so writing it again after a crash changes nothing.
 * Records leave a ring in four steps, each safe to die after:
 *
 *     1  the entry's bytes and the ring's new ledger line are put in place, both not yet valid
 *     2  head moves past the entry: the one store that makes both valid
 *     3  the ring's tail is released, up to the ledger line
 *     4  the entry is written to its file, then tail moves past it
 *
 * A ledger line exists twice, each copy stamped with the head that makes it valid; the newer valid
 * one counts, and the other one is written next.
 *
 * Two processes of the collector share it: the drain commits entries (steps 1 to 3), housekeeping
 * writes and releases them (step 4). Each word has one writer, and nobody waits for the other.
 * Nobody else may write there; after a crash the next collector trusts it only after checking every
 * size.
 */
#ifndef COLLECTOR_OUTBOX_H
#define COLLECTOR_OUTBOX_H

#include "logfile/outbox_layout.h"
#include "collector/steady_clock.h"

#include <limits.h>

#define OUTBOX_SIZE_MIN (UINT64_C(1) << 20)

struct outbox;

/* Create the outbox in a new segment. `size`: bytes, a power of two from OUTBOX_SIZE_MIN.
 * -ENOSPC, errno's. */
int outbox_create(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                  uint64_t size, struct outbox **ret_outbox);
/* Open that of an adopted segment, with every entry checked. -ENOENT: there is none, or its creator
 * died before it was of use; -EBADMSG: damaged, or of another segment. */
int outbox_open(const char *segment_path, const uint8_t segment_uuid[16], uint32_t rings,
                struct outbox **ret_outbox);
void outbox_close(struct outbox *outbox);

/* Was its file cut short under way? Then what is read from it may be zero, and it keeps nothing. */
bool outbox_is_lost(const struct outbox *outbox);

/* Another outbox for the same segment, empty, with the ledger, the file and the directory of this
 * one, in a file `outbox.next`. It comes to nothing, or, once filled, takes the place of this one
 * at a stroke: `outbox` is then what `next` was, and `next` is no more; on error `outbox` is as
 * before, and `next` is to be dropped. Memory of the old one must not be in use any more. */
int outbox_create_next(const struct outbox *outbox, const char *segment_path, uint64_t size,
                       struct outbox **ret_next);
void outbox_drop_next(struct outbox *next, const char *segment_path);
int outbox_replace(struct outbox *outbox, struct outbox *next, const char *segment_path);

/* Another process has replaced the outbox: map the one that is there now. Negative: `outbox` is as
 * before; -EBADMSG. */
int outbox_follow(struct outbox *outbox, const char *segment_path);

/* True if the outbox in the directory holds no entry and no file that is still to be sealed, or if
 * there is none. */
bool outbox_is_empty(const char *segment_path);

/* The log directory that the entries are for: an absolute path, kept since creation or the last
 * time it was empty. */
const char *outbox_directory(const struct outbox *outbox);
int outbox_set_directory(struct outbox *outbox, const char *directory);

/* Ledger line of ring `ring` (the segment's own line: `rings`), and the file, as committed. */
const struct file_ledger_entry *outbox_ledger(const struct outbox *outbox, uint32_t ring);
const struct outbox_file *outbox_file(const struct outbox *outbox);

/* Room for an entry of `size` bytes now? It never has for more than outbox_max(). */
bool outbox_has_room(const struct outbox *outbox, uint64_t size);
uint64_t outbox_max(const struct outbox *outbox);
/* Bytes for entries, as at creation. */
uint64_t outbox_size(const struct outbox *outbox);

/* Commit an entry with the ledger line (NULL: none changes) and the file state that go with it.
 * There must be room. */
void outbox_commit(struct outbox *outbox, const struct outbox_entry *entry, const uint8_t *bytes,
                   uint32_t ring, const struct file_ledger_entry *line,
                   const struct outbox_file *file);

/* Step over entries from position `*pos` (outbox_tail() at first): 1 and the entry with its bytes,
 * 0 at the head, -EBADMSG if the entry is damaged. */
int outbox_next(const struct outbox *outbox, uint64_t *pos, const struct outbox_entry **ret_entry,
                const uint8_t **ret_bytes);
uint64_t outbox_tail(const struct outbox *outbox);
uint64_t outbox_head(const struct outbox *outbox);
bool outbox_is_written(const struct outbox *outbox); /* it holds no entry */
/* Entries before `pos` are in their files: free them. */
void outbox_release(struct outbox *outbox, uint64_t pos);

/* The clock that is believed outlives the collector, like what waits here: what the clock says at
 * the start of the next one may be a step. `dated`: files up to this number have a time by it.
 * Housekeeping alone keeps it. Returns false if none was kept, with both outputs untouched. */
void outbox_keep_clock(struct outbox *outbox, const struct steady_clock *clock, uint64_t dated);
bool outbox_kept_clock(const struct outbox *outbox, struct steady_clock *ret_clock,
                       uint64_t *ret_dated);

/* Memory of all entries, for io_uring's fixed buffers. */
void outbox_memory(const struct outbox *outbox, void **ret_memory, size_t *ret_size);

#endif
