/* SPDX-License-Identifier: MIT
 *
 * Finished files on their way to the disk: see writeback_parts.h. What they hold has left the
 * outbox, so that a failure cannot be made good here; but it is not silent.
 */
#include "collector/writeback_parts.h"

#include "shm/stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_TOKEN (UINT64_MAX - WRITEBACK_SETTLING) /* below that of writeback's own sync */

/* Where a sync makes the caller wait: the kernel writes what is older than 30 s by itself, by
 * default every 5 s; after that little is left to wait for. Unless there are many files. */
#define LATER_NS UINT64_C(36000000000)
#define MANY (WRITEBACK_SETTLING / 2)
#define LOOK_NS UINT64_C(1000000000) /* between looks whether the files are still there */

void writeback_settling_init(struct writeback_settling *s, const struct writeback_params *params)
{
    s->p = params;
    for (unsigned i = 0; i < WRITEBACK_SETTLING; i++)
        s->file[i].fd = -1;
}

void writeback_settling_done(struct writeback_settling *s)
{
    for (unsigned i = 0; i < WRITEBACK_SETTLING; i++)
        if (s->file[i].fd >= 0)
            close(s->file[i].fd);
}

bool writeback_settling_has_room(const struct writeback_settling *s)
{
    return s->count < WRITEBACK_SETTLING;
}

void writeback_settling_add(struct writeback_settling *s, const struct settling_file *file)
{
    unsigned i = 0;

    while (s->file[i].fd >= 0)
        i++;
    s->file[i] = *file;
    s->count++;
}

static void leave(struct writeback_settling *s, struct settling_file *file)
{
    close(file->fd);
    file->fd = -1;
    s->count--;
}

/* What was removed meanwhile, by retention as a rule, is not to keep its room. */
static void leave_removed(struct writeback_settling *s, uint64_t now_ns)
{
    struct stat st;

    if (now_ns - s->looked_ns < LOOK_NS)
        return;
    s->looked_ns = now_ns;
    for (unsigned i = 0; i < WRITEBACK_SETTLING; i++) {
        struct settling_file *const file = &s->file[i];

        if (file->fd >= 0 && !file->under_way && fstat(file->fd, &st) == 0 && !st.st_nlink)
            leave(s, file);
    }
}

static struct settling_file *oldest_waiting(struct writeback_settling *s)
{
    struct settling_file *oldest = NULL;

    for (unsigned i = 0; i < WRITEBACK_SETTLING; i++) {
        struct settling_file *const file = &s->file[i];

        if (file->fd >= 0 && !file->under_way && (!oldest || file->since_ns < oldest->since_ns))
            oldest = file;
    }
    return oldest;
}

void writeback_settling_begin(struct writeback_settling *s, uint64_t now_ns, bool at_once)
{
    struct store *const store = s->p->store;
    struct settling_file *file;

    leave_removed(s, now_ns);
    while ((file = oldest_waiting(s))) {
        if (store->waits && !at_once && s->count <= MANY && now_ns - file->since_ns < LATER_NS)
            return;
        if (store_sync(store, file->fd, FIRST_TOKEN + (uint64_t)(file - s->file)) < 0)
            return;
        s->p->stats[SHM_STAT_syncs]++;
        file->under_way = true;
        s->under_way++;
        if (store->waits)
            return; /* one in a round */
    }
}

bool writeback_settling_is(uint64_t token)
{
    return token >= FIRST_TOKEN && token < FIRST_TOKEN + WRITEBACK_SETTLING;
}

static void report(struct writeback_settling *s, const struct settling_file *file, int error)
{
    char path[PATH_MAX] = "?", line[PATH_MAX + 256];

    writeback_path(s->p->directory, s->p->segment, file->number, file->created_ns, file->part, path,
                   sizeof(path));
    snprintf(line, sizeof(line),
             "%s: the disk did not take all of it: %s; what it has of the file may be incomplete: "
             "copy the file elsewhere, and verify the copy",
             path, strerror(-error));
    s->p->say(SHMLOG_WARN, line);
    s->p->stats[SHM_STAT_write_errors]++;
    s->p->stats[SHM_STAT_files_doubtful]++;
    s->failed++;
}

void writeback_settling_completed(struct writeback_settling *s, uint64_t token, int result)
{
    struct settling_file *const file = &s->file[token - FIRST_TOKEN];

    file->under_way = false;
    s->under_way--;
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED)
        return; /* it never took place */
    if (result < 0)
        report(s, file, result);
    leave(s, file);
}
