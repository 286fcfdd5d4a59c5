/* SPDX-License-Identifier: MIT
 *
 * Test kit: guard process, checks, time, chance.
 */
#include "tests/kit/kit.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char test_dir[PATH_MAX];
static char test_shm_dir[PATH_MAX];
static const char *test_name = "test";
static volatile sig_atomic_t guard_signal;

/* ---- The guard ---- */

void (*kit_at_end)(void);

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (flag == FTW_DNR && chmod(path, 0700) != 0)
        return 0;
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Parent of process `pid`, 0 if it is gone. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    FILE *f;
    pid_t parent = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (fgets(line, sizeof(line), f)) {
        const char *p = strrchr(line, ')'); /* the name may contain anything */
        int n;

        if (p && sscanf(p + 1, " %*c %d", &n) == 1)
            parent = n;
    }
    fclose(f);
    return parent;
}

/* Orphans of the test become the guard's children: kill them, and theirs, until none is left. */
static void kill_orphans(void)
{
    const pid_t self = getpid();

    for (int round = 0; round < 1000; round++) {
        DIR *proc = opendir("/proc");
        const struct dirent *entry;

        if (!proc)
            return;
        while ((entry = readdir(proc))) {
            pid_t pid = (pid_t)atoi(entry->d_name);

            if (pid > 1 && parent_of(pid) == self)
                kill(pid, SIGKILL);
        }
        closedir(proc);
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
            return;
    }
}

static void on_guard_signal(int signal)
{
    guard_signal = signal;
}

static int guard(pid_t test)
{
    struct sigaction sa = {.sa_handler = on_guard_signal};
    int status = 0;

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    for (;;) {
        pid_t pid = waitpid(-1, &status, 0);

        if (pid == test)
            break;
        if (pid < 0 && errno == EINTR && guard_signal)
            kill(test, SIGKILL);
        else if (pid < 0 && errno != EINTR)
            break;
    }
    if (kit_at_end)
        kit_at_end();
    kill_orphans();
    if (getenv("SHMLOG_TEST_KEEP") && *getenv("SHMLOG_TEST_KEEP")) {
        fprintf(stderr, "kept: %s %s\n", test_dir, test_shm_dir);
    } else {
        remove_tree(test_dir);
        remove_tree(test_shm_dir);
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "%s: killed by signal %d (%s)\n", test_name, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
        return 1;
    }
    return WEXITSTATUS(status);
}

void kit_begin(const char *name)
{
    pid_t test;

    test_name = name;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    snprintf(test_dir, sizeof(test_dir), "%s/shmlog-test-%d-%s-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid(), name);
    snprintf(test_shm_dir, sizeof(test_shm_dir), "/dev/shm/shmlog-test-%d-%s-XXXXXX", (int)getpid(),
             name);
    if (!mkdtemp(test_dir) || !mkdtemp(test_shm_dir)) {
        fprintf(stderr, "%s: no test directory: %s\n", name, strerror(errno));
        exit(1);
    }
    setenv("SHMLOG_DIR", test_shm_dir, 1);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    test = fork();
    if (test < 0) {
        perror("fork");
        exit(1);
    }
    if (test > 0)
        _exit(guard(test));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- Checks ---- */

static int is_message(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot && strcmp(dot, ".err") == 0;
}

#define SHOWN_FILES 4
#define SHOWN_BYTES 2000u

/* The end of what the last programs of this test said, to see why it failed. */
static void show_messages(void)
{
    struct dirent **entry;
    int count = scandir(test_dir, &entry, is_message, alphasort); /* names begin with a number */

    for (int i = 0; i < count; i++) {
        size_t size;
        char *text = kit_read_file(kit_path(entry[i]->d_name), &size);

        if (size && i >= count - SHOWN_FILES)
            fprintf(stderr, "---- %s ----\n%s\n", entry[i]->d_name,
                    size > SHOWN_BYTES ? text + size - SHOWN_BYTES : text);
        free(text);
        free(entry[i]);
    }
    if (count >= 0)
        free(entry);
}

static int fail_status = 1;

void kit_ledger_is_wrong(void)
{
    fail_status = KIT_LEDGER;
}

void kit_fail(const char *file, int line, const char *format, ...)
{
    static bool failing;
    va_list args;

    if (!failing) { /* what follows may fail as well */
        failing = true;
        show_messages();
    }
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(NULL);
    _exit(fail_status);
}

void kit_skip(const char *format, ...)
{
    va_list args;

    fflush(NULL);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    _exit(77);
}

void kit_check_string(const char *file, int line, const char *expr, const char *got,
                      const char *want)
{
    if (!got || strcmp(got, want) != 0)
        kit_fail(file, line, "%s is\n    '%s', not\n    '%s'", expr, got ? got : "(null)", want);
}

uint64_t kit_number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    char *end;
    uint64_t value;

    if (!text || !*text)
        return fallback;
    value = strtoull(text, &end, 0);
    if (*end)
        KIT_FAIL("%s=%s is not a number", name, text);
    return value;
}

/* ---- Time and chance ---- */

bool kit_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

uint64_t kit_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t kit_deadline(double seconds)
{
    double slower = (double)kit_number("SHMLOG_TEST_SLOWER", 1) * (kit_sanitized() ? 4 : 1);

    return kit_now_ns() + (uint64_t)(seconds * slower * 1e9);
}

bool kit_wait(bool (*condition)(void *arg), void *arg, double seconds)
{
    const uint64_t deadline = kit_deadline(seconds > KIT_PATIENCE ? seconds : KIT_PATIENCE);
    struct timespec step = {.tv_nsec = 50000};

    while (!condition(arg)) {
        if (kit_now_ns() > deadline)
            return condition(arg);
        nanosleep(&step, NULL);
        if (step.tv_nsec < 2000000)
            step.tv_nsec += step.tv_nsec / 4;
    }
    return true;
}

uint64_t kit_seed(void)
{
    static uint64_t seed;
    static bool known;

    if (!known) {
        seed = kit_number("SHMLOG_TEST_SEED", 20240808);
        known = true;
        printf("%s: seed %" PRIu64 " (SHMLOG_TEST_SEED)\n", test_name, seed);
    }
    return seed;
}

uint64_t kit_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t kit_random_below(uint64_t *state, uint64_t below)
{
    return kit_random(state) % below;
}

/* ---- Directories ---- */

const char *kit_dir(void)
{
    return test_dir;
}

const char *kit_shm_dir(void)
{
    return test_shm_dir;
}
