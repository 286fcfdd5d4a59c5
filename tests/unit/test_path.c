/* SPDX-License-Identifier: MIT
 *
 * Names of segments and the folders they are looked up in.
 */
#include "tests/unit/segment_kit.h"

#include "shm/path.h"

#include <errno.h>

TestSuite(path, .init = kit_open, .fini = kit_close, .timeout = 120);

static char path[256];

static void untouched(void)
{
    cr_assert_str_eq(path, "untouched");
}

Test(path, with_a_slash_as_it_is)
{
    cr_assert_eq(shm_path_find("/a/b", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/a/b");
    cr_assert_eq(shm_path_make("./b", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "./b");
    strcpy(path, "untouched");
    cr_assert_eq(shm_path_find("/a/b", path, 4), -ENAMETOOLONG);
    untouched();
}

Test(path, bad_names)
{
    static const char *const bad[] = {
        "-x",       "a/",    "/",
        "a//",      "./.",   "a/..",
        "a/-x",     "a/b c", "/tmp/.x",
        "",         ".",     "..",
        ".hidden",  "a b",   "a\n",
        "\xc3\xa4", "a:b",   "1234567890123456789012345678901234567890123456789012345678901234"};

    strcpy(path, "untouched");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(shm_path_find(bad[i], path, sizeof(path)), -EINVAL, "'%s'", bad[i]);
        cr_assert_eq(shm_path_make(bad[i], path, sizeof(path)), -EINVAL, "'%s'", bad[i]);
    }
    untouched();
}

/* A runtime folder is no segment, there or not, by whatever path; a segment in it is one. */
Test(path, folders_are_no_segments)
{
    char folder[96], text[256];
    const char *const paths[] = {"%s", "%s/../new", "%s/../other/../new", "%s/../link"};

    snprintf(folder, sizeof(folder), "%s/new", kit_folder);
    setenv("SHMLOG_DIR", folder, 1);
    for (int there = 0; there < 2; there++) {
        strcpy(path, "untouched");
        for (size_t i = 0; i < (there ? 4 : 1); i++) {
            snprintf(text, sizeof(text), paths[i], folder);
            cr_assert_eq(shm_path_find(text, path, sizeof(path)), -EISDIR, "%s", text);
            cr_assert_eq(shm_path_make(text, path, sizeof(path)), -EISDIR, "%s", text);
        }
        untouched();
        snprintf(text, sizeof(text), "%s/x", folder);
        cr_assert_eq(shm_path_make(text, path, sizeof(path)), 0);
        cr_assert_str_eq(path, text);
        if (there)
            break;
        cr_assert_eq(mkdir(folder, 0700), 0);
        snprintf(text, sizeof(text), "%s/other", kit_folder);
        cr_assert_eq(mkdir(text, 0700), 0);
        snprintf(text, sizeof(text), "%s/link", kit_folder);
        cr_assert_eq(symlink(folder, text), 0);
        strcat(folder, "//"); /* the folder's own path may be any */
        setenv("SHMLOG_DIR", folder, 1);
        folder[strlen(folder) - 2] = '\0';
    }
    strcpy(path, "untouched");
    snprintf(text, sizeof(text), "/dev/shm/shmlog-%lu", (unsigned long)geteuid());
    cr_assert_eq(shm_path_make(text, path, sizeof(path)), -EISDIR);
    cr_assert_eq(shm_path_make("/dev/shm/shmlog", path, sizeof(path)), -EISDIR);
    cr_assert_eq(shm_path_make("/dev/../dev/shm/shmlog", path, sizeof(path)), -EISDIR);
    setenv("SHMLOG_DIR", "/dev/shm", 1);
    cr_assert_eq(shm_path_make("shmlog", path, sizeof(path)), -EISDIR, "by name");
    untouched();
}

/* One that is no directory is refused, and named with its owner. */
Test(path, folder_is_a_file)
{
    char folder[96], why[512];
    FILE *f;

    snprintf(folder, sizeof(folder), "%s/file", kit_folder);
    setenv("SHMLOG_DIR", folder, 1);
    cr_assert_eq(shm_path_explain(folder, why, sizeof(why)), -ENOENT);
    f = fopen(folder, "we");
    cr_assert_not_null(f);
    fclose(f);
    strcpy(path, "untouched");
    cr_assert_eq(shm_path_make("x", path, sizeof(path)), -ENOTDIR);
    untouched();
    cr_assert_eq(shm_path_explain(folder, why, sizeof(why)), 0);
    cr_assert_not_null(strstr(why, "/file is a file of "), "%s", why);
    cr_assert_eq(shm_path_explain(kit_folder, why, sizeof(why)), -ENOENT, "nothing is wrong");
}

Test(path, folder_of_the_environment)
{
    char folder[96], want[128];
    struct stat st;

    snprintf(folder, sizeof(folder), "%s/new", kit_folder);
    snprintf(want, sizeof(want), "%s/trading_1.A-b", folder);
    setenv("SHMLOG_DIR", folder, 1);
    cr_assert_eq(shm_path_find("trading_1.A-b", path, sizeof(path)), 0);
    cr_assert_str_eq(path, want);
    cr_assert_neq(stat(folder, &st), 0, "finding makes nothing");
    umask(077);
    cr_assert_eq(shm_path_make("trading_1.A-b", path, sizeof(path)), 0);
    cr_assert_str_eq(path, want);
    cr_assert_eq(stat(folder, &st), 0);
    cr_assert_eq(st.st_mode & 07777, geteuid() == 0 ? 0755 : 0750);
    cr_assert_neq(stat(want, &st), 0, "the segment's own directory is not made");
    cr_assert_eq(shm_path_make("trading_1.A-b", path, sizeof(path)), 0, "twice");
    strcpy(path, "untouched");
    cr_assert_eq(shm_path_make("trading", path, 10), -ENAMETOOLONG);
    setenv("SHMLOG_DIR", "/nowhere/at/all", 1);
    cr_assert_eq(shm_path_make("trading", path, sizeof(path)), -ENOENT);
    untouched();
}

static void explained(const char *folder, const char *want)
{
    char why[512];

    cr_assert_eq(shm_path_explain(folder, why, sizeof(why)), 0);
    cr_assert_not_null(strstr(why, want), "%s", why);
}

Test(path, runtime_folders)
{
    char own[64], want[128];

    unsetenv("SHMLOG_DIR");
    if (!kit_own_mounts() || mount("none", "/dev/shm", "tmpfs", 0, "mode=1777") < 0)
        return;
    snprintf(own, sizeof(own), "/dev/shm/shmlog-%lu", (unsigned long)geteuid());
    snprintf(want, sizeof(want), "%s/x", own);
    cr_assert_eq(shm_path_find("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, want, "where none has it: the first one");
    cr_assert_eq(shm_path_make("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog/x", "root makes the system's");
    cr_assert_eq(mkdir(path, 0750), 0);
    cr_assert_eq(shm_path_find("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog/x");
    /* a user's own folder comes first */
    cr_assert_eq(mkdir(own, 0750), 0);
    cr_assert_eq(mkdir(want, 0750), 0);
    cr_assert_eq(shm_path_find("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, want);
    /* unless it is not the user's own, or others may write to it */
    cr_assert_eq(chown(own, 1234, 0), 0);
    cr_assert_eq(shm_path_find("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog/x");
    cr_assert_eq(chown(own, 0, 0), 0);
    cr_assert_eq(chmod(own, 0777), 0);
    cr_assert_eq(shm_path_find("x", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog/x");
    strcpy(path, "untouched");
    cr_assert_eq(shm_path_find("z", path, sizeof(path)), -EACCES, "nowhere, and not in a trap");
    untouched();
    explained(own, "may be written to by others than its owner, root (0) (mode 0777): chmod go-w");
    cr_assert_eq(chmod(own, 0750), 0);
    cr_assert_eq(shm_path_find("z", path, sizeof(path)), 0);
    cr_assert_eq(chmod("/dev/shm/shmlog", 0777), 0);
    cr_assert_eq(shm_path_find("z", path, sizeof(path)), -EACCES);
    explained("/dev/shm/shmlog", "/dev/shm/shmlog may be written to by others");
    cr_assert_eq(chmod("/dev/shm/shmlog", 0755), 0);
    /* a user */
    cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(shm_path_make("y", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog-65534/y");
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chown("/dev/shm/shmlog-65534", 1234, 0), 0);
    cr_assert_eq(seteuid(65534), 0);
    strcpy(path, "untouched");
    cr_assert_eq(shm_path_make("y", path, sizeof(path)), -EPERM, "another's trap");
    explained("/dev/shm/shmlog-65534", "belongs to user (1234), not to nobody (65534): have it "
                                       "removed, or set SHMLOG_DIR");
    untouched();
    /* where a user may not look, it may be: the error of opening it says so */
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(rmdir("/dev/shm/shmlog-65534"), 0);
    cr_assert_eq(chmod("/dev/shm/shmlog", 0700), 0);
    cr_assert_eq(seteuid(65534), 0);
    cr_assert_eq(shm_path_find("secret", path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/dev/shm/shmlog/secret");
    cr_assert_eq(seteuid(0), 0);
    umount("/dev/shm");
}
