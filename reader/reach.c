/* SPDX-License-Identifier: MIT
 *
 * Numbers of records that are there without a hole: see reach.h.
 */
#include "reader/reach.h"

#include <errno.h>
#include <stdlib.h>

int reach_note(struct reach *reach, uint64_t begin, uint64_t end)
{
    struct reach_run *const last = reach->count ? &reach->run[reach->count - 1] : NULL;

    if (last && begin >= last->begin && begin <= last->end) { /* mostly the next block */
        if (end > last->end)
            last->end = end;
        return 0;
    }
    if (reach->count == reach->room) {
        const size_t room = reach->room ? 2 * reach->room : 16;
        struct reach_run *const grown = reallocarray(reach->run, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        reach->run = grown;
        reach->room = room;
    }
    reach->run[reach->count++] = (struct reach_run){begin, end};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct reach_run *one = a, *two = b;

    return one->begin < two->begin ? -1 : one->begin > two->begin;
}

uint64_t reach_end(struct reach *reach, uint64_t start, uint64_t *ret_more)
{
    uint64_t end = start;
    size_t i;

    if (reach->count)
        qsort(reach->run, reach->count, sizeof(*reach->run), compare);
    for (i = 0; i < reach->count && reach->run[i].begin <= end; i++)
        if (reach->run[i].end > end)
            end = reach->run[i].end;
    *ret_more = i < reach->count ? reach->run[i].begin : end;
    return end;
}

void reach_done(struct reach *reach)
{
    free(reach->run);
}
