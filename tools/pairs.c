/* SPDX-License-Identifier: MIT
 *
 * Moments that wait for others: see pairs.h.
 */
#include "tools/pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

static struct pair *find(struct pair *pair, size_t room, const uint64_t hash[2])
{
    size_t at = hash[0] & (room - 1);

    while ((pair[at].hash[0] || pair[at].hash[1]) &&
           (pair[at].hash[0] != hash[0] || pair[at].hash[1] != hash[1]))
        at = (at + 1) & (room - 1);
    return &pair[at];
}

static bool is_free(const struct pair *pair)
{
    return !pair->hash[0] && !pair->hash[1];
}

static int grow(struct pairs *pairs)
{
    const size_t room = pairs->room ? 2 * pairs->room : 256;
    struct pair *const grown = calloc(room, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < pairs->room; i++)
        if (!is_free(&pairs->pair[i]))
            *find(grown, room, pairs->pair[i].hash) = pairs->pair[i];
    free(pairs->pair);
    pairs->pair = grown;
    pairs->room = room;
    return 0;
}

static void hash_of(const void *key, size_t size, uint64_t ret_hash[2])
{
    const XXH128_hash_t hash = XXH3_128bits(key, size);

    ret_hash[0] = hash.low64;
    ret_hash[1] = hash.high64 | 1; /* not that of a free place */
}

int pairs_put(struct pairs *pairs, const void *key, size_t size, int64_t moment, bool *ret_replaced)
{
    struct pair *pair;
    uint64_t hash[2];

    hash_of(key, size, hash);
    if (2 * pairs->count >= pairs->room && grow(pairs) < 0)
        return -ENOMEM;
    pair = find(pairs->pair, pairs->room, hash);
    *ret_replaced = !is_free(pair);
    if (!*ret_replaced) {
        if (pairs->count == PAIRS_MAX)
            return -ENOBUFS;
        pairs->count++;
    }
    *pair = (struct pair){{hash[0], hash[1]}, moment};
    return 0;
}

/* What stands behind a place that becomes free moves up, so that it is still found. */
static void move_up(struct pairs *pairs, size_t hole)
{
    const size_t mask = pairs->room - 1;

    for (size_t at = (hole + 1) & mask; !is_free(&pairs->pair[at]); at = (at + 1) & mask) {
        const size_t home = pairs->pair[at].hash[0] & mask;

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            pairs->pair[hole] = pairs->pair[at];
            hole = at;
        }
    }
    pairs->pair[hole] = (struct pair){0};
}

bool pairs_take(struct pairs *pairs, const void *key, size_t size, int64_t *ret_moment)
{
    struct pair *pair;
    uint64_t hash[2];

    if (!pairs->count)
        return false;
    hash_of(key, size, hash);
    pair = find(pairs->pair, pairs->room, hash);
    if (is_free(pair))
        return false;
    *ret_moment = pair->moment;
    move_up(pairs, (size_t)(pair - pairs->pair));
    pairs->count--;
    return true;
}

void pairs_done(struct pairs *pairs)
{
    free(pairs->pair);
}
