/* SPDX-License-Identifier: MIT
 *
 * What the fuzzers share: libFuzzer's entry points, checks that end a run, and taking an input
 * apart. An input is always taken apart by the same rules, so that a crash comes again.
 *
 * Tables and other large things are made once by the first input and live as long as the program.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A fuzzer's own, where bytes changed at random would not get past checksums. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* libFuzzer's */

#define FUZZ_CHECK(expr)                                                         \
    do {                                                                         \
        if (!(expr)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #expr); \
            abort();                                                             \
        }                                                                        \
    } while (0)

/* An input that is taken from the front; zeros when it is used up. */
struct fuzz_in {
    const uint8_t *at, *end;
};

static inline uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        value |= (uint64_t)*in->at++ << (8 * i);
    return value;
}

static inline size_t fuzz_left(const struct fuzz_in *in)
{
    return (size_t)(in->end - in->at);
}

/* Bytes in a block of memory of just their size, so that reading on is found. To be freed. */
static inline uint8_t *fuzz_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    FUZZ_CHECK(copy);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

#endif
