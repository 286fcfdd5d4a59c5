/* SPDX-License-Identifier: MIT
 *
 * Every call of the public header, with a segment: for tests/checks/msan.
 */
#define SHMLOG_IMPLEMENTATION
#include "tests/checks/header_use.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void *log_from_thread(void *log)
{
    use_all((struct shmlog *)log);
    return NULL;
}

/* The sums of what a call gives back: whether it is initialised is asked where it is used. */
static int use(const char *text)
{
    return text[0] ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *const names[] = {argc > 1 ? argv[1] : "", "nowhere", "/nonexistent/segment", "a b",
                                 ""};
    struct shmlog_options options;
    struct shmlog *log, *second;
    pthread_t thread;
    int status = 0;
    pid_t child;

    memset(&options, 0, sizeof(options));
    for (int error = 4000; error < 4010; error++)
        status |= use(shmlog_strerror(error));
    for (unsigned i = 1; i < sizeof(names) / sizeof(names[0]); i++)
        if (shmlog_open(&log, names[i], &options) == 0)
            return 2;
    if (shmlog_open(&log, names[0], NULL) < 0)
        return 3;
    options.process_name = "msan";
    if (shmlog_open(&second, names[0], &options) < 0)
        return 4;
    use_all(log);
    use_all(second);
    if (pthread_create(&thread, NULL, log_from_thread, log) != 0)
        return 5;
    pthread_join(thread, NULL);
    if (shmlog_poll(log) < 0)
        return 6;
    child = fork();
    if (child == 0) {
        use_all(log);
        _exit(shmlog_thread_lost(log) != 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return 7;
    if (shmlog_lost(log) || shmlog_thread_lost(log) || !shmlog_enabled(log, SHMLOG_INFO))
        return 8;
    shmlog_set_level(log, SHMLOG_INFO);
    shmlog_close(second);
    shmlog_close(log);
    return 0;
}
