/* SPDX-License-Identifier: MIT
 *
 * Identity and ledger, from the frames that have them.
 */
#include "logfile/read/reader_state.h"

#include <errno.h>
#include <stdlib.h>

static void take_text(char *to, const char *from, size_t size)
{
    memcpy(to, from, size - 1);
    to[size - 1] = 0;
}

static void take_identity(const struct frame_identity *frame, struct file_identity *identity)
{
    *identity = (struct file_identity){
        .file_number = frame->file_number,
        .created_ns = frame->created_ns,
        .clock_hz = frame->clock_hz,
        .clock = frame->clock,
        .on_full = frame->on_full,
        .ring_slots = frame->ring_slots,
    };
    memcpy(identity->file_uuid, frame->head.file_uuid, 16);
    memcpy(identity->segment_uuid, frame->segment_uuid, 16);
    take_text(identity->host, frame->host, sizeof(identity->host));
    take_text(identity->segment, frame->segment, sizeof(identity->segment));
    take_text(identity->segment_path, frame->segment_path, sizeof(identity->segment_path));
}

int file_reader_take_ledger(const uint8_t *frame, size_t size, struct file_identity *ret_identity,
                            struct ledger *ret_ledger, uint32_t *ret_flags)
{
    struct frame_identity head;
    struct ledger ledger;

    if (size < sizeof(head) + sizeof(uint64_t))
        return -EBADMSG;
    memcpy(&head, frame, sizeof(head));
    if (head.incompatible & ~FILE_INCOMPATIBLE) /* also where the header cannot be read */
        return -FILE_ERR_FEATURES;
    ledger.rings = head.rings;
    if (ledger.rings > FILE_LEDGER_MAX ||
        size != sizeof(head) + ledger.rings * sizeof(*ledger.entry) + sizeof(uint64_t))
        return -EBADMSG;
    /* One more: no rings is not the same as no ledger. */
    ledger.entry = calloc(ledger.rings + 1, sizeof(*ledger.entry));
    if (!ledger.entry)
        return -ENOMEM;
    memcpy(ledger.entry, frame + sizeof(head), ledger.rings * sizeof(*ledger.entry));
    take_identity(&head, ret_identity);
    *ret_ledger = ledger;
    *ret_flags = head.flags;
    return 0;
}
