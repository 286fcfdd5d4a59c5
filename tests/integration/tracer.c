/* SPDX-License-Identifier: MIT
 *
 * ptrace, seccomp, and a look into another process's io_uring. See tracer.h.
 */
#include "tests/integration/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Calls that pass time, or return from a signal, or end. */
static const long quiet[] = {
    SYS_clock_nanosleep, SYS_nanosleep,     SYS_rt_sigreturn, SYS_rt_sigaction,
    SYS_rt_sigprocmask,  SYS_clock_gettime, SYS_gettimeofday, SYS_sched_yield,
    SYS_exit_group,      SYS_execve,        SYS_futex,        SYS_restart_syscall,
    SYS_wait4, /* without waiting */
};
#define QUIET (sizeof(quiet) / sizeof(quiet[0]))

static const struct {
    long number;
    const char *name;
} names[] = {
#define NAME(name)        \
    {                     \
        SYS_##name, #name \
    }
    NAME(access),
    NAME(brk),
    NAME(clone),
    NAME(close),
    NAME(fallocate),
    NAME(fcntl),
    NAME(fdatasync),
    NAME(flock),
    NAME(newfstatat),
    NAME(fsync),
    NAME(ftruncate),
    NAME(getdents64),
    NAME(getpid),
    NAME(getppid),
    NAME(getrandom),
    NAME(io_uring_enter),
    NAME(io_uring_register),
    NAME(io_uring_setup),
    NAME(lseek),
    NAME(mbind),
    NAME(mkdir),
    NAME(mmap),
    NAME(munmap),
    NAME(open),
    NAME(openat),
    NAME(pread64),
    NAME(pwrite64),
    NAME(read),
    NAME(readlink),
    NAME(rename),
    NAME(renameat),
    NAME(rmdir),
    NAME(sched_getaffinity),
    NAME(statfs),
    NAME(fstatfs),
    NAME(uname),
    NAME(unlink),
    NAME(unlinkat),
    NAME(write),
    NAME(get_mempolicy),
    NAME(fchmod),
    NAME(fchown),
    NAME(geteuid),
    NAME(faccessat),
    NAME(faccessat2),
    NAME(madvise),
    NAME(ioctl),
    NAME(fstat),
    NAME(mprotect),
    NAME(getuid),
    NAME(getegid),
    NAME(umask),
    NAME(link),
    NAME(kill),
    NAME(gettid),
    NAME(dup),
    NAME(mremap),
    NAME(renameat2),
    NAME(fchmodat),
    NAME(chmod),
    NAME(mkdirat),
    NAME(move_pages),
    NAME(prctl),
    NAME(readlinkat),
    NAME(set_mempolicy),
    NAME(set_robust_list),
    NAME(sched_setaffinity),
#undef NAME
};

const char *tracer_name(long number)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == number)
            return names[i].name;
    return kit_text("call %ld", number);
}

void tracer_need(void)
{
#ifndef __x86_64__
    kit_skip("this looks at the registers of x86-64");
#endif
    if (kit_sanitized())
        kit_skip("a sanitizer makes system calls of its own");
}

/* In the child: stop at all calls but the quiet ones. */
static int install_filter(void)
{
    struct sock_filter filter[2 * QUIET + 3];
    struct sock_fprog program = {.filter = filter};
    unsigned n = 0;

    filter[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < QUIET; i++) {
        filter[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)quiet[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    program.len = (unsigned short)n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void enter(const struct tracer *t, const char *const argv[])
{
    const int err = open(t->err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int in = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (err < 0 || dup2(err, 2) < 0 || dup2(in, 0) < 0 || dup2(in, 1) < 0)
        _exit(125);
    if (err > 2)
        close(err);
    if (in > 2)
        close(in);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(126);
    raise(SIGSTOP); /* until the options are set */
    if (install_filter() < 0)
        _exit(126);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

void tracer_start(struct tracer *t, const char *const argv[])
{
    static unsigned count;
    int status;

    memset(t, 0, offsetof(struct tracer, asked));
    t->asked_count = 0;
    t->seen = 0;
    t->uring_fd = -1;
    snprintf(t->err, sizeof(t->err), "%s", kit_path("traced.err"));
    count++;
    fflush(NULL);
    t->pid = fork();
    if (t->pid < 0)
        KIT_FAIL("fork: %s", strerror(errno));
    if (t->pid == 0)
        enter(t, argv);
    if (waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status)) {
        if (count == 1)
            kit_skip("ptrace is not allowed here");
        KIT_FAIL("the program did not start: status %x", (unsigned)status);
    }
    if (ptrace(PTRACE_SETOPTIONS, t->pid, NULL,
               PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
                   PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK) < 0)
        kit_skip("ptrace: %s", strerror(errno));
    t->at = &t->process[0];
    t->at->pid = t->pid;
    ptrace(PTRACE_CONT, t->pid, NULL, NULL);
}

bool tracer_read(const struct tracer *t, unsigned long long address, void *to, size_t size)
{
    const struct iovec here = {to, size}, there = {(void *)address, size}; // NOLINT

    return process_vm_readv(t->at->pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

void tracer_string(const struct tracer *t, unsigned index, char *to, size_t size)
{
    size_t n = 0;

    while (n + 1 < size && tracer_read(t, t->argument[index] + n, to + n, 1) && to[n])
        n++;
    to[n] = 0;
}

static void unmap_rings(struct tracer *t)
{
    if (t->rings) {
        munmap(t->rings,
               t->params.cq_off.cqes + t->params.cq_entries * sizeof(struct io_uring_cqe));
        munmap(t->sqes, t->params.sq_entries * sizeof(struct io_uring_sqe));
    }
    t->rings = NULL;
    t->uring_fd = -1;
}

static void map_rings(struct tracer *t, int fd, unsigned long long params)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, t->at->pid, 0);
    const int own = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

    unmap_rings(t);
    if (own < 0 || !tracer_read(t, params, &t->params, sizeof(t->params)))
        kit_skip("the program's io_uring cannot be looked at: %s", strerror(errno));
    KIT_CHECK(t->params.features & IORING_FEAT_SINGLE_MMAP);
    t->rings =
        mmap(NULL, t->params.cq_off.cqes + t->params.cq_entries * sizeof(struct io_uring_cqe),
             PROT_READ | PROT_WRITE, MAP_SHARED, own, IORING_OFF_SQ_RING);
    t->sqes = mmap(NULL, t->params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ, MAP_SHARED,
                   own, IORING_OFF_SQES);
    if (t->rings == MAP_FAILED || t->sqes == MAP_FAILED)
        KIT_FAIL("mmap of the rings: %s", strerror(errno));
    t->uring_fd = fd;
    t->uring_of = t->at;
    t->seen = 0;
    t->asked_count = 0;
    close(own);
    close(pidfd);
}

static unsigned ring_word(const struct tracer *t, unsigned offset)
{
    return __atomic_load_n((const unsigned *)((const char *)t->rings + offset), __ATOMIC_ACQUIRE);
}

const struct io_uring_sqe *tracer_entry(const struct tracer *t, unsigned n)
{
    const unsigned head = ring_word(t, t->params.sq_off.head);

    return &t->sqes[(head + n) & (t->params.sq_entries - 1)];
}

static void note_entries(struct tracer *t)
{
    t->submitting = ring_word(t, t->params.sq_off.tail) - ring_word(t, t->params.sq_off.head);
    for (unsigned n = 0; n < t->submitting; n++) {
        KIT_COMPARE(t->asked_count, <, sizeof(t->asked) / sizeof(t->asked[0]));
        t->asked[t->asked_count++] = *tracer_entry(t, n);
    }
}

static bool show_completion(struct tracer *t)
{
    const unsigned tail = t->rings ? ring_word(t, t->params.cq_off.tail) : 0;
    struct io_uring_cqe *cqes;

    if (!t->rings || t->seen == tail)
        return false;
    cqes = (struct io_uring_cqe *)((char *)t->rings + t->params.cq_off.cqes);
    t->cqe = &cqes[t->seen++ & (t->params.cq_entries - 1)];
    t->sqe = NULL;
    for (size_t i = t->asked_count; i-- > 0 && !t->sqe;)
        if (t->asked[i].user_data == t->cqe->user_data)
            t->sqe = &t->asked[i];
    t->event = TRACER_COMPLETION;
    return true;
}

/* Back from io_uring_enter: all that it has taken is complete. */
static void wait_completions(const struct tracer *t)
{
    const uint64_t deadline = kit_deadline(KIT_PATIENCE);
    const struct timespec pause = {.tv_nsec = 20000};
    const unsigned left = ring_word(t, t->params.sq_off.tail) - ring_word(t, t->params.sq_off.head);

    while (ring_word(t, t->params.cq_off.tail) != t->asked_count - left && kit_now_ns() < deadline)
        nanosleep(&pause, NULL);
}

static void get_registers(struct tracer *t, struct user_regs_struct *regs)
{
    if (ptrace(PTRACE_GETREGS, t->at->pid, NULL, regs) < 0)
        KIT_FAIL("PTRACE_GETREGS: %s", strerror(errno));
    t->number = (long)regs->orig_rax;
    t->argument[0] = regs->rdi;
    t->argument[1] = regs->rsi;
    t->argument[2] = regs->rdx;
    t->argument[3] = regs->r10;
    t->argument[4] = regs->r8;
    t->argument[5] = regs->r9;
    t->result = (long long)regs->rax;
}

static bool is_our_enter(const struct tracer *t)
{
    return t->number == SYS_io_uring_enter && t->uring_fd >= 0 && t->at == t->uring_of &&
           (int)t->argument[0] == t->uring_fd;
}

static bool is_our_close(const struct tracer *t)
{
    return t->number == SYS_close && t->uring_fd >= 0 && t->at == t->uring_of &&
           (int)t->argument[0] == t->uring_fd;
}

/* Its io_uring calls are looked at on return, too. */
static bool needs_return(const struct tracer *t)
{
    return t->number == SYS_io_uring_setup || is_our_enter(t) || is_our_close(t);
}

static enum tracer_event at_call(struct tracer *t)
{
    struct user_regs_struct regs;

    get_registers(t, &regs);
    t->at->in_call = true;
    t->submitting = 0;
    if (is_our_enter(t))
        note_entries(t);
    return t->event = TRACER_CALL;
}

static enum tracer_event at_return(struct tracer *t)
{
    struct user_regs_struct regs;

    get_registers(t, &regs);
    t->at->in_call = false;
    if (t->number == SYS_io_uring_setup && t->result >= 0)
        map_rings(t, (int)t->result, t->argument[1]);
    else if (is_our_close(t))
        unmap_rings(t);
    else if (is_our_enter(t)) {
        const unsigned left =
            ring_word(t, t->params.sq_off.tail) - ring_word(t, t->params.sq_off.head);

        t->asked_count -= left; /* those will be seen again */
        t->submitting = left;
        if (left == 0)
            wait_completions(t);
    }
    if (t->at->wants_return)
        return t->event = TRACER_RETURN;
    if (!show_completion(t)) {
        ptrace(PTRACE_CONT, t->at->pid, NULL, NULL);
        return t->event = TRACER_NONE;
    }
    return t->event;
}

/* A process was forked: it is traced with the same options, and stops at once. */
static void add_process(struct tracer *t)
{
    unsigned long pid;

    if (ptrace(PTRACE_GETEVENTMSG, t->at->pid, NULL, &pid) < 0)
        KIT_FAIL("PTRACE_GETEVENTMSG: %s", strerror(errno));
    for (unsigned i = 0; i < TRACER_PROCESSES; i++) {
        if (t->process[i].pid)
            continue;
        t->process[i] = (struct tracer_process){.pid = (pid_t)pid};
        return;
    }
    KIT_FAIL("more than %u processes", TRACER_PROCESSES);
}

static bool any_process(const struct tracer *t)
{
    bool any = false;

    for (unsigned i = 0; i < TRACER_PROCESSES; i++)
        any |= t->process[i].pid != 0;
    return any;
}

/* A process is gone. The program has ended when all are. */
static enum tracer_event at_end(struct tracer *t, int status)
{
    if (t->at == &t->process[0])
        t->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    t->at->pid = 0;
    if (any_process(t))
        return t->event = TRACER_NONE;
    t->pid = 0;
    unmap_rings(t);
    return t->event = TRACER_ENDED;
}

static enum tracer_event look(struct tracer *t)
{
    int status;

    if (!t->at->pid || waitpid(t->at->pid, &status, WNOHANG | __WALL) != t->at->pid)
        return t->event = TRACER_NONE;
    if (!WIFSTOPPED(status))
        return at_end(t, status);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
        return at_call(t);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8)) {
        add_process(t);
    } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        if (t->at->in_call)
            return at_return(t);
    } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
        ptrace(PTRACE_CONT, t->at->pid, NULL, (long)WSTOPSIG(status));
        return t->event = TRACER_NONE;
    }
    ptrace(PTRACE_CONT, t->at->pid, NULL, NULL);
    return t->event = TRACER_NONE;
}

enum tracer_event tracer_look(struct tracer *t)
{
    if (!t->pid)
        return t->event = TRACER_NONE;
    for (unsigned i = 0; i < TRACER_PROCESSES; i++) {
        t->at = &t->process[i];
        if (look(t) != TRACER_NONE)
            break;
    }
    return t->event;
}

void tracer_go(struct tracer *t, bool show_return)
{
    if (t->event == TRACER_CALL) {
        const bool stops = show_return || needs_return(t);

        t->at->wants_return = show_return;
        t->at->in_call = stops;
        ptrace(stops ? PTRACE_SYSCALL : PTRACE_CONT, t->at->pid, NULL, NULL);
        t->event = TRACER_NONE;
        return;
    }
    if (show_completion(t)) /* one stop each */
        return;
    t->event = TRACER_NONE;
    ptrace(PTRACE_CONT, t->at->pid, NULL, NULL);
}

void tracer_argument(struct tracer *t, unsigned index, unsigned long long value)
{
    struct user_regs_struct regs;

    KIT_EQ(index, 2);
    get_registers(t, &regs);
    regs.rdx = value;
    ptrace(PTRACE_SETREGS, t->at->pid, NULL, &regs);
}

void tracer_fail(struct tracer *t, int error)
{
    struct user_regs_struct regs;

    get_registers(t, &regs);
    if (is_our_enter(t))
        t->asked_count -= t->submitting;
    regs.orig_rax = (unsigned long long)-1;
    regs.rax = (unsigned long long)-(long long)error;
    ptrace(PTRACE_SETREGS, t->at->pid, NULL, &regs);
    ptrace(PTRACE_CONT, t->at->pid, NULL, NULL);
    t->at->in_call = false;
    t->event = TRACER_NONE;
}

void tracer_kill(struct tracer *t)
{
    int status;

    if (!t->pid)
        return;
    for (unsigned i = 0; i < TRACER_PROCESSES; i++)
        if (t->process[i].pid)
            kill(t->process[i].pid, SIGKILL);
    for (unsigned i = 0; i < TRACER_PROCESSES; i++) {
        const pid_t pid = t->process[i].pid;

        while (pid && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
            ptrace(PTRACE_CONT, pid, NULL, NULL);
        t->process[i].pid = 0;
    }
    t->status = 128 + SIGKILL;
    t->pid = 0;
    unmap_rings(t);
    t->event = TRACER_ENDED;
}

void tracer_signal(const struct tracer *t, int signal)
{
    if (t->pid)
        kill(t->pid, signal);
}
