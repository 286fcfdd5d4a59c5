/* SPDX-License-Identifier: MIT
 *
 * The outbox: see outbox.h for the protocol.
 */
#include "collector/outbox_parts.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

uint32_t outbox_checksum(const struct outbox_entry *entry, const uint8_t *bytes)
{
    struct outbox_entry head = *entry;

    head.checksum = 0;
    return (uint32_t)XXH3_64bits_withSeed(bytes, head.size, XXH3_64bits(&head, sizeof(head)));
}

/* Each is stored by one agent and pairs with the other one's acquire. */
uint64_t outbox_head(const struct outbox *outbox)
{
    return shmlog_load_acquire_(&outbox->header->head);
}

uint64_t outbox_tail(const struct outbox *outbox)
{
    return shmlog_load_acquire_(&outbox->header->tail);
}

bool outbox_is_written(const struct outbox *outbox)
{
    return outbox_tail(outbox) == outbox_head(outbox);
}

static unsigned line_index(const struct outbox *outbox, uint32_t ring)
{
    const struct outbox_line *const line = outbox->header->line[ring];

    return outbox_newer(line[0].stamp, line[1].stamp, outbox_head(outbox));
}

static unsigned file_index(const struct outbox *outbox)
{
    return outbox_newer(outbox->header->file[0].stamp, outbox->header->file[1].stamp,
                        outbox_head(outbox));
}

const struct file_ledger_entry *outbox_ledger(const struct outbox *outbox, uint32_t ring)
{
    return &outbox->header->line[ring][line_index(outbox, ring)].value;
}

const struct outbox_file *outbox_file(const struct outbox *outbox)
{
    return &outbox->header->file[file_index(outbox)].value;
}

/* Bytes from head to the end of the memory, which an entry must not cross. */
static uint64_t to_end(const struct outbox *outbox)
{
    return outbox->data_size - (outbox_head(outbox) & (outbox->data_size - 1));
}

static uint64_t entry_size(uint64_t size)
{
    return sizeof(struct outbox_entry) + outbox_align(size, OUTBOX_ALIGN);
}

bool outbox_has_room(const struct outbox *outbox, uint64_t size)
{
    const uint64_t room = outbox->data_size - (outbox_head(outbox) - outbox_tail(outbox));
    uint64_t need;

    if (size > outbox_max(outbox))
        return false;
    need = entry_size(size);
    if (need > to_end(outbox))
        need += to_end(outbox);
    return need <= room;
}

uint64_t outbox_max(const struct outbox *outbox)
{
    return outbox->data_size / 2 - sizeof(struct outbox_entry);
}

uint64_t outbox_size(const struct outbox *outbox)
{
    return outbox->data_size;
}

void outbox_commit(struct outbox *outbox, const struct outbox_entry *entry, const uint8_t *bytes,
                   uint32_t ring, const struct file_ledger_entry *line,
                   const struct outbox_file *file)
{
    const uint64_t need = entry_size(entry->size);
    uint64_t at = outbox_head(outbox);
    struct outbox_entry *to;
    unsigned i;

    if (need > to_end(outbox)) {
        struct outbox_entry *const pad = (void *)(outbox->data + (at & (outbox->data_size - 1)));

        memset(pad, 0, sizeof(*pad));
        pad->kind = OUTBOX_ENTRY_PAD;
        pad->size = to_end(outbox) - sizeof(*pad);
        at += to_end(outbox);
    }
    to = (void *)(outbox->data + (at & (outbox->data_size - 1)));
    *to = *entry;
    to->checksum = outbox_checksum(entry, bytes);
    memcpy(to + 1, bytes, entry->size);
    at += need;

    i = !file_index(outbox);
    outbox->header->file[i].stamp = UINT64_MAX; /* invalid while it is being written */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    outbox->header->file[i].value = *file;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    outbox->header->file[i].stamp = at;
    if (line) {
        i = !line_index(outbox, ring);
        outbox->header->line[ring][i].stamp = UINT64_MAX;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        outbox->header->line[ring][i].value = *line;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        outbox->header->line[ring][i].stamp = at;
    }
    shmlog_store_release_(&outbox->header->head, at); /* the commit */
}

int outbox_next(const struct outbox *outbox, uint64_t *pos, const struct outbox_entry **ret_entry,
                const uint8_t **ret_bytes)
{
    const uint64_t head = outbox_head(outbox);

    while (*pos != head) {
        const uint64_t left = head - *pos;
        const uint64_t at = *pos & (outbox->data_size - 1);
        const struct outbox_entry *const entry = (const void *)(outbox->data + at);

        if (left > outbox->data_size || entry->size > outbox->data_size ||
            entry_size(entry->size) > left || entry_size(entry->size) > outbox->data_size - at)
            return -EBADMSG;
        *pos += entry_size(entry->size);
        if (entry->kind == OUTBOX_ENTRY_PAD)
            continue;
        if (entry->kind > OUTBOX_ENTRY_BAD_SEAL || !entry->kind)
            return -EBADMSG;
        *ret_entry = entry;
        *ret_bytes = (const uint8_t *)(entry + 1);
        return 1;
    }
    return 0;
}

void outbox_release(struct outbox *outbox, uint64_t pos)
{
    shmlog_store_release_(&outbox->header->tail, pos);
}

void outbox_memory(const struct outbox *outbox, void **ret_memory, size_t *ret_size)
{
    *ret_memory = outbox->data;
    *ret_size = outbox->data_size;
}

/* Whoever dies in between leaves a step that is waited out for too long rather than too short. */
void outbox_keep_clock(struct outbox *outbox, const struct steady_clock *clock, uint64_t dated)
{
    struct outbox_clock *const kept = &outbox->header->clock;

    __atomic_store_n(&kept->stepped_at_ns, clock->stepped_at_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&kept->step_ns, clock->step_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&kept->offset_ns, clock->offset_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&kept->dated, dated, __ATOMIC_RELEASE);
    __atomic_store_n(&kept->running, clock->running, __ATOMIC_RELEASE);
}

bool outbox_kept_clock(const struct outbox *outbox, struct steady_clock *ret_clock,
                       uint64_t *ret_dated)
{
    const struct outbox_clock *const kept = &outbox->header->clock;

    if (!kept->running)
        return false;
    *ret_clock = (struct steady_clock){
        .running = true,
        .offset_ns = kept->offset_ns,
        .step_ns = kept->step_ns,
        .stepped_at_ns = kept->stepped_at_ns,
    };
    *ret_dated = kept->dated;
    return true;
}
