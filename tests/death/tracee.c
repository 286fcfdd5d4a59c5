/* SPDX-License-Identifier: MIT
 *
 * ptrace; see tracee.h. Traps are put in by writing whole pages of the text: some hundred at once
 * cost no more than a few.
 */
#include "tests/death/tracee.h"

#include "tests/kit/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP 0xcc
#define PAGE 4096u

void tracee_init(struct tracee *t, const struct places *places)
{
    const uint64_t last = places->place[places->count - 1].address;

    memset(t, 0, sizeof(*t));
    t->memory = -1;
    t->text_start = places->place[0].address & ~(uint64_t)(PAGE - 1);
    t->text_size = (last - t->text_start) / PAGE * PAGE + PAGE;
    t->text = malloc(t->text_size);
    KIT_CHECK(t->text != NULL);
    memcpy(t->text, (const void *)(uintptr_t)t->text_start, t->text_size);
}

void tracee_done(struct tracee *t)
{
    free(t->text);
}

static uint64_t get_ip(struct tracee *t)
{
    errno = 0;
    const long ip = ptrace(PTRACE_PEEKUSER, t->pid, offsetof(struct user, regs.rip), NULL);

    KIT_EQ(errno, 0);
    return (uint64_t)ip;
}

/* What a wait has told: the address of a trap, 0 ended well. */
static uint64_t trap_of(struct tracee *t, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        t->pid = 0;
        return 0;
    }
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
        return get_ip(t) - 1;
    if (WIFSTOPPED(status))
        KIT_FAIL("the producer got signal %d at %" PRIx64, WSTOPSIG(status), get_ip(t));
    KIT_FAIL("the producer ended with wait status %x", (unsigned)status);
}

static void let_go(struct tracee *t, int signal)
{
    KIT_OK(ptrace(PTRACE_CONT, t->pid, NULL, (long)signal));
}

static uint64_t wait_for_trap(struct tracee *t)
{
    pid_t pid;
    int status;

    alarm(KIT_PATIENCE); /* not caught: the test fails, and its guard cleans up */
    while ((pid = waitpid(t->pid, &status, 0)) == t->pid && WIFSTOPPED(status) &&
           WSTOPSIG(status) == SIGUSR1) /* it had been blocked */
        let_go(t, SIGUSR1);
    alarm(0);
    KIT_EQ(pid, t->pid);
    return trap_of(t, status);
}

void tracee_start(struct tracee *t, int (*run)(void *arg), void *arg)
{
    const pid_t parent = getpid();
    char path[64];

    fflush(NULL);
    t->pid = fork();
    KIT_COMPARE(t->pid, >=, 0);
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(getppid() == parent ? run(arg) : 9);
    }
    if (t->memory >= 0)
        close(t->memory);
    t->watched = false;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->pid);
    KIT_COMPARE(wait_for_trap(t), !=, 0);
    t->memory = open(path, O_RDWR | O_CLOEXEC);
    if (t->memory < 0)
        KIT_FAIL("%s: %s", path, strerror(errno));
    KIT_OK(ptrace(PTRACE_SETOPTIONS, t->pid, NULL, PTRACE_O_EXITKILL));
}

uint64_t tracee_go(struct tracee *t, int signal)
{
    let_go(t, signal);
    return wait_for_trap(t);
}

void tracee_arm(struct tracee *t, const uint64_t *addresses, size_t count)
{
    uint8_t *const text = malloc(t->text_size);

    KIT_CHECK(text != NULL);
    memcpy(text, t->text, t->text_size);
    for (size_t i = 0; i < count; i++)
        text[addresses[i] - t->text_start] = TRAP;
    KIT_EQ(pwrite(t->memory, text, t->text_size, (off_t)t->text_start), t->text_size);
    free(text);
}

void tracee_step_back(struct tracee *t, uint64_t address)
{
    KIT_OK(ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user, regs.rip), address));
}

/* Debug registers 0 (where), 6 (what happened) and 7 (what is on). */
static bool set_debug(struct tracee *t, unsigned i, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user, u_debugreg) + i * 8u, value) == 0;
}

bool tracee_watch(struct tracee *t, uint64_t address, uint32_t size)
{
    const uint64_t on = 1, writes = 1, length = size == 8 ? 2 : 3;

    t->watched = set_debug(t, 0, address) && set_debug(t, 7, on | writes << 16 | length << 18);
    return t->watched;
}

bool tracee_has_written(struct tracee *t)
{
    if (!t->watched)
        return false;
    errno = 0;
    const long what =
        ptrace(PTRACE_PEEKUSER, t->pid, offsetof(struct user, u_debugreg) + 6 * 8u, NULL);

    KIT_EQ(errno, 0);
    if (!(what & 1))
        return false;
    t->watched = false;
    KIT_CHECK(set_debug(t, 7, 0));
    return true;
}

void tracee_kill(struct tracee *t)
{
    int status;

    if (!t->pid)
        return;
    kill(t->pid, SIGKILL);
    while (waitpid(t->pid, &status, 0) == t->pid && !WIFSIGNALED(status) && !WIFEXITED(status))
        ;
    t->pid = 0;
}
