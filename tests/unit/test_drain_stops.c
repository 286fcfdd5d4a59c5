/* SPDX-License-Identifier: MIT
 *
 * Journal and drain when something stops them: a full outbox, the death of the collector, a ring
 * that is cut. Every record exactly once and in order, every loss counted exactly, all the same.
 */
#include "tests/unit/drain_kit.h"

#include "shm/losses.h"

TestSuite(drain, .init = kit_open, .fini = kit_close, .timeout = 120);

/* ---- A full outbox ---- */

/* Nothing is written for a while: the outbox fills, then the ring, and all goes on from there. */
Test(drain, full_outbox)
{
    uint64_t dropped, number = 0;
    struct tally *t;
    char text[1500];

    agents.outbox_size = OUTBOX_SIZE_MIN;
    start(SHMLOG_ON_FULL_DROP);
    srand(7);
    for (unsigned round = 0; round < 6; round++) {
        bool stuck = false;

        for (unsigned turn = 0; !stuck; turn++) {
            int64_t n;

            cr_assert_lt(turn, 1000);
            for (unsigned i = 0; i < 20; i++) { /* not to be compressed */
                for (size_t k = 0; k < sizeof(text) - 1; k++)
                    text[k] = (char)(' ' + rand() % 90);
                text[sizeof(text) - 1] = 0;
                shmlog_info(log_handle, "n %lu %s", (unsigned long)number++, text);
            }
            n = agents_drain(&agents);
            cr_assert_geq(n, 0);
            stuck = n == 0;
        }
        cr_assert_gt(outbox_head(agents.outbox) - outbox_tail(agents.outbox), OUTBOX_SIZE_MIN / 4);
        /* some go, then the next round */
        cr_assert_geq(writeback_work(agents.writeback, agents.now++), 0);
        agents_write(&agents);
    }
    dropped = ring()->lost[SHMLOG_LOST_FULL];
    t = finish();
    cr_assert_gt(dropped, 0);
    cr_assert_eq(t->ring[SHARED].written + dropped, number);
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], dropped);
    for (uint64_t i = 1; i < t->ring[SHARED].written; i++)
        cr_assert_gt(t->ring[SHARED].record[i].value, t->ring[SHARED].record[i - 1].value);
    tally_close(t);
}

/* The queue of gaps is full when draining ends: what found no room in it is counted all the same.
 */
Test(drain, more_gaps_than_the_queue_holds)
{
    const struct outbox_entry filler = {.kind = OUTBOX_ENTRY_DATA, .size = 5000, .file_number = 9};
    uint8_t bytes[5000] = {0};
    char path[PATH_MAX];
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY);
    while (outbox_has_room(agents.outbox, filler.size))
        outbox_commit(agents.outbox, &filler, bytes, 0, NULL, outbox_file(agents.outbox));
    for (unsigned i = 0; i < 30; i++) {
        for (uint32_t cause = SHMLOG_LOST_FULL; cause <= SHMLOG_LOST_NESTED; cause++)
            __atomic_fetch_add(&ring()->lost[cause], 1, __ATOMIC_RELAXED);
        cr_assert_eq(agents_drain(&agents), 0);
    }
    agents_write(&agents);
    cr_assert_eq(writeback_path(agents.out, "t", 9, 0, true, path, sizeof(path)), 0);
    cr_assert_eq(unlink(path), 0);
    t = finish();
    cr_assert_eq(t->ring[SHARED].written, CAPACITY);
    for (uint32_t cause = SHMLOG_LOST_FULL; cause <= SHMLOG_LOST_NESTED; cause++)
        cr_assert_eq(t->ring[SHARED].lost[cause], 30);
    tally_close(t);
}

/* More new sites in a batch than an entry of the outbox can hold: they go ahead, in parts. */
Test(drain, dictionary_larger_than_an_entry)
{
    struct shm_params params = drain_params();
    struct tally *t;
    char name[251];

    params.sites_max = 32768; /* 1 MiB of sites is less than an attachment's share */
    agents.outbox_size = OUTBOX_SIZE_MIN;
    agents_open(&agents, &params);
    attach();
    snprintf(name, sizeof(name), "%0250u", 1u);
    for (unsigned i = 0; i < 900; i++) {
        struct {
            struct shmlog_site_ site;
            uint8_t types[2];
            char strings[803]; /* format, text, category */
        } made = {
            .site = {.file = name,
                     .function = "f",
                     .line = i,
                     .kind = SHMLOG_SITE_PRINTF,
                     .level = SHMLOG_INFO},
            .types = {1, SHMLOG_TYPE_U64},
        };

        snprintf(made.strings, sizeof(made.strings), "%u %0790u %%lu", i, i);
        shmlog_put4_(log_handle, &made.site, 0, i, 0, 0);
    }
    for (unsigned i = 0; agents_drain(&agents) > 0 || !writeback_idle(agents.writeback); i++) {
        cr_assert_lt(i, 100);
        agents_write(&agents);
    }
    t = finish();
    check_values(t, 0, 0, 900);
    cr_assert_eq(t->ring[SHARED].written, 900);
    for (unsigned i = 0; i < 900; i++)
        cr_assert(t->ring[SHARED].record[i].site_known, "record %u", i);
    tally_close(t);
}

/* ---- Dying and starting again ---- */

/* At each point between the steps of a record's way into a file. */
Test(drain, starts_again_exactly_once)
{
    uint64_t number = 0, state = 99;
    struct tally *t;

    fprintf(stderr, "seed %llu\n", (unsigned long long)state);
    start(SHMLOG_ON_FULL_DROP);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned step = 0; step < 6; step++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
            switch (state >> 60) {
            case 0 ... 5:
                put(number, 400);
                number += 400;
                break;
            case 6 ... 9:
                cr_assert_geq(agents_drain(&agents), 0);
                break;
            case 10 ... 12:
                cr_assert_geq(writeback_work(agents.writeback, agents.now++), 0);
                break;
            case 13:
                cr_assert_eq(journal_seal(agents.journal), 0);
                break;
            default: /* died before the tail was released */
                agents_drain(&agents);
                shmlog_store_release_(&ring()->tail, ring()->tail);
                break;
            }
        }
        die_and_start();
    }
    number -= ring()->lost[SHMLOG_LOST_FULL];
    t = finish();
    cr_assert_eq(t->ring[SHARED].written, number);
    for (uint64_t i = 1; i < number; i++) {
        cr_assert_gt(t->ring[SHARED].record[i].value, t->ring[SHARED].record[i - 1].value);
        cr_assert(t->ring[SHARED].record[i].site_known && t->ring[SHARED].record[i].producer_known);
    }
    cr_assert_gt(t->files, 20);
    tally_close(t);
}

/* Dead after the commit, before the tail was released: taken once. */
Test(drain, tail_behind_the_ledger)
{
    struct tally *t;
    uint64_t tail;

    start(SHMLOG_ON_FULL_DROP);
    put(0, 100);
    cr_assert_eq(agents_drain(&agents), 100);
    tail = ring()->tail;
    put(100, 300);
    while (agents_drain(&agents) > 0)
        ;
    cr_assert_eq(ring()->tail, 400);
    shmlog_store_release_(&ring()->tail, tail);
    shmlog_store_relaxed_(&ring()->tail_seq, tail + 1);
    die_and_start();
    cr_assert_eq(ring()->tail, 400);
    cr_assert_eq(ring()->tail_seq, 401);
    put(400, 50);
    t = finish();
    check_values(t, 0, 0, 450);
    cr_assert_eq(t->ring[SHARED].written, 450);
    tally_close(t);
}

/* Losses that were noted but not yet written when the collector died are noted again. */
Test(drain, losses_survive)
{
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY + 3);
    cr_assert_gt(agents_drain(&agents), 0);
    die_and_start();
    put(0, CAPACITY); /* half of them dropped */
    die_and_start();
    t = finish();
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], 3 + CAPACITY / 2);
    tally_close(t);
}

/* A ring whose file was cut while it was full: what was dropped then is in the ledger, though the
 * cursor never gets to where it was dropped, and nothing waits for that. */
Test(drain, cut_while_full)
{
    struct shm_losses losses;
    struct shm_ring *cut;
    struct tally *t;

    start(SHMLOG_ON_FULL_DROP);
    put(0, CAPACITY + 7);
    cut = &agents.segment->rings[SHARED];
    memset(cut->slots + CAPACITY / 2, 0, CAPACITY / 2 * sizeof(*cut->slots));
    *cut->lost = 1;
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_geq(agents_drain(&agents), 0);
        agents_write(&agents);
    }
    shm_losses_of_segment(agents.segment, &losses);
    cr_assert_eq(losses.cause[SHMLOG_LOST_FULL], 7);
    cr_assert_eq(losses.cause[SHMLOG_LOST_DAMAGED], 1);
    cr_assert_eq(shm_losses_sum(&losses), 8);
    agents_stop(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->ring[SHARED].written, CAPACITY / 2);
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_FULL], 7);
    cr_assert_eq(t->ring[SHARED].lost[SHMLOG_LOST_DAMAGED], 1,
                 "the newest slot is gone: how many "
                 "there were, nobody knows");
    tally_close(t);
    shmlog_close(log_handle);
    agents_die(&agents);
}
