/* SPDX-License-Identifier: MIT
 *
 * Retention: the oldest sealed files of the segment go, by count, size and age; nothing else is
 * touched.
 */
#include "logfile/writer.h"
#include "collector/retention.h"
#include "tests/unit/segment_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define NOW INT64_C(1700000000)

TestSuite(retention, .init = kit_open, .fini = kit_close, .timeout = 120);

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", kit_folder, name);
    return path;
}

/* A file of `size` bytes, written `age` seconds ago. */
static void make(const char *name, size_t size, int64_t age)
{
    const struct timespec times[2] = {{.tv_sec = NOW - age}, {.tv_sec = NOW - age}};
    const int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0, "%s", name);
    cr_assert_eq(ftruncate(fd, (off_t)size), 0);
    cr_assert_eq(futimens(fd, times), 0);
    close(fd);
}

static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static int work(const char *segment, uint64_t count, uint64_t bytes, uint64_t age_s)
{
    struct retention retention = {.directory = kit_folder,
                                  .segment = segment,
                                  .count = count,
                                  .bytes = bytes,
                                  .age_s = age_s,
                                  .seen = UINT64_MAX}; /* none is new */
    const int r = retention_work(&retention, (uint64_t)NOW * 1000000000);

    retention_done(&retention);
    return r;
}

static const char *name_of(unsigned number, bool part)
{
    static char name[64];

    snprintf(name, sizeof(name), "t-20240101T0000%02u-%06u.shmlog%s", number, number,
             part ? ".part" : "");
    return name;
}

/* Files 1 to 9 of 100 bytes each, 900 to 100 seconds old, and number 10, which is not sealed. */
static void make_ten(void)
{
    for (unsigned i = 1; i <= 9; i++)
        make(name_of(i, false), 100, 1000 - 100 * (int64_t)i);
    make(name_of(10, true), 5000, 0);
}

/* The files from `first` to 9 are there, and no older ones. */
static void check_from(unsigned first)
{
    for (unsigned i = 1; i <= 9; i++)
        cr_assert_eq(exists(name_of(i, false)), i >= first, "file %u", i);
    cr_assert(exists(name_of(10, true)));
}

Test(retention, nothing_asked)
{
    make_ten();
    cr_assert_eq(work("t", 0, 0, 0), 0);
    check_from(1);
}

Test(retention, by_count)
{
    make_ten();
    cr_assert_eq(work("t", 9, 0, 0), 0);
    check_from(1);
    cr_assert_eq(work("t", 4, 0, 0), 5);
    check_from(6);
    cr_assert_eq(work("t", 4, 0, 0), 0);
    cr_assert_eq(work("t", 1, 0, 0), 3);
    check_from(9);
}

Test(retention, by_size)
{
    make_ten();
    cr_assert_eq(work("t", 0, 900, 0), 0);
    cr_assert_eq(work("t", 0, 899, 0), 1);
    check_from(2);
    cr_assert_eq(work("t", 0, 350, 0), 5);
    check_from(7);
    cr_assert_eq(work("t", 0, 1, 0), 3);
    check_from(10);
}

Test(retention, by_age)
{
    make_ten();
    cr_assert_eq(work("t", 0, 0, 900), 0);
    cr_assert_eq(work("t", 0, 0, 899), 1);
    check_from(2);
    cr_assert_eq(work("t", 0, 0, 450), 4);
    check_from(6);
}

/* Whatever the others say. */
Test(retention, at_least)
{
    struct retention retention = {.directory = kit_folder,
                                  .segment = "t",
                                  .bytes = 1,
                                  .age_s = 1,
                                  .min = 3,
                                  .seen = UINT64_MAX};

    make_ten();
    cr_assert_eq(retention_work(&retention, (uint64_t)NOW * 1000000000), 6);
    check_from(7);
    cr_assert_eq(retention_work(&retention, (uint64_t)NOW * 1000000000), 0);
    retention.min = 100;
    cr_assert_eq(retention_work(&retention, (uint64_t)NOW * 1000000000), 0);
    check_from(7);
    retention.min = 0;
    cr_assert_eq(retention_work(&retention, (uint64_t)NOW * 1000000000), 3);
    check_from(10);
    retention_done(&retention);
}

/* A filesystem of 100 files' room, of which a fifth is for root alone. */
#define FILE_ROOM UINT64_C(8192)

static unsigned taken; /* by others */
static bool is_late;   /* what files took is not free yet */

int fake_fstatvfs(int fd, struct statvfs *ret) __asm__("fstatvfs64");
int fake_fstatvfs(int fd, struct statvfs *ret)
{
    unsigned used = taken;

    (void)fd;
    for (unsigned i = 1; i <= 9; i++)
        used += exists(name_of(i, false)) || is_late;
    memset(ret, 0, sizeof(*ret));
    ret->f_frsize = FILE_ROOM;
    ret->f_bsize = 1; /* which is no size of blocks */
    ret->f_blocks = 100;
    ret->f_bfree = 100 - used;
    ret->f_bavail = ret->f_bfree > 20 ? ret->f_bfree - 20 : 0;
    return 0;
}

static unsigned said;

static void count_said(const char *line)
{
    said += strstr(line, "less is free there than --keep-free asks for") ||
            strstr(line, "is no file of the segment 't', though its name says so");
}

/* With their room on the disk. */
static void make_nine(void)
{
    for (unsigned i = 1; i <= 9; i++) {
        make(name_of(i, false), 0, 1000 - 100 * (int64_t)i);
        cr_assert_eq(truncate(path_of(name_of(i, false)), FILE_ROOM), 0);
        kit_write_at(path_of(name_of(i, false)), 0, (char[FILE_ROOM]){0}, FILE_ROOM);
    }
    make(name_of(10, true), 0, 0);
    taken = said = 0;
    is_late = false;
}

static struct retention room_of(uint64_t bytes, uint64_t percent)
{
    return (struct retention){.directory = kit_folder,
                              .segment = "t",
                              .min = 2,
                              .seen = UINT64_MAX,
                              .free_bytes = bytes,
                              .free_percent = percent,
                              .say = count_said};
}

static int look_at(struct retention *retention, uint64_t seconds)
{
    return retention_work(retention, ((uint64_t)NOW + seconds) * 1000000000);
}

/* Free for an ordinary user; as many files as it takes. */
Test(retention, by_free_room)
{
    struct retention retention = room_of(71 * FILE_ROOM, 0);

    make_nine(); /* 71 free */
    cr_assert_eq(look_at(&retention, 0), 0);
    check_from(1);
    retention.free_bytes++;
    cr_assert_eq(look_at(&retention, 1), 1);
    check_from(2);
    taken = 3;
    cr_assert_eq(look_at(&retention, 2), 3);
    check_from(5);
    cr_assert_eq(look_at(&retention, 3), 0);
    cr_assert_eq(said, 0);
    retention_done(&retention);
}

Test(retention, by_free_share)
{
    struct retention retention = room_of(0, 74);

    make_nine();
    cr_assert_eq(look_at(&retention, 0), 3);
    check_from(4);
    cr_assert_eq(look_at(&retention, 1), 0);
    retention_done(&retention);
}

/* The newest stay, and it is reported, once until there is room again. */
Test(retention, not_enough_room)
{
    struct retention retention = room_of(75 * FILE_ROOM, 0);

    make_nine();
    taken = 50;
    cr_assert_eq(look_at(&retention, 0), 7);
    check_from(8);
    cr_assert_eq(said, 1);
    cr_assert_eq(look_at(&retention, 1), 0);
    cr_assert_eq(look_at(&retention, 2), 0);
    cr_assert_eq(said, 1);
    taken = 0;
    cr_assert_eq(look_at(&retention, 3), 0);
    taken = 50;
    cr_assert_eq(look_at(&retention, 4), 0);
    cr_assert_eq(said, 2);
    retention_done(&retention);
}

/* A reader has the files open, or the filesystem takes its time: not one file after the other for
 * the same room. */
Test(retention, room_that_comes_late)
{
    struct retention retention = room_of(73 * FILE_ROOM, 0);

    make_nine();
    is_late = true;
    cr_assert_eq(look_at(&retention, 0), 2);
    for (unsigned second = 1; second < 30; second++)
        cr_assert_eq(look_at(&retention, second), 0);
    check_from(3);
    retention.count = 6;
    cr_assert_eq(look_at(&retention, 29), 1, "others do not wait");
    check_from(4);
    cr_assert_eq(look_at(&retention, 30), 2, "for ever");
    check_from(6);
    is_late = false;
    cr_assert_eq(look_at(&retention, 60), 0);
    cr_assert_eq(said, 0);
    retention_done(&retention);
}

/* Finished while the wall clock was a week behind, or ahead: as old as it is. */
Test(retention, new_files_of_a_wrong_clock)
{
    struct retention retention = {.directory = kit_folder,
                                  .segment = "t",
                                  .age_s = 1000,
                                  .seen = 2};
    uint64_t now = (uint64_t)NOW * 1000000000;

    make(name_of(1, false), 100, 1001);
    make(name_of(2, false), 100, 900);
    make(name_of(3, false), 100, 604800);
    make(name_of(4, false), 100, -604800);
    make(name_of(5, false), 100, 30); /* the time between two looks, or a slow one */
    cr_assert_eq(retention_work(&retention, now), 1);
    cr_assert_eq(retention.seen, 5);
    now += UINT64_C(101) * 1000000000;
    cr_assert_eq(retention_work(&retention, now), 1);
    cr_assert(!exists(name_of(2, false)) && exists(name_of(3, false)));
    now += UINT64_C(870) * 1000000000; /* 971 s: the fifth is 1001 s old, but none before it */
    cr_assert_eq(retention_work(&retention, now), 0);
    now += UINT64_C(30) * 1000000000;
    cr_assert_eq(retention_work(&retention, now), 3);
    retention_done(&retention);
}

/* An unfinished file counts, and goes, like a finished one, if it is not the present one. */
Test(retention, unfinished)
{
    struct retention retention = {
        .directory = kit_folder, .segment = "t", .count = 9, .seen = UINT64_MAX, .present = 10};

    make_ten();
    cr_assert_eq(look_at(&retention, 0), 0);
    retention.present = 11;
    cr_assert_eq(look_at(&retention, 0), 1);
    check_from(2);
    retention.count = 1;
    cr_assert_eq(look_at(&retention, 0), 8);
    check_from(10);
    cr_assert_eq(retention.files.bytes, 5000);
    retention.bytes = 4999;
    cr_assert_eq(look_at(&retention, 0), 1);
    cr_assert(!exists(name_of(10, true)));
    retention_done(&retention);
}

/* Number 1, with a header that names its segment. */
static void make_unfinished(uint8_t segment, const char *segment_path)
{
    struct file_identity identity = {.segment_uuid = {segment}, .file_uuid = {9}};
    const struct file_ledger_entry line = {.ring = 0};
    struct file_buffer buffer = {0};
    struct file_encoder *encoder;

    snprintf(identity.segment_path, sizeof(identity.segment_path), "%s", segment_path);
    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    cr_assert_eq(file_put_header(encoder, &identity, &line, 1, &buffer), 0);
    make(name_of(1, true), buffer.size, 0);
    kit_write_at(path_of(name_of(1, true)), 0, buffer.data, buffer.size);
    file_buffer_done(&buffer);
    file_encoder_close(encoder);
}

/* One that is to be removed, if it is anybody's turn. */
static bool is_removed(const uint8_t *uuid)
{
    struct retention retention = {.directory = kit_folder,
                                  .segment = "t",
                                  .uuid = uuid,
                                  .bytes = 1,
                                  .seen = UINT64_MAX,
                                  .present = 2};
    const int r = look_at(&retention, 0);

    retention_done(&retention);
    cr_assert_eq(r, !exists(name_of(1, true)));
    return r;
}

/* As long as the segment of an unfinished file is there, it is that one's, but for this segment's
 * own, of which the outbox has nothing any more. */
Test(retention, unfinished_of_whom)
{
    static const uint8_t own[16] = {1};
    struct shmlog_control control = {.uuid = {2}};

    cr_assert_eq(mkdir(kit_path, 0700), 0);
    make("segment/control", sizeof(control), 0);
    kit_write_at(kit_file("control"), 0, &control, sizeof(control));
    make_unfinished(2, kit_path);
    cr_assert(!is_removed(own));
    cr_assert(!is_removed(NULL));
    control.uuid[0] = 3; /* another one in its place */
    kit_write_at(kit_file("control"), 0, &control, sizeof(control));
    cr_assert(is_removed(own));
    make_unfinished(3, "/nowhere/at/all");
    cr_assert(is_removed(own));
    make_unfinished(3, kit_path);
    cr_assert(is_removed(control.uuid));
    make_unfinished(3, kit_path);
    cr_assert_eq(truncate(path_of(name_of(1, true)), 10), 0); /* nothing says whose it is */
    cr_assert(is_removed(own));
}

/* Files of our names that are something else stay, and are said once; the others go. */
Test(retention, foreign)
{
    struct file_identity identity = {.segment_uuid = {3}, .file_uuid = {9}, .segment = "other"};
    struct retention retention = {.directory = kit_folder,
                                  .segment = "t",
                                  .name = "t",
                                  .count = 2,
                                  .min = 1,
                                  .seen = UINT64_MAX,
                                  .say = count_said};
    const struct file_ledger_entry line = {.ring = 0};
    struct file_buffer buffer = {0};
    struct file_encoder *encoder;

    make_ten();
    said = 0;
    kit_write_at(path_of(name_of(1, false)), 0, (const uint8_t *)"my notes", 8);
    cr_assert_eq(file_encoder_open(&encoder, 1), 0);
    cr_assert_eq(file_put_header(encoder, &identity, &line, 1, &buffer), 0);
    kit_write_at(path_of(name_of(2, false)), 0, buffer.data, buffer.size);
    strcpy(identity.segment, "t");
    buffer.size = 0;
    cr_assert_eq(file_put_header(encoder, &identity, &line, 1, &buffer), 0);
    kit_write_at(path_of(name_of(3, false)), 0, buffer.data, buffer.size);
    cr_assert_eq(look_at(&retention, 0), 5); /* 3 to 7 */
    for (unsigned i = 1; i <= 9; i++)
        cr_assert_eq(exists(name_of(i, false)), i < 3 || i > 7, "file %u", i);
    cr_assert_eq(said, 1);
    make("t-20240102T000000-000011.shmlog", 100, 0); /* the directory is read anew */
    cr_assert_eq(look_at(&retention, 1), 1);
    cr_assert(exists(name_of(1, false)) && exists(name_of(2, false)) && !exists(name_of(8, false)));
    cr_assert_eq(said, 1);
    file_buffer_done(&buffer);
    file_encoder_close(encoder);
    retention_done(&retention);
}

static void commit(struct outbox *outbox, uint32_t kind, uint64_t number, bool open)
{
    const struct outbox_entry entry = {.kind = kind, .size = 8, .file_number = number};
    const struct outbox_file file = {.number = number, .open = open};

    outbox_commit(outbox, &entry, (const uint8_t *)"8 bytes.", 0, NULL, &file);
}

/* The oldest file that may still be written to. */
Test(retention, present)
{
    const uint8_t uuid[16] = {1};
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    struct outbox *outbox;
    uint64_t pos;

    cr_assert_eq(outbox_create(kit_folder, uuid, 1, OUTBOX_SIZE_MIN, &outbox), 0);
    cr_assert_eq(retention_present(outbox), 1);
    pos = outbox_tail(outbox);
    commit(outbox, OUTBOX_ENTRY_DATA, 5, true);
    cr_assert_eq(retention_present(outbox), 5);
    commit(outbox, OUTBOX_ENTRY_SEAL, 5, false);
    commit(outbox, OUTBOX_ENTRY_DATA, 6, true);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(retention_present(outbox), 5);
        cr_assert_eq(outbox_next(outbox, &pos, &entry, &bytes), 1);
        outbox_release(outbox, pos);
    }
    cr_assert_eq(retention_present(outbox), 6);
    outbox_release(outbox, outbox_head(outbox));
    cr_assert_eq(retention_present(outbox), 6, "it is open");
    commit(outbox, OUTBOX_ENTRY_SEAL, 6, false);
    cr_assert_eq(retention_present(outbox), 6);
    outbox_release(outbox, outbox_head(outbox));
    cr_assert_eq(retention_present(outbox), 7);
    outbox_close(outbox);
}

/* Stats of names, by whatever in this program. */
static unsigned stats;

int count_fstatat(int directory, const char *name, struct stat *st, int flags) __asm__("fstatat64");
int count_fstatat(int directory, const char *name, struct stat *st, int flags)
{
    stats++;
    return (int)syscall(SYS_newfstatat, directory, name, st, flags);
}

/* Changes come too fast here for the clock of a filesystem. */
static void note_change(void)
{
    static int64_t changes;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = NOW + changes++}};

    cr_assert_eq(utimensat(AT_FDCWD, kit_folder, times, 0), 0);
}

static unsigned stats_of_look(struct retention *retention, int removed)
{
    stats = 0;
    cr_assert_eq(retention_work(retention, (uint64_t)NOW * 1000000000), removed);
    return stats;
}

/* Only what is new is asked for, and what is gone is forgotten. */
Test(retention, stats_of_new_files_only)
{
    struct retention retention = {.directory = kit_folder, .segment = "t", .count = 100};
    char name[64];

    for (unsigned i = 1; i <= 100; i++) {
        snprintf(name, sizeof(name), "t-20240101T000000-%06u.shmlog", i);
        make(name, 100, 0);
    }
    note_change();
    cr_assert_eq(stats_of_look(&retention, 0), 100);
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(stats_of_look(&retention, 0), 0);
    make("t-20240101T000000-000101.shmlog", 100, 0);
    note_change();
    cr_assert_eq(stats_of_look(&retention, 1), 1);
    cr_assert(!exists(name_of(1, false)));
    cr_assert_eq(unlink(path_of("t-20240101T000000-000050.shmlog")), 0);
    make("t-20240101T000000-000102.shmlog", 100, 0);
    note_change();
    cr_assert_eq(stats_of_look(&retention, 0), 1, "by hand is as good");
    make("t-20240101T000000-000103.shmlog", 100, 0);
    note_change();
    cr_assert_eq(stats_of_look(&retention, 1), 1);
    cr_assert(!exists("t-20240101T000000-000002.shmlog"));
    cr_assert_eq(retention.files.bytes, 100 * 100);
    retention_done(&retention);
}

Test(retention, whichever_comes_first)
{
    make_ten();
    cr_assert_eq(work("t", 8, 500, 850), 4);
    check_from(5);
}

/* Numbers decide what is old, not the names' order: they get longer. */
Test(retention, by_number)
{
    make("t-20240101T000000-1000000.shmlog", 1, 0);
    make("t-20240101T000000-999999.shmlog", 1, 0);
    cr_assert_eq(work("t", 1, 0, 0), 1);
    cr_assert(exists("t-20240101T000000-1000000.shmlog"));
}

static const char *const others[] = {
    "t-2-20240101T000000-000001.shmlog",
    "t-20240101T000000-000001.shmlog-20240101T000000-000001.shmlog",
    "t-20240101T000000-5-20240101T000000-000001.shmlog",
    "tt-20240101T000000-000001.shmlog",
    "T-20240101T000000-000001.shmlog",
    "-20240101T000000-000001.shmlog",
    "t-20240101T000000-000001.shmlog.part",
    "t-20240101T000000-000001.shmlog.gz",
    "t-20240101T000000-000001.shmlo",
    "t-20240101T000000-.shmlog",
    "t-20240101T000000-00x001.shmlog",
    "t-20240101X000000-000001.shmlog",
    "t-2024010T000000-000001.shmlog",
    "t-20240101T000000",
    "t-",
    "t",
    "t.shmlog",
    ".shmlog",
};
#define OTHERS (sizeof(others) / sizeof(others[0]))

Test(retention, other_names_stay)
{
    for (size_t i = 0; i < OTHERS; i++)
        make(others[i], 100, 100000);
    make("t-20240101T000000-000002.shmlog", 100, 100000);
    cr_assert_eq(work("t", 0, 1, 1), 1);
    for (size_t i = 0; i < OTHERS; i++)
        cr_assert(exists(others[i]), "%s", others[i]);
    cr_assert(!exists("t-20240101T000000-000002.shmlog"));
    cr_assert_eq(work("t-2", 0, 1, 1), 1);
    cr_assert(!exists(others[0]));
}

/* What bears a file's name and is none stays, too. */
Test(retention, only_files)
{
    cr_assert_eq(mkdir(path_of("t-20240101T000000-000001.shmlog"), 0700), 0);
    make("target", 100, 100000);
    cr_assert_eq(symlink("target", path_of("t-20240101T000000-000002.shmlog")), 0);
    cr_assert_eq(work("t", 0, 1, 1), 0);
    cr_assert(exists("target") && exists("t-20240101T000000-000001.shmlog"));
    cr_assert(exists("t-20240101T000000-000002.shmlog"));
}

Test(retention, no_directory)
{
    struct retention retention = {.directory = "/nowhere/at/all", .segment = "t", .count = 1};
    uint64_t newest = 5;

    cr_assert_eq(retention_work(&retention, 0), -ENOENT);
    retention_done(&retention);
    cr_assert_eq(old_files_newest("/nowhere/at/all", "t", &newest), -ENOENT);
    cr_assert_eq(newest, 5);
}

Test(retention, newest)
{
    uint64_t newest = 5;

    cr_assert_eq(old_files_newest(kit_folder, "t", &newest), 0);
    cr_assert_eq(newest, 0);
    make_ten();
    make("t-2-20240101T000000-000050.shmlog", 1, 0);
    make("t-20240101T000000-18446744073709551615.shmlog", 1, 0);
    cr_assert_eq(old_files_newest(kit_folder, "t", &newest), 0);
    cr_assert_eq(newest, 10, "the one that is not sealed counts");
    cr_assert_eq(old_files_newest(kit_folder, "t-2", &newest), 0);
    cr_assert_eq(newest, 50);
}
