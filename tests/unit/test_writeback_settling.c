/* SPDX-License-Identifier: MIT
 *
 * Writeback without --durable: what is written counts as acknowledged; each finished file is synced
 * once, while all else goes on, and a failure of that is said and counted.
 */
#include "tests/unit/writeback_kit.h"

#include "shm/stats.h"

TestSuite(writeback_settling, .init = begin_plainly, .fini = end, .timeout = 120);

#define SECOND (1000 * MS)

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* The newest sync that was asked for and is not complete. */
static const struct request *sync_under_way(void)
{
    for (unsigned i = fake.requests; i-- > 0;)
        if (!fake.request[i].data)
            return &fake.request[i];
    return NULL;
}

static void settle(void)
{
    for (unsigned i = 0; !writeback_settle(writeback); i++) {
        cr_assert_lt(i, 1000, "it never settles");
        cr_assert_geq(work(), 0);
    }
}

/* Acknowledged when it is written; the sync of the finished file is for its own sake, and once. */
Test(writeback_settling, once)
{
    fake.hold_syncs = true;
    put(1, 1000);
    work_all();
    cr_assert_eq(stats[SHM_STAT_acknowledged], RECORDS);
    cr_assert_eq(fake.syncs, 0);
    seal(1);
    put(2, 1000);
    work_all();
    cr_assert_eq(stats[SHM_STAT_acknowledged], 2 * RECORDS);
    cr_assert(exists(1, false));
    cr_assert_eq(fake.syncs, 1);
    cr_assert(!writeback_settle(writeback));
    fake.hold_syncs = false;
    settle();
    for (unsigned i = 0; i < 100; i++)
        work();
    cr_assert_eq(fake.syncs, 1);
    cr_assert_eq(stats[SHM_STAT_syncs], 1);
    cr_assert_eq(stats[SHM_STAT_files_doubtful], 0);
    cr_assert_eq(said, 0);
}

/* By the descriptor that wrote: another one is not told of an error for sure. */
Test(writeback_settling, by_who_wrote)
{
    int fd;

    fake.hold = true;
    put(1, 1000);
    work();
    fd = fake.request[0].fd;
    fake.hold = false;
    fake.hold_syncs = true;
    seal(1);
    work_all();
    cr_assert_not_null(sync_under_way());
    cr_assert_eq(sync_under_way()->fd, fd);
    for (unsigned i = 0; i < 100; i++)
        work();
    cr_assert(is_open(fd));
    fake.hold_syncs = false;
    settle();
    cr_assert(!is_open(fd));
}

Test(writeback_settling, failed)
{
    fake.sync_error = -ENOSPC;
    put(1, 1000);
    seal(1);
    put(2, 1000);
    work_all();
    settle();
    cr_assert_eq(said, 1);
    cr_assert_not_null(strstr(last_said, path_of(1, false)), "%s", last_said);
    cr_assert_not_null(strstr(last_said, "No space left"), "%s", last_said);
    cr_assert_eq(stats[SHM_STAT_write_errors], 1);
    cr_assert_eq(stats[SHM_STAT_files_doubtful], 1);
    cr_assert_eq(writeback_doubtful(writeback), 1);
    cr_assert(!writeback_stalled(writeback));
    cr_assert_eq(fake.syncs, 1, "a second one would prove nothing");
    fake.sync_error = 0;
    seal(2);
    work_all();
    settle();
    cr_assert_eq(writeback_doubtful(writeback), 1);
    check_file(1, false);
    check_file(2, false);
}

/* One that never took place is made. */
Test(writeback_settling, interrupted)
{
    fake.sync_error = -ECANCELED;
    put(1, 1000);
    seal(1);
    work_all();
    for (unsigned i = 0; i < 5; i++)
        work();
    cr_assert(!writeback_settle(writeback));
    fake.sync_error = 0;
    settle();
    cr_assert_geq(fake.syncs, 2);
    cr_assert_eq(said, 0);
}

/* A disk that takes its time: so many files stay open, and no more are finished meanwhile. */
Test(writeback_settling, bounded)
{
    unsigned finished = 0;

    fake.hold_syncs = true;
    for (unsigned i = 1; i <= 40; i++) {
        put(i, 1000);
        seal(i);
    }
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_geq(work(), 0);
    for (unsigned i = 1; i <= 40; i++)
        finished += exists(i, false);
    cr_assert_eq(finished, 16, "%u are finished", finished);
    cr_assert_eq(fake.requests, 16);
    cr_assert(!writeback_idle(writeback));
    fake.hold_syncs = false;
    work_all();
    settle();
    cr_assert_eq(fake.syncs, 40);
    for (unsigned i = 1; i <= 40; i++)
        check_file(i, false);
}

/* Where a sync makes the collector wait, the kernel gets time to write first. */
Test(writeback_settling, later)
{
    fake.store.waits = true;
    put(1, 1000);
    seal(1);
    work_all();
    now += 30 * SECOND;
    work();
    cr_assert_eq(fake.syncs, 0);
    now += 10 * SECOND;
    work();
    cr_assert_eq(fake.syncs, 1);
    work();
    put(2, 1000);
    seal(2);
    work_all();
    cr_assert_eq(fake.syncs, 1);
    settle(); /* at the end there is nothing to wait for */
    cr_assert_eq(fake.syncs, 2);
}

/* ... unless there are many files. */
Test(writeback_settling, later_unless_many)
{
    fake.store.waits = true;
    for (unsigned i = 1; i <= 40; i++) {
        put(i, 1000);
        seal(i);
    }
    work_all();
    for (unsigned i = 0; i < 100; i++)
        work();
    cr_assert_eq(fake.syncs, 32);
}

/* A file that cannot be sealed is synced as well: what is in it counts. */
Test(writeback_settling, without_a_seal)
{
    put(1, 1000);
    work_all();
    commit(1, 100, OUTBOX_ENTRY_BAD_SEAL);
    fake.write_error = -EIO;
    work();
    fake.write_error = 0;
    fake.sync_error = -EIO;
    settle();
    cr_assert_eq(said, 2);
    cr_assert_not_null(strstr(last_said, path_of(1, true)), "%s", last_said);
    cr_assert_eq(stats[SHM_STAT_files_doubtful], 1);
}
