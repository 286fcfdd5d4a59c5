/* SPDX-License-Identifier: MIT
 *
 * Joining the records of long texts, by producer.
 *
 * What a line that is being put together needs of its first record is copied: the cursor's record
 * is valid until its next call only.
 */
#include "tools/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

/* Whose text it is. Records of an unknown producer are told apart by their ring. */
struct key {
    uint32_t segment, producer, ring;
};

struct pending {
    struct pending *next; /* in its bucket */
    struct key key;
    struct cursor_record record;
    struct file_site site;
    struct shmlog_producer producer;
    struct text text;
    unsigned parts;
    bool cut;
};

struct join {
    int (*next)(void *arg, struct cursor_record *ret_record);
    void *arg;
    struct pending *bucket[BUCKETS];
    size_t pending;
    struct line part;      /* for rendering one record */
    struct pending *given; /* what the line that was passed on last points into */
    bool ended;
};

int join_open(int (*next)(void *arg, struct cursor_record *ret_record), void *arg,
              struct join **ret_join)
{
    struct join *join = calloc(1, sizeof(*join));

    if (!join)
        return -ENOMEM;
    join->next = next;
    join->arg = arg;
    *ret_join = join;
    return 0;
}

static void pending_free(struct pending *pending)
{
    if (!pending)
        return;
    text_done(&pending->text);
    free(pending);
}

void join_close(struct join *join)
{
    if (!join)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (join->bucket[i]) {
            struct pending *next = join->bucket[i]->next;

            pending_free(join->bucket[i]);
            join->bucket[i] = next;
        }
    pending_free(join->given);
    line_done(&join->part);
    free(join);
}

static struct key key_of(const struct cursor_record *record)
{
    return (struct key){
        .segment = record->segment,
        .producer = record->producer_id,
        .ring = record->producer_id ? 0 : record->ring,
    };
}

/* Where the producer's pending text hangs, or would. */
static struct pending **find(struct join *join, const struct key *key)
{
    struct pending **at =
        &join->bucket[(key->producer ^ key->producer >> 16 ^ key->ring ^ key->segment) % BUCKETS];

    while (*at && memcmp(&(*at)->key, key, sizeof(*key)))
        at = &(*at)->next;
    return at;
}

static struct pending *pending_new(const struct cursor_record *record)
{
    struct pending *pending = calloc(1, sizeof(*pending));

    if (!pending)
        return NULL;
    if (file_site_parse(record->site->bytes, record->site->size, &pending->site) < 0) {
        free(pending);
        return NULL;
    }
    pending->key = key_of(record);
    pending->record = *record;
    pending->record.site = &pending->site;
    pending->record.payload = NULL;
    pending->record.payload_size = 0;
    if (record->producer) {
        pending->producer = *record->producer;
        pending->record.producer = &pending->producer;
    }
    return pending;
}

static int append(struct join *join, struct pending *pending, const struct cursor_record *record)
{
    const struct text *message;

    line_set(&join->part, record);
    message = line_message(&join->part);
    text_put(&pending->text, message->data, message->size);
    pending->cut |= join->part.cut;
    pending->parts++;
    return pending->text.failed || message->failed ? -ENOMEM : 0;
}

/* Pass a pending text on as a line; it lives until the next call. */
static void give(struct join *join, struct pending **at, bool unfinished, struct line *line)
{
    struct pending *pending = *at;
    struct text swap;

    *at = pending->next;
    join->pending--;
    join->given = pending;
    line_set(line, &pending->record);
    swap = line->message;
    line->message = pending->text;
    pending->text = swap;
    line->have_message = line->have_values = true;
    line->parts = pending->parts;
    line->cut = pending->cut;
    line->unfinished = unfinished;
}

/* The earliest of the texts whose end never came. */
static struct pending **earliest(struct join *join)
{
    struct pending **found = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pending **at = &join->bucket[i]; *at; at = &(*at)->next)
            if (!found || (*at)->record.time_ns < (*found)->record.time_ns)
                found = at;
    return found;
}

/* A record that is part of a longer text. 1: the text is whole, 0: it goes on. */
static int take_part(struct join *join, const struct cursor_record *record, struct pending **at,
                     bool more, struct line *line)
{
    int r;

    if (!*at) {
        *at = pending_new(record);
        if (!*at)
            return -ENOMEM;
        join->pending++;
    }
    r = append(join, *at, record);
    if (r < 0)
        return r;
    if (more && (*at)->text.size < JOIN_SIZE_MAX)
        return 0;
    give(join, at, more, line);
    return 1;
}

int join_next(struct join *join, struct line *line)
{
    struct cursor_record *const record = &line->record;
    int r;

    pending_free(join->given);
    join->given = NULL;
    while (!join->ended) {
        bool more;

        r = join->next(join->arg, record);
        if (r < 0)
            return r;
        if (r == 0) {
            join->ended = true;
            break;
        }
        more = record->site && record->site->flags & SHMLOG_SITE_FLAG_MORE;
        if (more || join->pending) {
            struct key key = key_of(record);
            struct pending **at = find(join, &key);

            if (more || *at) {
                r = take_part(join, record, at, more, line);
                if (r != 0)
                    return r;
                continue;
            }
        }
        line_begin(line);
        return 1;
    }
    if (!join->pending)
        return 0;
    give(join, earliest(join), true, line);
    return 1;
}
