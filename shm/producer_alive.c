/* SPDX-License-Identifier: MIT
 *
 * Does a producer's thread still live? From /proc, by tid and start time; see tables.h.
 *
 * "Dead" frees an entry for another use, so it is said only when sure. Where /proc does not show a
 * thread (hidepid, another namespace, no /proc at all) but the kernel knows the tid, the answer is
 * "unknown". Works without privileges.
 */
#include "shm/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t shm_pid_ns(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

bool shm_proc_stat(const char *path, char *ret_state, uint64_t *ret_start)
{
    char text[1024], state;
    uint64_t start;
    const char *p;
    ssize_t n;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    /* "tid (name) S ...": the name may hold anything, so go by the last bracket. Then field 3 is
     * the state, and field 22 the start time. */
    p = strrchr(text, ')');
    if (!p || sscanf(p + 1,
                     " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                     "%" SCNu64,
                     &state, &start) != 2)
        return false;
    *ret_state = state;
    *ret_start = start;
    return true;
}

/* The same of a thread. */
static bool read_stat(uint32_t pid, uint32_t tid, char *ret_state, uint64_t *ret_start)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/stat", pid, tid);
    return shm_proc_stat(path, ret_state, ret_start);
}

static bool is_dead_state(char state)
{
    return state == 'Z' || state == 'X' || state == 'x';
}

uint64_t shm_thread_start(uint32_t pid, uint32_t tid)
{
    uint64_t start;
    char state;

    return read_stat(pid, tid, &state, &start) && !is_dead_state(state) ? start : 0;
}

/* No signal is sent; only whether there is such a thread. */
static bool kernel_knows(uint32_t pid, uint32_t tid)
{
    return tgkill((pid_t)pid, (pid_t)tid, 0) == 0 || errno != ESRCH;
}

/* Of an entry that is being filled in, only the claim can be relied on: a tid, and part of its pid
 * namespace. /proc has threads by their own tid as well. Another thread may have the tid by now:
 * then the entry's turn comes when that one is gone. */
static enum shm_alive filling_alive(uint64_t claim, uint64_t here)
{
    const uint32_t tid = (uint32_t)(claim >> 32);
    uint64_t start;
    char state;

    if (here == 0 || claim != SHMLOG_PRODUCER_FILLING_CLAIM(tid, here))
        return SHM_UNKNOWN;
    if (tid == 0 || tid > INT32_MAX)
        return SHM_DEAD;
    if (read_stat(tid, tid, &state, &start))
        return is_dead_state(state) ? SHM_DEAD : SHM_ALIVE;
    return syscall(SYS_tkill, (pid_t)tid, 0) == 0 || errno != ESRCH ? SHM_UNKNOWN : SHM_DEAD;
}

enum shm_alive shm_thread_alive(uint32_t pid, uint32_t tid, uint64_t start, uint64_t pid_ns)
{
    const uint64_t here = shm_pid_ns();
    uint64_t started;
    char state;

    if (pid_ns == 0 || here == 0 || pid_ns != here)
        return SHM_UNKNOWN;
    if (pid == 0 || pid > INT32_MAX || tid == 0 || tid > INT32_MAX)
        return SHM_DEAD; /* no thread has such a number */
    if (!read_stat(pid, tid, &state, &started))
        return kernel_knows(pid, tid) ? SHM_UNKNOWN : SHM_DEAD;
    if (is_dead_state(state))
        return SHM_DEAD;
    return start == 0 || start == started ? SHM_ALIVE : SHM_DEAD;
}

enum shm_alive shm_producer_alive(const struct shmlog_producer *producer)
{
    if ((producer->claim & SHMLOG_PRODUCER_STATE) >= SHMLOG_PRODUCER_DEAD)
        return SHM_DEAD;
    if ((producer->claim & SHMLOG_PRODUCER_STATE) == SHMLOG_PRODUCER_FILLING)
        return filling_alive(producer->claim, shm_pid_ns());
    return shm_thread_alive(producer->pid, producer->tid, producer->start_time, producer->pid_ns);
}
