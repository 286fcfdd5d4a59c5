/* SPDX-License-Identifier: MIT
 *
 * The frames of a log file, byte for byte. docs/format.md is the specification; this is the same in
 * C, for the files of this folder alone.
 *
 * Every frame here is a zstd skippable frame: a head, a body, and as its last 8 bytes the XXH64
 * (seed 0) of all bytes of the frame before them. A BLOCK and an INDEX are followed by exactly one
 * ordinary zstd frame, which their `data_hash` covers.
 */
#ifndef LOGFILE_FORMAT_H
#define LOGFILE_FORMAT_H

#include "logfile/read/reader.h"

#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are copied as they lie");

#define FILE_MAGIC 0x184d2a5cu /* one of the 16 magics of skippable frames */
#define FILE_TAG 0x664c4853u   /* "SHLf" */
#define FILE_VERSION 1u

#define FILE_COMPATIBLE UINT64_C(0)
#define FILE_INCOMPATIBLE UINT64_C(0)

#define FILE_KIND_HEADER 1u
#define FILE_KIND_SITE 2u
#define FILE_KIND_PRODUCER 3u
#define FILE_KIND_CLOCK 4u
#define FILE_KIND_BLOCK 5u
#define FILE_KIND_GAP 6u
#define FILE_KIND_LEDGER 7u
#define FILE_KIND_INDEX 8u
#define FILE_KIND_TRAILER 9u
#define FILE_KIND_RANGES 10u
#define FILE_KIND_ORIGIN 11u

/* Hard limits: checked before anything is allocated or believed. */
#define FILE_FRAME_MIN 40u              /* head and checksum */
#define FILE_FRAME_MAX (256u << 10)     /* a skippable frame, with magic and size */
#define FILE_FRAME_SMALL 4096u          /* those that a search after damage finds */
#define FILE_BLOCK_SLOTS_MAX (1u << 19) /* and so records */
#define FILE_BLOCK_RAW_MAX (64u << 20)  /* content of a block, decompressed */
#define FILE_STORED_MAX (96u << 20)     /* any zstd frame */
#define FILE_INDEX_ENTRIES_MAX (4u << 20)
#define FILE_INDEX_ENTRY_MAX 160u /* content of an index for each of its entries, */
#define FILE_INDEX_BASE 65536u    /* and besides */
#define FILE_LEDGER_MAX 2049u     /* SHMLOG_RINGS_MAX and the segment's own line */

/* Entries of the dictionary, as frames, that the seal repeats. */
#define FILE_REPEATED_MAX (192u << 10)

#define FILE_CODEC_COLUMNS 1u
#define FILE_LEVELS_ALL 0x3fu /* a block with records of an unknown site may have any level */

struct frame_head {
    uint32_t magic;
    uint32_t size; /* bytes of the frame after this field */
    uint32_t tag;
    uint8_t kind;
    uint8_t version;
    uint16_t reserved;
    uint8_t file_uuid[16];
};
_Static_assert(sizeof(struct frame_head) == 32, "frame head");

/* HEADER and LEDGER; `rings` ledger entries and the checksum follow. */
struct frame_identity {
    struct frame_head head;
    uint64_t compatible;
    uint64_t incompatible;
    uint8_t segment_uuid[16];
    uint64_t file_number;
    uint64_t created_ns;
    uint64_t sealed_ns; /* HEADER: 0 */
    uint64_t clock_hz;
    uint64_t ring_slots;
    uint32_t clock;
    uint32_t on_full;
    uint32_t rings; /* ledger entries */
    uint32_t flags; /* FILE_SEAL_* */
    char host[64];
    char segment[64];
    char segment_path[256];
};
_Static_assert(sizeof(struct frame_identity) == 504, "identity");
#define FILE_SEAL_BAD 1u

_Static_assert(sizeof(struct file_ledger_entry) == 120, "ledger entries are copied as they lie");
_Static_assert(offsetof(struct file_ledger_entry, next_seq) == 24, "ledger entry");
_Static_assert(offsetof(struct file_ledger_entry, lost) == 56, "ledger entry");

struct frame_site { /* then the site's bytes, zero bytes up to a multiple of 8, checksum */
    struct frame_head head;
    uint32_t id;
    uint16_t size;
    uint16_t reserved;
};
_Static_assert(sizeof(struct frame_site) == 40, "site");

struct frame_producer {
    struct frame_head head;
    struct shmlog_producer producer;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_producer) == 168, "producer");

struct frame_clock {
    struct frame_head head;
    uint64_t ticks;
    uint64_t realtime_ns;
    uint64_t error_ns;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_clock) == 64, "clock");

struct frame_origin {
    struct frame_head head;
    struct file_origin origin;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_origin) == 240, "origin");

struct frame_block {
    struct frame_head head;
    uint64_t first_seq;
    uint64_t first_pos;
    uint64_t time_min;
    uint64_t time_max;
    uint64_t sites;
    uint64_t data_hash; /* XXH64, seed 0, of the zstd frame that follows */
    uint32_t ring;
    uint32_t records;
    uint32_t slots;
    uint32_t stored_size; /* of the zstd frame */
    uint32_t raw_size;    /* of its content */
    uint8_t levels;
    uint8_t codec;
    uint16_t reserved;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_block) == 112, "block");

/* Behind a block, what its records' values are; then `size` bytes, zero bytes up to a multiple of
 * 8, checksum. */
struct frame_ranges {
    struct frame_head head;
    uint64_t first_seq; /* of the block */
    uint32_t ring;
    uint32_t size;
};
_Static_assert(sizeof(struct frame_ranges) == 48, "ranges");

struct frame_gap {
    struct frame_head head;
    uint32_t ring;
    uint32_t cause;
    uint64_t count;
    uint64_t seq;
    uint64_t pos;
    uint64_t time_before;
    uint64_t time_after;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_gap) == 88, "gap");

struct frame_index {
    struct frame_head head;
    uint64_t data_hash;
    uint32_t entries;
    uint32_t stored_size;
    uint32_t raw_size;
    uint32_t reserved;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_index) == 64, "index");

struct frame_trailer {
    struct frame_head head;
    uint64_t ledger_offset;
    uint64_t index_offset; /* 0: the file has none */
    uint64_t file_size;    /* with the trailer */
    uint64_t sealed_ns;
    uint32_t flags; /* FILE_SEAL_* */
    uint32_t reserved;
    uint64_t checksum;
};
_Static_assert(sizeof(struct frame_trailer) == 80, "trailer");

/* Fill in the head of a frame of `size` bytes in all. */
void file_frame_head(struct frame_head *head, unsigned kind, size_t size, const uint8_t uuid[16]);
/* Store the checksum into the last 8 bytes of a finished frame. */
void file_frame_seal(uint8_t *frame, size_t size);
/* Does the checksum fit, and the size what is in the frame? */
bool file_frame_sound(const uint8_t *frame, size_t size);
/* Size in all of a frame with this head, 0 if no frame of this kind and version can have it. */
size_t file_frame_size(const struct frame_head *head);

/* Are the numbers of an INDEX within the limits? */
bool file_index_valid(const struct frame_index *frame);
/* Those of a GAP? */
bool file_gap_valid(const struct frame_gap *frame);

/* Append a HEADER or LEDGER. */
int file_put_ledger(const struct file_identity *identity, const struct file_ledger_entry *ledger,
                    size_t rings, unsigned kind, uint32_t flags, uint64_t sealed_ns,
                    struct file_buffer *out);
/* The piece at the start of `pieces`, which are in memory and whole: its first frame's head, the
 * size of that frame, and the size of the piece with the zstd frame that belongs to it. -EBADMSG.
 */
int file_piece_frame(const uint8_t *pieces, size_t size, struct frame_head *ret_head,
                     size_t *ret_frame, size_t *ret_piece);

#endif
