/* SPDX-License-Identifier: MIT
 *
 * Writeback: what is committed gets into files, whole and in order, and they are sealed; a
 * collector that died is continued. What becomes of failures: test_writeback_errors.c.
 */
#include "tests/unit/writeback_kit.h"

#include "shm/stats.h"

TestSuite(writeback, .init = begin_plainly, .fini = end, .timeout = 120);

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
    cr_assert_eq(fake.syncs, 0);
    seal(1);
    put(2, 500);
    work_all();
    cr_assert(!exists(1, true) && exists(1, false));
    check_file(1, false);
    check_file(2, true);
    cr_assert_eq(outbox_tail(outbox), outbox_head(outbox));
    cr_assert_eq(stats[SHM_STAT_file_bytes], offset_of[1] + offset_of[2]);
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

/* Nothing of a file is written before all of the one before it. */
Test(writeback, files_in_order)
{
    fake.last_first = true;
    put(1, 1000);
    put(1, 1000);
    seal(1);
    put(2, 1000);
    put(2, 1000);
    fake.hold = true;
    work();
    cr_assert_eq(fake.requests, 3);
    work();
    cr_assert_eq(fake.requests, 3, "the second file was begun while the first was not written");
    fake.hold = false;
    work_all();
    check_file(1, false);
    check_file(2, true);
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
    fake.requests = 0; /* the file's sync */
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

/* ---- Durable ---- */

TestSuite(writeback_durable, .init = begin_durably, .fini = end, .timeout = 120);

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
