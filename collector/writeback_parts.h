/* SPDX-License-Identifier: MIT
 *
 * Inside writeback: the queue of pieces (writeback.c), the files they go to (writeback_files.c),
 * and what becomes of these when they are finished (writeback_settling.c).
 */
#ifndef COLLECTOR_WRITEBACK_PARTS_H
#define COLLECTOR_WRITEBACK_PARTS_H

#include "collector/writeback.h"

#define WRITEBACK_FILES 8u     /* files open at once */
#define WRITEBACK_GONE (-4095) /* no errno: what was written of the file is not there any more */

enum piece_state { QUEUED, WRITING, WRITTEN };

struct piece {
    enum piece_state state;
    bool synced;
    bool again;    /* under way to a descriptor that is not synced: to be written once more */
    uint32_t kind; /* OUTBOX_ENTRY_* */
    uint64_t end;  /* outbox position after it */
    uint64_t file_number, created_ns, offset, size, records, done;
    const uint8_t *bytes;
};

struct open_file {
    uint64_t number, created_ns;
    uint64_t size; /* that it has to have: what is acknowledged of it */
    int fd;        /* -1: free */
    bool retired;  /* not to be used again; closed when nothing is under way, since a request may
                      still name the descriptor */
    bool doubted;  /* to be opened anew; closed only then: an error of writing back that nobody was
                      told of is for the next descriptor as long as the file stays open */
};

struct writeback_files {
    const char *directory, *segment;
    bool durable;
    uint64_t replaced; /* the file whose name another one was found under last; 0 none */
    struct open_file file[WRITEBACK_FILES];
};

void writeback_files_init(struct writeback_files *files, const struct writeback_params *params);
void writeback_files_done(struct writeback_files *files);

/* In durable mode, a name counts when its directory is on the disk. Otherwise this only looks
 * whether it is there. */
int writeback_files_sync(const struct writeback_files *files);

/* The piece's file, opened; made for the piece it begins with. `acknowledged`: bytes of it that are
 * not in the outbox any more. -EAGAIN: too many are open; WRITEBACK_GONE. */
int writeback_files_get(struct writeback_files *files, const struct piece *piece,
                        uint64_t acknowledged);
/* Its descriptor, or -1: it is not open, or not to be used any more. */
int writeback_files_find(const struct writeback_files *files, uint64_t number);
/* Its descriptor, also one to be opened anew, which is the caller's from then on; or -1. */
int writeback_files_take(struct writeback_files *files, uint64_t number);
void writeback_files_retire(struct writeback_files *files, uint64_t number);
/* Open it anew when it is used next; nothing may be under way to it then. */
void writeback_files_doubt(struct writeback_files *files, uint64_t number);
/* All files are left as they are, but for their bad seals; nothing is under way. */
void writeback_files_leave(struct writeback_files *files);
/* Nothing is under way: close those that were retired. */
void writeback_files_close_retired(struct writeback_files *files);

/* The seal is written: the file gets its final name. Again after a crash: it has it already.
 * WRITEBACK_GONE: it is there under neither name; -EEXIST: another file has the name. */
int writeback_files_rename(const struct writeback_files *files, const struct piece *piece);

/* Remove what was written of a file of which nothing counts yet. */
int writeback_files_remove(const struct writeback_files *files, const struct piece *piece);

/* The first `size` bytes of the file are not in the outbox any more. */
void writeback_files_acknowledge(struct writeback_files *files, uint64_t number, uint64_t size);

/* Is an open file cut short, or not what its name stands for any more? Its number, or 0. */
uint64_t writeback_files_lost(struct writeback_files *files);

/* Without --durable: each finished file is synced once, by a descriptor that wrote it, since the
 * kernel tells no other of an error for sure. Nothing waits for these syncs but another finished
 * file when there are too many. */
#define WRITEBACK_SETTLING 16u

struct settling_file {
    uint64_t number, created_ns;
    uint64_t since_ns;
    int fd;    /* -1: free */
    bool part; /* it could not be sealed */
    bool under_way;
};

struct writeback_settling {
    const struct writeback_params *p;
    struct settling_file file[WRITEBACK_SETTLING];
    unsigned count, under_way;
    unsigned failed;    /* in all */
    uint64_t looked_ns; /* for files that were removed */
};

void writeback_settling_init(struct writeback_settling *settling,
                             const struct writeback_params *params);
void writeback_settling_done(struct writeback_settling *settling);
bool writeback_settling_has_room(const struct writeback_settling *settling);
void writeback_settling_add(struct writeback_settling *settling, const struct settling_file *file);
/* Begin those syncs that are due; `at_once`: all are, also where the caller waits for them. */
void writeback_settling_begin(struct writeback_settling *settling, uint64_t now_ns, bool at_once);
/* Is a completion one of these? Then it is for this. */
bool writeback_settling_is(uint64_t token);
void writeback_settling_completed(struct writeback_settling *settling, uint64_t token, int result);

#endif
