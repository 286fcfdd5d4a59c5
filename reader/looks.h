/* SPDX-License-Identifier: MIT
 *
 * Files that are read again and again while they are written: what one look at them leaves for the
 * next. Records come once, by the position; damage and gaps are told once; a finished file that was
 * read to its end is not opened again.
 *
 * A record may be on the disk before one of its ring with a lower number, as long as writes are
 * under way. So a ring is read up to its first hole. What fills it comes with a later look, also
 * that of the collector's successor; or never, if the collector lives and it has not come for
 * LOOKS_PATIENCE_NS: it was removed by retention, say.
 */
#ifndef READER_LOOKS_H
#define READER_LOOKS_H

#include "reader/fileset.h"
#include "reader/position.h"
#include "reader/reach.h"

#define LOOKS_PATIENCE_NS UINT64_C(60000000000)
/* A file that is renamed may be missed by a look, but not by many. */
#define LOOKS_BEFORE_NS UINT64_C(2000000000)

struct looks_file {
    uint8_t uuid[16];
    uint64_t told; /* damage and gaps before this offset were told */
    char *path;    /* it was read to its end, and is not written to any more: */
    uint64_t device, inode, size;
};

/* What changes when a path does. */
struct looks_watch {
    char *path;
    int64_t changed_ns;
    uint64_t size;
};

struct looks {
    struct position *position; /* the caller's */
    uint64_t patience_ns;      /* 0: LOOKS_PATIENCE_NS */
    struct looks_file *file;
    size_t files;
    uint8_t (*segment)[16]; /* their numbers are their places */
    size_t segments;
    struct looks_watch *watch;
    size_t watches;
    char **refused;
    size_t refusals;
    bool open_end; /* this look stops at a hole, or something may have changed since it began */
    bool waits;    /* it stops at a hole, and the writer lives */
};

/* A look begins: note the times of the given paths. 0, -ENOMEM. */
int looks_begin(struct looks *looks, const char *const *paths, size_t count);
/* Note the time of a file that may go on. 0, -ENOMEM. */
int looks_watch(struct looks *looks, const char *path);
/* A path cannot be read: was that told by an earlier look? From now on it was. */
bool looks_refused(struct looks *looks, const char *path);
/* Is there anything to look at again? */
bool looks_changed(const struct looks *looks);

/* Was the file read to its end before? */
bool looks_skips(const struct looks *looks, const char *path);
/* It was read to its end now, and nobody writes to it any more. */
int looks_finish(struct looks *looks, const struct fileset_file *file);

/* Its entry, good until the next call; NULL: no memory. */
struct looks_file *looks_file(struct looks *looks, const uint8_t uuid[16]);
/* The number of a segment, the same in all looks. -ENOMEM. */
int looks_segment(struct looks *looks, const uint8_t uuid[16], uint32_t *ret_number);

/* This look leaves something for the next one, when `writer` goes on. */
void looks_stop(struct looks *looks, enum fileset_writer writer);
/* Is a record that is not there to be waited for, when `writer` is who may still write it?
 * `before`: it was in a file from before the oldest one that is there. */
bool looks_waits(struct looks *looks, struct position_ring *ring, uint64_t seq, bool before,
                 enum fileset_writer writer);

struct looks_ring {
    struct position_ring *place;
    uint64_t first; /* of its numbers in the oldest file; 0: not known */
    enum fileset_writer writer;
    void (*missing)(void *arg, uint32_t ring, uint64_t begin, uint64_t end); /* they never come */
    void *arg;
};
/* The first number of a ring that is not there yet. */
uint64_t looks_limit(struct looks *looks, struct reach *reach, const struct looks_ring *ring);

void looks_done(struct looks *looks);

#endif
