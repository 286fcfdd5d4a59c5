/* SPDX-License-Identifier: MIT
 *
 * Preloaded: CLOCK_MONOTONIC as a test drives it, see driven_clock.h. Read without sanitizers,
 * which ask for the time before they are ready.
 */
#include "tests/kit/driven_clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct driven_clock *clock_;

__attribute__((constructor)) static void map_clock(void)
{
    const char *const path = getenv(DRIVEN_CLOCK_ENV);
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *const memory = mmap(NULL, sizeof(*clock_), PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        abort();
    close(fd);
    clock_ = memory;
}

__attribute__((no_sanitize("address", "undefined"))) int clock_gettime(clockid_t id,
                                                                       struct timespec *ret_time)
{
    const struct driven_clock *const c = clock_;
    const int r = (int)syscall(SYS_clock_gettime, id, ret_time);

    if (r == 0 && id == CLOCK_MONOTONIC && c) {
        const uint64_t stood = __atomic_load_n(&c->stood, __ATOMIC_RELAXED);
        const uint64_t now = (uint64_t)ret_time->tv_sec * 1000000000 + (uint64_t)ret_time->tv_nsec;
        const uint64_t ns = (stood ? stood : now) + __atomic_load_n(&c->forward, __ATOMIC_RELAXED);

        ret_time->tv_sec = (time_t)(ns / 1000000000);
        ret_time->tv_nsec = (long)(ns % 1000000000);
    }
    return r;
}
