/* SPDX-License-Identifier: MIT
 *
 * Writing to disk: one interface, two backends. io_uring where the kernel allows it, plain
 * pwrite elsewhere. Both take requests and hand back completions; what a failure means is decided
 * above (writeback.h).
 */
#ifndef COLLECTOR_STORE_H
#define COLLECTOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_DEPTH 64u /* requests under way at most */

struct store;

struct store_done {
    uint64_t token;
    int result; /* bytes written, 0 for a sync, or a negative errno */
};

struct store_operations {
    const char *name;
    int (*write)(struct store *store, int fd, const void *data, size_t size, uint64_t offset,
                 uint64_t token);
    int (*sync)(struct store *store, int fd, uint64_t token);
    int (*poll)(struct store *store, bool wait, struct store_done *ret_done);
    void (*close)(struct store *store);
};

struct store {
    const struct store_operations *operations;
    bool fixed_buffers;
    bool waits; /* a request is complete when it is taken: the caller waits for the disk */
    int failed; /* negative errno: it takes nothing more; what it had not begun comes back as
                   -ECANCELED, and when nothing is under way it is to be replaced */
};

/* `memory`: where all data to be written lie, to be registered. Negative errno where io_uring is
 * not to be had; without fixed buffers (memlock limit) it works all the same, and says so in
 * store->fixed_buffers. */
int store_uring_open(void *memory, size_t size, struct store **ret_store);
int store_plain_open(struct store **ret_store);

/* Begin a write or an fdatasync; its completion will carry `token`. -EAGAIN: STORE_DEPTH are under
 * way. */
static inline int store_write(struct store *store, int fd, const void *data, size_t size,
                              uint64_t offset, uint64_t token)
{
    return store->operations->write(store, fd, data, size, offset, token);
}
static inline int store_sync(struct store *store, int fd, uint64_t token)
{
    return store->operations->sync(store, fd, token);
}
/* 1 and a completion, or 0: none yet. With `wait`, sleeps until there is one if any request is
 * under way. */
static inline int store_poll(struct store *store, bool wait, struct store_done *ret_done)
{
    return store->operations->poll(store, wait, ret_done);
}
static inline void store_close(struct store *store)
{
    if (store)
        store->operations->close(store);
}

#endif
