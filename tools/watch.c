/* SPDX-License-Identifier: MIT
 *
 * A command for a record, see watch.h.
 */
#include "tools/watch.h"

#include "reader/print.h"
#include "tools/lookout.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct watch {
    const struct watch_params *params;
    pid_t pid;        /* of the command, 0: it does not run */
    uint64_t skipped; /* since it began */
    uint64_t runs, failures, skipped_in_all;
    struct printer printer;
};

__attribute__((format(printf, 2, 3))) static void say(const struct watch *watch, const char *format,
                                                      ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    watch->params->said(line);
}

/* A failure is told of once, and how many there were at the end. */
static void note_end(struct watch *watch, int status)
{
    watch->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (!watch->failures++)
        say(watch,
            WIFEXITED(status) ? "the command ended with status %d" : "signal %d ended the command",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void turn(void *arg)
{
    struct watch *const watch = arg;
    int status;

    if (watch->pid && waitpid(watch->pid, &status, WNOHANG) == watch->pid)
        note_end(watch, status);
}

/* A file that is nowhere: a pipe might have to be waited for. */
static int file_of(const struct text *text)
{
    const int file = memfd_create("record", MFD_CLOEXEC);

    if (file >= 0 && (write(file, text->data, text->size) != (ssize_t)text->size ||
                      lseek(file, 0, SEEK_SET) < 0)) {
        close(file);
        return -1;
    }
    return file;
}

static _Noreturn void become(const struct watch *watch, int input)
{
    char skipped[24];

    snprintf(skipped, sizeof(skipped), "%" PRIu64, watch->skipped);
    if (dup2(input, STDIN_FILENO) < 0 || setenv("SHMLOG_SKIPPED", skipped, 1) < 0)
        _exit(127);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    execl("/bin/sh", "sh", "-c", watch->params->command, (char *)NULL);
    _exit(127);
}

static void on_record(void *arg, struct line *line)
{
    struct watch *const watch = arg;
    int input;

    turn(watch);
    if (watch->pid) {
        watch->skipped++;
        watch->skipped_in_all++;
        return;
    }
    text_clear(&watch->printer.row);
    input = print_line(&watch->printer, line) < 0 ? -1 : file_of(&watch->printer.row);
    if (input >= 0)
        watch->pid = fork();
    if (input < 0 || watch->pid < 0) {
        say(watch, "the command cannot be started: %s", strerror(errno));
        watch->pid = 0;
        watch->skipped++;
        watch->skipped_in_all++;
    } else if (watch->pid == 0) {
        become(watch, input);
    } else {
        watch->runs++;
        watch->skipped = 0;
    }
    if (input >= 0)
        close(input);
}

static void ready(void *arg)
{
    const struct watch *const watch = arg;

    watch->params->ready();
}

int watch_run(const struct watch_params *params, char *ret_message, size_t message_size)
{
    struct watch watch = {.params = params, .printer = {.format = PRINT_JSON, .hold = true}};
    struct lookout lookout = {
        .segment = params->segment,
        .where = params->where,
        .since_ns = params->since_ns,
        .ready = ready,
        .record = on_record,
        .turn = turn,
        .arg = &watch,
    };
    int r, status;

    field_list_all(&watch.printer.fields);
    r = lookout_run(&lookout, ret_message, message_size);

    if (watch.pid > 0 && waitpid(watch.pid, &status, 0) == watch.pid)
        note_end(&watch, status);
    if (r == 0)
        say(&watch,
            "the command ran %" PRIu64 " time%s, %" PRIu64 " failed; %" PRIu64
            " record%s skipped while it ran, %" PRIu64 " missed",
            watch.runs, text_plural(watch.runs), watch.failures, watch.skipped_in_all,
            text_plural(watch.skipped_in_all), lookout.missed);
    printer_done(&watch.printer);
    return r;
}
