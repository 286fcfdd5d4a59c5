/* SPDX-License-Identifier: MIT
 *
 * How the sanitizers are to run in all fuzzers: less memory kept aside, and shorter stacks of
 * where it came from, since both cost most of the time of small inputs.
 */
#include "tests/fuzz/fuzz.h"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4:malloc_context_size=3:strict_string_checks=1:"
           "allocator_may_return_null=0";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}
