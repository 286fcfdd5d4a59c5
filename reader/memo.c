/* SPDX-License-Identifier: MIT
 *
 * Finding the texts that were made of what a record has.
 */
#include "reader/memo.h"

#include <stdlib.h>
#include <string.h>

/* What texts of a place depend on. */
struct place {
    uint32_t ring, cpu;
    char host[64], segment[64];
};

/* Is it short enough to be kept? */
static bool copy_name(char to[64], const char *from)
{
    const size_t size = from ? strnlen(from, 64) : 0;

    memcpy(to, from ? from : "", size);
    return size < 64;
}

static bool is_same_name(const char *kept, const char *name)
{
    return name ? !strcmp(kept, name) : !*kept;
}

static bool is_place(const struct place *place, const struct cursor_record *record)
{
    return place->ring == record->ring && place->cpu == record->cpu &&
           is_same_name(place->segment, record->segment_name) &&
           is_same_name(place->host, record->host);
}

static bool is_of(const struct memo *memo, enum memo_of of, const struct cursor_record *record)
{
    switch (of) {
    case MEMO_SITE:
        return memo->of_size == record->site->size &&
               !memcmp(memo->of, record->site->bytes, memo->of_size);
    case MEMO_PRODUCER:
        return !memcmp(memo->of, record->producer, sizeof(*record->producer));
    case MEMO_PLACE:
        break;
    }
    return is_place(memo->of, record);
}

/* Empty the slot, and make it that of a copy of `of`. */
static struct memo *renew(struct memo **slot, const void *of, size_t size)
{
    struct memo *memo = *slot;
    void *copy = malloc(size);

    if (!memo)
        memo = *slot = calloc(1, sizeof(*memo));
    if (!copy || !memo) {
        free(copy);
        if (memo) { /* it is of nothing any more */
            free(memo->of);
            text_done(&memo->text);
        }
        free(memo);
        *slot = NULL;
        return NULL;
    }
    free(memo->of);
    memo->of = memcpy(copy, of, size);
    memo->of_size = size;
    text_clear(&memo->text);
    return memo;
}

static struct memo *renew_place(struct memo **slot, const struct cursor_record *record)
{
    struct place place = {.ring = record->ring, .cpu = record->cpu};

    if (!copy_name(place.host, record->host) || !copy_name(place.segment, record->segment_name))
        return NULL;
    return renew(slot, &place, sizeof(place));
}

struct memo *memo_find(struct memos *memos, enum memo_of of, const struct cursor_record *record,
                       bool *ret_new)
{
    struct memo **slot;

    if ((of == MEMO_SITE && !record->site) || (of == MEMO_PRODUCER && !record->producer))
        return NULL;
    slot = &memos->slot[(of == MEMO_SITE       ? record->site_id
                         : of == MEMO_PRODUCER ? record->producer_id
                                               : record->ring) %
                        MEMO_SLOTS];
    *ret_new = false;
    if (*slot && is_of(*slot, of, record))
        return *slot;
    *ret_new = true;
    switch (of) {
    case MEMO_SITE:
        return renew(slot, record->site->bytes, record->site->size);
    case MEMO_PRODUCER:
        return renew(slot, record->producer, sizeof(*record->producer));
    case MEMO_PLACE:
        break;
    }
    return renew_place(slot, record);
}

void memos_done(struct memos *memos)
{
    for (size_t i = 0; i < MEMO_SLOTS; i++) {
        struct memo *memo = memos->slot[i];

        if (!memo)
            continue;
        free(memo->of);
        text_done(&memo->text);
        free(memo);
        memos->slot[i] = NULL;
    }
}
