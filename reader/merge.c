/* SPDX-License-Identifier: MIT
 *
 * Merging the rings of a segment: a binary heap that loads a stream's record only when no other
 * stream can have an earlier one.
 */
#include "reader/source.h"

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

/* Without a branch: which one it is cannot be guessed. */
static inline bool before(const struct merge_entry *a, const struct merge_entry *b)
{
    return (a->ticks < b->ticks) | ((a->ticks == b->ticks) & (a->ring < b->ring));
}

/* Put an entry where the first one was, and down to its place. */
static void sift_down(struct merge *merge, struct merge_entry entry)
{
    struct merge_entry *const heap = merge->heap;
    size_t at = 0, child = 1;

    for (; child < merge->count; child = 2 * at + 1) {
        if (child + 1 < merge->count)
            child += before(&heap[child + 1], &heap[child]);
        if (!before(&heap[child], &entry))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = entry;
}

static struct merge_entry entry_of(struct stream *stream)
{
    return (struct merge_entry){stream->ticks, stream->ring, stream};
}

void merge_add(struct merge *merge, struct stream *stream)
{
    const struct merge_entry entry = entry_of(stream);
    size_t at = merge->count++;

    while (at && before(&entry, &merge->heap[(at - 1) / 2])) {
        merge->heap[at] = merge->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    merge->heap[at] = entry;
}

int merge_peek(struct merge *merge, struct stream **ret_stream)
{
    while (merge->count) {
        struct stream *top = merge->heap[0].stream;
        int r;

        if (top->loaded && !merge->taken) {
            *ret_stream = top;
            return 1;
        }
        merge->taken = false;
        r = top->advance(top);
        if (r < 0)
            return r;
        if (r == 0 && --merge->count)
            sift_down(merge, merge->heap[merge->count]);
        else if (r > 0) /* alone, too: others may be added */
            sift_down(merge, entry_of(top));
    }
    merge->taken = false;
    return 0;
}
