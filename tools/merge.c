/* SPDX-License-Identifier: MIT
 *
 * Merging the rings of a segment: a binary heap that loads a stream's record only when no other
 * stream can have an earlier one.
 */
#include "tools/source.h"

#include <errno.h>
#include <stdlib.h>

int merge_init(struct merge *merge, size_t streams)
{
    *merge = (struct merge){0};
    merge->heap = calloc(streams ? streams : 1, sizeof(*merge->heap));
    return merge->heap ? 0 : -ENOMEM;
}

void merge_done(struct merge *merge)
{
    free(merge->heap);
    *merge = (struct merge){0};
}

static bool before(const struct stream *a, const struct stream *b)
{
    if (a->ticks != b->ticks)
        return a->ticks < b->ticks;
    return a->ring < b->ring;
}

static void sift_down(struct merge *merge, size_t at)
{
    struct stream *stream = merge->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= merge->count)
            break;
        if (child + 1 < merge->count && before(merge->heap[child + 1], merge->heap[child]))
            child++;
        if (!before(merge->heap[child], stream))
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = stream;
}

void merge_add(struct merge *merge, struct stream *stream)
{
    size_t at = merge->count++;

    while (at && before(stream, merge->heap[(at - 1) / 2])) {
        merge->heap[at] = merge->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    merge->heap[at] = stream;
}

int merge_peek(struct merge *merge, struct stream **ret_stream)
{
    while (merge->count) {
        struct stream *top = merge->heap[0];
        int r;

        if (top->loaded && !merge->taken) {
            *ret_stream = top;
            return 1;
        }
        merge->taken = false;
        r = top->advance(top);
        if (r < 0)
            return r;
        if (r == 0) {
            merge->count--;
            merge->heap[0] = merge->heap[merge->count];
        }
        if (merge->count)
            sift_down(merge, 0);
    }
    merge->taken = false;
    return 0;
}
