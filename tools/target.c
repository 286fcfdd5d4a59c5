/* SPDX-License-Identifier: MIT
 *
 * From names on the command line to segments and files.
 */
#include "tools/target.h"
#include "shm/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool has_control(const char *directory)
{
    char path[PATH_MAX];
    struct stat st;
    int size = snprintf(path, sizeof(path), "%s/control", directory);

    return size > 0 && (size_t)size < sizeof(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The folder part of a path, for messages. */
static int folder_size(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (int)(slash - path) : 0;
}

static int find_by_name(const char *name, char *ret_path, char *ret_message, size_t message_size)
{
    char path[PATH_MAX];
    int r = shm_path_find(name, path, sizeof(path));

    if (r < 0) {
        snprintf(
            ret_message, message_size,
            r == -ENAMETOOLONG ? "%s: name too long"
            : r == -EACCES
                ? "%s: no such segment, and its runtime folder in /dev/shm cannot be trusted: it "
                  "belongs to another user, or others may write to it"
                : "%s: neither a file nor a segment's name",
            name);
        return r;
    }
    if (!has_control(path)) {
        snprintf(ret_message, message_size,
                 "%s: no such segment (looked in %.*s) and no such file; is shmlog-collector "
                 "running?",
                 name, folder_size(path), path);
        return -ENOENT;
    }
    snprintf(ret_path, PATH_MAX, "%s", path);
    return 0;
}

int target_find(const char *name, enum target_kind *ret_kind, char *ret_path, char *ret_message,
                size_t message_size)
{
    struct stat st;
    int r;

    if (strlen(name) >= PATH_MAX) {
        snprintf(ret_message, message_size, "%.40s...: name too long", name);
        return -ENAMETOOLONG;
    }
    if (stat(name, &st) < 0) {
        if (errno != ENOENT || strchr(name, '/') || !*name) {
            r = -errno;
            snprintf(ret_message, message_size, "%s: %s", *name ? name : "''", strerror(-r));
            return r;
        }
        r = find_by_name(name, ret_path, ret_message, message_size);
        if (r == 0)
            *ret_kind = TARGET_SEGMENT;
        return r;
    }
    *ret_kind = !S_ISDIR(st.st_mode) ? TARGET_FILE
                : has_control(name)  ? TARGET_SEGMENT
                                     : TARGET_DIRECTORY;
    snprintf(ret_path, PATH_MAX, "%s", name);
    return 0;
}

int target_open_segment(const char *name, bool writable, struct shm_segment **ret_segment,
                        char *ret_message, size_t message_size)
{
    enum target_kind kind = TARGET_SEGMENT;
    char path[PATH_MAX];
    int r = target_find(name, &kind, path, ret_message, message_size);

    /* A file or folder that happens to have the segment's name does not hide it here. */
    if (r == 0 && kind != TARGET_SEGMENT && !strchr(name, '/'))
        r = find_by_name(name, path, ret_message, message_size);
    else if (r == 0 && kind != TARGET_SEGMENT) {
        snprintf(ret_message, message_size, "%s: not a segment: it has no control file", name);
        return -ENOENT;
    }
    if (r < 0)
        return r;
    r = shm_segment_open(path, writable, ret_segment);
    if (r < 0)
        snprintf(ret_message, message_size, "%s: cannot open segment %s: %s", name, path,
                 shm_strerror(r));
    return r;
}
