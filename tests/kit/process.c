/* SPDX-License-Identifier: MIT
 *
 * Test kit: starting, watching and killing processes.
 *
 * Output and messages of a process go to files in the test's directory, so that nobody ever waits
 * for a reader, and a failed test can show them.
 */
#include "tests/kit/kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child, on the way to exec: no return on failure. */
static void redirect(int fd, const char *path, int flags)
{
    int file = open(path, flags, 0644);

    if (file < 0 || dup2(file, fd) < 0) {
        dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
        _exit(126);
    }
    if (file != fd)
        close(file);
}

static void enter_child(const struct kit_process *process, const struct kit_spawn_options *options,
                        pid_t parent)
{
    const char *input = options && options->stdin_path ? options->stdin_path : "/dev/null";

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    signal(SIGPIPE, SIG_DFL);
    redirect(STDIN_FILENO, input, O_RDONLY);
    redirect(STDOUT_FILENO, process->out, O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, process->err, O_WRONLY | O_CREAT | O_APPEND);
    for (const char *const *env = options ? options->env : NULL; env && *env; env++) {
        char *entry = strdup(*env);

        if (entry)
            putenv(entry);
    }
    if (options && options->cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((unsigned)(options->cpu - 1), &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
}

static void name_process(struct kit_process *process, const char *name,
                         const struct kit_spawn_options *options)
{
    static unsigned number;
    const char *base = strrchr(name, '/');

    memset(process, 0, sizeof(*process));
    number++;
    snprintf(process->name, sizeof(process->name), "%05u-%.40s", number, base ? base + 1 : name);
    snprintf(process->err, sizeof(process->err), "%s", kit_path(kit_text("%s.err", process->name)));
    if (options && options->stdout_path)
        snprintf(process->out, sizeof(process->out), "%s", options->stdout_path);
    else
        snprintf(process->out, sizeof(process->out), "%s",
                 kit_path(kit_text("%s.out", process->name)));
}

void kit_spawn(struct kit_process *process, const char *const argv[],
               const struct kit_spawn_options *options)
{
    const pid_t parent = getpid();

    name_process(process, argv[0], options);
    fflush(NULL);
    process->pid = fork();
    if (process->pid < 0)
        KIT_FAIL("fork: %s", strerror(errno));
    if (process->pid == 0) {
        enter_child(process, options, parent);
        execvp(argv[0], (char *const *)argv);
        dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
}

void kit_spawn_function(struct kit_process *process, const char *name, int (*function)(void *arg),
                        void *arg)
{
    const pid_t parent = getpid();

    name_process(process, name, NULL);
    fflush(NULL);
    process->pid = fork();
    if (process->pid < 0)
        KIT_FAIL("fork: %s", strerror(errno));
    if (process->pid == 0) {
        int status;

        enter_child(process, NULL, parent);
        status = function(arg);
        fflush(NULL);
        _exit(status);
    }
}

static void take_status(struct kit_process *process, int status)
{
    process->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    process->pid = 0;
}

bool kit_has_ended(struct kit_process *process)
{
    int status;

    if (!process->pid)
        return true;
    if (waitpid(process->pid, &status, WNOHANG) != process->pid)
        return false;
    take_status(process, status);
    return true;
}

static bool has_ended(void *arg)
{
    return kit_has_ended(arg);
}

int kit_wait_exit(struct kit_process *process, double seconds)
{
    if (!kit_wait(has_ended, process, seconds))
        KIT_FAIL("%s still runs after %.0f s", process->name, seconds);
    return process->status;
}

void kit_kill(struct kit_process *process, int signal)
{
    if (process->pid > 0)
        kill(process->pid, signal);
}

/* State of a thread by its stat file in /proc, 'X' if it is gone. */
static char thread_state(const char *path)
{
    char line[512];
    const char *name_end;
    FILE *const f = fopen(path, "re");
    char state = 'X';

    if (!f)
        return state;
    if (fgets(line, sizeof(line), f)) {
        name_end = strrchr(line, ')'); /* the name may contain anything */
        if (name_end && name_end[1] == ' ')
            state = name_end[2];
    }
    fclose(f);
    return state;
}

static bool is_stopped(void *arg)
{
    const pid_t pid = *(const pid_t *)arg;
    char path[320];
    DIR *dir;
    const struct dirent *entry;
    bool stopped;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    stopped = strchr("Tt", thread_state(path)) != NULL;
    if (strchr("ZX", thread_state(path)))
        KIT_FAIL("process %d has ended and cannot be stopped", (int)pid);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    dir = opendir(path);
    while (stopped && dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, entry->d_name);
        stopped = strchr("TtX", thread_state(path)) != NULL;
    }
    if (dir)
        closedir(dir);
    return stopped;
}

void kit_stop(pid_t pid)
{
    if (kill(pid, SIGSTOP) != 0)
        KIT_FAIL("process %d: %s", (int)pid, strerror(errno));
    if (!kit_wait(is_stopped, &pid, KIT_PATIENCE))
        KIT_FAIL("process %d does not stop", (int)pid);
}

void kit_kill_hard(struct kit_process *process)
{
    int status;

    if (!process->pid)
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    take_status(process, status);
}

pid_t kit_child(const struct kit_process *process)
{
    char *const text =
        kit_read_file(kit_text("/proc/%d/task/%d/children", process->pid, process->pid), NULL);
    const pid_t pid = (pid_t)atoi(text);

    free(text);
    KIT_COMPARE(pid, >, 0);
    return pid;
}

bool kit_err_contains(const struct kit_process *process, const char *text)
{
    char *said;
    bool found;

    if (access(process->err, R_OK) != 0)
        return false;
    said = kit_read_file(process->err, NULL);
    found = strstr(said, text) != NULL;
    free(said);
    return found;
}

struct text_wait {
    struct kit_process *process;
    const char *text;
};

static bool said_or_ended(void *arg)
{
    struct text_wait *wait = arg;

    return kit_err_contains(wait->process, wait->text) || kit_has_ended(wait->process);
}

void kit_wait_text(struct kit_process *process, const char *text, double seconds)
{
    struct text_wait wait = {process, text};

    if (!kit_wait(said_or_ended, &wait, seconds))
        KIT_FAIL("%s did not say '%s' within %.0f s", process->name, text, seconds);
    if (!kit_err_contains(process, text))
        KIT_FAIL("%s ended with status %d without saying '%s'", process->name, process->status,
                 text);
}

int kit_run(struct kit_process *process, const char *const argv[],
            const struct kit_spawn_options *options)
{
    kit_spawn(process, argv, options);
    return kit_wait_exit(process, 120);
}
