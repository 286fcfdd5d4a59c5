/* SPDX-License-Identifier: MIT
 *
 * A child process under ptrace: breakpoints on any number of its instructions, where it can be
 * killed, left standing, or sent a signal.
 *
 * A breakpoint is a trap instruction. One inside a restartable sequence does stop there, with all
 * that came before executed, and nothing after; but the kernel does not let the sequence go on: a
 * thread that continues does so at the sequence's abort handler. Single-stepping, which stops after
 * each instruction, therefore never gets beyond the first one.
 */
#ifndef TESTS_DEATH_TRACEE_H
#define TESTS_DEATH_TRACEE_H

#include "tests/death/places.h"

#include <sys/types.h>

struct tracee {
    pid_t pid;
    int memory;
    bool watched;
    uint8_t *text; /* the listed functions' pages as they were */
    uint64_t text_start;
    size_t text_size;
};

void tracee_init(struct tracee *tracee, const struct places *places);
void tracee_done(struct tracee *tracee);

/* Start `run` in a child, up to its first trap. */
void tracee_start(struct tracee *tracee, int (*run)(void *arg), void *arg);

/* Let it go on, with a signal or 0, up to the next trap, whose address is returned; 0 if it has
 * ended, with exit status 0. Anything else fails the test, as does a long silence. SIGUSR1 is
 * passed on. */
uint64_t tracee_go(struct tracee *tracee, int signal);
/* Traps at these addresses, and no others. */
void tracee_arm(struct tracee *tracee, const uint64_t *addresses, size_t count);
/* Set it back to the instruction whose trap it just hit: to execute it, after disarming. */
void tracee_step_back(struct tracee *tracee, uint64_t address);

/* Stop it, too, when it has written to this word of 4 or 8 bytes, of its own memory; false where
 * the machine cannot. Until then nothing is disturbed, not even a restartable sequence. */
bool tracee_watch(struct tracee *tracee, uint64_t address, uint32_t size);
/* Was that why it stopped last? Then it is watched no longer. */
bool tracee_has_written(struct tracee *tracee);

/* SIGKILL, and reap. */
void tracee_kill(struct tracee *tracee);

#endif
