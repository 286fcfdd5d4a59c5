/* SPDX-License-Identifier: MIT
 *
 * The files of writeback: see writeback_parts.h. Nothing is kept of the directory: it is looked up
 * by its name each time, since it may have been replaced.
 */
#include "collector/writeback_parts.h"

#include "logfile/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int writeback_path(const char *directory, const char *segment, uint64_t number, uint64_t created_ns,
                   bool part, char *ret_path, size_t size)
{
    const time_t seconds = (time_t)(created_ns / 1000000000);
    struct tm tm;
    char stamp[32];
    int n;

    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    n = snprintf(ret_path, size, "%s/%s-%s-%06llu.shmlog%s", directory, segment, stamp,
                 (unsigned long long)number, part ? ".part" : "");
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

struct names {
    char part[PATH_MAX], sealed[PATH_MAX];
};

static int make_names(const struct writeback_files *files, uint64_t number, uint64_t created_ns,
                      struct names *ret_names)
{
    int r = writeback_path(files->directory, files->segment, number, created_ns, true,
                           ret_names->part, sizeof(ret_names->part));

    if (r == 0) /* is shorter */
        r = writeback_path(files->directory, files->segment, number, created_ns, false,
                           ret_names->sealed, sizeof(ret_names->sealed));
    return r;
}

void writeback_files_init(struct writeback_files *files, const struct writeback_params *params)
{
    files->directory = params->directory;
    files->segment = params->segment;
    files->durable = params->durable;
    for (unsigned i = 0; i < WRITEBACK_FILES; i++)
        files->file[i] = (struct open_file){.fd = -1};
}

void writeback_files_done(struct writeback_files *files)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        if (files->file[i].fd >= 0)
            close(files->file[i].fd);
        files->file[i] = (struct open_file){.fd = -1};
    }
}

/* Those of which something counts stay open, for their bad seals. */
void writeback_files_leave(struct writeback_files *files)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        struct open_file *const file = &files->file[i];

        file->doubted = true;
        file->retired |= !file->size;
    }
    writeback_files_close_retired(files);
}

int writeback_files_sync(const struct writeback_files *files)
{
    const int fd = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (files->durable && fsync(fd) < 0)
        r = -errno;
    close(fd);
    return r;
}

/* ---- Is it the file that it is named like? ---- */

/* What is there may be somebody else's: a copy that was put back, the file of another host. Each
 * piece has its file's UUID, and so has the beginning of that file, once it is written: before
 * that, it is missing, or space that nothing was written to. */
static bool is_foreign(int fd, const struct piece *piece)
{
    static const struct frame_head none;
    struct frame_head want, found = {0};
    ssize_t n;

    if (piece->size < sizeof(want))
        return false;
    memcpy(&want, piece->bytes, sizeof(want));
    if (want.magic != FILE_MAGIC || want.tag != FILE_TAG)
        return false;
    n = pread(fd, &found, sizeof(found), 0);
    if (n <= 0 || memcmp(&found, &none, (size_t)n) == 0)
        return false;
    if (n < (ssize_t)sizeof(found))
        return n >= (ssize_t)sizeof(found.magic) && found.magic != FILE_MAGIC;
    return found.magic != FILE_MAGIC || found.tag != FILE_TAG ||
           memcmp(found.file_uuid, want.file_uuid, sizeof(want.file_uuid)) != 0;
}

/* The same of a name. What cannot be opened shows that when it is used. */
static bool is_name_foreign(const char *path, const struct piece *piece)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool foreign;

    if (fd < 0)
        return errno == ELOOP;
    foreign = is_foreign(fd, piece);
    close(fd);
    return foreign;
}

/* Open what is there. A crash between the writing of a seal and its release from the outbox finds
 * the file under its final name. */
static int open_names(const struct names *names)
{
    int fd = open(names->part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT)
        fd = open(names->sealed, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int make_file(const struct writeback_files *files, const struct piece *piece,
                     const struct names *names)
{
    int fd, r;

    if (piece->offset == 0) {
        fd = open(names->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        return fd < 0 ? -errno : fd;
    }
    r = writeback_files_sync(files); /* if the directory is gone as well, both may come back */
    return r < 0 ? r : WRITEBACK_GONE;
}

/* Ready a file that is open for writing this piece of it. */
static int prepare(const struct writeback_files *files, const struct piece *piece,
                   uint64_t acknowledged, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < acknowledged || is_foreign(fd, piece))
        return WRITEBACK_GONE; /* cut, or another one */
    /* what is behind a bad seal has moved to another file; if it stays, readers cope with it */
    if (piece->kind == OUTBOX_ENTRY_BAD_SEAL && ftruncate(fd, (off_t)piece->offset) < 0)
        return -errno;
    /* also of a file that was there: who made it may have died before */
    return files->durable ? writeback_files_sync(files) : 0;
}

static bool is_in_use(const struct open_file *file)
{
    return file->fd >= 0 && !file->retired && !file->doubted;
}

/* Where the file is open, or can be: NULL if nowhere. */
static struct open_file *find_place(struct writeback_files *files, uint64_t number)
{
    struct open_file *place = NULL;

    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        struct open_file *const file = &files->file[i];

        if (file->fd >= 0 && file->number == number && !file->retired)
            return file;
        if (file->fd < 0)
            place = file;
    }
    return place;
}

int writeback_files_get(struct writeback_files *files, const struct piece *piece,
                        uint64_t acknowledged)
{
    struct open_file *const file = find_place(files, piece->file_number);
    struct names names;
    int fd, r;

    if (piece->file_number == files->replaced)
        return WRITEBACK_GONE; /* its name is somebody else's */
    if (!file)
        return -EAGAIN;
    if (file->fd >= 0 && !file->doubted)
        return file->fd;
    r = make_names(files, piece->file_number, piece->created_ns, &names);
    if (r < 0)
        return r;
    fd = open_names(&names);
    if (fd == -ENOENT)
        fd = make_file(files, piece, &names);
    if (fd < 0)
        return fd;
    r = prepare(files, piece, acknowledged, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct open_file){.number = piece->file_number,
                               .created_ns = piece->created_ns,
                               .size = acknowledged,
                               .fd = fd};
    return fd;
}

int writeback_files_find(const struct writeback_files *files, uint64_t number)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        const struct open_file *const file = &files->file[i];

        if (is_in_use(file) && file->number == number)
            return file->fd;
    }
    return -1;
}

int writeback_files_take(struct writeback_files *files, uint64_t number)
{
    struct open_file *const file = find_place(files, number);
    const int fd = file ? file->fd : -1;

    if (fd >= 0)
        *file = (struct open_file){.fd = -1};
    return fd;
}

void writeback_files_retire(struct writeback_files *files, uint64_t number)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++)
        if (files->file[i].number == number)
            files->file[i].retired = true;
}

void writeback_files_doubt(struct writeback_files *files, uint64_t number)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++)
        if (files->file[i].number == number)
            files->file[i].doubted = true;
}

void writeback_files_close_retired(struct writeback_files *files)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        if (files->file[i].fd >= 0 && files->file[i].retired) {
            close(files->file[i].fd);
            files->file[i] = (struct open_file){.fd = -1};
        }
    }
}

/* Gives a file a name that must be free: what has it is somebody else's. -EEXIST. */
static int rename_to_free(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* a filesystem that cannot do both in one step; the claim keeps other collectors away */
    if (access(to, F_OK) == 0)
        return -EEXIST;
    return rename(from, to) < 0 ? -errno : 0;
}

int writeback_files_rename(const struct writeback_files *files, const struct piece *piece)
{
    struct names names;
    int r = make_names(files, piece->file_number, piece->created_ns, &names);

    if (r < 0)
        return r;
    r = is_name_foreign(names.part, piece) ? -ENOENT : rename_to_free(names.part, names.sealed);
    if (r == -ENOENT && (access(names.sealed, F_OK) < 0 || is_name_foreign(names.sealed, piece))) {
        r = writeback_files_sync(files);
        return r < 0 ? r : WRITEBACK_GONE;
    }
    if (r < 0 && r != -ENOENT)
        return r;
    return files->durable ? writeback_files_sync(files) : 0;
}

int writeback_files_remove(const struct writeback_files *files, const struct piece *piece)
{
    struct names names;
    const int r = make_names(files, piece->file_number, piece->created_ns, &names);

    if (r < 0 || is_name_foreign(names.part, piece))
        return r;
    return unlink(names.part) < 0 && errno != ENOENT && errno != ENOTDIR ? -errno : 0;
}

void writeback_files_acknowledge(struct writeback_files *files, uint64_t number, uint64_t size)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++)
        if (files->file[i].number == number)
            files->file[i].size = size;
}

/* What a look at a file found. An error other than that there is nothing says nothing. */
enum look { LOOK_SOUND, LOOK_CUT, LOOK_REMOVED, LOOK_REPLACED };

static enum look look_at(const struct writeback_files *files, const struct open_file *file)
{
    struct stat named, open;
    struct names names;

    if (make_names(files, file->number, file->created_ns, &names) < 0 || fstat(file->fd, &open) < 0)
        return LOOK_SOUND;
    if (lstat(names.part, &named) < 0 && (errno != ENOENT || lstat(names.sealed, &named) < 0))
        return errno == ENOENT ? LOOK_REMOVED : LOOK_SOUND;
    if (named.st_ino != open.st_ino || named.st_dev != open.st_dev)
        return LOOK_REPLACED;
    return (uint64_t)open.st_size < file->size ? LOOK_CUT : LOOK_SOUND;
}

uint64_t writeback_files_lost(struct writeback_files *files)
{
    for (unsigned i = 0; i < WRITEBACK_FILES; i++) {
        const struct open_file *const file = &files->file[i];
        const enum look look = is_in_use(file) ? look_at(files, file) : LOOK_SOUND;

        if (look == LOOK_REPLACED)
            files->replaced = file->number;
        if (look != LOOK_SOUND)
            return file->number;
    }
    return 0;
}
