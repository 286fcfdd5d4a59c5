/* SPDX-License-Identifier: MIT
 *
 * The plain backend: pwrite at once, the completion waits to be polled.
 */
#include "collector/store.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct store_plain {
    struct store store;
    struct store_done done[STORE_DEPTH];
    uint32_t first, count;
};

static int put(struct store_plain *plain, uint64_t token, int result)
{
    plain->done[(plain->first + plain->count++) % STORE_DEPTH] =
        (struct store_done){.token = token, .result = result};
    return 0;
}

static int plain_write(struct store *store, int fd, const void *data, size_t size, uint64_t offset,
                       uint64_t token)
{
    struct store_plain *const plain = (struct store_plain *)store;
    ssize_t n;

    if (plain->count == STORE_DEPTH)
        return -EAGAIN;
    do
        n = pwrite(fd, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return put(plain, token, n < 0 ? -errno : (int)n);
}

static int plain_sync(struct store *store, int fd, uint64_t token)
{
    struct store_plain *const plain = (struct store_plain *)store;
    int r;

    if (plain->count == STORE_DEPTH)
        return -EAGAIN;
    do
        r = fdatasync(fd);
    while (r < 0 && errno == EINTR);
    return put(plain, token, r < 0 ? -errno : 0);
}

static int plain_poll(struct store *store, bool wait, struct store_done *ret_done)
{
    struct store_plain *const plain = (struct store_plain *)store;

    (void)wait; /* everything is complete already */
    if (!plain->count)
        return 0;
    *ret_done = plain->done[plain->first];
    plain->first = (plain->first + 1) % STORE_DEPTH;
    plain->count--;
    return 1;
}

static void plain_close(struct store *store)
{
    free(store);
}

static const struct store_operations plain_operations = {
    .name = "plain writes",
    .write = plain_write,
    .sync = plain_sync,
    .poll = plain_poll,
    .close = plain_close,
};

int store_plain_open(struct store **ret_store)
{
    struct store_plain *const plain = calloc(1, sizeof(*plain));

    if (!plain)
        return -ENOMEM;
    plain->store.operations = &plain_operations;
    plain->store.waits = true;
    *ret_store = &plain->store;
    return 0;
}
