/* SPDX-License-Identifier: MIT
 *
 * A program under ptrace, with a process that it forks: they stop at each system call that they
 * make, but for those that only pass time, and at each completion of their io_uring. The test
 * looks, lets it go on, makes the call fail, or kills it there. The program itself is what users
 * run, without any change.
 *
 * Which calls stop is decided by a seccomp filter, so that all others run at full speed. What
 * io_uring completes is looked for when io_uring_enter returns, with all that was submitted waited
 * for, so that the program sees no completion before the test does.
 *
 * x86-64 and aarch64 have different registers; only the first is here.
 */
#ifndef TESTS_INTEGRATION_TRACER_H
#define TESTS_INTEGRATION_TRACER_H

#include "tests/kit/kit.h"

#include <linux/io_uring.h>

enum tracer_event {
    TRACER_NONE,       /* it runs, or has ended */
    TRACER_CALL,       /* about to make a call */
    TRACER_RETURN,     /* back from a call; after tracer_go(t, true) only */
    TRACER_COMPLETION, /* an io_uring request is complete, not yet seen by the program */
    TRACER_ENDED,
};

#define TRACER_PROCESSES 2u

struct tracer_process {
    pid_t pid; /* 0: not there */
    bool in_call, wants_return;
};

struct tracer {
    pid_t pid; /* of the program's first process; 0: not there, and no other one is */
    int status;
    struct tracer_process process[TRACER_PROCESSES];
    struct tracer_process *at; /* which one the stop is of */
    char err[PATH_MAX];
    /* of the stop */
    enum tracer_event event;
    long number; /* of the call */
    unsigned long long argument[6];
    long long result;               /* TRACER_RETURN */
    struct io_uring_cqe *cqe;       /* TRACER_COMPLETION: may be changed */
    const struct io_uring_sqe *sqe; /* and what was asked for; also TRACER_CALL of io_uring_enter */
    unsigned submitting; /* TRACER_CALL of io_uring_enter: so many, from tracer_entry() */
    /* the program's io_uring, mapped here */
    int uring_fd; /* in the program; -1 none */
    const struct tracer_process *uring_of;
    struct io_uring_params params;
    void *rings;
    struct io_uring_sqe *sqes;
    struct io_uring_sqe asked[4096]; /* by user_data: copies */
    size_t asked_count;
    unsigned seen; /* completions shown */
};

/* Skips the test where this cannot be done. */
void tracer_need(void);
/* Start a program, argv ended by NULL, its messages in t->err; it dies with the test. */
void tracer_start(struct tracer *t, const char *const argv[]);
/* Is there anything new? Does not wait. */
enum tracer_event tracer_look(struct tracer *t);
/* Go on from a stop; `show_return`: of the call that it stopped at. */
void tracer_go(struct tracer *t, bool show_return);
/* TRACER_CALL: it is not made, and fails. Goes on. */
void tracer_fail(struct tracer *t, int error);
/* TRACER_CALL: change an argument. */
void tracer_argument(struct tracer *t, unsigned index, unsigned long long value);
/* SIGKILL for all of its processes, reaped. */
void tracer_kill(struct tracer *t);
void tracer_signal(const struct tracer *t, int signal);

const char *tracer_name(long number);
/* Copy out of its memory; false if it cannot be read. */
bool tracer_read(const struct tracer *t, unsigned long long address, void *to, size_t size);
/* A string argument. */
void tracer_string(const struct tracer *t, unsigned index, char *to, size_t size);
/* The n-th entry that io_uring_enter is about to submit. */
const struct io_uring_sqe *tracer_entry(const struct tracer *t, unsigned n);

#endif
