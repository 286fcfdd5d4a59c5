/* SPDX-License-Identifier: MIT
 *
 * A shared object that logs to several logs in turn, and to one from a signal handler in the middle
 * of a call to the other: by its host's implementation, or, compiled with LOGS_OWN, by its own.
 */
#include "tests/producer/logs.h"

#ifdef LOGS_OWN
#include "tests/kit/shared_rings.h"
#else
#include "producer/shmlog.h"
#endif

#include <signal.h>
#include <string.h>
#include <ucontext.h>

struct raw {
    uint64_t number;
    char text[120];
};
SHMLOG_RECORD(first_record, struct raw, SHMLOG_INFO, "", "first", SHMLOG_FIELD(struct raw, number),
              SHMLOG_FIELD(struct raw, text));
SHMLOG_RECORD(second_record, struct raw, SHMLOG_INFO, "", "second",
              SHMLOG_FIELD(struct raw, number), SHMLOG_FIELD(struct raw, text));

static int open_log(struct shmlog **ret_log, const char *segment)
{
    return shmlog_open(ret_log, segment, NULL);
}

static void close_log(struct shmlog *log)
{
    shmlog_close(log);
}

/* Two functions with call sites of their own, for a site that goes back and forth between segments
 * is looked up each time. */
#define CALL(name_)                                                                            \
    __attribute__((noinline)) static void name_(struct shmlog *log, enum logs_kind kind,       \
                                                unsigned number)                               \
    {                                                                                          \
        const struct raw raw = {.number = number, .text = "raw"};                              \
                                                                                               \
        if (kind == LOGS_SLOT)                                                                 \
            shmlog_info(log, "%u", number);                                                    \
        else if (kind == LOGS_STRING)                                                          \
            shmlog_info(log, "%u %s", number, "more than one slot, by a little, in this one"); \
        else                                                                                   \
            shmlog_record(log, &name_##_record, &raw);                                         \
    }
CALL(first)
CALL(second)

static void call(struct shmlog *log, unsigned which, enum logs_kind kind, unsigned number)
{
    (which ? second : first)(log, kind, number);
}

#if defined(__x86_64__)
#define TRAP_FLAG 0x100
static struct {
    struct shmlog *log;
    enum logs_kind kind;
    unsigned which, number, left;
} handler;

static void on_trap(int signal, siginfo_t *info, void *context)
{
    ucontext_t *const at = context;

    (void)signal;
    (void)info;
    if (!handler.left || --handler.left)
        return;
    at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    call(handler.log, handler.which, handler.kind, handler.number);
}

/* Not into the 128 bytes below the stack pointer: they are the compiler's. */
#define SET_FLAGS(operation_)                                           \
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\t" operation_ \
                     ", (%%rsp)\n\tpopfq\n\tleaq 128(%%rsp), %%rsp" ::  \
                         : "memory", "cc")

static int interrupt(struct shmlog *log, struct shmlog *other, unsigned which, enum logs_kind kind,
                     unsigned number, unsigned step)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    sigaction(SIGTRAP, &action, NULL);
    handler.log = other;
    handler.which = !which;
    handler.kind = kind;
    handler.number = number;
    handler.left = step;
    SET_FLAGS("orq $0x100");
    call(log, which, kind, number);
    SET_FLAGS("andq $-0x101");
    step = handler.left;
    handler.left = 0;
    return step == 0;
}
#else
static int interrupt(struct shmlog *log, struct shmlog *other, unsigned which, enum logs_kind kind,
                     unsigned number, unsigned step)
{
    (void)log, (void)other, (void)which, (void)kind, (void)number, (void)step;
    return 0;
}
#endif

#ifdef LOGS_OWN
#define SHARE kit_share
#else
#define SHARE NULL
#endif
extern const struct logs_calls logs_calls __attribute__((visibility("default")));
const struct logs_calls logs_calls = {open_log, close_log, SHARE, call, interrupt};
