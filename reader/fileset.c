/* SPDX-License-Identifier: MIT
 *
 * Collecting the log files that paths stand for.
 */
#include "reader/fileset.h"
#include "shm/directory.h"
#include "shm/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".shmlog"
#define PART ".part"

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);

    return size > suffix_size && !strcmp(name + size - suffix_size, suffix);
}

bool fileset_is_part(const char *path)
{
    return ends_in(path, SUFFIX PART);
}

/* The name that a NAME.shmlog.part gets on being finished. */
static bool finished_name(const char *path, char ret_finished[PATH_MAX])
{
    if (!ends_in(path, PART))
        return false;
    snprintf(ret_finished, PATH_MAX, "%.*s", (int)(strlen(path) - strlen(PART)), path);
    return true;
}

static int reader_open_renamed(const char *path, struct file_reader **ret_reader)
{
    int r = file_reader_open(path, ret_reader);
    char finished[PATH_MAX];

    if (r != -ENOENT || !finished_name(path, finished))
        return r;
    return file_reader_open(finished, ret_reader);
}

bool fileset_is_there(const struct fileset_file *file)
{
    char finished[PATH_MAX];

    return access(file->path, F_OK) == 0 ||
           (finished_name(file->path, finished) && access(finished, F_OK) == 0);
}

int fileset_reader_open(const struct fileset_file *file, struct file_reader **ret_reader)
{
    return reader_open_renamed(file->path, ret_reader);
}

struct gathering {
    struct fileset *set;
    size_t room;
    fileset_refuse *refuse;
    bool (*skip)(void *arg, const char *path);
    void *arg;
};

/* `listed`: a directory had it a moment ago; if it is gone, retention removed it. */
static int add_file(struct gathering *gathering, const char *path, bool listed)
{
    struct fileset *set = gathering->set;
    struct file_reader *reader;
    struct fileset_file *file;
    int r = reader_open_renamed(path, &reader);

    if (r == -ENOMEM)
        return r;
    if (r == -ENOENT && listed)
        return 0;
    if (r < 0) {
        gathering->refuse(gathering->arg, path, r);
        return 0;
    }
    if (set->files == gathering->room) {
        size_t room = gathering->room ? 2 * gathering->room : 16;
        struct fileset_file *grown = reallocarray(set->file, room, sizeof(*grown));

        if (!grown)
            goto no_memory;
        set->file = grown;
        gathering->room = room;
    }
    file = &set->file[set->files];
    file->path = strdup(path);
    if (!file->path)
        goto no_memory;
    file->identity = *file_reader_identity(reader);
    file->part = fileset_is_part(path);
    file->whole = file_reader_whole(reader);
    file->size = file_reader_size(reader);
    set->files++;
    file_reader_close(reader);
    return 0;

no_memory:
    file_reader_close(reader);
    return -ENOMEM;
}

struct names {
    char **name;
    size_t count, room;
};

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
}

static int names_add(struct names *names, const char *path, const char *name)
{
    if (names->count == names->room) {
        const size_t room = names->room ? 2 * names->room : 64;
        char **const grown = reallocarray(names->name, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        names->name = grown;
        names->room = room;
    }
    if (asprintf(&names->name[names->count], "%s/%s", path, name) < 0)
        return -ENOMEM;
    names->count++;
    return 0;
}

/* First all names, then the files: a file that is renamed while the directory is read may be seen
 * under neither of its names, and to open files takes long. */
static int add_directory(struct gathering *gathering, const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    struct names names = {0};
    int r = 0, more = 0;

    if (!directory) {
        gathering->refuse(gathering->arg, path, -errno);
        return 0;
    }
    while (r == 0 && (more = shm_directory_next(directory, &entry)) > 0)
        if (ends_in(entry->d_name, SUFFIX) || ends_in(entry->d_name, SUFFIX PART))
            r = names_add(&names, path, entry->d_name);
    closedir(directory);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        if (gathering->skip && gathering->skip(gathering->arg, names.name[i]))
            continue;
        if (strlen(names.name[i]) < PATH_MAX)
            r = add_file(gathering, names.name[i], true);
        else
            gathering->refuse(gathering->arg, names.name[i], -ENAMETOOLONG);
    }
    names_done(&names);
    if (more < 0)
        gathering->refuse(gathering->arg, path, more); /* there may be files that were not seen */
    return r;
}

static int compare_files(const void *a, const void *b)
{
    const struct fileset_file *one = a, *two = b;
    int order = memcmp(one->identity.segment_uuid, two->identity.segment_uuid, 16);

    if (order)
        return order;
    if (one->identity.file_number != two->identity.file_number)
        return one->identity.file_number < two->identity.file_number ? -1 : 1;
    return strcmp(one->path, two->path);
}

/* Copies of one file next to each other, the one to read first: a sealed copy has all that the file
 * ever had, and of others the longest has most. */
static int compare_copies(const void *a, const void *b)
{
    const struct fileset_file *one = a, *two = b;
    int order = memcmp(one->identity.file_uuid, two->identity.file_uuid, 16);

    if (order)
        return order;
    if (one->whole != two->whole)
        return one->whole ? -1 : 1;
    if (one->size != two->size)
        return one->size > two->size ? -1 : 1;
    return strcmp(one->path, two->path);
}

/* The same file given twice, copied in part, or seen under both its names while it was renamed. */
static void drop_copies(struct fileset *set)
{
    size_t kept = 0;

    qsort(set->file, set->files, sizeof(*set->file), compare_copies);
    for (size_t i = 0; i < set->files; i++) {
        struct fileset_file *file = &set->file[i];

        if (kept && !memcmp(set->file[kept - 1].identity.file_uuid, file->identity.file_uuid, 16))
            free(file->path);
        else
            set->file[kept++] = *file;
    }
    set->files = kept;
}

int fileset_open(const char *const *paths, size_t count, fileset_refuse *refuse, void *arg,
                 struct fileset *ret_set)
{
    return fileset_open_others(paths, count, refuse, NULL, arg, ret_set);
}

int fileset_open_others(const char *const *paths, size_t count, fileset_refuse *refuse,
                        bool (*skip)(void *arg, const char *path), void *arg,
                        struct fileset *ret_set)
{
    struct fileset set = {0};
    struct gathering gathering = {.set = &set, .refuse = refuse, .skip = skip, .arg = arg};
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        struct stat st;

        if (stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode))
            r = add_directory(&gathering, paths[i]);
        else
            r = add_file(&gathering, paths[i], false);
    }
    if (r < 0) {
        fileset_done(&set);
        return r;
    }
    if (set.files) {
        drop_copies(&set);
        qsort(set.file, set.files, sizeof(*set.file), compare_files);
    }
    *ret_set = set;
    return 0;
}

/* Is the file older than the newest one of its segment in the set? */
static bool is_before_newest(const struct fileset *set, const struct file_identity *identity)
{
    for (size_t i = set->files; i-- > 0;) {
        const struct file_identity *const of = &set->file[i].identity;

        if (memcmp(of->segment_uuid, identity->segment_uuid, 16) == 0)
            return identity->file_number < of->file_number; /* sorted: the newest comes first */
    }
    return false;
}

int fileset_fill(struct fileset *set, struct fileset *later)
{
    struct fileset_file *const grown =
        reallocarray(set->file, set->files + later->files + 1, sizeof(*grown));
    size_t count = set->files;

    if (!grown)
        return -ENOMEM;
    set->file = grown;
    for (size_t i = 0; i < later->files; i++) {
        struct fileset_file *const file = &later->file[i];

        if (!is_before_newest(set, &file->identity))
            continue;
        set->file[count++] = *file;
        file->path = NULL;
    }
    set->files = count;
    drop_copies(set);
    qsort(set->file, set->files, sizeof(*set->file), compare_files);
    return 0;
}

void fileset_forget_removed(struct fileset *set)
{
    size_t kept = 0;

    for (size_t i = set->files; i-- > 0;) {
        if (fileset_is_there(&set->file[i]))
            continue;
        free(set->file[i].path);
        set->file[i].path = NULL;
    }
    for (size_t i = 0; i < set->files; i++)
        if (set->file[i].path)
            set->file[kept++] = set->file[i];
    set->files = kept;
}

void fileset_done(struct fileset *set)
{
    for (size_t i = 0; i < set->files; i++)
        free(set->file[i].path);
    free(set->file);
    *set = (struct fileset){0};
}

size_t fileset_segment_end(const struct fileset *set, size_t first)
{
    const uint8_t *uuid = set->file[first].identity.segment_uuid;

    while (first < set->files && !memcmp(set->file[first].identity.segment_uuid, uuid, 16))
        first++;
    return first;
}

enum fileset_writer fileset_writer(const struct fileset_file *file,
                                   struct shm_segment **ret_segment)
{
    enum fileset_writer writer = FILESET_WRITER_NONE;
    struct shm_segment *segment = NULL;
    struct shm_health health;

    if (file->part && shm_segment_open(file->identity.segment_path, false, &segment) == 0 &&
        !memcmp(segment->geometry.uuid, file->identity.segment_uuid, 16)) {
        shm_health_of(segment, &health);
        writer =
            shm_health_has_collector(health.state) ? FILESET_WRITER_ALIVE : FILESET_WRITER_DEAD;
    }
    if (!ret_segment || writer == FILESET_WRITER_NONE) {
        shm_segment_close(segment);
        segment = NULL;
    }
    if (ret_segment)
        *ret_segment = segment;
    return writer;
}

const char *fileset_strerror(int error)
{
    int number = error < 0 ? -error : error;

    if (number >= FILE_ERR_FOREIGN && number < FILE_ERR_FOREIGN + 100)
        return file_strerror(error);
    return shm_strerror(error);
}
