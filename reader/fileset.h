/* SPDX-License-Identifier: MIT
 *
 * The log files that paths stand for, grouped by segment and in the order in which they were
 * written.
 */
#ifndef READER_FILESET_H
#define READER_FILESET_H

#include "logfile/read/reader.h"
#include "shm/segment.h"

struct fileset_file {
    char *path;
    struct file_identity identity;
    bool part;  /* NAME.shmlog.part: being written, or left by a collector that died */
    bool whole; /* a sound trailer stands at its end */
    uint64_t size;
};

/* Files of one segment are next to each other, by number. Of several copies of a file (files with
 * one uuid), the set has one: a whole one, else the longest. */
struct fileset {
    struct fileset_file *file;
    size_t files;
};

/* A file that cannot be read, or is none of ours, is reported and left out; so the set may be
 * empty. In directories, *.shmlog and *.shmlog.part count. */
typedef void fileset_refuse(void *arg, const char *path, int error);
int fileset_open(const char *const *paths, size_t count, fileset_refuse *refuse, void *arg,
                 struct fileset *ret_set);
/* The same without files of directories that skip(arg, path) is true for. */
int fileset_open_others(const char *const *paths, size_t count, fileset_refuse *refuse,
                        bool (*skip)(void *arg, const char *path), void *arg,
                        struct fileset *ret_set);
/* Take those files of a later look at the same paths that the set misses, and that are older than
 * its newest of the same segment. -ENOMEM. */
int fileset_fill(struct fileset *set, struct fileset *later);
/* Forget files that are not there any more. From the newest to the oldest: retention goes the other
 * way, so that this leaves no hole. */
void fileset_forget_removed(struct fileset *set);
void fileset_done(struct fileset *set);

/* Index after the last file of the segment that file `first` is of. */
size_t fileset_segment_end(const struct fileset *set, size_t first);

/* Is it the name of a file that is not finished? */
bool fileset_is_part(const char *path);
/* Open a file of the set; one that was renamed on being finished is found by its new name. */
int fileset_reader_open(const struct fileset_file *file, struct file_reader **ret_reader);

/* Is it there now, under either name? */
bool fileset_is_there(const struct fileset_file *file);

/* Who writes to the file: its segment's collector, if it is a .part. */
enum fileset_writer {
    FILESET_WRITER_NONE,  /* it is finished, or its segment is gone */
    FILESET_WRITER_DEAD,  /* the next collector of the segment will go on with it */
    FILESET_WRITER_ALIVE, /* it may end in the middle of a piece without harm */
};
/* Unless NULL, *ret_segment is that segment, to be closed; NULL with NONE. */
enum fileset_writer fileset_writer(const struct fileset_file *file,
                                   struct shm_segment **ret_segment);

/* A text for an errno, an SHM_ERR_* or a FILE_ERR_*. */
const char *fileset_strerror(int error);

#endif
