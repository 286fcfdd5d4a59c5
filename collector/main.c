/* SPDX-License-Identifier: MIT
 *
 * shmlog-collector: options, signals, pipeline.
 */
#include "collector/listeners.h"
#include "collector/options.h"
#include "collector/pipeline.h"
#include "collector/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop, rotate;

static void on_signal(int signal)
{
    if (signal == SIGHUP)
        rotate = 1;
    else
        stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action;
    sigset_t caught;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigemptyset(&caught);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGHUP);
    sigprocmask(SIG_UNBLOCK, &caught, NULL); /* whoever started it may have blocked them */
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a limit on file sizes is an error like others */
}

static int remove_orphans(void)
{
    struct shm_orphan_list list;
    bool failed;
    const int r = shm_orphans_remove(&list);

    if (r < 0) {
        fprintf(stderr, "shmlog-collector: cannot look for ring files left behind: %s\n",
                strerror(-r));
        return EXIT_FAILURE;
    }
    report_orphans(&list, stdout);
    if (!list.count && !list.error)
        printf("shmlog-collector: no ring files were left behind\n");
    failed = list.error != 0;
    for (size_t i = 0; i < list.count; i++)
        failed |= list.group[i].error != 0;
    shm_orphans_done(&list);
    return failed || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct options options;
    struct pipeline *pipeline = NULL;
    char message[1024] = "";
    int r;

    switch (options_parse(argc, argv, &options, stdout, stderr)) {
    case OPTIONS_DONE:
        if (fflush(stdout) == 0)
            return EXIT_SUCCESS;
        fprintf(stderr, "shmlog-collector: standard output: %s\n", strerror(errno));
        return EXIT_FAILURE;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    if (options.remove_orphans)
        return remove_orphans();
    catch_signals();
    r = listeners_check(&options, message, sizeof(message));
    if (r == -EINVAL) {
        fprintf(stderr, "shmlog-collector: %s\n", message);
        return 2;
    }
    if (r == 0)
        r = pipeline_open(&options, &pipeline, message, sizeof(message));
    if (r == 0) {
        fprintf(stderr, "shmlog-collector: ready\n");
        r = pipeline_run(pipeline, &stop, &rotate, message, sizeof(message));
        pipeline_close(pipeline);
    }
    if (r < 0) {
        fprintf(stderr, "shmlog-collector: %s\n", message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
