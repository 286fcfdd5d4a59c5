/* SPDX-License-Identifier: MIT
 *
 * The header's system calls, seen by the test: all of them go through syscall(), which is this
 * kit's in the programs that link it. So a test can hold a thread in the midst of what the header
 * does in several steps, and count calls.
 */
#ifndef TESTS_PRODUCER_SYSCALL_KIT_H
#define TESTS_PRODUCER_SYSCALL_KIT_H

#include <stdbool.h>

/* Called before and after each system call, in the thread that makes it; it makes none that way.
 * `target`: the fifth argument, of mremap() the new address. */
typedef void syscall_kit_hook(long number, const void *target, bool after);

/* NULL: none. Any thread. */
void syscall_kit_set(syscall_kit_hook *hook);

#endif
