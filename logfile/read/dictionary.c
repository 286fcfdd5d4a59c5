/* SPDX-License-Identifier: MIT
 *
 * A reader's dictionary: sites, producers and clock pairs, as the file's pieces say them.
 */
#include "logfile/read/reader_state.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Producers ---- */

static struct shmlog_producer **find_producer(const struct file_dictionary *dictionary, uint32_t id)
{
    size_t mask = dictionary->producer_room - 1;
    size_t h = (id * 0x9e3779b1u) & mask;

    while (dictionary->producer[h] && dictionary->producer[h]->id != id)
        h = (h + 1) & mask;
    return &dictionary->producer[h];
}

static int grow_producers(struct file_dictionary *dictionary)
{
    struct file_dictionary grown = {.producer_room = dictionary->producer_room * 2};

    if (!grown.producer_room)
        grown.producer_room = 64;
    grown.producer = calloc(grown.producer_room, sizeof(struct shmlog_producer *));
    if (!grown.producer)
        return -ENOMEM;
    for (size_t i = 0; i < dictionary->producer_room; i++) {
        if (dictionary->producer[i])
            *find_producer(&grown, dictionary->producer[i]->id) = dictionary->producer[i];
    }
    free(dictionary->producer);
    dictionary->producer = grown.producer;
    dictionary->producer_room = grown.producer_room;
    return 0;
}

static int add_producer(struct file_dictionary *dictionary, const struct shmlog_producer *producer)
{
    struct shmlog_producer **entry;

    if (2 * dictionary->producers >= dictionary->producer_room && grow_producers(dictionary) < 0)
        return -ENOMEM;
    entry = find_producer(dictionary, producer->id);
    if (!*entry) {
        *entry = malloc(sizeof(**entry));
        if (!*entry)
            return -ENOMEM;
        dictionary->producers++;
    }
    **entry = *producer;
    return 0;
}

const struct shmlog_producer *file_reader_producer(const struct file_reader *reader, uint32_t id)
{
    return reader->dictionary.producer_room ? *find_producer(&reader->dictionary, id) : NULL;
}

/* ---- The clock ---- */

static int compare_clock(const void *a, const void *b)
{
    const struct shmlog_clock_pair *x = a, *y = b;

    return (x->ticks > y->ticks) - (x->ticks < y->ticks);
}

static void sort_clock(struct file_dictionary *dictionary)
{
    size_t kept = 0;

    if (dictionary->clock_sorted)
        return;
    qsort(dictionary->clock, dictionary->clocks, sizeof(*dictionary->clock), compare_clock);
    for (size_t i = 0; i < dictionary->clocks; i++) {
        if (!kept || dictionary->clock[i].ticks != dictionary->clock[kept - 1].ticks)
            dictionary->clock[kept++] = dictionary->clock[i];
    }
    dictionary->clocks = kept;
    dictionary->clock_sorted = true;
}

static int add_clock(struct file_dictionary *dictionary, const struct frame_clock *frame)
{
    if (dictionary->clocks == dictionary->clock_room) {
        struct shmlog_clock_pair *grown;
        size_t room;

        /* Reading a file twice brings the same pairs again: they go first. */
        sort_clock(dictionary);
        room = dictionary->clocks * 2 > 64 ? dictionary->clocks * 2 : 64;
        grown = realloc(dictionary->clock, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        dictionary->clock = grown;
        dictionary->clock_room = room;
    }
    dictionary->clock[dictionary->clocks++] = (struct shmlog_clock_pair){
        .ticks = frame->ticks,
        .realtime_ns = frame->realtime_ns,
        .error_ns = frame->error_ns,
    };
    dictionary->clock_sorted = false;
    return 0;
}

const struct shmlog_clock_pair *file_reader_clock(const struct file_reader *reader,
                                                  size_t *ret_count)
{
    /* Sorting late does not change what the reader knows. */
    struct file_dictionary *dictionary = (struct file_dictionary *)&reader->dictionary;

    sort_clock(dictionary);
    *ret_count = dictionary->clocks;
    return dictionary->clock;
}

/* ---- All of it ---- */

static int add_site(struct file_dictionary *dictionary, const uint8_t *frame, size_t size)
{
    struct frame_site head;
    int r;

    if (size < sizeof(head) + sizeof(uint64_t))
        return 0;
    memcpy(&head, frame, sizeof(head));
    if (head.size > size - sizeof(head) - sizeof(uint64_t))
        return 0;
    r = file_sites_put(&dictionary->sites, head.id, frame + sizeof(head), head.size);
    return r == -ENOMEM ? r : 0;
}

int file_dictionary_add(struct file_dictionary *dictionary, const uint8_t *frame, size_t size)
{
    struct frame_head head;
    struct frame_producer producer;
    struct frame_clock clock;

    memcpy(&head, frame, sizeof(head));
    switch (head.kind) {
    case FILE_KIND_SITE:
        return add_site(dictionary, frame, size);
    case FILE_KIND_PRODUCER:
        memcpy(&producer, frame, sizeof(producer));
        if (!producer.producer.id) /* of records whose producer is unknown */
            return 0;
        return add_producer(dictionary, &producer.producer);
    case FILE_KIND_CLOCK:
        memcpy(&clock, frame, sizeof(clock));
        return add_clock(dictionary, &clock);
    default:
        return 0;
    }
}

void file_dictionary_done(struct file_dictionary *dictionary)
{
    file_sites_done(&dictionary->sites);
    for (size_t i = 0; i < dictionary->producer_room; i++)
        free(dictionary->producer[i]);
    free(dictionary->producer);
    free(dictionary->clock);
    *dictionary = (struct file_dictionary){.clock_sorted = true};
}

const struct file_sites *file_reader_sites(const struct file_reader *reader)
{
    return &reader->dictionary.sites;
}
