/* SPDX-License-Identifier: MIT
 *
 * Inside the outbox: how it lies in its file, which outbox_file.c makes and opens and outbox.c
 * fills and empties.
 */
#ifndef COLLECTOR_OUTBOX_PARTS_H
#define COLLECTOR_OUTBOX_PARTS_H

#include "collector/outbox.h"

#define OUTBOX_MAGIC UINT64_C(0x31584f424d4c4853) /* "SHLMBOX1" */
#define OUTBOX_VERSION 1u
#define OUTBOX_ALIGN 64u

/* A value that exists twice: the copy with the newest stamp that is not beyond head is valid. */
struct outbox_line {
    uint64_t stamp;
    struct file_ledger_entry value;
};
struct outbox_file_line {
    uint64_t stamp;
    struct outbox_file value;
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
    uint8_t reserved3[120];
    struct outbox_file_line file[2];
    char directory[PATH_MAX];
    struct outbox_line line[][2];
};

struct outbox {
    struct outbox_header *header;
    uint8_t *data;
    uint64_t data_size;
    uint64_t map_size;
    uint32_t rings;
    uint64_t head, tail; /* copies: nobody else writes them */
    uint32_t lost;       /* the file was cut short */
};

_Static_assert(sizeof(struct outbox_entry) == OUTBOX_ALIGN, "an entry's head fills its alignment");
_Static_assert(offsetof(struct outbox_header, head) == 128, "head moved");
_Static_assert(offsetof(struct outbox_header, tail) == 256, "tail moved");

static inline uint64_t outbox_align(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* Which of two copies is valid: the newer one, if its commit was reached. */
static inline unsigned outbox_newer(uint64_t stamp0, uint64_t stamp1, uint64_t head)
{
    if (stamp0 > head)
        return 1;
    if (stamp1 > head)
        return 0;
    return stamp1 > stamp0;
}

uint32_t outbox_checksum(const struct outbox_entry *entry, const uint8_t *bytes);

#endif
