/* SPDX-License-Identifier: MIT
 *
 * Retention: see retention.h.
 */
#include "collector/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOCK_SLACK_S 60 /* more between a file's time and the time it is first seen: a step */

/* Files that were finished since the last look are as old as that, whatever the clock said. */
static void date_new_files(struct retention *p, int dir, int64_t now_s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now_s}};
    const size_t count = p->files.count;

    for (size_t i = count; i > 0 && p->files.file[i - 1].number > p->seen; i--) {
        struct old_file *const file = &p->files.file[i - 1];
        char name[NAME_MAX + 1];

        if (file->finished_s <= now_s + CLOCK_SLACK_S && file->finished_s >= now_s - CLOCK_SLACK_S)
            continue;
        file->finished_s = now_s;
        old_file_name(file, p->segment, name);
        (void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
    }
    if (count && p->files.file[count - 1].number > p->seen)
        p->seen = p->files.file[count - 1].number;
}

/* Of the files that are left, is the oldest one too many, too much or too old? */
static bool is_due(const struct retention *p, size_t left, uint64_t bytes,
                   const struct old_file *oldest, int64_t now_s)
{
    if (left <= p->min)
        return false;
    return (p->count && left > p->count) || (p->bytes && bytes > p->bytes) ||
           (p->age_s && now_s - oldest->finished_s > (int64_t)p->age_s);
}

/* Returns how many, also in *ret_removed; or -errno for the one that could not be removed. */
static int remove_due(const struct retention *p, int dir, int64_t now_s, size_t *ret_removed)
{
    const struct old_files *const files = &p->files;
    uint64_t bytes = files->bytes;
    size_t i;

    for (i = 0; i < files->count; i++) {
        const struct old_file *const file = &files->file[i];
        char name[NAME_MAX + 1];

        *ret_removed = i;
        if (!is_due(p, files->count - i, bytes, file, now_s))
            return (int)i;
        old_file_name(file, p->segment, name);
        if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
            return -errno;
        bytes -= file->bytes;
    }
    *ret_removed = i;
    return (int)i;
}

int retention_work(struct retention *p, uint64_t now_ns)
{
    const int64_t now_s = (int64_t)(now_ns / 1000000000);
    size_t removed = 0;
    DIR *dir;
    int r;

    if (!p->count && !p->bytes && !p->age_s)
        return 0;
    dir = opendir(p->directory);
    if (!dir)
        return -errno;
    r = old_files_look(&p->files, p->segment, dir);
    if (r == 0) {
        date_new_files(p, dirfd(dir), now_s);
        r = remove_due(p, dirfd(dir), now_s, &removed);
        old_files_forget(&p->files, removed);
    }
    closedir(dir);
    return r;
}

void retention_done(struct retention *p)
{
    old_files_done(&p->files);
}
