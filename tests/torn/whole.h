/* SPDX-License-Identifier: MIT
 *
 * A log file of more than 64 KiB made from the seed, with several rings, blocks, sites, a
 * dictionary, gaps, clock pairs and an index; what went into it is kept beside. And a look at all
 * that comes out of a file again, whatever was done to it: each record must be one that went in,
 * in the order of its ring.
 *
 * One at a time: what was made belongs to the module.
 */
#ifndef TESTS_TORN_WHOLE_H
#define TESTS_TORN_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHOLE_RINGS 4u
#define WHOLE_BLOCKS 24u
#define WHOLE_BLOCK_RECORDS 64u
#define WHOLE_RECORDS (WHOLE_BLOCKS * WHOLE_BLOCK_RECORDS)
#define WHOLE_PIECES_MAX 256u

struct whole_piece {
    size_t at, end;
    uint8_t kind; /* FILE_KIND_* */
    uint32_t ring, first_seq;
};

struct whole {
    uint8_t *bytes;
    size_t size;
    size_t header_end, seal_begin;
    struct whole_piece piece[WHOLE_PIECES_MAX]; /* the seal's frames included */
    size_t pieces;
};

/* Make one. Files of different `number` have different UUIDs and records, and the same pieces in
 * the same places, nearly. */
void whole_make(struct whole *ret_whole, unsigned number, uint64_t *random);
void whole_done(struct whole *whole);
/* Did this record go into the file of `number` 0? */
bool whole_has(uint32_t ring, uint64_t seq, uint32_t site, uint32_t producer,
               const uint8_t *payload, size_t size);

/* What came out of a file. */
struct look {
    int opened; /* result of opening */
    bool sealed, whole;
    bool seen[WHOLE_RINGS][WHOLE_RECORDS + 1]; /* by number */
    uint32_t records, bad_blocks, damaged;
    uint64_t damage_at; /* the first */
};

/* The file that is looked at: all of its bytes, or a change, without writing all of them. */
void look_write(const uint8_t *bytes, size_t size);
void look_patch(size_t at, const uint8_t *bytes, size_t size);
void look_truncate(size_t size);
/* Read it: stepping, or by its list. Fails the test for a record that did not go into the file that
 * was made with `number` 0, or that comes out of order. */
void look_again(bool by_list, struct look *ret_look);
/* Likewise as shmlog-dump does, where a record that is there twice comes once, and rings are put
 * into their order. */
void look_by_cursor(struct look *ret_look);
/* Path of the bytes for other readers in this process and its children. */
const char *look_path(void);

/* Was everything of this piece read? */
bool look_has_block(const struct look *look, const struct whole_piece *piece);
/* Would shmlog-dump say that something is wrong? */
bool look_reports(const struct look *look);

#endif
