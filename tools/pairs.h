/* SPDX-License-Identifier: MIT
 *
 * Moments that wait for others with the same key: an open-addressing table.
 *
 * Keys are told apart by 128 bits of their hash (XXH3) alone.
 */
#ifndef TOOLS_PAIRS_H
#define TOOLS_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAIRS_MAX (UINT64_C(1) << 22)

struct pair {
    uint64_t hash[2]; /* zero: free */
    int64_t moment;
};

struct pairs {
    struct pair *pair;
    size_t room, count; /* room is a power of two, half of which stays free */
};

/* The moment waits, in place of one with the same key, which *ret_replaced says there was. 0;
 * -ENOBUFS: too many wait already; -ENOMEM. */
int pairs_put(struct pairs *pairs, const void *key, size_t size, int64_t moment,
              bool *ret_replaced);
/* The moment of the key, which waits no longer; false: there is none. */
bool pairs_take(struct pairs *pairs, const void *key, size_t size, int64_t *ret_moment);
void pairs_done(struct pairs *pairs);

#endif
