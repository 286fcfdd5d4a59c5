/* SPDX-License-Identifier: MIT
 *
 * shmlog-dump's command line: arguments, times, lists of numbers and of fields.
 *
 * Input: arguments, each ended by a NUL.
 */
#include "tests/fuzz/fuzz.h"
#include "reader/level.h"
#include "tools/options.h"
#include "reader/when.h"

#include <errno.h>

#define ARGUMENTS_MAX 16

static void parse_values(const char *argument)
{
    struct filter_numbers numbers = {0};
    int64_t ns;
    uint32_t level;
    int r = when_parse(argument, INT64_C(1763712000000000000), &ns);

    FUZZ_CHECK(r == 0 || r == -EINVAL || r == -ERANGE);
    r = filter_numbers_add(&numbers, argument);
    FUZZ_CHECK(r == 0 || r == -EINVAL || r == -ENOBUFS);
    if (r == 0)
        FUZZ_CHECK(numbers.count <= sizeof(numbers.range) / sizeof(numbers.range[0]));
    r = level_parse(argument, &level);
    FUZZ_CHECK(r < 0 || level <= SHMLOG_OFF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *argument[ARGUMENTS_MAX + 2] = {(char *)"shmlog-dump"};
    char message[512] = "";
    struct options options;
    int count = 1, r;

    FUZZ_CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    for (size_t at = 0; at < size && count <= ARGUMENTS_MAX; at += strlen(text + at) + 1) {
        argument[count++] = text + at;
        parse_values(text + at);
    }
    r = options_parse(count, argument, INT64_C(1763712000000000000), &options, message,
                      sizeof(message));
    FUZZ_CHECK(r == 0 || (r == -EINVAL && *message));
    options_done(&options);
    free(text);
    return 0;
}
