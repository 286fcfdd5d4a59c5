/* SPDX-License-Identifier: MIT
 *
 * Writeback: see writeback.h. Entries taken from the outbox stand in a queue in outbox order; each
 * goes through QUEUED -> WRITING -> WRITTEN (-> synced, in durable mode) and leaves at the front.
 */
#include "collector/writeback.h"

#include "shm/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 1024u /* entries looked after at once; a power of two */
#define FILES 8u    /* files open at once */
#define PAUSE_MIN_NS UINT64_C(50000000)
#define PAUSE_MAX_NS UINT64_C(1000000000)
#define SYNC_TOKEN UINT64_MAX

enum piece_state { QUEUED, WRITING, WRITTEN };

/* What failed; it is over when the same thing works again. */
enum stall { STALL_NONE, STALL_WRITE, STALL_SYNC, STALL_RENAME };

struct piece {
    enum piece_state state;
    bool synced;
    bool again; /* under way when a sync of its file failed: to be written once more */
    bool seal;
    uint64_t end; /* outbox position after it */
    uint64_t file_number, created_ns, offset, size, done;
    const uint8_t *bytes;
};

struct open_file {
    uint64_t number;
    int fd;       /* -1: free */
    bool retired; /* not to be used again; closed when nothing is under way, since a request may
                     still name the descriptor */
};

struct writeback {
    struct writeback_params p;
    struct piece queue[QUEUE];
    uint64_t first, last; /* free-running */
    uint64_t next;        /* first piece that may be QUEUED */
    uint64_t pos;         /* in the outbox, of the next entry to take */
    struct open_file file[FILES];
    uint32_t under_way;
    /* durable mode: one sync at a time, for all pieces before `sync_to` of one file */
    bool syncing;
    uint64_t sync_to, sync_file;
    /* a failure */
    enum stall stall;
    uint64_t stalled_on; /* STALL_WRITE: index of the piece */
    int error;
    uint64_t pause_ns, retry_at_ns;
};

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

/* In durable mode, a name counts when its directory is on the disk. Opened anew each time: it may
 * have been replaced. */
static int sync_directory(const struct writeback *w)
{
    const int fd = open(w->p.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (w->p.durable && fsync(fd) < 0)
        r = -errno;
    close(fd);
    return r;
}

int writeback_open(const struct writeback_params *params, struct writeback **ret_writeback)
{
    struct writeback *const w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    w->p = *params;
    w->pos = outbox_tail(params->outbox);
    w->pause_ns = PAUSE_MIN_NS;
    for (unsigned i = 0; i < FILES; i++)
        w->file[i].fd = -1;
    r = sync_directory(w);
    if (r < 0) {
        free(w);
        return r;
    }
    *ret_writeback = w;
    return 0;
}

void writeback_close(struct writeback *w)
{
    struct store_done done;

    if (!w)
        return;
    while (w->under_way && store_poll(w->p.store, true, &done))
        w->under_way--;
    for (unsigned i = 0; i < FILES; i++)
        if (w->file[i].fd >= 0)
            close(w->file[i].fd);
    free(w);
}

bool writeback_idle(const struct writeback *w)
{
    return w->first == w->last && w->pos == outbox_head(w->p.outbox) && !w->under_way;
}

bool writeback_stalled(const struct writeback *w)
{
    return w->stall != STALL_NONE;
}

static void say(const struct writeback *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct writeback *w, const char *format, ...)
{
    char line[PATH_MAX + 256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    w->p.say(line);
}

static struct piece *piece_at(struct writeback *w, uint64_t index)
{
    return &w->queue[index % QUEUE];
}

static void retire_file(struct writeback *w, uint64_t number)
{
    for (unsigned i = 0; i < FILES; i++)
        if (w->file[i].number == number)
            w->file[i].retired = true;
}

static void close_retired(struct writeback *w)
{
    for (unsigned i = 0; i < FILES && !w->under_way; i++) {
        if (w->file[i].fd >= 0 && w->file[i].retired) {
            close(w->file[i].fd);
            w->file[i] = (struct open_file){.fd = -1};
        }
    }
}

/* Pause after a failure of the piece at `index`. Its file is opened anew after that: it may be
 * gone, or on a filesystem that went read-only. */
static void stall(struct writeback *w, enum stall what, int error, uint64_t index, uint64_t now_ns)
{
    const struct piece *const piece = piece_at(w, index);
    const bool again = w->stall && w->retry_at_ns <= now_ns; /* not of the same time */
    char path[PATH_MAX] = "?";

    writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, true, path,
                   sizeof(path));
    w->p.stats[SHM_STAT_write_errors]++;
    if (!w->stall || error != w->error)
        say(w, "%s: cannot write: %s; records wait in memory, trying again until it works", path,
            strerror(-error));
    if (w->stall != STALL_WRITE || what != STALL_WRITE)
        w->stalled_on = index;
    if (again)
        w->pause_ns = w->pause_ns * 2 > PAUSE_MAX_NS ? PAUSE_MAX_NS : w->pause_ns * 2;
    w->stall = what;
    w->error = error;
    w->retry_at_ns = now_ns + w->pause_ns;
    retire_file(w, piece->file_number);
}

static void recovered(struct writeback *w)
{
    w->stall = STALL_NONE;
    w->pause_ns = PAUSE_MIN_NS;
    say(w, "%s: writing again", w->p.directory);
}

/* Is a failure being waited out, as of now? What was under way then is waited for, too. */
static bool is_pausing(const struct writeback *w, uint64_t now_ns)
{
    return w->stall && (now_ns < w->retry_at_ns || w->under_way);
}

/* The piece's file, opened; made by its first piece. A crash between the writing of a seal and its
 * release from the outbox finds the file under its final name. */
static int open_piece_file(struct writeback *w, const struct piece *piece)
{
    struct open_file *free_file = NULL;
    char path[PATH_MAX];
    int fd, r;

    for (unsigned i = 0; i < FILES; i++) {
        if (w->file[i].number == piece->file_number && w->file[i].fd >= 0 && !w->file[i].retired)
            return w->file[i].fd;
        if (w->file[i].fd < 0)
            free_file = &w->file[i];
    }
    if (!free_file)
        return -EAGAIN;
    r = writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, true,
                       path, sizeof(path));
    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        char sealed[PATH_MAX];

        writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, false,
                       sealed, sizeof(sealed));
        fd = open(sealed, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT)
            fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    }
    if (fd < 0)
        return -errno;
    r = w->p.durable ? sync_directory(w) : 0; /* also of a file that was there: who made it may have
                                                 died before */
    if (r < 0) {
        close(fd);
        return r;
    }
    *free_file = (struct open_file){.number = piece->file_number, .fd = fd};
    return fd;
}

/* Take new entries from the outbox into the queue. */
static int take(struct writeback *w)
{
    int taken = 0;

    while (w->last - w->first < QUEUE) {
        const struct outbox_entry *entry;
        const uint8_t *bytes;
        const int r = outbox_next(w->p.outbox, &w->pos, &entry, &bytes);

        if (r < 0)
            return r;
        if (r == 0)
            break;
        *piece_at(w, w->last++) = (struct piece){
            .state = QUEUED,
            .seal = entry->kind == OUTBOX_ENTRY_SEAL,
            .end = w->pos,
            .file_number = entry->file_number,
            .created_ns = entry->file_created_ns,
            .offset = entry->file_offset,
            .size = entry->size,
            .bytes = bytes,
        };
        taken++;
    }
    return taken;
}

static int begin_writes(struct writeback *w, uint64_t now_ns)
{
    int begun = 0;

    if (is_pausing(w, now_ns))
        return 0;
    for (; w->next < w->last; w->next++) {
        struct piece *const piece = piece_at(w, w->next);
        int fd, r;

        if (piece->state != QUEUED)
            continue;
        /* after a failure, one write at a time until one works */
        if (w->stall && begun)
            break;
        fd = open_piece_file(w, piece);
        if (fd == -EAGAIN)
            break;
        r = fd < 0 ? fd
                   : store_write(w->p.store, fd, piece->bytes + piece->done,
                                 piece->size - piece->done, piece->offset + piece->done, w->next);
        if (r == -EAGAIN)
            break;
        if (r < 0) {
            stall(w, STALL_WRITE, r, w->next, now_ns);
            break;
        }
        if (w->stall)
            w->p.stats[SHM_STAT_write_retries]++;
        piece->state = WRITING;
        w->under_way++;
        begun++;
    }
    return begun;
}

static void write_again(struct writeback *w, uint64_t index)
{
    struct piece *const piece = piece_at(w, index);

    piece->state = QUEUED;
    piece->done = 0;
    piece->again = piece->synced = false;
    w->next = index < w->next ? index : w->next;
}

static void written(struct writeback *w, uint64_t token, int result, uint64_t now_ns)
{
    struct piece *const piece = piece_at(w, token);

    if (result > 0 && (uint64_t)result <= piece->size - piece->done) {
        piece->done += (uint64_t)result;
        w->p.stats[SHM_STAT_file_bytes] += (uint64_t)result;
        piece->state = piece->done == piece->size ? WRITTEN : QUEUED; /* short: the rest */
        if (piece->state == WRITTEN && piece->again)
            write_again(w, token);
        if (piece->state == WRITTEN && w->stall == STALL_WRITE && w->stalled_on == token)
            recovered(w);
    } else {
        piece->state = QUEUED;
        if (result != -EINTR && result != -EAGAIN)
            stall(w, STALL_WRITE, result < 0 ? result : -EIO, token, now_ns);
    }
    if (piece->state == QUEUED && token < w->next)
        w->next = token;
}

/* A sync covers what was written before it began. When it fails, the kernel may have dropped any
 * page of the file that was not on the disk, and says so only once (fsync(2), errors): all that is
 * not synced is written again. */
static void synced(struct writeback *w, int result, uint64_t now_ns)
{
    w->syncing = false;
    for (uint64_t i = w->first; i < (result == 0 ? w->sync_to : w->last); i++) {
        struct piece *const piece = piece_at(w, i);

        if (piece->file_number != w->sync_file || piece->synced)
            continue;
        if (result == 0)
            piece->synced = true;
        else if (piece->state == WRITTEN)
            write_again(w, i);
        else
            piece->again = piece->state == WRITING || piece->done;
    }
    if (result < 0)
        stall(w, STALL_SYNC, result, w->first, now_ns);
    else if (w->stall == STALL_SYNC)
        recovered(w);
}

/* Durable mode: sync the file of the oldest piece once all its pieces before `sync_to` are written.
 */
static void begin_sync(struct writeback *w, uint64_t now_ns)
{
    const struct piece *const oldest = piece_at(w, w->first);
    uint64_t to = w->first;
    int fd;

    if (!w->p.durable || w->syncing || w->first == w->last || oldest->state != WRITTEN ||
        oldest->synced || is_pausing(w, now_ns))
        return;
    while (to < w->last && piece_at(w, to)->state == WRITTEN &&
           piece_at(w, to)->file_number == oldest->file_number)
        to++;
    fd = open_piece_file(w, oldest);
    if (fd < 0 && fd != -EAGAIN)
        stall(w, STALL_SYNC, fd, w->first, now_ns);
    if (fd < 0 || store_sync(w->p.store, fd, SYNC_TOKEN) < 0)
        return; /* next time */
    w->p.stats[SHM_STAT_syncs]++;
    w->syncing = true;
    w->sync_to = to;
    w->sync_file = oldest->file_number;
    w->under_way++;
}

/* The seal is written: the file gets its final name. Again after a crash: it has it already.
 * -ENOENT: it is gone under both names. */
static int rename_sealed(struct writeback *w, const struct piece *piece)
{
    char part[PATH_MAX], sealed[PATH_MAX];

    writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, true, part,
                   sizeof(part));
    writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, false,
                   sealed, sizeof(sealed));
    if (rename(part, sealed) < 0 && (errno != ENOENT || access(sealed, F_OK) < 0))
        return -errno;
    return w->p.durable ? sync_directory(w) : 0;
}

/* Free what is done, in order. */
static int release(struct writeback *w, uint64_t now_ns)
{
    int released = 0;

    while (w->first < w->last) {
        struct piece *const piece = piece_at(w, w->first);

        if (piece->state != WRITTEN || (w->p.durable && !piece->synced))
            break;
        if (piece->seal) {
            int r;

            if (w->stall && now_ns < w->retry_at_ns)
                break;
            r = rename_sealed(w, piece);
            if (r < 0) {
                stall(w, STALL_RENAME, r, w->first, now_ns);
                if (r == -ENOENT) /* somebody removed it: what is left here makes a new one */
                    write_again(w, w->first);
                break;
            }
            if (w->stall == STALL_RENAME)
                recovered(w);
            retire_file(w, piece->file_number);
        }
        outbox_release(w->p.outbox, piece->end);
        w->first++;
        released++;
    }
    if (w->next < w->first)
        w->next = w->first;
    return released;
}

int writeback_work(struct writeback *w, uint64_t now_ns)
{
    struct store_done done;
    int work;

    work = take(w);
    if (work < 0)
        return work;
    work += begin_writes(w, now_ns);
    while (w->under_way && store_poll(w->p.store, false, &done)) {
        w->under_way--;
        work++;
        if (done.token == SYNC_TOKEN)
            synced(w, done.result, now_ns);
        else
            written(w, done.token, done.result, now_ns);
    }
    close_retired(w);
    begin_sync(w, now_ns);
    work += release(w, now_ns);
    w->p.stats[SHM_STAT_outbox_bytes] = outbox_head(w->p.outbox) - outbox_tail(w->p.outbox);
    return work;
}
