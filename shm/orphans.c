/* SPDX-License-Identifier: MIT
 *
 * Ring files whose segment is gone: see orphans.h.
 */
#include "shm/orphans.h"

#include "shm/directory.h"
#include "shm/pages.h"
#include "shm/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH 4          /* levels of directories below the filesystem's top */
#define VISITS_MAX 65536 /* directories; of a filesystem with more, nothing is known */

/* ORPHAN: there is no such segment where it was looked for. */
enum verdict { UNKNOWN, NEEDED, ORPHAN };

/* ---- Is there such a segment? ---- */

struct search {
    uint8_t uuid[16];
    dev_t device;
    unsigned visits;
};

/* Does this directory's control file have the UUID? Even one that is still being made has it. */
static enum verdict look_at_control(const struct search *s, int directory)
{
    uint8_t uuid[16];
    const int r = shm_directory_uuid(directory, uuid);

    if (r < 0)
        return r == -ENOENT ? ORPHAN : UNKNOWN;
    return memcmp(uuid, s->uuid, sizeof(uuid)) == 0 ? NEEDED : ORPHAN;
}

static enum verdict walk(struct search *s, int directory, unsigned depth);

/* An entry of a directory. One of another user that may not be read holds nothing of this one's. */
static enum verdict look_at_entry(struct search *s, int directory, const char *name, unsigned depth)
{
    struct stat st;
    int fd;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? ORPHAN : UNKNOWN;
    if (!S_ISDIR(st.st_mode) || st.st_dev != s->device)
        return ORPHAN;
    fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || (errno == EACCES && st.st_uid != geteuid()) ? ORPHAN : UNKNOWN;
    return walk(s, fd, depth);
}

/* Closes `directory`. */
static enum verdict walk(struct search *s, int directory, unsigned depth)
{
    enum verdict verdict = look_at_control(s, directory);
    const struct dirent *entry;
    DIR *stream;
    int r = 0;

    if (verdict != ORPHAN || depth == DEPTH) {
        close(directory);
        return verdict;
    }
    stream = fdopendir(directory);
    if (!stream || ++s->visits > VISITS_MAX) {
        if (stream)
            closedir(stream);
        else
            close(directory);
        return UNKNOWN;
    }
    while (verdict == ORPHAN && (r = shm_directory_next(stream, &entry)) > 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            verdict = look_at_entry(s, dirfd(stream), entry->d_name, depth + 1);
    }
    if (verdict == ORPHAN && r < 0)
        verdict = UNKNOWN;
    closedir(stream);
    return verdict;
}

/* The path's parent, in place; false at the top. */
static bool go_up(char *path)
{
    char *const slash = strrchr(path, '/');

    if (!slash || !path[1])
        return false;
    slash[slash == path] = '\0';
    return true;
}

/* What is left of the path, cut in place, if it is on the filesystem that the segment was on. */
static bool find_rest(char *path, dev_t device)
{
    struct stat st;

    while (stat(path, &st) < 0)
        if ((errno != ENOENT && errno != ENOTDIR) || !go_up(path))
            return false;
    return st.st_dev == device;
}

/* From there up to the top of the filesystem; false if that cannot be seen. */
static bool find_top(char *path, dev_t device)
{
    char above[PATH_MAX];
    struct stat st;

    strcpy(above, path);
    while (go_up(above)) {
        if (stat(above, &st) < 0)
            return false;
        if (st.st_dev != device)
            break;
        strcpy(path, above);
    }
    return true;
}

static enum verdict walk_from(struct search *s, const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? UNKNOWN : walk(s, fd, 0);
}

static enum verdict judge(const struct shmlog_ring *header)
{
    struct search s = {.device = (dev_t)header->segment_device};
    enum verdict verdict;
    char path[PATH_MAX];

    memcpy(s.uuid, header->segment_uuid, sizeof(s.uuid));
    strcpy(path, header->segment_path);
    if (!find_rest(path, s.device))
        return UNKNOWN;
    verdict = walk_from(&s, path); /* where it was, however deep; then anywhere */
    if (verdict != ORPHAN)
        return verdict;
    return find_top(path, s.device) ? walk_from(&s, path) : UNKNOWN;
}

/* ---- The files ---- */

/* A folder that is being looked through. */
struct folder {
    const char *path;
    int fd;
    struct shm_orphan_list *list;
    struct shmlog_ring header; /* of the file last judged */
    enum verdict verdict;
};

/* Is it the name of a ring, with this UUID? "shmlog-<32 hex digits>-ring-<3 or 4 digits>" */
static bool is_ring_name(const char *name, const uint8_t *uuid)
{
    char unique[SHM_UNIQUE_NAME_MAX];

    return strlen(name) > SHM_UNIQUE_PREFIX_LENGTH &&
           shm_is_ring_file(name + SHM_UNIQUE_PREFIX_LENGTH) &&
           shm_place_unique(uuid, name + SHM_UNIQUE_PREFIX_LENGTH, unique) == 0 &&
           strcmp(unique, name) == 0;
}

/* The UUID in a name, which may be any. */
static bool parse_uuid(const char *name, uint8_t ret_uuid[16])
{
    if (strncmp(name, "shmlog-", 7) != 0)
        return false;
    for (int i = 0; i < 16; i++) {
        unsigned byte;

        if (strspn(name + 7 + 2 * i, "0123456789abcdef") < 2 ||
            sscanf(name + 7 + 2 * i, "%2x", &byte) != 1)
            return false;
        ret_uuid[i] = (uint8_t)byte;
    }
    return is_ring_name(name, ret_uuid);
}

/* A bounded copy of a ring's header; false if it does not say whose it is. It need not be finished
 * otherwise: its creator may have been killed over it. */
static bool read_header(int folder, const char *name, const uint8_t uuid[16],
                        struct shmlog_ring *ret_header)
{
    const int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    n = pread(fd, ret_header, sizeof(*ret_header), 0);
    close(fd);
    return n == (ssize_t)sizeof(*ret_header) && ret_header->segment_device != 0 &&
           memcmp(ret_header->segment_uuid, uuid, 16) == 0 && ret_header->segment_path[0] == '/' &&
           memchr(ret_header->segment_path, '\0', sizeof(ret_header->segment_path));
}

/* Files of one segment come one after the other, mostly, and fare alike. */
static enum verdict judge_file(struct folder *f, const char *name, const uint8_t uuid[16])
{
    struct shmlog_ring header;

    if (!read_header(f->fd, name, uuid, &header)) {
        f->header.segment_path[0] = '\0';
        return f->verdict = UNKNOWN;
    }
    if (memcmp(header.segment_uuid, f->header.segment_uuid, 16) != 0 ||
        header.segment_device != f->header.segment_device ||
        strcmp(header.segment_path, f->header.segment_path) != 0)
        f->verdict = judge(&header);
    f->header = header;
    return f->verdict;
}

/* The group of a segment's files in a folder, a new one if need be; NULL: no memory. */
static struct shm_orphans *group_of(struct shm_orphan_list *list, const char *files)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->group[i].files, files) == 0)
            return &list->group[i];
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 8;
        struct shm_orphans *const group = reallocarray(list->group, room, sizeof(*group));

        if (!group)
            return NULL;
        list->group = group;
        list->room = room;
    }
    list->group[list->count] = (struct shm_orphans){0};
    strcpy(list->group[list->count].files, files);
    return &list->group[list->count++];
}

static int take(struct folder *f, const char *name)
{
    struct shm_orphans *group;
    char files[PATH_MAX];
    enum verdict verdict;
    uint8_t uuid[16];
    struct stat st;
    int n;

    if (!parse_uuid(name, uuid) || fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode) || (geteuid() != 0 && st.st_uid != geteuid()))
        return 0;
    verdict = judge_file(f, name, uuid);
    n = snprintf(files, sizeof(files), "%s/%.*sring-*", f->path, (int)SHM_UNIQUE_PREFIX_LENGTH,
                 name);
    if (verdict == NEEDED || n < 0 || (size_t)n >= sizeof(files))
        return 0;
    group = group_of(f->list, files);
    if (!group)
        return -ENOMEM;
    if (f->header.segment_path[0])
        strcpy(group->segment, f->header.segment_path);
    if (verdict == ORPHAN && unlinkat(f->fd, name, 0) == 0) {
        group->removed++;
        group->removed_bytes += (uint64_t)st.st_size;
        return 0;
    }
    if (verdict == ORPHAN)
        group->error = -errno;
    group->kept++;
    group->kept_bytes += (uint64_t)st.st_size;
    return 0;
}

int shm_orphans_remove_in(const char *path, struct shm_orphan_list *list)
{
    struct folder f = {.path = path, .list = list};
    const struct dirent *entry;
    DIR *const stream = opendir(path);
    int r = 0, more = 0;

    if (!stream)
        return -errno;
    f.fd = dirfd(stream);
    while (r == 0 && (more = shm_directory_next(stream, &entry)) > 0)
        r = take(&f, entry->d_name);
    closedir(stream);
    return r < 0 ? r : more;
}

/* Mounted twice, or named and mounted: once is enough. */
static bool was_seen(const char *path, dev_t *seen, unsigned *count, unsigned max)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return true;
    for (unsigned i = 0; i < *count; i++)
        if (seen[i] == st.st_dev)
            return true;
    if (*count < max)
        seen[(*count)++] = st.st_dev;
    return false;
}

int shm_orphans_remove(struct shm_orphan_list *ret_list)
{
    static const uint64_t page_kib[] = {1048576, 2048};
    struct shm_orphan_list list = {0};
    char mount[PATH_MAX];
    dev_t seen[64];
    unsigned count = 0;
    int r = 0;

    for (unsigned i = 0; r != -ENOMEM && i < sizeof(page_kib) / sizeof(page_kib[0]); i++)
        for (unsigned nth = 0;
             r != -ENOMEM && shm_hugetlbfs_mount(page_kib[i], nth, mount, sizeof(mount)) == 0;
             nth++)
            if (!was_seen(mount, seen, &count, 64)) {
                r = shm_orphans_remove_in(mount, &list);
                if (r < 0 && r != -EACCES) { /* one that may not be read has none of ours */
                    list.error = r;
                    strcpy(list.unread, mount);
                }
            }
    if (r == -ENOMEM) {
        shm_orphans_done(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}

void shm_orphans_done(struct shm_orphan_list *list)
{
    free(list->group);
    *list = (struct shm_orphan_list){0};
}
