/* SPDX-License-Identifier: MIT
 *
 * How an outbox lies in its file: what the collector writes and reads (collector/outbox.h has the
 * protocol), and what --verify looks into.
 */
#ifndef LOGFILE_OUTBOX_LAYOUT_H
#define LOGFILE_OUTBOX_LAYOUT_H

#include "logfile/writer.h"

#include <limits.h>
#include <stddef.h>

#define OUTBOX_MAGIC UINT64_C(0x31584f424d4c4853) /* "SHLMBOX1" */
#define OUTBOX_VERSION 1u
#define OUTBOX_ALIGN 64u

#define OUTBOX_ENTRY_DATA 1u
#define OUTBOX_ENTRY_SEAL 2u     /* the last of its file */
#define OUTBOX_ENTRY_PAD 3u      /* up to the end of the ring's memory */
#define OUTBOX_ENTRY_BAD_SEAL 4u /* the seal of a file that could not be written, if it can be */

/* Head of an entry; its bytes follow. Entries begin at multiples of 64. */
struct outbox_entry {
    uint32_t kind;
    uint32_t checksum; /* of this head with 0 here, then of the bytes: low half of XXH3 */
    uint64_t size;     /* bytes that follow */
    uint64_t file_number;
    uint64_t file_created_ns;
    uint64_t file_offset;
    uint64_t records; /* in its blocks */
    uint8_t reserved0[16];
};

/* The file that is being filled. */
struct outbox_file {
    uint64_t number; /* of the newest file, 0 none yet */
    uint64_t created_ns;
    uint64_t offset; /* bytes placed so far */
    uint64_t open;   /* not yet sealed */
    uint8_t uuid[16];
};

/* A value that exists twice: the copy with the newest stamp that is not beyond head is valid. */
struct outbox_line {
    uint64_t stamp;
    struct file_ledger_entry value;
};
struct outbox_file_line {
    uint64_t stamp;
    struct outbox_file value;
};

/* The wall clock as it is believed, for ages of files (collector/steady_clock.h). Zero at first. */
struct outbox_clock {
    uint64_t running;
    uint64_t dated; /* files up to this number have a time by it */
    int64_t offset_ns;
    int64_t step_ns;
    uint64_t stepped_at_ns;
};

struct outbox_header {
    uint64_t magic; /* stored last at creation */
    uint32_t version;
    uint32_t rings; /* ledger lines - 1 */
    uint64_t data_offset;
    uint64_t data_size;
    uint8_t segment_uuid[16];
    uint32_t line_size;
    uint32_t reserved0;
    uint8_t reserved1[72];
    uint64_t head; /* at 128 */
    uint8_t reserved2[120];
    uint64_t tail; /* at 256 */
    struct outbox_clock clock;
    uint8_t reserved3[80];
    struct outbox_file_line file[2];
    char directory[PATH_MAX];
    struct outbox_line line[][2];
};

_Static_assert(sizeof(struct outbox_entry) == OUTBOX_ALIGN, "an entry's head fills its alignment");
_Static_assert(offsetof(struct outbox_header, head) == 128, "head moved");
_Static_assert(offsetof(struct outbox_header, tail) == 256, "tail moved");
_Static_assert(offsetof(struct outbox_header, file) == 384, "file moved");

#endif
