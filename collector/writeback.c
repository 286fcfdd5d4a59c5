/* SPDX-License-Identifier: MIT
 *
 * Writeback: see writeback.h. Entries taken from the outbox stand in a queue in outbox order; each
 * goes through QUEUED -> WRITING -> WRITTEN (-> synced, in durable mode) and leaves at the front.
 */
#include "collector/writeback_parts.h"

#include "shm/stats.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE 1024u /* entries looked after at once; a power of two */
#define PAUSE_MIN_NS UINT64_C(50000000)
#define PAUSE_MAX_NS UINT64_C(1000000000)
#define LOOK_NS UINT64_C(1000000000) /* between looks whether the files are still there */
#define SAY_NS UINT64_C(10000000000) /* between two lines about the same failure */
#define SYNC_TOKEN UINT64_MAX

/* What failed; it is over when the same thing works again. */
enum stall { STALL_NONE, STALL_WRITE, STALL_SYNC, STALL_RENAME };

struct writeback {
    struct writeback_params p;
    struct piece queue[QUEUE];
    uint64_t first, last; /* free-running */
    uint64_t next;        /* first piece that may be QUEUED */
    uint64_t pos;         /* in the outbox, of the next entry to take */
    struct writeback_files files;
    struct writeback_settling settling;
    bool ending; /* nothing else will come */
    uint64_t looked_ns;
    uint32_t under_way;
    /* durable mode: one sync at a time, for all pieces before `sync_to` of one file */
    bool syncing;
    uint64_t sync_to, sync_file;
    /* a failure */
    enum stall stall;
    uint64_t stalled_on; /* STALL_WRITE: index of the piece */
    bool broken;         /* it takes a new file to go on */
    int error;
    uint64_t pause_ns, retry_at_ns;
    int error_said; /* 0: it is not said, or said to be over */
    int error_before;
    uint64_t said_ns;
    uint64_t answers;
};

int writeback_open(const struct writeback_params *params, struct writeback **ret_writeback)
{
    struct writeback *const w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    w->p = *params;
    w->pos = outbox_tail(params->outbox);
    w->pause_ns = PAUSE_MIN_NS;
    writeback_files_init(&w->files, params);
    writeback_settling_init(&w->settling, &w->p);
    r = writeback_files_sync(&w->files);
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
        w->under_way -= !writeback_settling_is(done.token);
    writeback_files_done(&w->files);
    writeback_settling_done(&w->settling);
    free(w);
}

bool writeback_idle(const struct writeback *w)
{
    return w->first == w->last && w->pos == outbox_head(w->p.outbox) && !w->under_way;
}

uint64_t writeback_answers(const struct writeback *w)
{
    return w->answers;
}

bool writeback_stalled(const struct writeback *w)
{
    return w->stall != STALL_NONE;
}

static void say(const struct writeback *w, unsigned level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct writeback *w, unsigned level, const char *format, ...)
{
    char line[PATH_MAX + 256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    w->p.say(level, line);
}

static struct piece *piece_at(struct writeback *w, uint64_t index)
{
    return &w->queue[index % QUEUE];
}

/* Errors of a write that waiting can mend: the same bytes go to the same file when the place is
 * back. After all others, and after any of a sync, nobody knows what the disk has of the file's
 * newest part. */
static bool is_passing(int error)
{
    static const int passing[] = {ENOSPC, EDQUOT, EROFS,  ENOENT, ENOTDIR, EACCES, EPERM,  ELOOP,
                                  EMFILE, ENFILE, EEXIST, EISDIR, ENOMEM,  EINTR,  EAGAIN, ESTALE};

    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (error == -passing[i])
            return true;
    return false;
}

static const char *reason(int error)
{
    return error == WRITEBACK_GONE ? "the file was removed, replaced or cut" : strerror(-error);
}

static void write_again(struct writeback *w, uint64_t index)
{
    struct piece *const piece = piece_at(w, index);

    piece->state = QUEUED;
    piece->done = 0;
    piece->again = piece->synced = false;
    w->next = index < w->next ? index : w->next;
}

/* The file will be opened anew. The kernel reports an error of writing back to descriptors that
 * were open when it happened (errseq_t), so the next one would not hear of it: what is not synced
 * is written once more, through that one. */
static void distrust(struct writeback *w, uint64_t number)
{
    for (uint64_t i = w->first; w->p.durable && i < w->last; i++) {
        struct piece *const piece = piece_at(w, i);

        if (piece->file_number != number || piece->synced)
            continue;
        if (piece->state == WRITTEN)
            write_again(w, i);
        else
            piece->again = piece->state == WRITING || piece->done;
    }
}

/* A disk that fails and works in turn is not to fill whatever takes the messages. */
static void say_failure(struct writeback *w, const char *path, int error, uint64_t now_ns)
{
    const bool same = error == w->error_before && now_ns - w->said_ns < SAY_NS;

    if (same && w->said_ns)
        return;
    say(w, SHMLOG_WARN, "%s: cannot write: %s; records wait in memory, %s until it works", path,
        reason(error), w->broken ? "trying with new files" : "trying again");
    w->error_said = w->error_before = error;
    w->said_ns = now_ns;
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
    w->broken |= what == STALL_SYNC || (what == STALL_WRITE && !is_passing(error));
    say_failure(w, path, error, now_ns);
    if (w->stall != STALL_WRITE || what != STALL_WRITE)
        w->stalled_on = index;
    if (again)
        w->pause_ns = w->pause_ns * 2 > PAUSE_MAX_NS ? PAUSE_MAX_NS : w->pause_ns * 2;
    w->stall = what;
    w->error = error;
    w->retry_at_ns = now_ns + w->pause_ns;
    writeback_files_doubt(&w->files, piece->file_number);
    distrust(w, piece->file_number);
}

static void recovered(struct writeback *w)
{
    w->stall = STALL_NONE;
    w->pause_ns = PAUSE_MIN_NS;
    if (w->error_said)
        say(w, SHMLOG_INFO, "%s: writing again", w->p.directory);
    w->error_said = 0;
}

bool writeback_needs_new_file(const struct writeback *w, uint64_t now_ns)
{
    return w->broken && !writeback_is_under_way(w) && now_ns >= w->retry_at_ns;
}

int writeback_leave_files(struct writeback *w)
{
    writeback_files_leave(&w->files);
    for (uint64_t i = w->first; i < w->last; i++) {
        const struct piece *const piece = piece_at(w, i);
        int r;

        if (piece->offset)
            continue;
        r = writeback_files_remove(&w->files, piece);
        if (r < 0)
            return r;
    }
    return 0;
}

void writeback_begin_anew(struct writeback *w, bool moved, uint64_t now_ns)
{
    if (moved) {
        w->first = w->last = w->next = w->stalled_on = 0;
        w->pos = outbox_tail(w->p.outbox);
        w->broken = false;
        w->retry_at_ns = now_ns;
    } else {
        w->p.stats[SHM_STAT_write_retries]++;
        w->pause_ns = w->pause_ns * 2 > PAUSE_MAX_NS ? PAUSE_MAX_NS : w->pause_ns * 2;
        w->retry_at_ns = now_ns + w->pause_ns;
    }
}

void writeback_use(struct writeback *w, struct store *store)
{
    w->p.store = store;
}

bool writeback_is_under_way(const struct writeback *w)
{
    return w->under_way > 0 || w->settling.under_way > 0;
}

bool writeback_settle(struct writeback *w)
{
    w->ending = true;
    return !w->settling.count;
}

unsigned writeback_doubtful(const struct writeback *w)
{
    return w->settling.failed;
}

/* Is a failure being waited out, as of now? What was under way then is waited for, too. */
static bool is_pausing(const struct writeback *w, uint64_t now_ns)
{
    return w->broken || (w->stall && (now_ns < w->retry_at_ns || w->under_way));
}

/* How much of the file of a piece is in the outbox no more. */
static uint64_t acknowledged(struct writeback *w, const struct piece *piece)
{
    uint64_t i = w->first;

    while (piece_at(w, i)->file_number != piece->file_number)
        i++;
    return piece_at(w, i)->offset;
}

/* Nothing more goes to the file of this piece. */
static void leave(struct writeback *w, const struct piece *piece, bool part, uint64_t now_ns)
{
    struct settling_file file = {.number = piece->file_number,
                                 .created_ns = piece->created_ns,
                                 .since_ns = now_ns,
                                 .part = part};

    if (w->p.durable || !writeback_settling_has_room(&w->settling)) {
        writeback_files_retire(&w->files, piece->file_number);
        return;
    }
    file.fd = writeback_files_take(&w->files, piece->file_number);
    if (file.fd >= 0)
        writeback_settling_add(&w->settling, &file);
}

/* A bad seal that cannot be written is left out: its file is read up to where it is sound. */
static void give_up(struct writeback *w, uint64_t index, int error, uint64_t now_ns)
{
    struct piece *const piece = piece_at(w, index);
    char path[PATH_MAX] = "?";

    writeback_path(w->p.directory, w->p.segment, piece->file_number, piece->created_ns, true, path,
                   sizeof(path));
    say(w, SHMLOG_WARN, "%s: it cannot even be sealed: %s; it stays as it is", path, reason(error));
    w->p.stats[SHM_STAT_write_errors]++;
    leave(w, piece, true, now_ns);
    piece->state = WRITTEN;
    piece->kind = OUTBOX_ENTRY_DATA; /* nothing is left to be done for it */
    piece->synced = true;
    if (w->stalled_on == index)
        w->stalled_on++; /* it says nothing about the disk: the next one does */
}

static bool is_hopeless(const struct piece *piece, int error)
{
    return piece->kind == OUTBOX_ENTRY_BAD_SEAL && !is_passing(error);
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
            .kind = entry->kind,
            .end = w->pos,
            .file_number = entry->file_number,
            .created_ns = entry->file_created_ns,
            .offset = entry->file_offset,
            .size = entry->size,
            .records = entry->records,
            .bytes = bytes,
        };
        taken++;
    }
    return taken;
}

/* A file begins on the disk when all before it is written: writes end in any order, and who reads
 * the directory meanwhile takes what a file's ledger counts to be in the files before. */
static bool must_wait(struct writeback *w, const struct piece *piece)
{
    if (piece->offset)
        return false;
    for (uint64_t i = w->first; i < w->next; i++)
        if (piece_at(w, i)->state != WRITTEN)
            return true;
    return false;
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
        if ((w->stall && begun) || must_wait(w, piece))
            break;
        fd = writeback_files_get(&w->files, piece, acknowledged(w, piece));
        if (fd == -EAGAIN)
            break;
        if (fd < 0 && is_hopeless(piece, fd)) {
            give_up(w, w->next, fd, now_ns);
            continue;
        }
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
    } else if (result < 0 && is_hopeless(piece, result)) {
        give_up(w, token, result, now_ns);
    } else {
        piece->state = QUEUED;
        if (result != -EINTR && result != -EAGAIN && result != -ECANCELED)
            stall(w, STALL_WRITE, result < 0 ? result : -EIO, token, now_ns);
    }
    if (piece->state == QUEUED && token < w->next)
        w->next = token;
}

/* A sync covers what was written before it began. When it fails, whatever the reason, the kernel
 * may have dropped any page of the file that was not on the disk, or count it as written, and says
 * so only once (fsync(2), errors): a later one that succeeds proves nothing. */
static void synced(struct writeback *w, int result, uint64_t now_ns)
{
    w->syncing = false;
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED)
        return; /* it never took place */
    if (result < 0 && piece_at(w, w->first)->kind == OUTBOX_ENTRY_BAD_SEAL) {
        give_up(w, w->first, result, now_ns);
        return;
    }
    if (result < 0) {
        stall(w, STALL_SYNC, result, w->first, now_ns);
        return;
    }
    for (uint64_t i = w->first; i < w->sync_to; i++)
        if (piece_at(w, i)->file_number == w->sync_file)
            piece_at(w, i)->synced = true;
    if (w->stall == STALL_SYNC)
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
    fd = writeback_files_find(&w->files, oldest->file_number);
    if (fd < 0 || store_sync(w->p.store, fd, SYNC_TOKEN) < 0)
        return; /* next time */
    w->p.stats[SHM_STAT_syncs]++;
    w->syncing = true;
    w->sync_to = to;
    w->sync_file = oldest->file_number;
    w->under_way++;
}

/* The seal is written: the file gets its final name. What was removed meanwhile gets none. */
static int finish_file(struct writeback *w, const struct piece *piece, uint64_t now_ns)
{
    const int r = writeback_files_rename(&w->files, piece);

    if (r == WRITEBACK_GONE) {
        say(w, SHMLOG_WARN, "%s: file %llu was removed before it was finished", w->p.directory,
            (unsigned long long)piece->file_number);
        w->p.stats[SHM_STAT_write_errors]++;
    } else if (r < 0) {
        stall(w, STALL_RENAME, r, w->first, now_ns);
        return r;
    }
    if (w->stall == STALL_RENAME)
        recovered(w);
    leave(w, piece, false, now_ns);
    return 0;
}

/* Free what is done, in order. */
static int release(struct writeback *w, uint64_t now_ns)
{
    int released = 0;

    while (w->first < w->last) {
        struct piece *const piece = piece_at(w, w->first);

        if (piece->state != WRITTEN || (w->p.durable && !piece->synced))
            break;
        if (piece->kind != OUTBOX_ENTRY_DATA) {
            if ((w->stall && now_ns < w->retry_at_ns) || !writeback_settling_has_room(&w->settling))
                break;
            if (finish_file(w, piece, now_ns) < 0)
                break;
        }
        outbox_release(w->p.outbox, piece->end);
        writeback_files_acknowledge(&w->files, piece->file_number, piece->offset + piece->size);
        shmlog_store_relaxed_(&w->p.stats[SHM_STAT_acknowledged],
                              w->p.stats[SHM_STAT_acknowledged] + piece->records);
        w->first++;
        released++;
    }
    if (w->next < w->first)
        w->next = w->first;
    return released;
}

/* Files that were removed, replaced or cut take writes all the same: look from time to time. */
static void look_for_lost(struct writeback *w, uint64_t now_ns)
{
    uint64_t number;

    if (now_ns - w->looked_ns < LOOK_NS)
        return;
    w->looked_ns = now_ns;
    number = writeback_files_lost(&w->files);
    if (!number)
        return;
    say(w, SHMLOG_WARN, "%s: file %llu was removed, replaced or cut; going on in a new one",
        w->p.directory, (unsigned long long)number);
    w->p.stats[SHM_STAT_write_errors]++;
    writeback_files_retire(&w->files, number);
    distrust(w, number);
}

int writeback_work(struct writeback *w, uint64_t now_ns)
{
    struct store_done done;
    int work;

    work = take(w);
    if (work < 0)
        return work;
    work += begin_writes(w, now_ns);
    w->answers += !writeback_is_under_way(w);
    while (writeback_is_under_way(w) && store_poll(w->p.store, false, &done)) {
        work++;
        w->answers++;
        if (writeback_settling_is(done.token)) {
            writeback_settling_completed(&w->settling, done.token, done.result);
            continue;
        }
        w->under_way--;
        if (done.token == SYNC_TOKEN)
            synced(w, done.result, now_ns);
        else
            written(w, done.token, done.result, now_ns);
    }
    look_for_lost(w, now_ns);
    if (!w->under_way)
        writeback_files_close_retired(&w->files);
    begin_sync(w, now_ns);
    work += release(w, now_ns);
    writeback_settling_begin(&w->settling, now_ns, w->ending);
    return work;
}
