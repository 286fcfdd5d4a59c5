/* SPDX-License-Identifier: MIT
 *
 * Old files: see old_files.h.
 */
#include "collector/old_files.h"

#include "logfile/format.h"
#include "logfile/read/reader.h"
#include "shm/directory.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FINISHED ".shmlog"
#define PART ".part"  /* behind that, while it is not */
#define DIGITS_MAX 19 /* of a number, so that it fits 64 bits */

/* A change may come right after a look and leave the directory the same time, of two seconds on
 * some filesystems. */
#define LOOKS_AFTER_CHANGE 3u
/* It is read every so many looks in any case: nobody knows all filesystems. */
#define LOOKS_AT_MOST 64u

static size_t digits(const char *s)
{
    size_t n = 0;

    while (isdigit((unsigned char)s[n]))
        n++;
    return n;
}

/* SEGMENT-YYYYMMDDTHHMMSS-NUMBER and the ending, and nothing else: a name may begin with another
 * segment's. Its time and size are not filled in. */
static bool parse(const char *name, const char *segment, struct old_file *ret_file)
{
    const size_t n = strlen(segment);
    const char *const rest = name + n;
    struct old_file file = {0};
    size_t middle;

    if (strncmp(name, segment, n) != 0 || rest[0] != '-' || digits(rest + 1) != 8 ||
        rest[9] != 'T' || digits(rest + 10) != 6 || rest[16] != '-')
        return false;
    middle = 17 + digits(rest + 17);
    if (middle == 17 || middle > 17 + DIGITS_MAX ||
        strncmp(rest + middle, FINISHED, strlen(FINISHED)) != 0)
        return false;
    file.part = strcmp(rest + middle, FINISHED PART) == 0;
    if (!file.part && strcmp(rest + middle, FINISHED) != 0)
        return false;
    file.number = strtoull(rest + 17, NULL, 10);
    memcpy(file.middle, rest, middle);
    *ret_file = file;
    return true;
}

void old_file_name(const struct old_file *file, const char *segment, char ret_name[NAME_MAX + 1])
{
    snprintf(ret_name, NAME_MAX + 1, "%s%s" FINISHED "%s", segment, file->middle,
             file->part ? PART : "");
}

int old_file_is_foreign(int directory, const char *file, const char *name)
{
    static const struct frame_identity none;
    const int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct frame_identity found = {0};
    bool foreign;
    ssize_t n;

    if (fd < 0)
        return errno == ELOOP ? 1 : errno == ENOENT || errno == EACCES ? 0 : -errno;
    n = pread(fd, &found, sizeof(found), 0);
    if (n < 0)
        n = -errno;
    close(fd);
    if (n < 0)
        return (int)n;
    if (n == 0 || memcmp(&found, &none, (size_t)n) == 0)
        return false;
    foreign = found.head.magic != FILE_MAGIC ||
              (n >= (ssize_t)sizeof(found.head) && found.head.tag != FILE_TAG);
    return foreign || (name && n == (ssize_t)sizeof(found) && *found.segment &&
                       strncmp(found.segment, name, sizeof(found.segment)) != 0);
}

/* Two may have one number. */
static int by_number(const void *a, const void *b)
{
    const struct old_file *const x = a, *const y = b;
    int order;

    if (x->number != y->number)
        return x->number > y->number ? 1 : -1;
    order = strcmp(x->middle, y->middle);
    return order ? order : x->part - y->part;
}

/* Is there a segment with this UUID? If that cannot be seen, there may be. */
static bool is_segment_there(const char *path, const uint8_t uuid[16])
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t found[16];
    int r;

    if (fd < 0)
        return errno != ENOENT && errno != ENOTDIR;
    r = shm_directory_uuid(fd, found);
    close(fd);
    return r < 0 ? r != -ENOENT : memcmp(found, uuid, sizeof(found)) == 0;
}

/* Will nobody finish this file? While the segment that it is of is there, that segment's next
 * collector will. One on another host cannot be seen; but who holds the directory's claim here is
 * the one who writes these files now. What does not even have a header is nobody's. */
static bool is_abandoned(const struct old_files_place *place, const char *name)
{
    const struct file_identity *identity;
    struct file_reader *reader;
    char path[PATH_MAX];
    bool abandoned;
    int r;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", place->directory, name) >= sizeof(path))
        return false;
    r = file_reader_open(path, &reader);
    if (r < 0)
        return r <= -FILE_ERR_FOREIGN;
    identity = file_reader_identity(reader);
    abandoned = (place->uuid && memcmp(identity->segment_uuid, place->uuid, 16) == 0) ||
                !is_segment_there(identity->segment_path, identity->segment_uuid);
    file_reader_close(reader);
    return abandoned;
}

/* What is in the list already, or has to be asked for; false: it is not an old file. */
static bool fill_in(const struct old_files *before, const struct old_files_place *place,
                    int directory, const char *name, struct old_file *file)
{
    const struct old_file *const known =
        before->count ? bsearch(file, before->file, before->count, sizeof(*file), by_number) : NULL;
    struct stat st;

    if (known) {
        *file = *known;
        return true;
    }
    if (file->part && file->number >= place->present)
        return false;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        (file->part && !is_abandoned(place, name)))
        return false;
    file->bytes = (uint64_t)st.st_size;
    file->room = (uint64_t)st.st_blocks * 512;
    file->finished_s = st.st_mtime;
    return true;
}

static int add(struct old_files *files, size_t *room, const struct old_file *file)
{
    if (files->count == *room) {
        const size_t more = *room ? 2 * *room : 64;
        struct old_file *const grown = realloc(files->file, more * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        files->file = grown;
        *room = more;
    }
    files->file[files->count++] = *file;
    files->bytes += file->bytes;
    return 0;
}

static int list(const struct old_files *before, const struct old_files_place *place, DIR *directory,
                struct old_files *ret_files)
{
    struct old_files files = {0};
    const struct dirent *entry;
    size_t room = 0;
    int r;

    while ((r = shm_directory_next(directory, &entry)) > 0) {
        struct old_file file;

        if (!parse(entry->d_name, place->segment, &file) ||
            !fill_in(before, place, dirfd(directory), entry->d_name, &file))
            continue;
        r = add(&files, &room, &file);
        if (r < 0)
            break;
    }
    if (r < 0) {
        free(files.file);
        return r;
    }
    if (files.count)
        qsort(files.file, files.count, sizeof(*files.file), by_number);
    *ret_files = files;
    return 0;
}

/* Count a look; may the list be as it is? */
static bool is_settled(struct old_files *files, const struct stat *st, uint64_t present)
{
    if (st->st_dev != files->device || st->st_ino != files->inode ||
        st->st_mtim.tv_sec != files->changed.tv_sec ||
        st->st_mtim.tv_nsec != files->changed.tv_nsec || present != files->present)
        files->looks = 0;
    else
        files->looks++;
    return files->looks >= LOOKS_AFTER_CHANGE && files->looks % LOOKS_AT_MOST;
}

int old_files_look(struct old_files *files, const struct old_files_place *place, DIR *directory)
{
    struct old_files now;
    struct stat st;
    int r;

    if (fstat(dirfd(directory), &st) < 0)
        return -errno;
    if (is_settled(files, &st, place->present))
        return 0;
    r = list(files, place, directory, &now);
    if (r < 0) {
        files->inode = 0; /* again at the next look */
        return r;
    }
    now.device = st.st_dev;
    now.inode = st.st_ino;
    now.changed = st.st_mtim;
    now.present = place->present;
    now.looks = files->looks;
    free(files->file);
    *files = now;
    return 0;
}

void old_files_forget(struct old_files *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        files->bytes -= files->file[i].bytes;
    files->count -= count;
    if (count)
        memmove(files->file, files->file + count, files->count * sizeof(*files->file));
}

void old_files_done(struct old_files *files)
{
    free(files->file);
    *files = (struct old_files){0};
}

int old_files_newest(const char *directory, const char *segment, uint64_t *ret_number)
{
    DIR *const dir = opendir(directory);
    const struct dirent *entry;
    struct old_file file;
    uint64_t newest = 0;
    int r;

    if (!dir)
        return -errno;
    while ((r = shm_directory_next(dir, &entry)) > 0)
        if (parse(entry->d_name, segment, &file) && file.number > newest &&
            file.number < UINT64_MAX / 2) /* that far by no collector */
            newest = file.number;
    closedir(dir);
    if (r == 0)
        *ret_number = newest;
    return r;
}
