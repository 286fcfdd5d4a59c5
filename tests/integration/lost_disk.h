/* SPDX-License-Identifier: MIT
 *
 * A model of a disk that loses power: what a program did to the files of one directory, and what of
 * that a sync has made certain. All else may be there or not, each 4 KiB of a write and each
 * creation, renaming and removal for itself. It assumes nothing that POSIX does not promise: to
 * sync a file does not make its name certain.
 */
#ifndef TESTS_INTEGRATION_LOST_DISK_H
#define TESTS_INTEGRATION_LOST_DISK_H

#include "tests/kit/kit.h"

#define DISK_FILES 64u
#define DISK_WRITES 4096u
#define DISK_NAMES 256u
#define DISK_FILE_MAX (1u << 20)

/* A part of a write, within one page. */
struct disk_write {
    unsigned file;
    uint64_t offset;
    size_t size;
    uint8_t *data;
    unsigned request; /* whose it is */
    bool complete;    /* the program was told so: a sync from then on covers it */
    bool covered;     /* by a sync under way */
    bool certain;
};

struct disk_name { /* from 0 (none) or to 0 (none) */
    char from[NAME_MAX + 1], to[NAME_MAX + 1];
    unsigned file; /* of a creation */
    bool covered, certain;
};

struct disk {
    unsigned files;
    struct disk_write write[DISK_WRITES];
    unsigned writes;
    struct disk_name name[DISK_NAMES];
    unsigned names;
    unsigned requests;
    uint64_t changes; /* counts them */
};

/* A new file under this name. */
unsigned disk_create(struct disk *disk, const char *name);
void disk_rename(struct disk *disk, const char *from, const char *to); /* `to` "": removed */

/* A write begins: its number, for disk_written() when the program is told that it is complete. */
unsigned disk_write(struct disk *disk, unsigned file, uint64_t offset, const void *data,
                    size_t size);
void disk_written(struct disk *disk, unsigned request);

/* A sync of a file begins, and has succeeded. The directory: `file` DISK_DIRECTORY. */
#define DISK_DIRECTORY UINT32_MAX
void disk_sync(struct disk *disk, unsigned file);
void disk_synced(struct disk *disk, unsigned file);

/* How many things are uncertain now. */
unsigned disk_uncertain(const struct disk *disk);
/* Make the directory as it is after power was lost: what is certain, and of the n-th uncertain
 * thing those with present[n]. `path`: an empty directory. */
void disk_lose_power(const struct disk *disk, const bool *present, const char *path);

#endif
