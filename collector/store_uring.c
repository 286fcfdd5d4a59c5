/* SPDX-License-Identifier: MIT
 *
 * The io_uring backend: writes from the outbox, registered as one fixed buffer where the memlock
 * limit allows it. The kernel's worker threads are kept on the cores that this thread may use.
 *
 * The kernel takes entries in the order in which they were queued. When it takes none any more, for
 * good or for STALLED_NS, those that it has not taken can be given back for sure, and are.
 */
#include "collector/store.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>

#define STALLED_NS UINT64_C(2000000000)

struct store_uring {
    struct store store;
    struct io_uring ring;
    uint32_t under_way;
    uint64_t token[STORE_DEPTH]; /* of the newest entries queued */
    uint32_t queued;             /* free-running */
    uint32_t given_back;         /* of those that the kernel did not take */
    uint64_t stalled_ns;         /* since when it takes none, 0: it does */
};

static struct io_uring_sqe *next(struct store_uring *uring)
{
    if (uring->store.failed || uring->under_way == STORE_DEPTH)
        return NULL;
    return io_uring_get_sqe(&uring->ring);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Offer the kernel what is queued. What it does not take now goes with the next submission, the
 * next poll's at the latest. */
static void submit(struct store_uring *uring)
{
    int r;

    do
        r = io_uring_submit(&uring->ring);
    while (r == -EINTR);
    if (r > 0 || !io_uring_sq_ready(&uring->ring)) {
        uring->stalled_ns = 0;
    } else if (r < 0 && r != -EAGAIN && r != -EBUSY && r != -ENOMEM) {
        uring->store.failed = r;
    } else if (!uring->stalled_ns) {
        uring->stalled_ns = now_ns();
    } else if (now_ns() - uring->stalled_ns > STALLED_NS) {
        uring->store.failed = r < 0 ? r : -EBUSY;
    }
}

static int queue(struct store_uring *uring, struct io_uring_sqe *sqe, uint64_t token)
{
    io_uring_sqe_set_data64(sqe, token);
    uring->token[uring->queued++ % STORE_DEPTH] = token;
    uring->under_way++;
    submit(uring);
    return 0;
}

static int uring_write(struct store *store, int fd, const void *data, size_t size, uint64_t offset,
                       uint64_t token)
{
    struct store_uring *const uring = (struct store_uring *)store;
    struct io_uring_sqe *const sqe = next(uring);

    if (!sqe)
        return -EAGAIN;
    if (store->fixed_buffers)
        io_uring_prep_write_fixed(sqe, fd, data, (unsigned)size, offset, 0);
    else
        io_uring_prep_write(sqe, fd, data, (unsigned)size, offset);
    return queue(uring, sqe, token);
}

static int uring_sync(struct store *store, int fd, uint64_t token)
{
    struct store_uring *const uring = (struct store_uring *)store;
    struct io_uring_sqe *const sqe = next(uring);

    if (!sqe)
        return -EAGAIN;
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    return queue(uring, sqe, token);
}

/* The oldest of those that the kernel never took. */
static int give_back(struct store_uring *uring, struct store_done *ret_done)
{
    const uint32_t left = io_uring_sq_ready(&uring->ring) - uring->given_back;

    if (!left)
        return 0;
    ret_done->token = uring->token[(uring->queued - left) % STORE_DEPTH];
    ret_done->result = -ECANCELED;
    uring->given_back++;
    uring->under_way--;
    return 1;
}

static int uring_poll(struct store *store, bool wait, struct store_done *ret_done)
{
    struct store_uring *const uring = (struct store_uring *)store;
    struct io_uring_cqe *cqe = NULL;

    if (!uring->under_way)
        return 0;
    if (!store->failed && io_uring_sq_ready(&uring->ring))
        submit(uring);
    if (store->failed && give_back(uring, ret_done))
        return 1;
    if (io_uring_peek_cqe(&uring->ring, &cqe) < 0 || !cqe) {
        if (!wait || io_uring_wait_cqe(&uring->ring, &cqe) < 0 || !cqe)
            return 0;
    }
    ret_done->token = io_uring_cqe_get_data64(cqe);
    ret_done->result = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
    uring->under_way--;
    return 1;
}

static void uring_close(struct store *store)
{
    struct store_uring *const uring = (struct store_uring *)store;

    io_uring_queue_exit(&uring->ring);
    free(uring);
}

static const struct store_operations uring_operations = {
    .name = "io_uring",
    .write = uring_write,
    .sync = uring_sync,
    .poll = uring_poll,
    .close = uring_close,
};

int store_uring_open(void *memory, size_t size, struct store **ret_store)
{
    struct store_uring *const uring = calloc(1, sizeof(*uring));
    const struct iovec buffer = {.iov_base = memory, .iov_len = size};
    cpu_set_t cpus;
    int r;

    if (!uring)
        return -ENOMEM;
    uring->store.operations = &uring_operations;
    r = io_uring_queue_init(STORE_DEPTH, &uring->ring, 0);
    if (r < 0) {
        free(uring);
        return r;
    }
    uring->store.fixed_buffers = io_uring_register_buffers(&uring->ring, &buffer, 1) == 0;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        io_uring_register_iowq_aff(&uring->ring, sizeof(cpus), &cpus);
    *ret_store = &uring->store;
    return 0;
}
