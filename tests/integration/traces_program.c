/* SPDX-License-Identifier: MIT
 *
 * Logs the spans of two traces, over two processes and a thread, for tests/integration/traces:
 *
 *     7  order { encode; (a message) ; risk, in the child { check } } , open at the end
 *     8  order; an end without a begin
 *
 * Moments are in an order that the pipe and the join make sure of.
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct shmlog *log_;

static void *encode(void *arg)
{
    shmlog_span_end(log_, 7, "encode", "bytes", 120u);
    return arg;
}

static void child(void)
{
    shmlog_span_begin(log_, 7, "risk", "limit", 2.5);
    shmlog_span_begin(log_, 7, "check");
    shmlog_span_end(log_, 7, "check", "ok", (_Bool)1);
    shmlog_span_end(log_, 7, "risk");
    shmlog_span_end(log_, 8, "nothing", "why", "lost");
    _exit(0);
}

int main(int argc, char **argv)
{
    const uint64_t trace = 7;
    pthread_t thread;
    int status;
    pid_t pid;

    if (argc != 2 || shmlog_open(&log_, argv[1], NULL) < 0)
        return EXIT_FAILURE;
    shmlog_span_begin(log_, trace, "order", "symbol", "BTCUSDT", "qty", 100);
    shmlog_span_begin(log_, 8, "order");
    shmlog_span_end(log_, 8, "order", "symbol", "ETHUSDT");
    shmlog_span_begin(log_, trace, "encode");
    if (pthread_create(&thread, NULL, encode, NULL) || pthread_join(thread, NULL))
        return EXIT_FAILURE;
    shmlog_warn(log_, "slow by %d us", 12);
    shmlog_info(log_, "sent %lu", SHMLOG_NAMED("trace", trace));
    pid = fork();
    if (pid == 0)
        child();
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
        return EXIT_FAILURE;
    shmlog_close(log_);
    return EXIT_SUCCESS;
}
