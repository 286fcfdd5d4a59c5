/* SPDX-License-Identifier: MIT
 *
 * Preloaded into a collector: CLOCK_REALTIME as it would be after somebody has set it, by as many
 * nanoseconds as the file $SHMLOG_TEST_CLOCK_SHIFT says (64 bits, mapped, read at every call).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t *shift(void)
{
    static const int64_t *shared;
    const char *path = getenv("SHMLOG_TEST_CLOCK_SHIFT");
    void *memory;
    int fd;

    if (shared || !path)
        return shared;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    memory = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        abort();
    return shared = memory;
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    const int r = (int)syscall(SYS_clock_gettime, id, ret_time);

    if (r == 0 && id == CLOCK_REALTIME && shift()) {
        const int64_t ns = (int64_t)ret_time->tv_sec * 1000000000 + ret_time->tv_nsec +
                           __atomic_load_n(shift(), __ATOMIC_RELAXED);

        ret_time->tv_sec = ns / 1000000000;
        ret_time->tv_nsec = ns % 1000000000;
    }
    return r;
}
