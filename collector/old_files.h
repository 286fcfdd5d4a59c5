/* SPDX-License-Identifier: MIT
 *
 * Old files: a segment's log files in a directory that nobody writes any more, the oldest first.
 * Those are the finished ones, and unfinished ones (.part) that nobody will finish: their segment
 * is gone, as after a loss of power, or its collector had to leave them after an error of the disk.
 *
 * The list is kept between looks. A look at a directory that has not changed costs a stat of the
 * directory; at one that has, reading its names, and a stat of each file that is new.
 */
#ifndef COLLECTOR_OLD_FILES_H
#define COLLECTOR_OLD_FILES_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define OLD_FILE_MIDDLE 40

struct old_file {
    uint64_t number;
    uint64_t bytes;               /* its size */
    uint64_t room;                /* what it takes of the disk */
    int64_t finished_s;           /* its modification time */
    bool part;                    /* unfinished */
    bool foreign;                 /* something else than its name says, as far as was looked */
    char middle[OLD_FILE_MIDDLE]; /* of its name, between the segment's and the ending */
};

struct old_files_place {
    const char *directory;
    const char *segment; /* name */
    const uint8_t *uuid; /* of the segment that is written now; NULL: of none */
    /* Unfinished files of this number or a higher one may still be written, and are not old. 0: all
     * of them, for all that is known. */
    uint64_t present;
};

struct old_files { /* zero at first */
    struct old_file *file;
    size_t count;
    uint64_t bytes; /* of all */
    /* the directory, as it was when it was read last */
    dev_t device;
    ino_t inode;
    struct timespec changed;
    uint64_t present;
    unsigned looks; /* since it changed */
};

/* Take in what is new in the directory, and forget what is gone. 0, or -errno with the list as it
 * was if the directory cannot be read whole: who does not know all files does not know the oldest.
 */
int old_files_look(struct old_files *files, const struct old_files_place *place, DIR *directory);

/* The first `count` files are gone. */
void old_files_forget(struct old_files *files, size_t count);
void old_files_done(struct old_files *files);

/* Is the file of this name something else than a log file of the segment `name` (NULL: of any)? One
 * that is empty, or of zeros, or damaged, may have been one. 1, 0 or -errno. */
int old_file_is_foreign(int directory, const char *file, const char *name);

void old_file_name(const struct old_file *file, const char *segment, char ret_name[NAME_MAX + 1]);

/* Stores the highest number of the segment's files in the directory, finished or not; 0 if there is
 * none. Returns 0, or -errno with *ret_number untouched. Numbers go on from there, also when the
 * segment is made anew: names are not used twice, and the order of numbers is that of age, by which
 * retention removes. A number too low would have the newest file removed as the oldest. */
int old_files_newest(const char *directory, const char *segment, uint64_t *ret_number);

#endif
