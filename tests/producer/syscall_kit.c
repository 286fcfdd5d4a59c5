/* SPDX-License-Identifier: MIT
 *
 * System calls, seen by the test. See syscall_kit.h.
 */
#include "tests/producer/syscall_kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

long syscall(long number, ...);

static syscall_kit_hook *hook;
static long (*libc_syscall)(long number, ...);

static void call_hook(long number, long target, bool after)
{
    syscall_kit_hook *const h = __atomic_load_n(&hook, __ATOMIC_ACQUIRE);

    if (h)
        h(number, (const void *)(uintptr_t)target, after);
}

/* Before main(): other libraries' constructors come here, too, or this one does. */
static __attribute__((constructor)) void find_libc_syscall(void)
{
    if (!libc_syscall)
        *(void **)&libc_syscall = dlsym(RTLD_NEXT, "syscall");
    if (!libc_syscall)
        abort();
}

/* Takes more than some callers give, as the C library's does. */
long syscall(long number, ...)
{
    long a[6], r;
    va_list args;
    int error;

    va_start(args, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (!libc_syscall)
        find_libc_syscall();
    call_hook(number, a[4], false);
    r = libc_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    error = errno;
    call_hook(number, a[4], true);
    errno = error;
    return r;
}

void syscall_kit_set(syscall_kit_hook *h)
{
    __atomic_store_n(&hook, h, __ATOMIC_RELEASE);
}
