/* SPDX-License-Identifier: MIT
 *
 * The collector's command line. Input: arguments, each ended by a NUL.
 */
#include "collector/options.h"
#include "tests/fuzz/fuzz.h"

#define ARGUMENTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *sink;
    char *text = malloc(size + 1), *argument[ARGUMENTS_MAX + 2] = {(char *)"shmlog-collector"};
    struct options options;
    uint32_t cpus[OPTIONS_CPUS_MAX];
    int count = 1;

    if (!sink)
        sink = fopen("/dev/null", "we");
    FUZZ_CHECK(text && sink);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    for (size_t at = 0; at < size && count <= ARGUMENTS_MAX; at += strlen(text + at) + 1) {
        argument[count++] = text + at;
        FUZZ_CHECK(options_cpu_list(text + at, cpus) <= OPTIONS_CPUS_MAX);
    }
    switch (options_parse(count, argument, &options, sink, sink)) {
    case OPTIONS_RUN:
        FUZZ_CHECK(options.remove_orphans ? !options.segment && !options.output
                                          : options.segment && options.output);
        FUZZ_CHECK(options.cpu_count <= OPTIONS_CPUS_MAX);
        break;
    case OPTIONS_DONE:
    case OPTIONS_WRONG:
        break;
    }
    free(text);
    return 0;
}
