/* SPDX-License-Identifier: MIT
 *
 * Housekeeping, from the drain's side: see housekeeping.h. No call here waits but those at start
 * and at the end.
 */
#include "collector/housekeeping_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FINISH_MS (HOUSEKEEPING_SETTLE_S * 1000 + 5000)
#define SILENCE_MS 1000

struct housekeeping {
    struct housekeeping_page *page;
    pid_t pid; /* 0: it has ended */
    int status;
};

static void nap(void)
{
    const struct timespec ts = {.tv_nsec = 1000000};

    nanosleep(&ts, NULL);
}

/* Has it ended? Takes note of how. */
static bool has_ended(struct housekeeping *h)
{
    const pid_t pid = h->pid ? waitpid(h->pid, &h->status, WNOHANG) : 0;

    if (pid > 0 || (pid < 0 && errno == ECHILD))
        h->pid = 0;
    return !h->pid;
}

int housekeeping_check(struct housekeeping *h, char *ret_message, size_t message_size)
{
    if (!has_ended(h))
        return 0;
    if (shmlog_load_acquire_(&h->page->state) == HOUSEKEEPING_FAILED) {
        snprintf(ret_message, message_size, "%s", h->page->message);
        return h->page->error;
    }
    snprintf(ret_message, message_size,
             "the process that writes the files has ended (%s %d): what is not written is kept; "
             "start again",
             WIFSIGNALED(h->status) ? "signal" : "status",
             WIFSIGNALED(h->status) ? WTERMSIG(h->status) : WEXITSTATUS(h->status));
    return -ECHILD;
}

/* In the new process: signals are the drain's, which says when to end, and dies with it. */
static _Noreturn void begin(const struct housekeeping_params *params,
                            struct housekeeping_page *page, pid_t drain)
{
    cpu_set_t cpus = *params->cpus;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != drain)
        _exit(1);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, "shmlog-house");
    if (params->options->pin >= 0) {
        CPU_CLR((size_t)params->options->pin, &cpus);
        (void)sched_setaffinity(0, sizeof(cpus), CPU_COUNT(&cpus) ? &cpus : params->cpus);
    }
    housekeeper_run(params, page);
}

int housekeeping_start(const struct housekeeping_params *params, struct housekeeping **ret,
                       char *ret_message, size_t message_size)
{
    struct housekeeping *const h = calloc(1, sizeof(*h));
    const pid_t drain = getpid();
    int r = -ENOMEM;

    if (h)
        h->page =
            mmap(NULL, sizeof(*h->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (h && h->page != MAP_FAILED) {
        signal(SIGCHLD, SIG_DFL); /* if it were ignored, nobody would be told how it ended */
        fflush(NULL);
        h->pid = fork();
        if (h->pid == 0)
            begin(params, h->page, drain);
        r = h->pid < 0 ? -errno : 0;
        if (r < 0)
            munmap(h->page, sizeof(*h->page));
    }
    if (r < 0) {
        snprintf(ret_message, message_size, "cannot start the process that writes the files: %s",
                 strerror(-r));
        free(h);
        return r;
    }
    while (r == 0 && shmlog_load_acquire_(&h->page->state) != HOUSEKEEPING_READY) {
        r = housekeeping_check(h, ret_message, message_size);
        if (r == 0)
            nap();
    }
    if (r < 0)
        housekeeping_close(h);
    else
        *ret = h;
    return r;
}

const char *housekeeping_backend(const struct housekeeping *h)
{
    return h->page->backend;
}

bool housekeeping_wants_move(const struct housekeeping *h)
{
    return shmlog_load_acquire_(&h->page->moves_wanted) != h->page->moves_done;
}

void housekeeping_moved(struct housekeeping *h, int error)
{
    h->page->move_error = error;
    shmlog_store_release_(&h->page->moves_done, h->page->moves_wanted);
}

void housekeeping_recovered(struct housekeeping *h)
{
    shmlog_store_release_(&h->page->recovered, 1);
}

uint64_t housekeeping_answers(const struct housekeeping *h, uint64_t now_ns)
{
    return shmlog_load_relaxed_(&h->page->elsewhere) ? now_ns /* grows as well */
                                                     : shmlog_load_relaxed_(&h->page->answers);
}

bool housekeeping_tell(struct housekeeping *h, unsigned level, const char *line, bool said)
{
    struct housekeeping_page *const page = h->page;
    const uint32_t told = page->told, at = told % HOUSEKEEPING_LINES;

    /* pairs with the release by which it has copied a line */
    if (told - shmlog_load_acquire_(&page->heard) >= HOUSEKEEPING_LINES)
        return false;
    page->line[at].level = level;
    page->line[at].said = said;
    snprintf(page->line[at].text, sizeof(page->line[at].text), "%s", line);
    shmlog_store_release_(&page->told, told + 1);
    return true;
}

bool housekeeping_conclude(struct housekeeping *h)
{
    shmlog_store_release_(&h->page->concluding, 1);
    return shmlog_load_acquire_(&h->page->concluded) != 0;
}

void housekeeping_silence(struct housekeeping *h)
{
    __atomic_store_n(&h->page->silent, 1, __ATOMIC_SEQ_CST); /* see own_log_work() */
    for (unsigned ms = 0;
         ms < SILENCE_MS && !has_ended(h) && __atomic_load_n(&h->page->attached, __ATOMIC_SEQ_CST);
         ms++)
        nap();
}

uint64_t housekeeping_progress(const struct housekeeping *h)
{
    return shmlog_load_relaxed_(&h->page->progress);
}

bool housekeeping_is_stalled(const struct housekeeping *h)
{
    return shmlog_load_relaxed_(&h->page->stalled) != 0;
}

int housekeeping_finish(struct housekeeping *h, char *ret_message, size_t message_size)
{
    shmlog_store_release_(&h->page->stop, 1);
    for (unsigned ms = 0; !has_ended(h) && ms < FINISH_MS; ms++)
        nap();
    if (!has_ended(h)) {
        snprintf(ret_message, message_size,
                 "stopped with everything written, but the disk does not answer; look whether it "
                 "works");
        return -EIO;
    }
    if (WIFEXITED(h->status) && WEXITSTATUS(h->status) == 0)
        return 0;
    return housekeeping_check(h, ret_message, message_size);
}

void housekeeping_close(struct housekeeping *h)
{
    if (!h)
        return;
    if (!has_ended(h))
        kill(h->pid, SIGKILL);
    for (unsigned ms = 0; !has_ended(h) && ms < 100; ms++)
        nap();
    munmap(h->page, sizeof(*h->page));
    free(h);
}
