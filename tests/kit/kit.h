/* SPDX-License-Identifier: MIT
 *
 * Test kit: checks, directories, processes, and the programs under test.
 *
 * A test program calls kit_begin() first. That forks: the child goes on as the test, the parent
 * stays as its guard, which kills whatever the test left running and removes its directories,
 * however the test ends. A test passes by returning 0 from main, fails by the first check that
 * does not hold (exit 1), and is skipped by kit_skip() (exit 77, the reason is the last line on
 * stderr).
 *
 * Environment:
 *     SHMLOG_BUILD         the build directory; programs are found below it
 *     SHMLOG_SOURCE        the source directory
 *     SHMLOG_TEST_IO       uring or plain: the collector's backend
 *     SHMLOG_TEST_SEED     start of all randomness; printed when used
 *     SHMLOG_TEST_KILLS    how often the kill tests kill
 *     SHMLOG_TEST_KEEP     not empty: keep the directories, and name them
 *
 * Not thread-safe: the kit belongs to the test's main thread.
 */
#ifndef TESTS_KIT_KIT_H
#define TESTS_KIT_KIT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- Begin, end, and checks (kit.c) ---- */

/* Set before kit_begin(): what the guard does when the test has ended, however, before it kills
 * what is left: say to end what keeps that from dying. */
extern void (*kit_at_end)(void);
void kit_begin(const char *name);

/* The exit status of a test whose records or sums were wrong, which is no noise however rarely it
 * is seen. A test that fails after kit_ledger_is_wrong() ends with it. */
#define KIT_LEDGER 3
void kit_ledger_is_wrong(void);
void kit_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void kit_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define KIT_FAIL(...) kit_fail(__FILE__, __LINE__, __VA_ARGS__)

#define KIT_CHECK(expr)                                          \
    do {                                                         \
        if (!(expr))                                             \
            kit_fail(__FILE__, __LINE__, "not true: %s", #expr); \
    } while (0)

/* Compare integers; both are shown when it does not hold. */
#define KIT_COMPARE(a, op, b)                                                               \
    do {                                                                                    \
        long long kit_a_ = (long long)(a), kit_b_ = (long long)(b);                         \
        if (!(kit_a_ op kit_b_))                                                            \
            kit_fail(__FILE__, __LINE__, "not true: %s %s %s (%lld and %lld)", #a, #op, #b, \
                     kit_a_, kit_b_);                                                       \
    } while (0)
#define KIT_EQ(a, b) KIT_COMPARE(a, ==, b)
#define KIT_STR_EQ(a, b) kit_check_string(__FILE__, __LINE__, #a, (a), (b))
/* A call of a function that returns 0/positive or -errno. */
#define KIT_OK(call)                                                        \
    do {                                                                    \
        long long kit_r_ = (long long)(call);                               \
        if (kit_r_ < 0)                                                     \
            kit_fail(__FILE__, __LINE__, "%s: error %lld", #call, -kit_r_); \
    } while (0)

void kit_check_string(const char *file, int line, const char *expr, const char *got,
                      const char *want);

/* Number in the environment, or `fallback`. */
uint64_t kit_number(const char *name, uint64_t fallback);

/* ---- Time and chance ---- */

uint64_t kit_now_ns(void); /* CLOCK_MONOTONIC */

/* The deadline, in seconds, for what needs no time to speak of. It is for a program that hangs: no
 * load may reach it. */
#define KIT_PATIENCE 60

/* Deadlines in seconds are stretched under sanitizers and by SHMLOG_TEST_SLOWER=N. */
uint64_t kit_deadline(double seconds);

/* Wait until condition(arg) is true; false when the deadline passed, and KIT_PATIENCE. */
bool kit_wait(bool (*condition)(void *arg), void *arg, double seconds);

/* Programs that are started from now on read a CLOCK_MONOTONIC that the test drives. So nobody has
 * to wait for what takes seconds, and what lasts for seconds does not end before the test has seen
 * it. Naps take as long as ever. False where that cannot be had, since records have the time of
 * that clock: then the next two do nothing. (clock.c) */
bool kit_clock_begin(void);
/* It stands still from now on, but for what it is put forward. */
void kit_clock_stand(void);
void kit_clock_forward(double seconds);
/* For polls that wait for what housekeeping looks at twice a second: `round` changes with each of
 * its rounds (collector_written does), and when it has, the clock is put on to the next look. */
void kit_clock_next(uint64_t round);
/* Programs that are started from now on have the usual clock. */
void kit_clock_end(void);

/* The seed: fixed, or SHMLOG_TEST_SEED. The first call prints it. */
uint64_t kit_seed(void);
/* splitmix64 */
uint64_t kit_random(uint64_t *state);
/* 0 .. below - 1 */
uint64_t kit_random_below(uint64_t *state, uint64_t below);

/* ---- Directories ---- */

/* This test's own directory on disk; holds what the programs print, and DIR/log by default. */
const char *kit_dir(void);
/* $SHMLOG_DIR of this test: a directory in /dev/shm. */
const char *kit_shm_dir(void);
/* A formatted string, good to the end of the test. */
const char *kit_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* DIR/name of kit_dir(). */
const char *kit_path(const char *name);
/* Path of a built program, like "tools/shmlog-dump"; fails the test if it was not built. */
const char *kit_program(const char *path);
/* Files in `dir` whose name ends in `suffix` (NULL: all). */
unsigned kit_count_files(const char *dir, const char *suffix);
/* Whole file, NUL-terminated, to be freed; fails the test if it cannot be read. */
char *kit_read_file(const char *path, size_t *ret_size);
void kit_write_file(const char *path, const void *data, size_t size);
void kit_copy_file(const char *from, const char *to);
bool kit_have_command(const char *name);

/* ---- Processes (process.c) ---- */

struct kit_process {
    pid_t pid;  /* 0: not running */
    int status; /* when it has ended: exit status, or 128 + signal */
    char name[48];
    char out[PATH_MAX]; /* where its output and its messages went */
    char err[PATH_MAX];
};

struct kit_spawn_options {
    const char *stdin_path;  /* NULL: /dev/null */
    const char *stdout_path; /* NULL: a file of its own */
    const char *const *env;  /* NAME=VALUE to add, ended by NULL; may be NULL */
    int cpu;                 /* 1 + the CPU to pin to; 0 none */
};

/* Start a program; argv ended by NULL. It dies with the test. */
void kit_spawn(struct kit_process *process, const char *const argv[],
               const struct kit_spawn_options *options);
/* Start a function in a child process of its own; its return value is the exit status. */
void kit_spawn_function(struct kit_process *process, const char *name, int (*function)(void *arg),
                        void *arg);
/* True when it has ended; reaps it. Does not wait. */
bool kit_has_ended(struct kit_process *process);
/* Wait for its end: the status. Fails the test when the deadline passes. */
int kit_wait_exit(struct kit_process *process, double seconds);
/* Send a signal, if it still runs. */
void kit_kill(struct kit_process *process, int signal);
/* SIGSTOP, and wait until all its threads stand: a signal alone takes effect some time later, and
 * on another core the process runs on until then. SIGCONT lets it go on. Not for one that hangs in
 * the kernel, which only stops when that ends. */
void kit_stop(pid_t pid);
/* SIGKILL and reap. Takes one that is not running. */
void kit_kill_hard(struct kit_process *process);
/* Its only child: of a collector, housekeeping. Fails the test if there is none. */
pid_t kit_child(const struct kit_process *process);
/* Wait until its stderr contains `text`; fails the test at the deadline or if it ends before. */
void kit_wait_text(struct kit_process *process, const char *text, double seconds);
bool kit_err_contains(const struct kit_process *process, const char *text);
/* Run to the end: its status. */
int kit_run(struct kit_process *process, const char *const argv[],
            const struct kit_spawn_options *options);

/* ---- The programs under test (programs.c) ---- */

/* Collectors log what they say unasked: of losses, full rings, a slow disk. Off at first, since
 * tests count records to the record, and a busy machine alone can provoke that. */
extern bool kit_alarm_records;

/* Start a collector for `segment` writing to `output` and wait until it is ready. `args`: more
 * options, ended by NULL, or NULL. The backend is SHMLOG_TEST_IO. */
void kit_collector_start(struct kit_process *collector, const char *segment, const char *output,
                         const char *const args[]);
/* SIGTERM; must exit 0. */
void kit_collector_stop(struct kit_process *collector);

struct kit_ledger {
    int status; /* exit status of shmlog-dump --verify */
    bool found; /* its last line was there and could be read */
    uint64_t produced, written, dropped, in_ring;
    char out[PATH_MAX]; /* what it said */
    char err[PATH_MAX];
};
void kit_verify(const char *path, struct kit_ledger *ret_ledger);
/* Verify, and fail the test unless it balances, with exit status 0. */
void kit_verify_balanced(const char *path, struct kit_ledger *ret_ledger);

/* Run shmlog-dump with these arguments (ended by NULL), output to `out_path`; must exit 0. */
void kit_dump(const char *out_path, const char *const args[]);

/* `zstd -t` on every *.shmlog in the directory; nothing if there is no zstd. */
void kit_check_zstd(const char *dir);

/* Can io_uring be used here, and is it wanted? Skips the test if it is wanted and forbidden. */
void kit_need_io(void);

/* CPUs this process may run on: how many, and the n-th of them. */
unsigned kit_cpus(void);
int kit_cpu(unsigned n);

/* Is this program built with a sanitizer? */
bool kit_sanitized(void);

#endif
