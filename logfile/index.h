/* SPDX-License-Identifier: MIT
 *
 * The index of a sealed file: each piece's kind, place and header, as columns.
 */
#ifndef LOGFILE_INDEX_H
#define LOGFILE_INDEX_H

#include "logfile/format.h"

struct index_entry {
    uint64_t offset;
    uint64_t size; /* of the piece */
    uint8_t kind;  /* FILE_KIND_* */
    union {
        struct frame_block block;
        struct frame_gap gap;
    }; /* of BLOCK and GAP; head and checksum are not kept */
};

/* Entries from the content of an index. They are checked against each other: in order, without
 * holes from `begin` to `end` of the file. -EBADMSG, -ENOMEM. */
int file_index_decode(const uint8_t *content, size_t size, size_t entries, uint64_t begin,
                      uint64_t end, struct index_entry **ret_entries);

#endif
