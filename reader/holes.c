/* SPDX-License-Identifier: MIT
 *
 * Where records of rings were lost: see holes.h.
 */
#include "reader/holes.h"

#include <errno.h>
#include <stdlib.h>

int holes_note(struct holes *holes, uint32_t ring, uint64_t seq)
{
    if (holes->count == holes->room) {
        const size_t room = holes->room ? 2 * holes->room : 16;
        struct hole *const grown = reallocarray(holes->hole, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        holes->hole = grown;
        holes->room = room;
    }
    holes->hole[holes->count++] = (struct hole){ring, seq};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct hole *one = a, *two = b;

    if (one->ring != two->ring)
        return one->ring < two->ring ? -1 : 1;
    return one->seq < two->seq ? -1 : one->seq > two->seq;
}

void holes_sort(struct holes *holes)
{
    if (holes->count)
        qsort(holes->hole, holes->count, sizeof(*holes->hole), compare);
}

const struct hole *holes_of_ring(const struct holes *holes, uint32_t ring,
                                 const struct hole **ret_end)
{
    size_t begin = 0, end;

    if (!holes->count)
        return *ret_end = NULL;
    while (begin < holes->count && holes->hole[begin].ring < ring)
        begin++;
    for (end = begin; end < holes->count && holes->hole[end].ring == ring;)
        end++;
    *ret_end = holes->hole + end;
    return holes->hole + begin;
}

void holes_done(struct holes *holes)
{
    free(holes->hole);
}
