/* SPDX-License-Identifier: MIT
 *
 * Preloaded into a collector: CLOCK_REALTIME as it would be after somebody has set it, and
 * CLOCK_MONOTONIC as a counter that went back, by as many nanoseconds as the file
 * $SHMLOG_TEST_CLOCK_SHIFT says (64 bits each, mapped, read at every call). With
 * $SHMLOG_TEST_NO_TSC, a machine whose kernel does not trust the TSC: the ticks of a segment are
 * then CLOCK_MONOTONIC's.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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
    memory = mmap(NULL, 2 * sizeof(*shared), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        abort();
    return shared = memory;
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if (flags & (O_CREAT | O_TMPFILE))
        mode = va_arg(args, mode_t);
    va_end(args);
    if (strstr(path, "/clocksource0/") && getenv("SHMLOG_TEST_NO_TSC"))
        path = "/proc/sys/kernel/ostype"; /* some word that is not tsc */
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    const int r = (int)syscall(SYS_clock_gettime, id, ret_time);

    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_MONOTONIC) && shift()) {
        const int64_t ns = (int64_t)ret_time->tv_sec * 1000000000 + ret_time->tv_nsec +
                           __atomic_load_n(shift() + (id == CLOCK_MONOTONIC), __ATOMIC_RELAXED);

        ret_time->tv_sec = ns / 1000000000;
        ret_time->tv_nsec = ns % 1000000000;
    }
    return r;
}
