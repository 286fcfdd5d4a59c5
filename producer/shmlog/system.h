/* SPDX-License-Identifier: MIT
 *
 * What the implementation needs of the system. Raw system calls, which -std=c11 does not hide: all
 * that a log call may come to is async-signal-safe and leaves errno as it is.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHMLOG_COLD_ static __attribute__((noinline, cold, unused))
#define SHMLOG_STATIC_ static __attribute__((noinline, unused))

SHMLOG_BEGIN_C_
#if !defined(__cplusplus) && defined(__STRICT_ANSI__) && !defined(_GNU_SOURCE) && \
    !defined(_DEFAULT_SOURCE)
extern long syscall(long number, ...); /* hidden by -std=c11 */
#endif

/* MemorySanitizer does not see what a system call writes. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define SHMLOG_MSAN_ 1
extern void __msan_unpoison(const volatile void *memory, size_t size);
#endif
#endif
SHMLOG_END_C_
SHMLOG_INLINE_ void shmlog_written_(const void *memory, long size)
{
#ifdef SHMLOG_MSAN_
    if (size > 0)
        __msan_unpoison(memory, (size_t)size);
#else
    (void)memory;
    (void)size;
#endif
}

/* A system call with up to 6 arguments, numbers or pointers; its result or a negative errno. */
#define SHMLOG_SYS_(...) SHMLOG_SYS_X_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SHMLOG_SYS_X_(number, a, b, c, d, e, f, ...) \
    shmlog_sys_(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
SHMLOG_COLD_ long shmlog_sys_(long number, long a, long b, long c, long d, long e, long f)
{
    const int saved = errno;
    const long r = syscall(number, a, b, c, d, e, f);
    const long result = r == -1 ? -(long)errno : r;

    errno = saved;
    return result;
}

#define SHMLOG_O_CLOEXEC_ 02000000
#if defined(__aarch64__) || defined(__arm__) || defined(__powerpc__)
#define SHMLOG_O_NOFOLLOW_ 0100000
#else
#define SHMLOG_O_NOFOLLOW_ 0400000
#endif
#define SHMLOG_READ_WRITE_ 3L /* PROT_READ | PROT_WRITE */
#define SHMLOG_MAP_SHARED_ 0x1L
#define SHMLOG_MAP_POPULATE_ 0x8000L
#define SHMLOG_MAP_OWN_ 0x4022L /* MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE */
#define SHMLOG_MAP_FIXED_ 0x10L
#define SHMLOG_MREMAP_ 3L /* MAYMOVE, FIXED */
#define SHMLOG_WIPEONFORK_ 18L
#define SHMLOG_GET_NAME_ 16L /* of prctl() */

/* Map, also over what is there (`at`, MAP_FIXED). Returns 0 or a negative error. */
SHMLOG_COLD_ int shmlog_map_(void *at, uint64_t size, long flags, long fd, void **ret_memory)
{
    const long r = SHMLOG_SYS_(SYS_mmap, at, size, SHMLOG_READ_WRITE_, flags, fd, 0);

    if (r < 0 && r > -4096)
        return (int)r;
    *ret_memory = (void *)(uintptr_t)r;
    return 0;
}

uint64_t shmlog_monotonic_ns_(void)
{
    struct timespec ts;

    ts.tv_sec = 0;
    ts.tv_nsec = 0;
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &ts);
#else
    SHMLOG_SYS_(SYS_clock_gettime, 1, &ts);
#endif
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

SHMLOG_COLD_ void shmlog_nap_(long us)
{
    struct timespec ts;

    ts.tv_sec = us / 1000000;
    ts.tv_nsec = us % 1000000 * 1000;
    SHMLOG_SYS_(SYS_nanosleep, &ts, 0);
}

SHMLOG_INLINE_ void shmlog_relax_(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* All signals off, and back. But for SIGBUS: raised by an access and blocked, it kills. */
#define SHMLOG_BUS_BIT_ (UINT64_C(1) << (SIGBUS - 1))
SHMLOG_COLD_ uint64_t shmlog_block_signals_(void)
{
    uint64_t all = ~SHMLOG_BUS_BIT_, before = 0;

    SHMLOG_SYS_(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &before, 8);
    shmlog_written_(&before, sizeof(before));
    return before;
}
SHMLOG_COLD_ void shmlog_unblock_signals_(uint64_t before)
{
    SHMLOG_SYS_(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &before, 0, 8);
}

/* A random number for a key: a multiple of 4, not 0. */
SHMLOG_COLD_ uint64_t shmlog_random_(void)
{
    uint64_t r = 0;

    if (SHMLOG_SYS_(SYS_getrandom, &r, sizeof(r), 0) != (long)sizeof(r))
        r = (shmlog_tsc_() ^ shmlog_monotonic_ns_() ^ (uint64_t)SHMLOG_SYS_(SYS_gettid, 0) << 40) *
            UINT64_C(0x9e3779b97f4a7c15);
    shmlog_written_(&r, sizeof(r));
    r &= ~UINT64_C(3);
    return r ? r : 4;
}

/* Read a small file; the bytes read or a negative error. */
SHMLOG_COLD_ long shmlog_read_file_(const char *path, void *buffer, size_t size)
{
    const long fd = SHMLOG_SYS_(SYS_openat, -100 /* AT_FDCWD */, path, SHMLOG_O_CLOEXEC_);
    long n;

    if (fd < 0)
        return fd;
    n = SHMLOG_SYS_(SYS_read, fd, buffer, size);
    shmlog_written_(buffer, n);
    SHMLOG_SYS_(SYS_close, fd);
    return n;
}

/* Start time of a thread: field 22 of its stat file (proc(5)); the name in field 2 may hold
 * anything, so count from its closing parenthesis. 0 where there is no /proc. */
#define SHMLOG_OWN_STAT_ "/proc/thread-self/stat"
SHMLOG_COLD_ uint64_t shmlog_start_time_(const char *stat)
{
    char text[1024];
    const long n = shmlog_read_file_(stat, text, sizeof(text) - 1);
    uint64_t value = 0;
    long i = n - 1;
    int field = 2;

    if (n <= 0)
        return 0;
    text[n] = 0;
    while (i > 0 && text[i] != ')')
        i--;
    for (; text[i] && field < 22; i++)
        field += text[i] == ' ';
    for (; text[i] >= '0' && text[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    return value;
}

/* lstat(), which -std=c11 hides. 0 or a negative error. */
SHMLOG_COLD_ int shmlog_lstat_(const char *path, struct stat *ret_stat)
{
    const long r = SHMLOG_SYS_(SYS_newfstatat, -100 /* AT_FDCWD */, path, ret_stat,
                               0x100 /* AT_SYMLINK_NOFOLLOW */);

    shmlog_written_(ret_stat, r == 0 ? (long)sizeof(*ret_stat) : 0);
    return (int)r;
}

/* Inode of this process's pid namespace; 0 unknown. */
SHMLOG_COLD_ uint64_t shmlog_pid_ns_(void)
{
    const int saved = errno;
    struct stat st;
    const uint64_t inode = stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;

    errno = saved;
    return inode;
}
