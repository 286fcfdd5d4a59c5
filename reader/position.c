/* SPDX-License-Identifier: MIT
 *
 * How far rings were read: see position.h.
 */
#include "reader/position.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_LINE "shmlog-position 1\n"

struct position_ring *position_find(const struct position *position, const uint8_t segment[16],
                                    uint32_t ring)
{
    for (size_t i = 0; i < position->count; i++)
        if (position->ring[i]->ring == ring && !memcmp(position->ring[i]->segment, segment, 16))
            return position->ring[i];
    return NULL;
}

struct position_ring *position_of(struct position *position, const uint8_t segment[16],
                                  uint32_t ring)
{
    struct position_ring *made = position_find(position, segment, ring);

    if (made)
        return made;
    if (position->count == position->room) {
        const size_t room = position->room ? 2 * position->room : 16;
        struct position_ring **const grown =
            reallocarray(position->ring, room, sizeof(struct position_ring *));

        if (!grown)
            return NULL;
        position->ring = grown;
        position->room = room;
    }
    made = calloc(1, sizeof(*made));
    if (!made)
        return NULL;
    memcpy(made->segment, segment, 16);
    made->ring = ring;
    position->ring[position->count++] = made;
    return made;
}

uint64_t position_start(const struct position_ring *ring)
{
    uint64_t start = ring->next;

    for (size_t i = 0; i < ring->held_count; i++)
        if (ring->held[i] < start)
            start = ring->held[i];
    return start;
}

bool position_take(struct position_ring *ring, uint64_t seq, uint64_t ticks)
{
    if (ticks > ring->given)
        ring->given = ticks;
    if (seq >= ring->next) {
        ring->next = seq + 1;
        return true;
    }
    for (size_t i = 0; i < ring->held_count; i++)
        if (ring->held[i] == seq) {
            ring->held[i] = ring->held[--ring->held_count];
            return true;
        }
    return false;
}

void position_raise(struct position_ring *ring, uint64_t next)
{
    size_t kept = 0;

    if (next > ring->next)
        ring->next = next;
    for (size_t i = 0; i < ring->held_count; i++) /* others are not there any more */
        if (ring->held[i] >= next)
            ring->held[kept++] = ring->held[i];
    ring->held_count = kept;
}

bool position_waits(struct position_ring *ring, uint64_t seq, uint64_t now_ns, uint64_t patience_ns)
{
    if (!ring->hole_since_ns || ring->hole != seq) {
        ring->hole = seq;
        ring->hole_since_ns = now_ns;
    }
    return now_ns - ring->hole_since_ns < patience_ns;
}

void position_done(struct position *position)
{
    for (size_t i = 0; i < position->count; i++) {
        free(position->ring[i]->held);
        free(position->ring[i]);
    }
    free(position->ring);
    *position = (struct position){0};
}

/* ---- The file ---- */

static bool parse_uuid(const char *text, uint8_t ret_uuid[16])
{
    for (int i = 0; i < 16; i++)
        if (sscanf(text + 2 * i, "%2hhx", &ret_uuid[i]) != 1)
            return false;
    return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static int add_held(struct position_ring *ring, uint64_t seq)
{
    uint64_t *const grown = reallocarray(ring->held, ring->held_count + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    ring->held = grown;
    ring->held[ring->held_count++] = seq;
    return 0;
}

static int parse_line(struct position *position, const char *line)
{
    struct position_ring *at;
    char word[8], uuid_text[40], rest;
    uint8_t uuid[16];
    uint64_t number;
    uint32_t ring;

    if (sscanf(line, "output %" SCNu64 " %c", &number, &rest) == 1) {
        position->output = number;
        position->has_output = true;
        return 0;
    }
    if (sscanf(line, "%7s %39s %" SCNu32 " %" SCNu64 " %c", word, uuid_text, &ring, &number,
               &rest) != 4 ||
        !parse_uuid(uuid_text, uuid))
        return -EBADMSG;
    at = position_of(position, uuid, ring);
    if (!at)
        return -ENOMEM;
    if (!strcmp(word, "held"))
        return add_held(at, number);
    if (strcmp(word, "ring"))
        return -EBADMSG;
    at->next = number;
    return 0;
}

static int parse(FILE *from, struct position *ret_position, unsigned *ret_line)
{
    struct position position = {0};
    char line[128];
    int r = 0;

    *ret_line = 1;
    if (!fgets(line, sizeof(line), from) || strcmp(line, FIRST_LINE))
        return -EBADMSG;
    while (r == 0 && fgets(line, sizeof(line), from)) {
        ++*ret_line;
        r = strchr(line, '\n') ? parse_line(&position, line) : -EBADMSG;
    }
    if (r == 0 && ferror(from))
        r = -EIO;
    if (r < 0)
        position_done(&position);
    else
        *ret_position = position;
    return r;
}

int position_parse(const char *text, size_t size, struct position *ret_position, unsigned *ret_line)
{
    FILE *const from = size ? fmemopen((char *)(uintptr_t)text, size, "r") : NULL;
    int r;

    *ret_line = 1;
    if (!from)
        return size ? -ENOMEM : -EBADMSG;
    r = parse(from, ret_position, ret_line);
    fclose(from);
    return r;
}

int position_load(const char *path, struct position *ret_position, char *ret_message,
                  size_t message_size)
{
    FILE *from = fopen(path, "re");
    unsigned line;
    int r;

    if (!from && errno == ENOENT) {
        *ret_position = (struct position){0};
        return 0;
    }
    if (!from) {
        r = -errno;
        snprintf(ret_message, message_size, "%s: %s", path, strerror(-r));
        return r;
    }
    r = parse(from, ret_position, &line);
    fclose(from);
    if (r == -EBADMSG)
        snprintf(ret_message, message_size,
                 "%s: line %u is not one of a position file; remove the file to begin anew", path,
                 line);
    else if (r < 0)
        snprintf(ret_message, message_size, "%s: %s", path, strerror(-r));
    return r;
}

static void put_number(FILE *to, const char *word, const struct position_ring *ring,
                       uint64_t number)
{
    fprintf(to, "%s ", word);
    for (int i = 0; i < 16; i++)
        fprintf(to, "%02x", ring->segment[i]);
    fprintf(to, " %" PRIu32 " %" PRIu64 "\n", ring->ring, number);
}

static void put(FILE *to, const struct position *position, const struct position_held *held,
                size_t held_count)
{
    fputs(FIRST_LINE, to);
    for (size_t i = 0; i < position->count; i++) {
        const struct position_ring *const ring = position->ring[i];

        put_number(to, "ring", ring, ring->next);
        for (size_t j = 0; j < ring->held_count; j++)
            put_number(to, "held", ring, ring->held[j]);
    }
    for (size_t i = 0; i < held_count; i++)
        put_number(to, "held", held[i].ring, held[i].seq);
    if (position->has_output)
        fprintf(to, "output %" PRIu64 "\n", position->output);
}

int position_text(const struct position *position, const struct position_held *held,
                  size_t held_count, char **ret_text, size_t *ret_size)
{
    char *text = NULL;
    size_t size;
    FILE *const to = open_memstream(&text, &size);

    if (!to)
        return -ENOMEM;
    put(to, position, held, held_count);
    if (fclose(to)) {
        free(text);
        return -ENOMEM;
    }
    *ret_text = text;
    *ret_size = size;
    return 0;
}

static int write_whole(FILE *to, const struct position *position, const struct position_held *held,
                       size_t held_count)
{
    put(to, position, held, held_count);
    if (fflush(to) || ferror(to))
        return errno ? -errno : -EIO;
    return fsync(fileno(to)) < 0 ? -errno : 0;
}

int position_save(const char *path, const struct position *position,
                  const struct position_held *held, size_t held_count, char *ret_message,
                  size_t message_size)
{
    char next[PATH_MAX];
    FILE *to = NULL;
    int r = -ENAMETOOLONG;

    errno = 0;
    if ((size_t)snprintf(next, sizeof(next), "%s.new", path) < sizeof(next)) {
        to = fopen(next, "we");
        r = to ? write_whole(to, position, held, held_count) : -errno;
    }
    if (to && fclose(to) && r == 0)
        r = -errno;
    if (r == 0 && rename(next, path) < 0)
        r = -errno;
    if (r < 0)
        snprintf(ret_message, message_size, "%s: %s", path, strerror(-r));
    return r;
}
