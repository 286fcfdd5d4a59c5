/* SPDX-License-Identifier: MIT
 *
 * The instructions at which a producer is to die: those of this very program, as objdump lists
 * them, and its restartable sequences, as the kernel is told of them.
 */
#ifndef TESTS_DEATH_PLACES_H
#define TESTS_DEATH_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYMBOL_MAX 48u

struct place {
    uint64_t address;
    char symbol[SYMBOL_MAX]; /* the function that has it; of a sequence's ways out: its own */
    int sequence;            /* the sequence that it is in, -1 none */
    bool reached;            /* by any scene */
    bool reached_shared;     /* by one with an owned ring */
};

/* As in linux/rseq.h: from `start` on, up to the commit, which ends at start + size. */
struct sequence {
    uint64_t start, size, abort;
    char symbol[SYMBOL_MAX];
};

struct places {
    struct place *place; /* by address */
    size_t count;
    struct sequence *sequence;
    size_t sequences;
    uint64_t moved; /* from objdump's addresses to those of this process */
};

/* List the instructions of all functions whose name begins with call_ or shmlog_, with the ways out
 * of their sequences. Skips the test where there is no objdump. */
void places_open(struct places *places);
void places_close(struct places *places);

/* Index of the place at this address; -1 none. */
long places_find(const struct places *places, uint64_t address);
/* Address of the first instruction of a function; of the last one of a sequence, its commit. Fails
 * the test if there is none. */
uint64_t places_function(const struct places *places, const char *symbol);
uint64_t places_commit(const struct places *places, const struct sequence *sequence);

/* How many places of a function nothing reached; print them, by lines of the source. */
size_t places_unreached(const struct places *places, const char *symbol);
void places_print_unreached(const struct places *places, const char *symbol);

#endif
