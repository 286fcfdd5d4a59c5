/* SPDX-License-Identifier: MIT
 *
 * Dies in a way of its choice, for tests/integration/crash:
 *
 *     crash_program SEGMENT segv|kill|abort|stack|fpe|thread
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"
#include "producer/shmlog_crash.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

static struct shmlog *log_;
static volatile int sink;

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char room[4096];

    room[0] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + room[0];
}

__attribute__((noinline)) static void die_here(const char *how)
{
    if (!strcmp(how, "segv") || !strcmp(how, "thread"))
        *(volatile int *)(uintptr_t)0x1230 = 1;
    if (!strcmp(how, "kill"))
        raise(SIGSEGV);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "stack"))
        sink = overflow(1);
    if (!strcmp(how, "fpe"))
        raise(SIGFPE);
    sink = 1; /* no call is the last thing that it does, which would leave no frame of it */
}

static void *thread(void *how)
{
    die_here((const char *)how);
    return NULL;
}

int main(int argc, char **argv)
{
    const struct rlimit no_core = {0, 0}, stack = {1 << 20, 1 << 20};
    pthread_t other;

    if (argc != 3 || shmlog_open(&log_, argv[1], NULL) < 0 || shmlog_crash_handler(log_) < 0)
        return 3;
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)setrlimit(RLIMIT_STACK, &stack);
    for (int i = 0; i < 10; i++)
        shmlog_info(log_, "before %d", i);
    if (!strcmp(argv[2], "thread")) {
        if (!pthread_create(&other, NULL, thread, argv[2]))
            pthread_join(other, NULL);
    } else {
        die_here(argv[2]);
    }
    return 4; /* it lives */
}
