/* SPDX-License-Identifier: MIT
 *
 * From a segment's name to its directory; see path.h.
 *
 * /dev/shm is writable by everybody, so a runtime folder there counts only if it belongs to the
 * one whose it claims to be: nobody can lay a trap under a name that others look up.
 */
#include "shm/path.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 63
#define SYSTEM_FOLDER "/dev/shm/shmlog"

/* Of a path the last part: it is in the names of files as any other name is. */
static bool name_ok(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t length = strlen(name);

    if (length == 0 || length > NAME_MAX_BYTES || name[0] == '.' || name[0] == '-')
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (!letter && !(*p >= '0' && *p <= '9') && *p != '.' && *p != '_' && *p != '-')
            return false;
    }
    return true;
}

/* The path without links, '.' and '..'; its last part need not be there. */
static bool resolve(const char *path, char ret_path[PATH_MAX])
{
    char parent[PATH_MAX], found[PATH_MAX];
    const char *above = ".", *name = parent;
    size_t length = strlen(path);
    char *slash;

    if (length == 0 || length >= sizeof(parent))
        return false;
    if (realpath(path, ret_path))
        return true;
    memcpy(parent, path, length + 1);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = '\0';
    slash = strrchr(parent, '/');
    if (slash) {
        *slash = '\0';
        above = slash == parent ? "/" : parent;
        name = slash + 1;
    }
    if (!realpath(above, found))
        return false;
    if (strcmp(found, "/") == 0)
        found[0] = '\0';
    return (size_t)snprintf(ret_path, PATH_MAX, "%s/%s", found, name) < PATH_MAX;
}

/* The two parts with a slash between them; the second may be NULL. Untouched on error. */
static int join(const char *folder, const char *name, char *ret_path, size_t size)
{
    size_t folder_length = strlen(folder);
    size_t name_length = name ? strlen(name) + 1 : 0;

    if (folder_length + name_length >= size)
        return -ENAMETOOLONG;
    memcpy(ret_path, folder, folder_length + 1);
    if (name) {
        ret_path[folder_length] = '/';
        memcpy(ret_path + folder_length + 1, name, name_length);
    }
    return 0;
}

static const char *folder_from_environment(void)
{
    const char *folder = getenv("SHMLOG_DIR");

    return folder && folder[0] != '\0' ? folder : NULL;
}

static void folder_of_user(char ret_folder[64])
{
    snprintf(ret_folder, 64, SYSTEM_FOLDER "-%lu", (unsigned long)geteuid());
}

/* Is it a folder that names are looked up in, there or not yet? */
static bool is_folder(const char *path)
{
    char users[64], wanted[PATH_MAX], there[PATH_MAX];
    const char *const folder[] = {folder_from_environment(), SYSTEM_FOLDER, users};

    folder_of_user(users);
    if (!resolve(path, wanted))
        return false;
    for (size_t i = 0; i < sizeof(folder) / sizeof(folder[0]); i++)
        if (folder[i] && resolve(folder[i], there) && strcmp(there, wanted) == 0)
            return true;
    return false;
}

/* What was asked for itself, if it can be a segment. */
static int take_path(const char *folder, const char *name, char *ret_path, size_t size)
{
    char path[PATH_MAX];
    int r = join(folder ? folder : name, folder ? name : NULL, path, sizeof(path));

    if (r == 0 && is_folder(path))
        r = -EISDIR;
    return r < 0 ? r : join(path, NULL, ret_path, size);
}

/* 0: a directory of this owner (or root), that nobody else may change. */
static int folder_trusted(const char *folder, uid_t owner)
{
    struct stat st;

    if (lstat(folder, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    if (st.st_uid != owner && st.st_uid != 0)
        return -EPERM;
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return -EPERM;
    return 0;
}

static bool folder_has(const char *folder, uid_t owner, const char *name)
{
    char path[256];
    struct stat st;

    if (folder_trusted(folder, owner) < 0 || join(folder, name, path, sizeof(path)) < 0)
        return false;
    return stat(path, &st) == 0 || errno == EACCES; /* whoever opens it is told so */
}

unsigned shm_path_folders(const char *ret_folder[SHM_PATH_FOLDERS])
{
    static _Thread_local char users[64];

    ret_folder[0] = folder_from_environment();
    if (ret_folder[0])
        return 1;
    folder_of_user(users);
    ret_folder[0] = users;
    ret_folder[1] = SYSTEM_FOLDER;
    return 2;
}

int shm_path_find(const char *name, char *ret_path, size_t size)
{
    const char *folder = folder_from_environment();
    char users[64];
    int r;

    if (!name_ok(name))
        return -EINVAL;
    if (folder || strchr(name, '/'))
        return take_path(strchr(name, '/') ? NULL : folder, name, ret_path, size);
    folder_of_user(users);
    if (folder_has(users, geteuid(), name))
        return join(users, name, ret_path, size);
    if (folder_has(SYSTEM_FOLDER, 0, name))
        return join(SYSTEM_FOLDER, name, ret_path, size);
    /* Nowhere. Do not send anybody into a trap to look again. */
    r = folder_trusted(users, geteuid());
    if (r == 0 || r == -ENOENT)
        r = folder_trusted(SYSTEM_FOLDER, 0);
    if (r < 0 && r != -ENOENT)
        return -EACCES;
    return join(users, name, ret_path, size);
}

static int folder_make(const char *folder, bool check)
{
    mode_t mode = geteuid() == 0 ? 0755 : 0750;
    struct stat st;

    if (mkdir(folder, 0700) == 0)
        return chmod(folder, mode) < 0 ? -errno : 0; /* whatever the umask is */
    if (errno != EEXIST)
        return -errno;
    if (check)
        return folder_trusted(folder, geteuid());
    return stat(folder, &st) == 0 && !S_ISDIR(st.st_mode) ? -ENOTDIR : 0;
}

int shm_path_make(const char *name, char *ret_path, size_t size)
{
    const char *folder = folder_from_environment();
    bool own = folder == NULL;
    char users[64];
    int r;

    if (!name_ok(name))
        return -EINVAL;
    if (strchr(name, '/'))
        return take_path(NULL, name, ret_path, size);
    if (!folder && geteuid() == 0) {
        folder = SYSTEM_FOLDER;
    } else if (!folder) {
        folder_of_user(users);
        folder = users;
    }
    if (strlen(folder) + 1 + strlen(name) >= size)
        return -ENAMETOOLONG;
    r = folder_make(folder, own);
    return r < 0 ? r : take_path(folder, name, ret_path, size);
}

/* ---- Why a runtime folder cannot be used ---- */

static void put_user(uid_t uid, char *ret_text, size_t size)
{
    const struct passwd *const user = getpwuid(uid);

    snprintf(ret_text, size, "%s (%lu)", user ? user->pw_name : "user", (unsigned long)uid);
}

static const char *kind_of(mode_t mode)
{
    return S_ISLNK(mode) ? "a symbolic link" : S_ISREG(mode) ? "a file" : "no directory";
}

int shm_path_explain(const char *folder, char *ret_text, size_t size)
{
    const bool own = folder_from_environment() != NULL;
    const uid_t owner = strcmp(folder, SYSTEM_FOLDER) == 0 ? 0 : geteuid();
    char of[80], wanted[80];
    struct stat st;

    if ((own ? stat(folder, &st) : lstat(folder, &st)) < 0)
        return -errno;
    put_user(st.st_uid, of, sizeof(of));
    put_user(owner, wanted, sizeof(wanted));
    if (!S_ISDIR(st.st_mode))
        snprintf(ret_text, size,
                 "%s is %s of %s: have it removed, or set SHMLOG_DIR to another folder", folder,
                 kind_of(st.st_mode), of);
    else if (own)
        return -ENOENT;
    else if (st.st_uid != owner && st.st_uid != 0)
        snprintf(
            ret_text, size,
            "%s belongs to %s, not to %s: have it removed, or set SHMLOG_DIR to another folder",
            folder, of, wanted);
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        snprintf(ret_text, size,
                 "%s may be written to by others than its owner, %s (mode %04o): chmod go-w, or "
                 "set SHMLOG_DIR to another folder",
                 folder, of, (unsigned)st.st_mode & 07777);
    else
        return -ENOENT;
    return 0;
}
