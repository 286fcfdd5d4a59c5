/* SPDX-License-Identifier: MIT
 *
 * Joining the records of long texts, by producer and call.
 *
 * What a line that is being put together needs of its first record is copied: the cursor's record
 * is valid until its next call only.
 */
#include "reader/join.h"
#include "reader/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

/* Whose text it is. Records of an unknown producer are told apart by their ring. */
struct key {
    uint32_t segment, producer, ring;
};

struct pending {
    struct pending *next; /* in its bucket */
    bool marked;          /* its pieces have the LINE flag */
    uint64_t last_ns;     /* when its last piece came, with a `hold_ns` */
    int64_t last_time;    /* of its last piece, by its record */
    uint64_t last_ticks;
    struct key key;
    struct cursor_record record;
    struct file_site site;
    struct shmlog_producer producer;
    char host[64], segment_name[64];
    struct text text;
    unsigned parts;
    struct position_held *part; /* all of them, with a position; else NULL */
    bool cut;
};

struct join {
    int (*next)(void *arg, struct cursor_record *ret_record);
    void *arg;
    struct join_options options;
    struct pending *bucket[BUCKETS];
    size_t pending;
    uint64_t held;                    /* memory of all that is pending */
    uint64_t due_ns;                  /* nothing pending is overdue before that */
    int64_t due_time;                 /* the same by the records' times */
    struct cursor_record next_record; /* comes after the line that is given first */
    bool has_next;
    struct line part;      /* for rendering one record */
    struct pending *given; /* what the line that was passed on last points into */
    bool ended;
};

int join_open(int (*next)(void *arg, struct cursor_record *ret_record), void *arg,
              const struct join_options *options, struct join **ret_join)
{
    struct join *join = calloc(1, sizeof(*join));

    if (!join)
        return -ENOMEM;
    join->next = next;
    join->arg = arg;
    join->options = *options;
    if (!join->options.held_max)
        join->options.held_max = JOIN_HELD_MAX;
    *ret_join = join;
    return 0;
}

static void pending_free(struct pending *pending)
{
    if (!pending)
        return;
    text_done(&pending->text);
    free(pending->part);
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

static bool is_marked(const struct file_site *site)
{
    return site->flags & SHMLOG_SITE_FLAG_LINE;
}

/* Could shmlog_line() of before the LINE flag have made it? */
static bool is_old_piece(const struct file_site *site)
{
    return !is_marked(site) && site->kind == SHMLOG_SITE_PRINTF && site->args == 1 &&
           site->arg[0].type == SHMLOG_TYPE_STRING && !strcmp(site->format, "%s") &&
           site->name[0] && !strcmp(site->name[0], "text");
}

bool join_takes(const struct file_site *site)
{
    return site->flags & SHMLOG_SITE_FLAG_MORE || is_marked(site) || is_old_piece(site);
}

/* Do pieces of this site go on with the line? */
static bool goes_on(const struct pending *pending, const struct file_site *site)
{
    if (!pending->marked)
        return is_old_piece(site);
    return is_marked(site) && site->level == pending->site.level &&
           !strcmp(site->function, pending->site.function) &&
           !strcmp(site->file, pending->site.file);
}

/* Where the text hangs that the record goes on with, or would. */
static struct pending **find(struct join *join, const struct cursor_record *record)
{
    const struct key key = key_of(record);
    struct pending **at =
        &join->bucket[(key.producer ^ key.producer >> 16 ^ key.ring ^ key.segment) % BUCKETS];

    while (*at && (memcmp(&(*at)->key, &key, sizeof(key)) || !goes_on(*at, record->site)))
        at = &(*at)->next;
    return at;
}

/* What the record points to may be gone before its line is whole. */
static const char *keep(char to[64], const char *from)
{
    snprintf(to, 64, "%s", from ? from : "");
    return to;
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
    pending->marked = is_marked(&pending->site);
    pending->record = *record;
    pending->record.site = &pending->site;
    pending->record.host = keep(pending->host, record->host);
    pending->record.segment_name = keep(pending->segment_name, record->segment_name);
    pending->record.payload = NULL;
    pending->record.payload_size = 0;
    if (record->producer) {
        pending->producer = *record->producer;
        pending->record.producer = &pending->producer;
    }
    return pending;
}

static int note_part(struct join *join, struct pending *pending, const struct cursor_record *record)
{
    struct position_held *grown;

    if (!record->place)
        return 0;
    grown = reallocarray(pending->part, pending->parts + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    pending->part = grown;
    pending->part[pending->parts] = (struct position_held){record->place, record->seq};
    join->held += sizeof(*grown);
    return 0;
}

static int append(struct join *join, struct pending *pending, const struct cursor_record *record)
{
    const size_t room = pending->text.room;
    const struct text *message;

    if (note_part(join, pending, record) < 0)
        return -ENOMEM;
    line_set(&join->part, record);
    message = line_message(&join->part);
    text_put(&pending->text, message->data, message->size);
    pending->cut |= join->part.cut;
    pending->parts++;
    join->held += pending->text.room - room;
    pending->last_time = record->time_ns;
    pending->last_ticks = record->ticks;
    if (join->options.hold_ns)
        pending->last_ns = when_monotonic();
    return pending->text.failed || message->failed ? -ENOMEM : 0;
}

/* Pass a pending text on as a line; it lives until the next call. */
static void give(struct join *join, struct pending **at, bool unfinished, struct line *line)
{
    struct pending *pending = *at;
    struct text swap;

    *at = pending->next;
    join->pending--;
    join->held -= sizeof(*pending) + pending->text.room;
    if (pending->part)
        join->held -= pending->parts * sizeof(*pending->part);
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

/* By time, segment, ring and number of their first records. */
static bool is_earlier(const struct cursor_record *one, const struct cursor_record *two)
{
    if (one->time_ns != two->time_ns)
        return one->time_ns < two->time_ns;
    if (one->segment != two->segment)
        return one->segment < two->segment;
    if (one->ring != two->ring)
        return one->ring < two->ring;
    return one->seq < two->seq;
}

/* The earliest of the texts whose end never came. */
static struct pending **earliest(struct join *join)
{
    struct pending **found = NULL;

    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pending **at = &join->bucket[i]; *at; at = &(*at)->next)
            if (!found || is_earlier(&(*at)->record, &(*found)->record))
                found = at;
    return found;
}

/* The text that has got no piece for longest, if that is too long. */
static struct pending **overdue(struct join *join)
{
    struct pending **found = NULL;
    uint64_t now;

    if (!join->options.hold_ns || !join->pending)
        return NULL;
    now = when_monotonic();
    if (now < join->due_ns)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pending **at = &join->bucket[i]; *at; at = &(*at)->next)
            if (!found || (*at)->last_ns < (*found)->last_ns)
                found = at;
    join->due_ns = (*found)->last_ns + join->options.hold_ns;
    return join->due_ns <= now ? found : NULL;
}

/* A text that has got no piece for so long that the record is no longer waited with. */
static struct pending **overtaken(struct join *join, const struct cursor_record *record)
{
    struct pending **found = NULL;

    if (record->time_ns < join->due_time)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct pending **at = &join->bucket[i]; *at; at = &(*at)->next)
            if (!found || (*at)->last_time < (*found)->last_time)
                found = at;
    if (__builtin_add_overflow((*found)->last_time, JOIN_WAIT_NS, &join->due_time))
        join->due_time = INT64_MAX;
    return join->due_time <= record->time_ns ? found : NULL;
}

/* May a piece of the text, or the beginning of the record's own, be among what was lost? */
static bool is_torn(const struct pending *pending, const struct cursor_record *record)
{
    return record->lost_ticks > pending->last_ticks;
}

/* A text comes out before the record. */
static int give_first(struct join *join, struct pending **at, struct line *line)
{
    join->next_record = line->record;
    join->has_next = true;
    give(join, at, true, line);
    return 1;
}

/* A record that is part of a longer text. 1: a text is given; 0: it goes on. */
static int take_part(struct join *join, const struct cursor_record *record, struct pending **at,
                     bool more, struct line *line)
{
    int r;

    if (!*at) {
        *at = pending_new(record);
        if (!*at)
            return -ENOMEM;
        if (!join->pending++)
            join->due_time = INT64_MIN; /* not known */
        join->held += sizeof(**at);
    }
    r = append(join, *at, record);
    if (r < 0)
        return r;
    if (!more ||
        (*at)->text.size > JOIN_SIZE_MAX - SHMLOG_RECORD_PAYLOAD) /* the next might not fit */
        give(join, at, more, line);
    else if (join->held > join->options.held_max)
        give(join, earliest(join), true, line);
    else
        return 0;
    return 1;
}

/* 1: a line; 0: its record waits with others for the end of a text. */
static int take(struct join *join, struct line *line)
{
    const struct cursor_record *const record = &line->record;
    const struct file_site *const site = record->site;
    const bool more = site && site->flags & SHMLOG_SITE_FLAG_MORE;
    struct pending **const late = join->pending ? overtaken(join, record) : NULL;

    if (late)
        return give_first(join, late, line);
    if (site && (more || join->pending)) {
        struct pending **at = find(join, record);

        if (*at && is_torn(*at, record))
            return give_first(join, at, line);
        if (more || *at)
            return take_part(join, record, at, more, line);
    }
    line_begin(line);
    return 1;
}

int join_held(const struct join *join, struct position_held **ret_held, size_t *ret_count)
{
    struct position_held *held;
    size_t count = join->has_next, at = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct pending *pending = join->bucket[i]; pending; pending = pending->next)
            count += pending->parts;
    held = calloc(count + 1, sizeof(*held));
    if (!held)
        return -ENOMEM;
    if (join->has_next && join->next_record.place)
        held[at++] = (struct position_held){join->next_record.place, join->next_record.seq};
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct pending *pending = join->bucket[i]; pending; pending = pending->next)
            for (unsigned j = 0; pending->part && j < pending->parts; j++)
                held[at++] = pending->part[j];
    *ret_held = held;
    *ret_count = at;
    return 0;
}

static int next_record(struct join *join, struct cursor_record *ret_record)
{
    if (!join->has_next)
        return join->next(join->arg, ret_record);
    *ret_record = join->next_record;
    join->has_next = false;
    return 1;
}

int join_next(struct join *join, struct line *line)
{
    pending_free(join->given);
    join->given = NULL;
    while (!join->ended) {
        struct pending **late = overdue(join);
        int r;

        if (late) {
            give(join, late, true, line);
            return 1;
        }
        r = next_record(join, &line->record);
        if (r == -EAGAIN && !join->options.gives_up)
            continue;
        if (r < 0)
            return r;
        if (r == 0)
            join->ended = true;
        else if ((r = take(join, line)) != 0)
            return r;
    }
    if (!join->pending)
        return 0;
    give(join, earliest(join), true, line);
    return 1;
}
