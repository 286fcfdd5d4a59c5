/* SPDX-License-Identifier: MIT
 *
 * shmlog-collector: options, signals, pipeline.
 */
#include "collector/options.h"
#include "collector/pipeline.h"

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

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a limit on file sizes is an error like others */
}

int main(int argc, char **argv)
{
    static struct options options;
    struct pipeline *pipeline = NULL;
    char message[1024] = "";
    int r;

    switch (options_parse(argc, argv, &options, stdout, stderr)) {
    case OPTIONS_DONE:
        return EXIT_SUCCESS;
    case OPTIONS_WRONG:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    catch_signals();
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
