/* SPDX-License-Identifier: MIT
 *
 * shmlog_crash.h - log how a program dies: signal, address and backtrace, as records.
 *
 *     #include <shmlog.h>
 *     #include <shmlog_crash.h>      // in one source file, with the features of POSIX (-std=gnu11)
 *
 *     shmlog_crash_handler(log);     // once, when the program has begun
 *
 * On SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT the thread logs a critical event `crash` of
 * category "crash" and an event `frame` for each frame of its stack, innermost first: where it is
 * in which file, for `addr2line -e MODULE OFFSET`. Then the signal has its effect as before, a core
 * dump too. The records are in the segment: a collector writes them, `shmlog-ctl snapshot` does.
 *
 * The handler runs on an alternate stack where the thread has one. This call gives one to its own
 * thread, so that a stack that is used up is told as well. With SHMLOG_OPEN_GUARD, SIGBUS is left
 * to the guard. A second crash, in the handler or of another thread, has its effect at once.
 */
#ifndef SHMLOG_CRASH_H
#define SHMLOG_CRASH_H

#include "shmlog.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#define SHMLOG_CRASH_FRAMES_ 64
#define SHMLOG_CRASH_STACK_ 65536u

static const int shmlog_crash_signals_[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
#define SHMLOG_CRASH_SIGNALS_ (sizeof(shmlog_crash_signals_) / sizeof(shmlog_crash_signals_[0]))
static struct sigaction shmlog_crash_before_[SHMLOG_CRASH_SIGNALS_];
static struct shmlog *shmlog_crash_log_;
static volatile int shmlog_crash_begun_;

/* One line of /proc/self/maps, as BEGIN-END rights OFFSET device inode PATH. */
struct shmlog_crash_line_ {
    char text[512];
    size_t size;
};

static inline const char *shmlog_crash_hex_(const char *at, uintptr_t *ret_number)
{
    *ret_number = 0;
    for (;; at++) {
        if (*at >= '0' && *at <= '9')
            *ret_number = *ret_number << 4 | (uintptr_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            *ret_number = *ret_number << 4 | (uintptr_t)(*at - 'a' + 10);
        else
            return at;
    }
}

/* Is the address in the mapping of this line? Then *ret_offset is where in the file. */
static inline int shmlog_crash_in_(struct shmlog_crash_line_ *line, uintptr_t address,
                                   uintptr_t *ret_offset, const char **ret_path)
{
    uintptr_t begin, end, offset;
    const char *at = shmlog_crash_hex_(line->text, &begin);

    if (*at != '-')
        return 0;
    at = shmlog_crash_hex_(at + 1, &end);
    if (address < begin || address >= end)
        return 0;
    for (at += *at == ' '; *at && *at != ' '; at++) /* rights */
        ;
    (void)shmlog_crash_hex_(at + (*at == ' '), &offset);
    *ret_offset = address - begin + offset;
    *ret_path = strchr(at, '/');
    return 1;
}

/* Which file is mapped at an address, and where in it? By reading /proc, which a signal handler
 * may.
 * "": none is known. */
static inline void shmlog_crash_find_(uintptr_t address, char *ret_module, size_t size,
                                      uintptr_t *ret_offset)
{
    struct shmlog_crash_line_ line;
    const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    const char *path = (const char *)0;
    char part[1024];
    ssize_t read_;

    *ret_module = 0;
    *ret_offset = address;
    line.size = 0;
    while (maps >= 0 && (read_ = read(maps, part, sizeof(part))) > 0)
        for (ssize_t i = 0; i < read_; i++) {
            if (part[i] != '\n') {
                line.text[line.size] = part[i];
                line.size += line.size + 1 < sizeof(line.text);
                continue;
            }
            line.text[line.size] = 0;
            line.size = 0;
            if (!shmlog_crash_in_(&line, address, ret_offset, &path))
                continue;
            for (size_t j = 0; path && path[j] && j + 1 < size; j++) {
                ret_module[j] = path[j];
                ret_module[j + 1] = 0;
            }
            close(maps);
            return;
        }
    if (maps >= 0)
        close(maps);
}

static inline const char *shmlog_crash_name_(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGILL:
        return "SIGILL";
    case SIGFPE:
        return "SIGFPE";
    default:
        return "SIGABRT";
    }
}

/* Where the thread was when the signal came; 0: not known. */
static inline uintptr_t shmlog_crash_pc_(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[16]; /* REG_RIP, which not all programs see */
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static inline void shmlog_crash_tell_(int number, const siginfo_t *info, const ucontext_t *context)
{
    const uintptr_t here = shmlog_crash_pc_(context);
    struct shmlog *const log = shmlog_crash_log_;
    void *frame[SHMLOG_CRASH_FRAMES_];
    const int frames = backtrace(frame, SHMLOG_CRASH_FRAMES_);

    shmlog_event(log, SHMLOG_CRITICAL, "crash", "crash", "signal", shmlog_crash_name_(number),
                 "code", info->si_code, "address", (uintptr_t)info->si_addr, "frames", frames);
    for (int i = 0; i < frames; i++) {
        const uintptr_t pc = (uintptr_t)frame[i];
        char module_[256];
        uintptr_t offset;

        /* The others are where calls return to, which may be behind the end of their function. */
        shmlog_crash_find_(pc == here ? pc : pc - 1, module_, sizeof(module_), &offset);
        shmlog_event(log, SHMLOG_CRITICAL, "crash", "frame", "number", i, "module",
                     (const char *)module_, "offset", offset, "pc", pc);
    }
}

static inline void shmlog_crash_handle_(int number, siginfo_t *info, void *context)
{
    size_t i = 0;

    while (shmlog_crash_signals_[i] != number)
        i++;
    sigaction(number, &shmlog_crash_before_[i], (struct sigaction *)0);
    if (!__atomic_exchange_n(&shmlog_crash_begun_, 1, __ATOMIC_ACQ_REL))
        shmlog_crash_tell_(number, info, (const ucontext_t *)context);
    /* What faulted does so again when this returns; a signal that was sent does not. */
    if (info->si_code <= 0)
        raise(number);
}

/* From now on the program's death is logged into `log`, which stays open from then on; NULL: not
 * any more. Returns 0; a negative errno. Not for signal handlers. Cost: none until it dies. */
static inline int shmlog_crash_handler(struct shmlog *log)
{
    static char stack[SHMLOG_CRASH_STACK_];
    void *frame[1];
    stack_t alternate, before;
    struct sigaction action;

    (void)backtrace(frame, 1); /* loads what it needs, which a handler may not */
    memset(&action, 0, sizeof(action));
    memset(&alternate, 0, sizeof(alternate));
    action.sa_sigaction = shmlog_crash_handle_;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof(stack);
    if (sigaltstack((stack_t *)0, &before) == 0 && before.ss_flags & SS_DISABLE)
        (void)sigaltstack(&alternate, (stack_t *)0);
    for (size_t i = 0; i < SHMLOG_CRASH_SIGNALS_; i++) {
        struct sigaction there;

        if (sigaction(shmlog_crash_signals_[i], (struct sigaction *)0, &there) < 0)
            return -EINVAL;
        if (there.sa_flags & SA_SIGINFO && there.sa_sigaction == shmlog_crash_handle_) {
            if (!log)
                sigaction(shmlog_crash_signals_[i], &shmlog_crash_before_[i],
                          (struct sigaction *)0);
            continue;
        }
        /* a handler of SIGBUS may be the guard's, which knows its own */
        if (!log || (shmlog_crash_signals_[i] == SIGBUS && there.sa_handler != SIG_DFL))
            continue;
        shmlog_crash_before_[i] = there;
        sigaction(shmlog_crash_signals_[i], &action, (struct sigaction *)0);
    }
    shmlog_crash_log_ = log;
    return 0;
}

#endif
