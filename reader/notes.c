/* SPDX-License-Identifier: MIT
 *
 * Blocks of a ring to be read: see notes.h.
 */
#include "reader/notes.h"

#include <errno.h>
#include <stdlib.h>

int notes_add(struct notes *notes, uint32_t file, const struct file_piece *piece)
{
    if (notes->count == notes->room) {
        const size_t room = notes->room ? 2 * notes->room : 16;
        struct note *const grown = reallocarray(notes->note, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        notes->note = grown;
        notes->room = room;
    }
    notes->note[notes->count] =
        (struct note){.file = file, .order = (uint32_t)notes->count, .piece = *piece};
    notes->count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct note *one = a, *two = b;

    if (one->piece.block.first_seq != two->piece.block.first_seq)
        return one->piece.block.first_seq < two->piece.block.first_seq ? -1 : 1;
    return one->order < two->order ? -1 : 1;
}

void notes_sort(struct notes *notes)
{
    if (notes->count)
        qsort(notes->note, notes->count, sizeof(*notes->note), compare);
}

struct end {
    uint64_t time_min, time_max, records;
};

static int compare_ends(const void *a, const void *b)
{
    const struct end *one = a, *two = b;

    return one->time_max > two->time_max ? -1 : one->time_max < two->time_max;
}

int notes_tail(const struct notes *const *lists, size_t count, uint64_t records,
               uint64_t *ret_ticks)
{
    size_t all = 0, at = 0;
    uint64_t seen = 0;
    struct end *end;

    for (size_t i = 0; i < count; i++)
        all += lists[i]->count;
    end = calloc(all + 1, sizeof(*end));
    if (!end)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < lists[i]->count; j++) {
            const struct file_block_info *const info = &lists[i]->note[j].piece.block;

            end[at++] = (struct end){info->time_min, info->time_max, info->records};
        }
    qsort(end, all, sizeof(*end), compare_ends);
    *ret_ticks = UINT64_MAX;
    for (at = 0; at < all && seen < records; at++) {
        seen += end[at].records;
        if (end[at].time_min < *ret_ticks)
            *ret_ticks = end[at].time_min;
    }
    if (seen < records)
        *ret_ticks = 0;
    free(end);
    return 0;
}

void notes_drop_before(struct notes *notes, uint64_t ticks)
{
    size_t kept = 0;

    for (size_t i = 0; i < notes->count; i++)
        if (notes->note[i].piece.block.time_max >= ticks)
            notes->note[kept++] = notes->note[i];
    notes->count = kept;
}

void notes_done(struct notes *notes)
{
    free(notes->note);
}
