/* SPDX-License-Identifier: MIT
 *
 * Writeback when the disk fails, is full, or its files are taken away: nothing is lost that was
 * committed, what is wrong is said once, and all goes on when it is mended.
 */
#include "tests/unit/writeback_kit.h"

#include "shm/stats.h"

TestSuite(writeback, .init = begin_plainly, .fini = end, .timeout = 120);

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
    cr_assert(!exists(2, true), "begun before the one before it was written");
    cr_assert_eq(writeback_leave_files(writeback), 0);
    cr_assert(exists(1, true));
    writeback_begin_anew(writeback, false, now); /* it did not work out: another pause */
    cr_assert(!writeback_needs_new_file(writeback, now + 50 * MS));
    cr_assert(writeback_needs_new_file(writeback, now + 200 * MS));
    writeback_begin_anew(writeback, true, now);
    work_all();
    cr_assert_eq(said, 2);
    check_file(1, true);
    check_file(2, true);
}

/* A file of which not even the first piece could be written is removed before going on in another.
 */
Test(writeback, io_error_at_the_start)
{
    put(1, 1000);
    work_all();
    put(2, 1000);
    fake.write_error = -EIO;
    work();
    cr_assert(writeback_stalled(writeback));
    cr_assert(exists(2, true));
    cr_assert_eq(writeback_leave_files(writeback), 0);
    cr_assert(exists(1, true));
    cr_assert(!exists(2, true), "nothing of it counts");
    fake.write_error = 0;
    writeback_begin_anew(writeback, true, now);
    work_all();
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

/* Removed while writes fail: what is opened again afterwards is what the name stands for, so that
 * nothing is written, and freed, into a file that nobody will find. */
Test(writeback, removed_while_writes_fail)
{
    uint64_t tail;

    put(1, 1000);
    work_all();
    tail = outbox_tail(outbox);
    fake.write_error = -ENOSPC;
    put(1, 1000);
    work_for(2);
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(unlink(path_of(1, true)), 0);
    fake.write_error = 0;
    work_for(300); /* not yet the second after which it looks */
    cr_assert_eq(outbox_tail(outbox), tail, "freed, and nowhere");
    cr_assert(writeback_needs_new_file(writeback, now));
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

/* Another file has the name: it is not overwritten, and what waits goes on when the name is free.
 */
Test(writeback, name_is_taken)
{
    char text[16] = "";
    FILE *f;

    put(1, 1000);
    work_all();
    f = fopen(path_of(1, false), "we");
    cr_assert_not_null(f);
    fputs("not ours", f);
    fclose(f);
    seal(1);
    for (unsigned i = 0; i < 100; i++)
        work();
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "File exists"), "%s", last_said);
    f = fopen(path_of(1, false), "re");
    cr_assert_not_null(f);
    cr_assert_eq(fread(text, 1, sizeof(text), f), 8);
    fclose(f);
    cr_assert_str_eq(text, "not ours");
    cr_assert_eq(unlink(path_of(1, false)), 0);
    work_all();
    check_file(1, false);
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

TestSuite(writeback_durable, .init = begin_durably, .fini = end, .timeout = 120);

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

/* A sync that fails, whatever the error: the kernel may have dropped what it was to cover, and what
 * was written since. Another sync of the file would prove nothing, and none is made: all that is
 * not acknowledged is for a new file. */
static void check_failed_sync(int error)
{
    uint64_t tail, acknowledged;
    unsigned syncs;

    put(1, 1000);
    work_all();
    tail = outbox_tail(outbox);
    acknowledged = stats[SHM_STAT_acknowledged];
    cr_assert_eq(acknowledged, RECORDS);
    put(1, 1000);
    put(1, 1000);
    fake.sync_error = error;
    work();
    work();
    put(1, 1000); /* written while the sync ran */
    cr_assert_geq(work(), 0);
    cr_assert(writeback_stalled(writeback));
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, "trying with new files"), "%s", last_said);
    fake.sync_error = 0; /* as if nothing had been */
    syncs = fake.syncs;
    for (unsigned i = 0; i < 300; i++)
        cr_assert_geq(work(), 0);
    cr_assert_eq(fake.syncs, syncs, "synced again");
    cr_assert_eq(outbox_tail(outbox), tail, "freed after a failed sync");
    cr_assert_eq(stats[SHM_STAT_acknowledged], acknowledged);
    cr_assert(writeback_needs_new_file(writeback, now));
    cr_assert_eq(writeback_leave_files(writeback), 0);
    cr_assert(exists(1, true), "something of it counts");
    writeback_begin_anew(writeback, true, now);
    work_all();
    cr_assert_eq(said, 2);
    cr_assert_eq(stats[SHM_STAT_acknowledged], 4 * RECORDS);
}

Test(writeback_durable, sync_without_space)
{
    check_failed_sync(-ENOSPC);
}

Test(writeback_durable, sync_without_quota)
{
    check_failed_sync(-EDQUOT);
}

Test(writeback_durable, sync_read_only)
{
    check_failed_sync(-EROFS);
}

Test(writeback_durable, sync_error)
{
    check_failed_sync(-EIO);
}

Test(writeback_durable, sync_fails_for_long)
{
    put(1, 1000);
    fake.sync_error = -EDQUOT;
    for (unsigned i = 0; i < 5000; i++) {
        cr_assert_geq(work(), 0);
        if (!writeback_needs_new_file(writeback, now))
            continue;
        cr_assert_eq(writeback_leave_files(writeback), 0);
        writeback_begin_anew(writeback, true, now);
    }
    cr_assert_eq(said, 1, "said %u times", said);
    cr_assert_leq(fake.syncs, 12, "%u syncs in five seconds", fake.syncs);
    cr_assert_geq(fake.syncs, 4);
    cr_assert_neq(outbox_tail(outbox), outbox_head(outbox));
}

/* The file of a bad seal is suspect already: nothing waits for it. */
Test(writeback_durable, bad_seal_not_synced)
{
    put(1, 1000);
    work_all();
    commit(1, 100, OUTBOX_ENTRY_BAD_SEAL);
    fake.sync_error = -ENOSPC;
    work();
    work();
    cr_assert_not_null(strstr(last_said, "stays as it is"), "%s", last_said);
    fake.sync_error = 0;
    put(2, 1000);
    work_all();
    cr_assert(exists(1, true) && !exists(1, false));
    check_file(2, true);
}

/* After a failed write the file is opened anew. The new descriptor's sync says nothing about what
 * went through the old one, so that is written again. */
Test(writeback_durable, opened_anew)
{
    struct request oldest;

    for (unsigned i = 0; i < 3; i++)
        put(1, 1000);
    fake.hold = true;
    work();
    fake.hold = false;
    cr_assert_eq(fake.requests, 3);
    oldest = fake.request[0];
    memmove(&fake.request[0], &fake.request[1], 2 * sizeof(oldest));
    fake.requests = 2;
    work(); /* the other two are written */
    fake.request[fake.requests++] = oldest;
    fake.write_error = -ENOSPC;
    work();
    cr_assert(writeback_stalled(writeback));
    fake.write_error = 0;
    work();
    cr_assert_geq(fcntl(oldest.fd, F_GETFD), 0, "closed with its errors before it was opened anew");
    work_all();
    cr_assert_eq(fake.writes, 6, "%u writes", fake.writes);
    check_file(1, true);
}
