/* SPDX-License-Identifier: MIT
 *
 * How far the rings of segments were read, so that a reader that begins again goes on where it
 * stopped: of each ring the number from which it goes on, and the numbers before that one which it
 * still has to come back to (the parts of a line whose end was not there yet).
 *
 * As a file it is text: `shmlog-position 1`, then lines `ring SEGMENT-UUID RING NEXT`,
 * `held SEGMENT-UUID RING NUMBER` and `output BYTES`. It is replaced as a whole.
 */
#ifndef READER_POSITION_H
#define READER_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct position_ring {
    uint8_t segment[16]; /* its uuid */
    uint32_t ring;
    uint64_t next; /* numbers before it were passed on, except: */
    uint64_t *held;
    size_t held_count;
    /* Reading, not kept: */
    uint64_t hole, hole_since_ns; /* a number that is not there yet; since when it is waited for */
    uint64_t position, ticks;     /* up to where and when files have the ring */
    uint64_t given;               /* ticks of the newest record that was passed on */
};

struct position {
    struct position_ring **ring; /* they stay where they are until position_done() */
    size_t count, room;
    uint64_t output; /* bytes that were written when it was saved */
    bool has_output;
};

/* A record that was read and has not been passed on. */
struct position_held {
    struct position_ring *ring;
    uint64_t seq;
};

/* The ring's place, made if there is none yet; NULL: no memory. */
struct position_ring *position_of(struct position *position, const uint8_t segment[16],
                                  uint32_t ring);
/* The same, not made; NULL: there is none. */
struct position_ring *position_find(const struct position *position, const uint8_t segment[16],
                                    uint32_t ring);
/* Files have the ring up to there. */
static inline void position_written(struct position_ring *ring, uint64_t position, uint64_t ticks)
{
    if (position > ring->position)
        ring->position = position;
    if (ticks > ring->ticks)
        ring->ticks = ticks;
}
/* The first number that is wanted. */
uint64_t position_start(const struct position_ring *ring);
/* Is the record wanted? It counts as passed on from now on. */
bool position_take(struct position_ring *ring, uint64_t seq, uint64_t ticks);
/* All before `next` was looked at. */
void position_raise(struct position_ring *ring, uint64_t next);
/* A number is not there. Is it to be waited for? Yes, until it was for `patience_ns` of
 * CLOCK_MONOTONIC, of which it is `now_ns`. */
bool position_waits(struct position_ring *ring, uint64_t seq, uint64_t now_ns,
                    uint64_t patience_ns);

/* The text of a file, from memory. 0; -EBADMSG, with the number of the line in *ret_line; -ENOMEM.
 */
int position_parse(const char *text, size_t size, struct position *ret_position,
                   unsigned *ret_line);
/* The same, to be freed. 0, -ENOMEM. */
int position_text(const struct position *position, const struct position_held *held,
                  size_t held_count, char **ret_text, size_t *ret_size);
/* 0, also with an empty position if the file is not there; negative errno with a line in
 * ret_message. */
int position_load(const char *path, struct position *ret_position, char *ret_message,
                  size_t message_size);
/* Replace the file: it has the old content or the new one, whenever the process or the host dies.
 */
int position_save(const char *path, const struct position *position,
                  const struct position_held *held, size_t held_count, char *ret_message,
                  size_t message_size);
void position_done(struct position *position);

#endif
