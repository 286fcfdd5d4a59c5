/* SPDX-License-Identifier: MIT
 *
 * What a reader knows of its file; shared by the files that make up the reader.
 */
#ifndef LOGFILE_READ_READER_STATE_H
#define LOGFILE_READ_READER_STATE_H

#include "logfile/block/decode.h"
#include "logfile/format.h"
#include "logfile/read/source.h"

#include <zstd.h>

struct ledger {
    struct file_ledger_entry *entry; /* NULL: not known */
    size_t rings;
};

/* Producers by id, and clock pairs: what the dictionary pieces said so far. */
struct file_dictionary {
    struct file_sites sites;
    struct shmlog_producer **producer; /* hash table by id, open addressing */
    size_t producers, producer_room;   /* room: a power of two */
    struct shmlog_clock_pair *clock;
    size_t clocks, clock_room;
    bool clock_sorted;
};

/* A way through the pieces of a file. */
struct file_walk {
    uint64_t at;              /* of the next piece */
    uint64_t block, data_end; /* of the last BLOCK: its frame, and where its data ends; 0 none */
    uint64_t data_hash;
    uint64_t hashed; /* bytes that hashes were taken of: bounded, whatever the file says */
    bool cut;        /* the last piece was cut off by the end of the file: */
    uint64_t cut_begin, cut_end;
};

struct file_reader {
    struct file_source source;
    struct file_identity identity;
    struct file_origin origin;
    bool has_origin;
    struct ledger start, end;
    bool sealed; /* a sound ledger stands at the end */
    bool bad;
    uint64_t begin;      /* of the first piece after the header; 0 if the header is damaged */
    uint64_t seal_begin; /* of the ledger, where the trailer says so; else 0 */
    uint64_t index_offset;
    struct file_walk walk; /* of file_reader_next() */
    struct file_dictionary dictionary;
    struct file_piece *list;
    size_t listed;   /* pieces in it */
    bool by_index;   /* the list was made from the index */
    bool index_lies; /* it is sound, but not that of the pieces: the list is made without it */
    ZSTD_DCtx *zstd; /* once something is unpacked: many files are opened only to be looked at */
    struct file_block_decoder *decoder;
    struct file_buffer stored, content;
};

/* dictionary.c: take in a piece's frame; 0 also for one that makes no sense; -ENOMEM. */
int file_dictionary_add(struct file_dictionary *dictionary, const uint8_t *frame, size_t size);
void file_dictionary_done(struct file_dictionary *dictionary);

/* frame_read.c */

/* What stands at an offset. */
struct found {
    struct frame_head head;
    const uint8_t *frame; /* in the source's window */
    size_t size;          /* of the frame */
    const char *reason;   /* why it is none */
};
/* The sound frame of this file (`uuid` NULL: of any) at `offset`: 0; -FILE_ERR_CUT if the file ends
 * before it does, -FILE_ERR_DAMAGED, or errno's. */
int file_scan_frame(struct file_source *source, uint64_t offset, const uint8_t *uuid,
                    struct found *ret_found);
void file_gap_of(const struct frame_gap *frame, const uint8_t uuid[16], struct file_gap *ret_gap);

/* scan.c: the piece at walk->at, and step over it. */
int file_scan_step(struct file_reader *reader, struct file_walk *walk,
                   struct file_piece *ret_piece);

/* search.c */

/* Search from `offset` for the next sound small frame that begins before `limit`. 1: found at
 * *ret_next; 0: none, *ret_next is the end of the last bytes that are not zero (`offset` if all
 * are). */
int file_scan_next(struct file_source *source, uint64_t offset, uint64_t limit, const uint8_t *uuid,
                   uint64_t *ret_next);
/* 1: nothing but zeros from `offset` to the end of the file. */
int file_scan_zeros(struct file_source *source, uint64_t offset);

/* content.c */

/* Read a zstd frame of `stored` bytes at `offset` whose hash is `hash` into reader->content, which
 * gets `raw` bytes. -FILE_ERR_CUT (also where it ends in space not written to yet),
 * -FILE_ERR_DAMAGED, or errno's. */
int file_reader_unpack(struct file_reader *reader, uint64_t offset, size_t stored, size_t raw,
                       uint64_t hash);
/* ledger.c: take identity and ledger from a HEADER or LEDGER frame. -EBADMSG, -ENOMEM. */
int file_reader_take_ledger(const uint8_t *frame, size_t size, struct file_identity *ret_identity,
                            struct ledger *ret_ledger, uint32_t *ret_flags);

#endif
