/* SPDX-License-Identifier: MIT
 *
 * Writeback against a store that does as it is told: fails, writes short, completes out of order.
 * What it writes goes into real files, so that in the end they can be compared with what was
 * committed.
 */
#include "collector/writeback.h"
#include "shm/stats.h"
#include "tests/unit/segment_kit.h"

#include <errno.h>
#include <fcntl.h>

#define MS UINT64_C(1000000)
#define CREATED UINT64_C(1700000000000000000)

/* ---- The store ---- */

struct request {
    int fd;
    const uint8_t *data; /* NULL: a sync */
    size_t size;
    uint64_t offset, token;
};

struct fake {
    struct store store;
    struct request request[STORE_DEPTH];
    unsigned requests;
    unsigned writes, syncs;
    /* what it is told */
    size_t short_by_half; /* so many writes write half of it */
    int write_error;      /* until it is 0 again */
    int sync_error;
    bool last_first; /* completes the newest request first */
    bool hold;       /* completes nothing */
};

static struct fake fake;

static int fake_put(const struct request *request)
{
    if (fake.requests == STORE_DEPTH)
        return -EAGAIN;
    fake.request[fake.requests++] = *request;
    return 0;
}

static int fake_write(struct store *store, int fd, const void *data, size_t size, uint64_t offset,
                      uint64_t token)
{
    (void)store;
    fake.writes++;
    return fake_put(&(struct request){fd, data, size, offset, token});
}

static int fake_sync(struct store *store, int fd, uint64_t token)
{
    (void)store;
    fake.syncs++;
    return fake_put(&(struct request){.fd = fd, .token = token});
}

static int result_of(const struct request *request)
{
    size_t size = request->size;

    if (!request->data)
        return fake.sync_error;
    if (fake.write_error)
        return fake.write_error;
    if (fake.short_by_half && size > 1) {
        fake.short_by_half--;
        size /= 2;
    }
    return (int)pwrite(request->fd, request->data, size, (off_t)request->offset);
}

static int fake_poll(struct store *store, bool wait, struct store_done *ret_done)
{
    const unsigned i = fake.last_first && fake.requests ? fake.requests - 1 : 0;

    (void)store;
    (void)wait;
    if (!fake.requests || fake.hold)
        return 0;
    *ret_done = (struct store_done){fake.request[i].token, result_of(&fake.request[i])};
    memmove(&fake.request[i], &fake.request[i + 1],
            (--fake.requests - i) * sizeof(fake.request[0]));
    return 1;
}

static void fake_close(struct store *store)
{
    (void)store;
}

static const struct store_operations fake_operations = {
    .name = "fake",
    .write = fake_write,
    .sync = fake_sync,
    .poll = fake_poll,
    .close = fake_close,
};

/* ---- The rest ---- */

static struct outbox *outbox;
static struct writeback *writeback;
static struct writeback_params params;
static uint64_t stats[64];
static uint64_t now;
static char out[128];
static unsigned said;
static char last_said[512];
static uint64_t offset_of[100]; /* of each file: bytes committed */

static void say(const char *line)
{
    said++;
    snprintf(last_said, sizeof(last_said), "%s", line);
    fprintf(stderr, "%s\n", line);
}

static void begin(bool durable)
{
    const uint8_t uuid[16] = {1};

    kit_open();
    snprintf(out, sizeof(out), "%s/out", kit_folder);
    cr_assert_eq(mkdir(out, 0700), 0);
    cr_assert_eq(outbox_create(kit_folder, uuid, 1, OUTBOX_SIZE_MIN, &outbox), 0);
    fake.store.operations = &fake_operations;
    params = (struct writeback_params){
        .outbox = outbox,
        .store = &fake.store,
        .directory = out,
        .segment = "t",
        .durable = durable,
        .say = say,
        .stats = stats,
    };
    cr_assert_eq(writeback_open(&params, &writeback), 0);
}

static void begin_plainly(void)
{
    begin(false);
}

static void end(void)
{
    writeback_close(writeback);
    outbox_close(outbox);
    kit_close();
}

TestSuite(writeback, .init = begin_plainly, .fini = end, .timeout = 60);

static uint8_t byte_at(uint64_t number, uint64_t offset)
{
    return (uint8_t)(number * 91 + offset * 13 + offset / 256);
}

static void commit(uint64_t number, size_t size, uint32_t kind)
{
    static uint8_t bytes[65536];
    const struct outbox_entry entry = {.kind = kind,
                                       .size = size,
                                       .file_number = number,
                                       .file_created_ns = CREATED,
                                       .file_offset = offset_of[number]};
    const struct outbox_file file = {.number = number};

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(number, offset_of[number] + i);
    cr_assert(outbox_has_room(outbox, size));
    outbox_commit(outbox, &entry, bytes, 0, NULL, &file);
    offset_of[number] += size;
}

static void put(uint64_t number, size_t size)
{
    commit(number, size, OUTBOX_ENTRY_DATA);
}

static void seal(uint64_t number)
{
    commit(number, 100, OUTBOX_ENTRY_SEAL);
}

static int work(void)
{
    now += MS;
    return writeback_work(writeback, now);
}

/* Until it is all written; the time goes on by a millisecond each round. */
static void work_all(void)
{
    for (unsigned i = 0; !writeback_idle(writeback); i++) {
        cr_assert_lt(i, 20000, "it never gets done");
        cr_assert_geq(work(), 0);
    }
}

static const char *path_of(uint64_t number, bool part)
{
    static char path[PATH_MAX];

    cr_assert_eq(writeback_path(out, "t", number, CREATED, part, path, sizeof(path)), 0);
    return path;
}

static bool exists(uint64_t number, bool part)
{
    return access(path_of(number, part), F_OK) == 0;
}

/* The file is whole, byte for byte. */
static void check_file(uint64_t number, bool part)
{
    FILE *const f = fopen(path_of(number, part), "re");
    uint64_t size = 0;
    int c;

    cr_assert_not_null(f, "%s", path_of(number, part));
    for (; (c = fgetc(f)) != EOF; size++)
        cr_assert_eq(c, byte_at(number, size), "file %llu at %llu", (unsigned long long)number,
                     (unsigned long long)size);
    cr_assert_eq(size, offset_of[number]);
    fclose(f);
}

Test(writeback, path)
{
    char path[64];

    cr_assert_eq(writeback_path("/d", "seg", 7, CREATED, true, path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/d/seg-20231114T221320-000007.shmlog.part");
    cr_assert_eq(writeback_path("/d", "seg", 1234567, CREATED, false, path, sizeof(path)), 0);
    cr_assert_str_eq(path, "/d/seg-20231114T221320-1234567.shmlog");
    cr_assert_eq(writeback_path("/d", "seg", 7, CREATED, true, path, 41), -ENAMETOOLONG);
    cr_assert_eq(writeback_path("/d", "seg", 7, CREATED, true, path, 42), 0);
}

Test(writeback, no_directory)
{
    struct writeback *none = NULL;

    params.directory = "/nowhere/at/all";
    cr_assert_eq(writeback_open(&params, &none), -ENOENT);
    cr_assert_null(none);
}

Test(writeback, writes_and_seals)
{
    cr_assert(writeback_idle(writeback));
    for (unsigned i = 0; i < 300; i++) {
        put(1, 3000);
        if (i % 100 == 99)
            work_all();
    }
    cr_assert(exists(1, true) && !exists(1, false));
    check_file(1, true);
    seal(1);
    put(2, 500);
    work_all();
    cr_assert(!exists(1, true) && exists(1, false));
    check_file(1, false);
    check_file(2, true);
    cr_assert_eq(outbox_tail(outbox), outbox_head(outbox));
    cr_assert_eq(stats[SHM_STAT_file_bytes], offset_of[1] + offset_of[2]);
    cr_assert_eq(stats[SHM_STAT_outbox_bytes], 0);
    cr_assert_eq(fake.syncs, 0);
    cr_assert_eq(said, 0);
}

/* A newer piece may be done first; it is freed when the older ones are. */
Test(writeback, frees_in_order)
{
    const uint64_t tail = outbox_tail(outbox);
    struct request oldest;

    fake.last_first = true;
    for (unsigned i = 0; i < 10; i++)
        put(1, 1000);
    fake.hold = true;
    cr_assert_gt(work(), 0);
    cr_assert_eq(fake.requests, 10);
    fake.hold = false;
    /* all but the oldest */
    oldest = fake.request[0];
    memmove(&fake.request[0], &fake.request[1], 9 * sizeof(oldest));
    fake.requests = 9;
    cr_assert_gt(work(), 0);
    cr_assert_eq(outbox_tail(outbox), tail, "freed before the oldest was written");
    fake.request[fake.requests++] = oldest;
    work_all();
    cr_assert_eq(outbox_tail(outbox), outbox_head(outbox));
    check_file(1, true);
}

Test(writeback, short_writes)
{
    fake.short_by_half = 40;
    for (unsigned i = 0; i < 20; i++)
        put(1, 5000 + i);
    seal(1);
    work_all();
    check_file(1, false);
    cr_assert_eq(said, 0);
}

/* Full for a while: said once at either end, tried again with pauses, nothing lost. */
Test(writeback, no_space)
{
    unsigned writes = 0;

    put(1, 1000);
    work_all();
    fake.write_error = -ENOSPC;
    for (unsigned i = 0; i < 100; i++)
        put(1, 2000);
    for (unsigned i = 0; i < 5000; i++) { /* five seconds */
        cr_assert_geq(work(), 0);
        if (i == 0) {
            cr_assert(writeback_stalled(writeback));
            cr_assert_eq(said, 1);
            cr_assert_not_null(strstr(last_said, "No space left"));
            writes = fake.writes;
        }
    }
    cr_assert_eq(said, 1, "said %u times", said);
    cr_assert(writeback_stalled(writeback));
    cr_assert_leq(fake.writes - writes, 12, "%u more writes in five seconds", fake.writes - writes);
    cr_assert_geq(fake.writes - writes, 4);
    cr_assert_gt(stats[SHM_STAT_write_errors], 4);
    fake.write_error = 0;
    work_all();
    cr_assert(!writeback_stalled(writeback));
    cr_assert_eq(said, 2);
    cr_assert_not_null(strstr(last_said, "writing again"));
    check_file(1, true);
}

/* What was under way when one failed is not a recovery. */
Test(writeback, one_failure_among_many)
{
    for (unsigned i = 0; i < 30; i++)
        put(1, 1000);
    fake.hold = true;
    cr_assert_gt(work(), 0);
    fake.hold = false;
    /* the fifth fails, all others work */
    fake.request[4].fd = -1;
    cr_assert_geq(work(), 0);
    cr_assert_eq(said, 1);
    cr_assert(writeback_stalled(writeback));
    work_all();
    cr_assert_eq(said, 2);
    check_file(1, true);
}

/* An error that waiting does not mend: nothing more goes to the file, nor to the next; after a
 * pause it asks for a new one. */
Test(writeback, io_error)
{
    uint64_t tail;
    unsigned writes;

    put(1, 1000);
    work_all();
    tail = outbox_tail(outbox);
    for (unsigned i = 0; i < 5; i++)
        put(1, 1000);
    put(2, 1000);
    fake.write_error = -EIO;
    work();
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "new files"));
    cr_assert(writeback_stalled(writeback));
    cr_assert(!writeback_needs_new_file(writeback, now));
    fake.write_error = 0;
    writes = fake.writes;
    for (unsigned i = 0; i < 60; i++)
        work();
    cr_assert(writeback_needs_new_file(writeback, now));
    cr_assert_eq(fake.writes, writes);
    cr_assert_eq(outbox_tail(outbox), tail, "freed though it is not written");
    cr_assert(exists(2, true));
    cr_assert_eq(writeback_leave_files(writeback), 0);
    cr_assert(exists(1, true));
    cr_assert(!exists(2, true), "nothing of it counts");
    writeback_begin_anew(writeback, false, now); /* it did not work out: another pause */
    cr_assert(!writeback_needs_new_file(writeback, now + 50 * MS));
    cr_assert(writeback_needs_new_file(writeback, now + 200 * MS));
    writeback_begin_anew(writeback, true, now);
    work_all();
    cr_assert_eq(said, 2);
    check_file(1, true);
    check_file(2, true);
}

/* A bad seal is written if it can be; else its file stays as it is, and nothing waits for it. */
Test(writeback, bad_seal)
{
    put(1, 1000);
    put(1, 1000);
    work_all();
    cr_assert_eq(writeback_leave_files(writeback), 0);
    offset_of[1] = 1000; /* the second one was moved elsewhere */
    commit(1, 100, OUTBOX_ENTRY_BAD_SEAL);
    put(2, 1000);
    work_all();
    check_file(1, false);
    check_file(2, true);
    cr_assert_eq(said, 0);
    put(3, 1000);
    work_all();
    commit(3, 100, OUTBOX_ENTRY_BAD_SEAL);
    fake.write_error = -EIO;
    work();
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "stays as it is"));
    fake.write_error = 0;
    put(4, 1000);
    work_all();
    cr_assert(exists(3, true) && !exists(3, false));
    check_file(4, true);
}

Test(writeback, no_quota_then_another)
{
    put(1, 1000);
    fake.write_error = -EDQUOT;
    for (unsigned i = 0; i < 300; i++)
        work();
    cr_assert_eq(said, 1);
    fake.write_error = -EROFS; /* something else is wrong now: worth a line */
    for (unsigned i = 0; i < 3000; i++)
        work();
    cr_assert_eq(said, 2);
    fake.write_error = 0;
    work_all();
    check_file(1, true);
}

/* The directory goes, and comes back empty: what is left goes into new files there. */
Test(writeback, directory_gone)
{
    char elsewhere[PATH_MAX];

    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", kit_folder);
    put(1, 1000);
    seal(1);
    work_all();
    cr_assert_eq(rename(out, elsewhere), 0);
    put(2, 1000);
    for (unsigned i = 0; i < 300; i++)
        work();
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(said, 1);
    cr_assert_eq(mkdir(out, 0700), 0);
    work_all();
    check_file(2, true);
    cr_assert_eq(said, 2);
}

static void work_for(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++)
        cr_assert_geq(work(), 0);
}

/* Somebody removes the file that is being written: noticed within a second, and the rest takes a
 * new one. */
Test(writeback, file_removed)
{
    put(1, 1000);
    work_all();
    cr_assert_eq(unlink(path_of(1, true)), 0);
    work_for(1001);
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "removed, replaced or cut"));
    put(1, 1000);
    work_for(100);
    cr_assert(writeback_needs_new_file(writeback, now));
    cr_assert(!exists(1, true), "a file without its beginning");
}

/* Replaced by one that has not what was written. */
Test(writeback, file_replaced)
{
    put(1, 1000);
    work_all();
    cr_assert_eq(unlink(path_of(1, true)), 0);
    cr_assert_geq(close(open(path_of(1, true), O_WRONLY | O_CREAT, 0600)), 0);
    work_for(1001);
    cr_assert_eq(said, 1);
    put(1, 1000);
    work_for(100);
    cr_assert(writeback_needs_new_file(writeback, now));
}

/* Replaced by somebody's file that is longer: not a byte goes there. */
Test(writeback, file_replaced_by_a_longer_one)
{
    struct stat before, after;

    put(1, 1000);
    work_all();
    cr_assert_eq(unlink(path_of(1, true)), 0);
    cr_assert_geq(close(open(path_of(1, true), O_WRONLY | O_CREAT, 0600)), 0);
    cr_assert_eq(truncate(path_of(1, true), 5000), 0);
    cr_assert_eq(stat(path_of(1, true), &before), 0);
    work_for(1001);
    cr_assert_eq(said, 1);
    put(1, 1000);
    work_for(100);
    cr_assert(writeback_needs_new_file(writeback, now));
    cr_assert_eq(stat(path_of(1, true), &after), 0);
    cr_assert_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    cr_assert_eq(after.st_size, before.st_size);
}

/* Cut by somebody: what was acknowledged is not there any more, so nothing is put behind it. */
Test(writeback, file_cut)
{
    put(1, 1000);
    put(1, 1000);
    work_all();
    work_for(1001);
    cr_assert_eq(said, 0);
    cr_assert_eq(truncate(path_of(1, true), 1999), 0);
    work_for(1001);
    cr_assert_eq(said, 1);
    put(1, 1000);
    work_for(100);
    cr_assert(writeback_needs_new_file(writeback, now));
}

/* All of it was written when it was removed: there is nothing to be saved, nor to wait for. */
Test(writeback, removed_at_the_end)
{
    put(1, 1000);
    work_all();
    seal(1);
    fake.hold = true;
    work();
    cr_assert_eq(unlink(path_of(1, true)), 0);
    fake.hold = false;
    put(2, 1000);
    work_all();
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "removed before it was finished"));
    check_file(2, true);
}

/* Died after the rename, before the entry was freed: done again, and nothing but. */
Test(writeback, seal_twice)
{
    uint64_t tail;

    put(1, 1000);
    work_all();
    tail = outbox_tail(outbox);
    seal(1);
    work_all();
    check_file(1, false);
    writeback_close(writeback);
    outbox_release(outbox, tail);
    cr_assert_eq(writeback_open(&params, &writeback), 0);
    cr_assert(!writeback_idle(writeback));
    work_all();
    cr_assert(!exists(1, true));
    check_file(1, false);
    cr_assert_eq(said, 0);
}

/* Died with everything written and nothing freed: written again over itself. */
Test(writeback, starts_again)
{
    const uint64_t tail = outbox_tail(outbox);

    for (unsigned i = 0; i < 50; i++)
        put(1, 2000);
    fake.hold = true;
    work();
    fake.hold = false;
    fake.requests = 7; /* the others never came to be */
    while (fake.requests) {
        struct store_done done;

        cr_assert_eq(fake_poll(&fake.store, false, &done), 1);
    }
    writeback_close(writeback);
    outbox_release(outbox, tail);
    cr_assert_eq(writeback_open(&params, &writeback), 0);
    work_all();
    seal(1);
    work_all();
    check_file(1, false);
}

Test(writeback, cannot_rename)
{
    put(1, 1000);
    work_all();
    /* a directory in the way, which stops root as well */
    cr_assert_eq(mkdir(path_of(1, false), 0700), 0);
    seal(1);
    for (unsigned i = 0; i < 60; i++) {
        put(2, 100);
        for (unsigned k = 0; k < 50; k++)
            work();
    }
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(said, 1, "said %u times", said);
    cr_assert_eq(rmdir(path_of(1, false)), 0);
    work_all();
    cr_assert_eq(said, 2);
    check_file(1, false);
    check_file(2, true);
}

/* More files at once than are kept open. */
Test(writeback, many_files)
{
    for (unsigned i = 1; i <= 40; i++) {
        put(i, 1000);
        seal(i);
    }
    work_all();
    for (unsigned i = 1; i <= 40; i++)
        check_file(i, false);
}

Test(writeback, damaged_outbox)
{
    const struct outbox_entry entry = {.kind = 9, .size = 10};
    const struct outbox_file file = {0};

    outbox_commit(outbox, &entry, (const uint8_t *)"0123456789", 0, NULL, &file);
    cr_assert_eq(work(), -EBADMSG);
    outbox_release(outbox, outbox_head(outbox));
}

/* Given up while it was what told whether the disk is back: the next one tells then. */
Test(writeback, bad_seal_given_up_while_waiting)
{
    put(1, 1000);
    work_all();
    commit(1, 100, OUTBOX_ENTRY_BAD_SEAL);
    put(2, 1000);
    fake.write_error = -ENOSPC;
    work();
    cr_assert(writeback_stalled(writeback));
    fake.write_error = -EIO;
    for (unsigned i = 0; i < 1000 && !strstr(last_said, "stays as it is"); i++)
        work();
    cr_assert_not_null(strstr(last_said, "stays as it is"));
    fake.write_error = 0;
    work_all();
    cr_assert(!writeback_stalled(writeback));
    cr_assert_not_null(strstr(last_said, "writing again"));
    check_file(2, true);
}

/* ---- Durable ---- */

static void begin_durably(void)
{
    begin(true);
}

TestSuite(writeback_durable, .init = begin_durably, .fini = end, .timeout = 60);

Test(writeback_durable, frees_when_synced)
{
    const uint64_t tail = outbox_tail(outbox);

    for (unsigned i = 0; i < 10; i++)
        put(1, 1000);
    fake.hold = true;
    work();
    fake.hold = false;
    work(); /* written; the sync begins */
    cr_assert_eq(fake.syncs, 1);
    cr_assert_eq(outbox_tail(outbox), tail, "freed before it is on the disk");
    put(1, 1000); /* not covered by that sync */
    work_all();
    cr_assert_eq(fake.syncs, 2);
    seal(1);
    put(2, 10);
    work_all();
    check_file(1, false);
    check_file(2, true);
    cr_assert_eq(stats[SHM_STAT_syncs], fake.syncs);
}

/* Removed when it was written and not yet synced: a sync of what stands there now says nothing
 * about it. */
Test(writeback_durable, removed_before_the_sync)
{
    put(1, 1000);
    fake.hold = true;
    work();
    cr_assert_eq(unlink(path_of(1, true)), 0);
    now += 1001 * MS; /* time to look again */
    fake.hold = false;
    work_all();
    check_file(1, true);
}

/* A sync that fails for want of space: nothing of the file can be relied on that was not synced
 * before: also not what was written while the sync ran, nor what was still under way. */
Test(writeback_durable, failed_sync)
{
    unsigned writes;
    FILE *f;

    put(1, 1000);
    work_all();
    for (unsigned i = 0; i < 5; i++)
        put(1, 1000);
    fake.hold = true;
    work(); /* five under way */
    fake.hold = false;
    work(); /* written; a sync begins */
    fake.hold = true;
    put(1, 1000); /* will be written while the sync runs */
    put(1, 1000); /* will be under way when it fails */
    work();
    cr_assert_eq(fake.requests, 3);
    {
        struct request sync = fake.request[0], late = fake.request[2];

        cr_assert_null(sync.data);
        fake.request[0] = fake.request[1];
        fake.requests = 1;
        fake.hold = false;
        work();
        fake.request[fake.requests++] = sync;
        fake.request[fake.requests++] = late;
    }
    /* the kernel drops all pages of the file that were not on the disk */
    f = fopen(path_of(1, true), "r+e");
    cr_assert_not_null(f);
    cr_assert_eq(ftruncate(fileno(f), 1000), 0);
    fake.sync_error = -ENOSPC;
    writes = fake.writes;
    cr_assert_geq(work(), 0);
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(ftruncate(fileno(f), 1000), 0); /* also the late one's */
    fclose(f);
    cr_assert_eq(said, 1);
    fake.sync_error = 0;
    work_all();
    cr_assert_eq(fake.writes - writes, 7);
    check_file(1, true);
    cr_assert_eq(said, 2);
}

Test(writeback_durable, sync_fails_for_long)
{
    put(1, 1000);
    fake.sync_error = -EDQUOT;
    for (unsigned i = 0; i < 5000; i++)
        cr_assert_geq(work(), 0);
    cr_assert_eq(said, 1, "said %u times", said);
    cr_assert_leq(fake.syncs, 12, "%u syncs in five seconds", fake.syncs);
    cr_assert_neq(outbox_tail(outbox), outbox_head(outbox));
    fake.sync_error = 0;
    work_all();
    cr_assert_eq(said, 2);
    check_file(1, true);
}

/* Any other failure of a sync: what it was to cover goes to a new file, and is not freed. */
Test(writeback_durable, sync_error)
{
    uint64_t tail;

    put(1, 1000);
    work_all();
    tail = outbox_tail(outbox);
    put(1, 1000);
    fake.sync_error = -EIO;
    for (unsigned i = 0; i < 100; i++)
        cr_assert_geq(work(), 0);
    fake.sync_error = 0;
    cr_assert(writeback_needs_new_file(writeback, now));
    for (unsigned i = 0; i < 100; i++)
        cr_assert_geq(work(), 0);
    cr_assert_eq(outbox_tail(outbox), tail, "freed after a failed sync");
    cr_assert_eq(said, 1);
}
