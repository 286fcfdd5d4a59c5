/* SPDX-License-Identifier: MIT
 *
 * Listeners, see listeners.h.
 */
#include "collector/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DUMP "shmlog-dump"
#define CTL "shmlog-ctl"

static const char *const names[LISTENERS] = {"--print", "--exec-on"};

/* A program of the same installation: beside this one, or in PATH. */
static _Noreturn void become(char *const *argv)
{
    static const int by_default[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ};
    char path[PATH_MAX + 32];
    const ssize_t size = readlink("/proc/self/exe", path, PATH_MAX);

    for (size_t i = 0; i < sizeof(by_default) / sizeof(by_default[0]); i++)
        signal(by_default[i], SIG_DFL);
    (void)syscall(SYS_close_range, 3, ~0u, 0); /* locks, too, that were not for it */
    if (size > 0) {
        path[size] = '\0';
        strcpy(strrchr(path, '/') + 1, argv[0]);
        execv(path, argv);
    }
    execvp(argv[0], argv);
    _exit(127);
}

/* A condition is right if a program that only tells its version takes it. */
static int check_one(const char *name, const char *condition, char *ret_message,
                     size_t message_size)
{
    char *argv[] = {(char *)DUMP, (char *)"--where", (char *)condition, (char *)"--version", NULL};
    char said[512] = "", *why = said;
    size_t size = 0;
    ssize_t more = 0;
    int pipes[2], status = 0;
    pid_t pid;

    signal(SIGCHLD, SIG_DFL); /* if it were ignored, nobody would be told how it ended */
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        const int none = open("/dev/null", O_RDWR);

        if (dup2(none, STDOUT_FILENO) >= 0 && dup2(pipes[1], STDERR_FILENO) >= 0)
            become(argv);
        _exit(127);
    }
    close(pipes[1]);
    do /* to its end */
        more = pid < 0 ? 0 : read(pipes[0], said + size, sizeof(said) - 1 - size);
    while (more > 0 && (size += (size_t)more) < sizeof(said) - 1);
    close(pipes[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        snprintf(ret_message, message_size, "%s needs " DUMP " and " CTL ", which are not in PATH",
                 name);
        return -ENOENT;
    }
    said[strcspn(said, "\n")] = '\0';
    if (strncmp(said, DUMP ": --where ", sizeof(DUMP ": --where ") - 1) == 0)
        why += sizeof(DUMP ": --where ") - 1;
    snprintf(ret_message, message_size, "%s %s", name, why);
    return -EINVAL;
}

int listeners_check(const struct options *options, char *ret_message, size_t message_size)
{
    int r = 0;

    *ret_message = '\0';
    if (options->print)
        r = check_one(names[0], options->print, ret_message, message_size);
    if (r == 0 && options->exec_on)
        r = check_one(names[1], options->exec_on, ret_message, message_size);
    if (r < 0 && !*ret_message)
        snprintf(ret_message, message_size, "cannot start a listener: %s", strerror(-r));
    return r;
}

static pid_t start(char *const *argv)
{
    const pid_t parent = getpid(), pid = fork();
    sigset_t later;

    if (pid)
        return pid;
    /* until it is ready for it: else it would die of it, with all that it has not taken yet */
    sigemptyset(&later);
    sigaddset(&later, SIGTERM);
    sigprocmask(SIG_BLOCK, &later, NULL);
    /* A group of its own: a key that interrupts the collector is not meant for it. */
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(127);
    become(argv);
}

void listeners_start(struct listeners *listeners, const struct options *options,
                     const char *segment)
{
    struct timespec now;
    char since[48];

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(since, sizeof(since), "@%lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
    if (options->print) {
        char *argv[] = {(char *)DUMP,       (char *)"--follow",
                        (char *)"--since",  since,
                        (char *)"--format", (char *)(options->print_json ? "json" : "text"),
                        (char *)"--where",  (char *)options->print,
                        (char *)segment,    NULL};

        listeners->pid[0] = start(argv);
    }
    if (options->exec_on) {
        char *argv[] = {(char *)CTL,     (char *)"watch",          (char *)"--since",
                        since,           (char *)"--where",        (char *)options->exec_on,
                        (char *)segment, (char *)options->command, NULL};

        listeners->pid[1] = start(argv);
    }
}

static bool is_there(struct listeners *listeners, unsigned i, int *ret_status)
{
    if (listeners->pid[i] > 0 && waitpid(listeners->pid[i], ret_status, WNOHANG) != 0)
        listeners->pid[i] = 0;
    return listeners->pid[i] > 0;
}

void listeners_look(struct listeners *listeners)
{
    for (unsigned i = 0; i < LISTENERS; i++) {
        char line[128];
        int status = 0;

        if (listeners->pid[i] <= 0 || listeners->ending || is_there(listeners, i, &status))
            continue;
        snprintf(line, sizeof(line),
                 "the listener of %s has ended, by %s %d; it is not started again", names[i],
                 WIFEXITED(status) ? "exit status" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        listeners->say(line);
    }
}

void listeners_end(struct listeners *listeners)
{
    listeners->ending = true;
    for (unsigned i = 0; i < LISTENERS; i++)
        if (listeners->pid[i] > 0)
            kill(listeners->pid[i], SIGTERM);
}

bool listeners_have_ended(struct listeners *listeners)
{
    bool any = false;
    int status;

    for (unsigned i = 0; i < LISTENERS; i++)
        any |= is_there(listeners, i, &status);
    return !any;
}

void listeners_kill(struct listeners *listeners)
{
    int status;

    for (unsigned i = 0; i < LISTENERS; i++)
        if (is_there(listeners, i, &status))
            kill(listeners->pid[i], SIGKILL);
}
