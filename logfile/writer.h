/* SPDX-License-Identifier: MIT
 *
 * Building the pieces of a log file as bytes in memory; whoever calls puts them on a disk.
 *
 * A file is, in this order: header, then dictionary entries, blocks and gaps as they come (an entry
 * before its first use), and at the end ledger, the dictionary once more, and index. Each piece is
 * a whole number of zstd frames. See docs/format.md.
 *
 * Not thread-safe: one encoder belongs to one thread.
 */
#ifndef LOGFILE_WRITER_H
#define LOGFILE_WRITER_H

#include "logfile/site.h"

struct file_ledger_entry {
    uint32_t ring;
    uint32_t cpu;
    uint32_t
        kind; /* SHMLOG_RING_*; 0 for the segment's own line (lost before any ring), ring = ~0 */
    uint32_t page_kib;
    int32_t node;
    int32_t node_wanted;
    uint64_t next_seq; /* number of the next record that is in no file yet, first 1 */
    uint64_t next_pos; /* its position in the ring, in slots */
    uint64_t produced; /* as the ring said when this ledger was drawn up: its newest record's number
                          and all its writers' losses */
    uint64_t written;  /* records written since the segment was made */
    uint64_t lost[SHMLOG_LOST_CAUSES]; /* records in gap records since then, by cause */
};

struct file_identity {
    uint8_t file_uuid[16];
    uint8_t segment_uuid[16];
    uint64_t file_number; /* 1, 2, ... within the segment */
    uint64_t created_ns;
    uint64_t clock_hz;
    uint32_t clock; /* SHMLOG_CLOCK_* */
    uint32_t on_full;
    uint64_t ring_slots;
    char host[64];
    char segment[64];       /* name */
    char segment_path[256]; /* where it was, so that --verify can ask the live segment */
};

/* Why there is a file that was not written by a collector, one after the other. Texts are
 * NUL-terminated. */
struct file_origin {
    uint32_t pid; /* of the process that it is about, 0: of none */
    uint32_t reserved;
    char service[64];
    char reason[128];
};

/* Growing byte buffer that all encoders append to. */
struct file_buffer {
    uint8_t *data;
    size_t size, room;
};
int file_buffer_reserve(struct file_buffer *buffer, size_t more); /* -ENOMEM */
void file_buffer_done(struct file_buffer *buffer);

struct file_encoder; /* zstd context and scratch columns */
int file_encoder_open(struct file_encoder **ret_encoder, int zstd_level);
void file_encoder_close(struct file_encoder *encoder);

/* Each appends one piece to `out`; 0 or -ENOMEM, -EINVAL. On error `out` is as before. */

/* Right behind the header, or not at all. */
int file_put_origin(const uint8_t file_uuid[16], const struct file_origin *origin,
                    struct file_buffer *out);
int file_put_header(struct file_encoder *encoder, const struct file_identity *identity,
                    const struct file_ledger_entry *ledger, size_t rings, struct file_buffer *out);
int file_put_site(struct file_encoder *encoder, const uint8_t file_uuid[16], uint32_t id,
                  const uint8_t *bytes, size_t size, struct file_buffer *out);
int file_put_producer(struct file_encoder *encoder, const uint8_t file_uuid[16],
                      const struct shmlog_producer *producer, struct file_buffer *out);
int file_put_clock(struct file_encoder *encoder, const uint8_t file_uuid[16],
                   const struct shmlog_clock_pair *pair, struct file_buffer *out);

struct file_block_params {
    uint8_t file_uuid[16];
    uint32_t ring;
    uint64_t first_seq;
    uint64_t first_pos;
    const struct shmlog_slot *slots; /* whole records, as shm_ring_read gives them */
    size_t slot_count;
    size_t records;
    const struct file_sites *sites; /* records of unknown sites are kept as opaque bytes */
};
/* What the caller wants to know of the block for the index and its own accounts. */
struct file_block_summary {
    uint64_t time_min, time_max;
    size_t size; /* bytes appended */
};
int file_put_block(struct file_encoder *encoder, const struct file_block_params *params,
                   struct file_buffer *out, struct file_block_summary *ret_summary);

struct file_gap {
    uint8_t file_uuid[16];
    uint32_t ring;  /* ~0: the segment's own line */
    uint32_t cause; /* SHMLOG_LOST_* */
    uint64_t count; /* records */
    uint64_t seq;   /* number of the next record of the ring after the gap */
    uint64_t pos;
    uint64_t time_before, time_after; /* ticks of the ring's records around it, 0 unknown */
};
/* A gap of causes FULL, WAITED, NESTED, NO_* lies between two consecutive records: it takes no
 * sequence numbers. OVERWRITTEN and DAMAGED gaps take the `count` numbers before `seq`. */
int file_put_gap(struct file_encoder *encoder, const struct file_gap *gap, struct file_buffer *out);

/* Index: collects what was put into the file, then is written with the ledger when the file is
 * sealed. It keeps the frames of sites and producers as well, up to a limit: the seal repeats them.
 */
struct file_index;
int file_index_open(struct file_index **ret_index);
void file_index_close(struct file_index *index);
/* A piece was appended at `offset` of the file: reads what it needs from the piece itself. */
int file_index_add(struct file_index *index, uint64_t offset, const uint8_t *piece, size_t size);
void file_index_clear(struct file_index *index);
/* Append the frames of sites and producers that it keeps, for another file. */
int file_index_repeat(const struct file_index *index, const uint8_t file_uuid[16],
                      struct file_buffer *out);
int file_put_seal(struct file_encoder *encoder, const struct file_identity *identity,
                  const struct file_ledger_entry *ledger, size_t rings,
                  const struct file_index *index, uint64_t offset, bool bad, uint64_t sealed_ns,
                  struct file_buffer *out);

/* Give pieces made for one file to another: rewrite the file UUID in every frame of `pieces` and
 * their checksums. -EBADMSG. */
int file_retarget(uint8_t *pieces, size_t size, const uint8_t file_uuid[16]);

#endif
