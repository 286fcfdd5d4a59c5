/* SPDX-License-Identifier: MIT
 *
 * Retention: see retention.h.
 */
#include "collector/retention.h"

#include "shm/directory.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALED ".shmlog"
#define CLOCK_SLACK_S 60 /* more between a file's time and the time it is first seen: a step */

struct sealed_file {
    char name[NAME_MAX + 1];
    uint64_t number, bytes;
    int64_t sealed_s;
};

static bool all_digits(const char *s, size_t n)
{
    while (n && isdigit((unsigned char)*s)) {
        s++;
        n--;
    }
    return n == 0;
}

/* SEGMENT-YYYYMMDDTHHMMSS-NUMBER and the ending, and nothing else: a name may begin with another
 * segment's. */
static bool is_ours(const char *name, const char *segment, const char *ending, uint64_t *ret_number)
{
    const size_t n = strlen(segment);
    const char *rest = name + n;
    const char *end;

    if (strncmp(name, segment, n) != 0 || strlen(rest) < 18 || rest[0] != '-' ||
        !all_digits(rest + 1, 8) || rest[9] != 'T' || !all_digits(rest + 10, 6) || rest[16] != '-')
        return false;
    end = strchr(rest + 17, '.');
    if (!end || end == rest + 17 || !all_digits(rest + 17, (size_t)(end - rest - 17)) ||
        strcmp(end, ending) != 0)
        return false;
    *ret_number = strtoull(rest + 17, NULL, 10);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct sealed_file *const x = a, *const y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* All of them, or an error: who does not know all files does not know the oldest. */
static int list(DIR *dir, const char *segment, struct sealed_file **ret_files, size_t *ret_count)
{
    struct sealed_file *files = NULL;
    size_t count = 0, room = 0;
    const struct dirent *entry;
    int r;

    while ((r = shm_directory_next(dir, &entry)) > 0) {
        struct stat st;
        uint64_t number;

        if (!is_ours(entry->d_name, segment, SEALED, &number) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        if (count == room) {
            struct sealed_file *const more =
                realloc(files, (room = room ? room * 2 : 64) * sizeof(*files));

            if (!more) {
                r = -ENOMEM;
                break;
            }
            files = more;
        }
        files[count] = (struct sealed_file){.number = number,
                                            .bytes = (uint64_t)st.st_size,
                                            .sealed_s = st.st_mtime};
        snprintf(files[count].name, sizeof(files[count].name), "%s", entry->d_name);
        count++;
    }
    if (r < 0) {
        free(files);
        return r;
    }
    if (count)
        qsort(files, count, sizeof(*files), by_number);
    *ret_files = files;
    *ret_count = count;
    return 0;
}

/* Files that were finished since the last look are as old as that, whatever the clock said. */
static void date_new_files(struct retention *p, int dir, struct sealed_file *files, size_t count,
                           int64_t now_s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now_s}};

    for (size_t i = count; i > 0 && files[i - 1].number > p->seen; i--) {
        struct sealed_file *const file = &files[i - 1];

        if (file->sealed_s <= now_s + CLOCK_SLACK_S && file->sealed_s >= now_s - CLOCK_SLACK_S)
            continue;
        file->sealed_s = now_s;
        (void)utimensat(dir, file->name, times, AT_SYMLINK_NOFOLLOW);
    }
    if (count && files[count - 1].number > p->seen)
        p->seen = files[count - 1].number;
}

int retention_work(struct retention *p, uint64_t now_ns)
{
    const int64_t now_s = (int64_t)(now_ns / 1000000000);
    struct sealed_file *files = NULL;
    uint64_t bytes = 0;
    size_t count = 0;
    int r, removed = 0;
    DIR *dir;

    if (!p->count && !p->bytes && !p->age_s)
        return 0;
    dir = opendir(p->directory);
    if (!dir)
        return -errno;
    r = list(dir, p->segment, &files, &count);
    if (r == 0)
        date_new_files(p, dirfd(dir), files, count, now_s);
    for (size_t i = 0; r == 0 && i < count; i++)
        bytes += files[i].bytes;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const bool too_many = p->count && count - i > p->count;
        const bool too_much = p->bytes && bytes > p->bytes;
        const bool too_old = p->age_s && now_s - files[i].sealed_s > (int64_t)p->age_s;

        if (!too_many && !too_much && !too_old)
            break;
        if (unlinkat(dirfd(dir), files[i].name, 0) < 0) {
            r = -errno;
            break;
        }
        bytes -= files[i].bytes;
        removed++;
    }
    free(files);
    closedir(dir);
    return r < 0 ? r : removed;
}

int retention_newest(const char *directory, const char *segment, uint64_t *ret_number)
{
    DIR *const dir = opendir(directory);
    const struct dirent *entry;
    uint64_t newest = 0, number;
    int r;

    if (!dir)
        return -errno;
    while ((r = shm_directory_next(dir, &entry)) > 0)
        if ((is_ours(entry->d_name, segment, SEALED, &number) ||
             is_ours(entry->d_name, segment, SEALED ".part", &number)) &&
            number > newest && number < UINT64_MAX / 2) /* that far by no collector */
            newest = number;
    closedir(dir);
    if (r == 0)
        *ret_number = newest;
    return r;
}
