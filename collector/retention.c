/* SPDX-License-Identifier: MIT
 *
 * Retention: see retention.h.
 */
#include "collector/retention.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define S UINT64_C(1000000000)
#define WAIT_NS (30 * S) /* for room to be free */
#define CLOCK_SLACK_S 60 /* more between a file's time and the time it is first seen: a step */

/* Files that were finished since the last look are as old as that, whatever the clock said. */
static void date_new_files(struct retention *p, int dir, int64_t now_s)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now_s}};
    const size_t count = p->files.count;

    for (size_t i = count; i > 0 && p->files.file[i - 1].number > p->seen; i--) {
        struct old_file *const file = &p->files.file[i - 1];
        char name[NAME_MAX + 1];

        if (file->finished_s <= now_s + CLOCK_SLACK_S && file->finished_s >= now_s - CLOCK_SLACK_S)
            continue;
        file->finished_s = now_s;
        old_file_name(file, p->segment, name);
        (void)utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
    }
    if (count && p->files.file[count - 1].number > p->seen)
        p->seen = p->files.file[count - 1].number;
}

/* One round. */
struct round {
    int directory;
    uint64_t now_ns;
    uint64_t need;  /* room to make, and, of that, */
    uint64_t left;  /* what is left to make */
    uint64_t free;  /* room, before */
    uint64_t bytes; /* in the files that are left */
    size_t removed; /* or left out, */
    size_t foreign; /* since they are somebody else's */
};

static int find_room(int directory, uint64_t *ret_size, uint64_t *ret_free)
{
    struct statvfs fs;

    if (fstatvfs(directory, &fs) < 0)
        return -errno;
    *ret_size = (uint64_t)fs.f_blocks * fs.f_frsize;
    *ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    return 0;
}

/* A file that somebody has open takes its room along, and some filesystems free it only after a
 * while: what was removed is waited for before more is. */
static bool is_waiting(const struct retention *p, uint64_t now_ns)
{
    return p->waits_ns && now_ns - p->waits_ns < WAIT_NS;
}

static int find_need(const struct retention *p, struct round *round)
{
    uint64_t size = 0, want;
    int r;

    if ((!p->free_bytes && !p->free_percent) || is_waiting(p, round->now_ns))
        return 0;
    r = find_room(round->directory, &size, &round->free);
    if (r < 0)
        return r;
    want = p->free_percent ? size / 100 * p->free_percent : p->free_bytes;
    round->need = round->left = want > round->free ? want - round->free : 0;
    return 0;
}

/* Of the files that are left, is the oldest one too many, too much, too old, or in the way? */
static bool is_due(const struct retention *p, const struct round *round)
{
    const struct old_file *const oldest = &p->files.file[round->removed];
    const size_t left = p->files.count - round->removed;
    const int64_t now_s = (int64_t)(round->now_ns / S);

    if (left <= p->min)
        return false;
    return (p->count && left > p->count) || (p->bytes && round->bytes > p->bytes) ||
           (p->age_s && now_s - oldest->finished_s > (int64_t)p->age_s) || round->left;
}

static void say_foreign(struct retention *p, const char *name)
{
    char line[PATH_MAX + NAME_MAX + 256];

    if (p->said_foreign || !p->say)
        return;
    p->said_foreign = true;
    snprintf(
        line, sizeof(line),
        "%s/%s: is no file of the segment '%s', though its name says so: it is not removed, and "
        "any other one like it",
        p->directory, name, p->name ? p->name : p->segment);
    p->say(line);
}

/* Leave the oldest file behind, which is removed, or somebody else's. */
static void pass(const struct retention *p, struct round *round)
{
    const struct old_file *const file = &p->files.file[round->removed++];

    round->bytes -= file->bytes;
    if (file->foreign)
        round->foreign++; /* it gets back into the list at the next change */
    else
        round->left -= file->room < round->left ? file->room : round->left;
}

/* Look into the files that are due, before any is removed: 0, or -errno. */
static int check_due(struct retention *p, struct round round)
{
    while (round.removed < p->files.count && is_due(p, &round)) {
        struct old_file *const file = &p->files.file[round.removed];
        char name[NAME_MAX + 1];
        int r;

        old_file_name(file, p->segment, name);
        r = file->foreign ? 1 : old_file_is_foreign(round.directory, name, p->name);
        if (r < 0)
            return r;
        file->foreign = r > 0;
        if (r > 0)
            say_foreign(p, name);
        pass(p, &round);
    }
    return 0;
}

/* 0, or -errno for the one that could not be removed. */
static int remove_due(struct retention *p, struct round *round)
{
    int r;

    round->bytes = p->files.bytes;
    r = check_due(p, *round);
    while (r == 0 && round->removed < p->files.count && is_due(p, round)) {
        const struct old_file *const file = &p->files.file[round->removed];
        char name[NAME_MAX + 1];

        old_file_name(file, p->segment, name);
        if (!file->foreign && unlinkat(round->directory, name, 0) < 0 && errno != ENOENT)
            return -errno;
        pass(p, round);
    }
    return r;
}

static void say_short(struct retention *p)
{
    char line[PATH_MAX + 256];

    snprintf(line, sizeof(line),
             "%s: less is free there than --keep-free asks for, and all finished files of '%s' are "
             "removed but %zu, see --retain-min: make room there, or ask for less",
             p->directory, p->segment, p->files.count);
    p->say(line);
}

/* What came of it. Reported once, until there is room again. */
static void check_room(struct retention *p, const struct round *round)
{
    uint64_t size = 0, now_free = 0;

    if ((!p->free_bytes && !p->free_percent) || is_waiting(p, round->now_ns))
        return;
    p->waits_ns = 0;
    if (round->left && !p->short_of_room)
        say_short(p);
    p->short_of_room = round->left > 0;
    if (round->need > round->left && find_room(round->directory, &size, &now_free) == 0 &&
        now_free < round->free + (round->need - round->left) / 2)
        p->waits_ns = round->now_ns;
}

int retention_work(struct retention *p, uint64_t now_ns)
{
    const struct old_files_place place = {.directory = p->directory,
                                          .segment = p->segment,
                                          .uuid = p->uuid,
                                          .present = p->present};
    struct round round = {.now_ns = now_ns};
    DIR *dir;
    int r;

    if (!p->count && !p->bytes && !p->age_s && !p->free_bytes && !p->free_percent)
        return 0;
    dir = opendir(p->directory);
    if (!dir)
        return -errno;
    round.directory = dirfd(dir);
    r = old_files_look(&p->files, &place, dir);
    if (r == 0) {
        date_new_files(p, round.directory, (int64_t)(now_ns / S));
        r = find_need(p, &round);
    }
    if (r == 0) {
        r = remove_due(p, &round);
        old_files_forget(&p->files, round.removed);
    }
    if (r == 0)
        check_room(p, &round);
    closedir(dir);
    return r < 0 ? r : (int)(round.removed - round.foreign);
}

/* The drain may change its word on the open file between two loads of it. A file that it has begun
 * since then has its first entry in the outbox, which nobody else empties, and so counts there. */
uint64_t retention_present(const struct outbox *outbox)
{
    const struct outbox_file *const file = outbox_file(outbox);
    uint64_t present = file->open ? file->number : file->number + 1;
    uint64_t pos = outbox_tail(outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(outbox, &pos, &entry, &bytes)) > 0)
        if (entry->file_number < present)
            present = entry->file_number;
    return r < 0 ? 0 : present;
}

void retention_done(struct retention *p)
{
    old_files_done(&p->files);
}
