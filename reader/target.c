/* SPDX-License-Identifier: MIT
 *
 * From names on the command line to segments and files.
 */
#include "reader/target.h"
#include "shm/directory.h"
#include "shm/path.h"
#include "reader/text.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_SHOWN 8

/* 1: it is a segment's directory; 0: it is not; -EACCES: this user may not see. */
static int has_control(const char *directory)
{
    char path[PATH_MAX];
    struct stat st;
    int size = snprintf(path, sizeof(path), "%s/" SHM_CONTROL_FILE, directory);

    if (size < 0 || (size_t)size >= sizeof(path))
        return 0;
    if (stat(path, &st) < 0)
        return errno == EACCES ? -EACCES : 0;
    return S_ISREG(st.st_mode);
}

/* Whose it is, for a user who may not use it. */
static void say_denied(const char *name, const char *path, char *ret_message, size_t message_size)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        snprintf(ret_message, message_size, "%s: %s: %s", name, path, strerror(errno));
        return;
    }
    struct passwd *const owner = getpwuid(st.st_uid);
    struct group *const group = getgrgid(st.st_gid);

    snprintf(ret_message, message_size,
             "%s: %s is not for this user: it belongs to %s and group %s, with mode %04o; join the "
             "group, or have shmlog-collector started with --group",
             name, path, owner ? owner->pw_name : "another user", group ? group->gr_name : "?",
             (unsigned)st.st_mode & 07777);
}

/* The segments of a folder, as `, NAME`. Returns how many. */
static unsigned put_segments(const char *folder, struct text *out)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    while (directory && (entry = readdir(directory))) {
        char path[PATH_MAX];
        int size = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);

        if (entry->d_name[0] == '.' || size < 0 || (size_t)size >= sizeof(path) ||
            has_control(path) == 0)
            continue;
        if (count++ < NAMES_SHOWN) {
            text_puts(out, ", ");
            text_put_plain(out, entry->d_name, strlen(entry->d_name));
        }
    }
    if (directory)
        closedir(directory);
    if (count > NAMES_SHOWN)
        text_printf(out, " and %u more", count - NAMES_SHOWN);
    return count;
}

/* Where it was looked for, and what is there. */
static void say_missing(const char *name, char *ret_message, size_t message_size)
{
    const char *folder[SHM_PATH_FOLDERS];
    const unsigned folders = shm_path_folders(folder);
    struct text there = {0};
    unsigned count = 0;

    for (unsigned i = 0; i < folders; i++)
        count += put_segments(folder[i], &there);
    snprintf(ret_message, message_size, "%s: no such file, and no such segment in %s%s%s; %s%.*s",
             name, folder[0], folders > 1 ? " or " : "", folders > 1 ? folder[1] : "",
             count ? "there is" : "there is none: is shmlog-collector running?",
             there.size ? (int)there.size - 1 : 0, there.size ? there.data + 1 : "");
    text_done(&there);
}

/* Which runtime folder is not looked into, since somebody else could have put things there. */
static void say_squatted(const char *name, char *ret_message, size_t message_size)
{
    const char *folder[SHM_PATH_FOLDERS];
    const unsigned folders = shm_path_folders(folder);
    char why[PATH_MAX + 256];

    for (unsigned i = 0; i < folders; i++)
        if (shm_path_explain(folder[i], why, sizeof(why)) == 0) {
            snprintf(ret_message, message_size, "%s: no such segment, and the runtime folder %s",
                     name, why);
            return;
        }
    snprintf(ret_message, message_size,
             "%s: no such segment, and a runtime folder that cannot be "
             "looked at",
             name);
}

static int find_by_name(const char *name, char *ret_path, char *ret_message, size_t message_size)
{
    char path[PATH_MAX];
    int r = shm_path_find(name, path, sizeof(path));

    if (r == -EACCES)
        say_squatted(name, ret_message, message_size);
    else if (r < 0)
        snprintf(ret_message, message_size,
                 r == -ENAMETOOLONG ? "%s: name too long"
                 : r == -EISDIR
                     ? "%s: is a runtime folder, which segments are in"
                     : "%s: no such file, and no segment's name: letters, digits, '.', '_', '-'",
                 name);
    if (r < 0)
        return r;
    r = has_control(path);
    if (r == 0)
        say_missing(name, ret_message, message_size);
    else if (r < 0)
        say_denied(name, path, ret_message, message_size);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    snprintf(ret_path, PATH_MAX, "%s", path);
    return 0;
}

/* Without a word: a file may have this name. */
static bool is_segment(const char *name, char ret_path[PATH_MAX])
{
    char path[PATH_MAX];

    if (strchr(name, '/') || shm_path_find(name, path, sizeof(path)) < 0 || has_control(path) <= 0)
        return false;
    strcpy(ret_path, path);
    return true;
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
    if (is_segment(name, ret_path)) {
        *ret_kind = TARGET_SEGMENT;
        return 0;
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
    r = S_ISDIR(st.st_mode) ? has_control(name) : 0;
    if (r < 0) {
        say_denied(name, name, ret_message, message_size);
        return r;
    }
    *ret_kind = r > 0 ? TARGET_SEGMENT : S_ISDIR(st.st_mode) ? TARGET_DIRECTORY : TARGET_FILE;
    snprintf(ret_path, PATH_MAX, "%s", name);
    return 0;
}

int target_open_segment(const char *name, bool writable, struct shm_segment **ret_segment,
                        char *ret_message, size_t message_size)
{
    enum target_kind kind = TARGET_SEGMENT;
    char path[PATH_MAX];
    int r = target_find(name, &kind, path, ret_message, message_size);

    if (r == 0 && kind != TARGET_SEGMENT && !strchr(name, '/') &&
        find_by_name(name, path, ret_message, message_size) == -EACCES)
        return -EACCES; /* a file of the segment's name does not hide it */
    if (r == 0 && kind != TARGET_SEGMENT) {
        snprintf(ret_message, message_size,
                 kind == TARGET_DIRECTORY
                     ? "%s: a directory of files, not a segment: it has no control file; give the "
                       "name of a segment"
                     : "%s: a file, not a segment; give the name of a segment",
                 name);
        return -ENOENT;
    }
    if (r < 0)
        return r;
    r = shm_segment_open(path, writable, ret_segment);
    if (r == -EACCES)
        say_denied(name, path, ret_message, message_size);
    else if (r < 0)
        snprintf(ret_message, message_size, "%s: cannot open segment %s: %s", name, path,
                 shm_strerror(r));
    return r;
}
