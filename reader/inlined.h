/* SPDX-License-Identifier: MIT
 *
 * Records that bring their site along, since it could not be registered: shm/inline_site.h says
 * what they look like. Here they become the records that they stand for.
 */
#ifndef READER_INLINED_H
#define READER_INLINED_H

#include "reader/cursor.h"

/* What the record points to that was taken out of another one last. */
struct inlined {
    struct file_site site;
    uint8_t payload[SHMLOG_RECORD_PAYLOAD];
};

/* A record of such a site becomes the one that is in it, with site_id 0; good until the next call.
 * Others, and those that make no sense, stay as they are. */
void inlined_take_out(struct inlined *inlined, struct cursor_record *record);

#endif
