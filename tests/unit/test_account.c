/* SPDX-License-Identifier: MIT
 *
 * The account of a ring, against a ring that goes on meanwhile, and with hostile numbers.
 */
#include "tools/account.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static unsigned problems;

static void count_problem(void *arg, const struct account *account, const char *format, ...)
{
    problems++;
}

static const struct account_report report = {count_problem, NULL};

static struct account account_of(uint64_t written, uint64_t full, uint64_t overwritten)
{
    struct file_ledger_entry start = {.kind = SHMLOG_RING_CPU, .next_seq = 1};
    struct file_gap gap = {.cause = SHMLOG_LOST_FULL, .count = full};
    struct account account;

    problems = 0;
    account_begin(&account, &start);
    account_block(&account, 1, written, true, &report);
    if (full)
        account_gap(&account, &gap, true, &report);
    gap = (struct file_gap){.cause = SHMLOG_LOST_OVERWRITTEN,
                            .count = overwritten,
                            .seq = written + 1 + overwritten};
    if (overwritten)
        account_gap(&account, &gap, true, &report);
    return account;
}

static void expect_account(const struct account *account, uint64_t produced, uint64_t dropped,
                           uint64_t in_ring, unsigned want_problems)
{
    cr_expect_eq(account->produced, produced, "produced %" PRIu64, account->produced);
    cr_expect_eq(account->dropped, dropped, "dropped %" PRIu64, account->dropped);
    cr_expect_eq(account->in_ring, in_ring, "in ring %" PRIu64, account->in_ring);
    cr_expect_eq(problems, want_problems);
}

Test(account, live_rings)
{
    struct account account = account_of(10, 0, 0);

    account_close_live(&account, &(struct account_ring){.newest = 15}, &report);
    expect_account(&account, 15, 0, 5, 0);

    account = account_of(10, 3, 0); /* two more drops than the files know of */
    account_close_live(&account, &(struct account_ring){.newest = 10, .lost = {5}}, &report);
    expect_account(&account, 15, 5, 0, 0);

    account = account_of(10, 3, 0); /* the files have drops that the ring does not */
    account_close_live(&account, &(struct account_ring){.newest = 10, .lost = {2}}, &report);
    cr_expect_gt(problems, 0);

    account = account_of(10, 0, 5); /* the flight recorder has gone on: 16..20 are gone too */
    account_close_live(&account, &(struct account_ring){.newest = 30, .oldest = 21}, &report);
    expect_account(&account, 30, 10, 10, 0);

    account = account_of(10, 0, 0); /* a ring that is behind its files */
    account_close_live(&account, &(struct account_ring){.newest = 8}, &report);
    cr_expect_gt(problems, 0);
}

/* Retention removed files that were to be read next: they count as those before the first one. */
Test(account, files_removed_while_reading)
{
    struct account account = account_of(10, 3, 0);
    struct file_ledger_entry start = {
        .kind = SHMLOG_RING_CPU,
        .next_seq = 31,
        .written = 28,
        .lost = {[SHMLOG_LOST_FULL] = 3, [SHMLOG_LOST_OVERWRITTEN] = 2}};

    account.before = 4;
    account_skip(&account, &start);
    account_block(&account, 31, 5, true, &report);
    start.next_seq = 36;
    start.written = 33;
    account_seal(&account, &start, &report);
    account_close_sealed(&account, 38, &report);
    expect_account(&account, 38, 5, 0, 0);
    cr_expect_eq(account.written, 33);
    cr_expect_eq(account.before, 22);
}

/* What the collector takes while the files are read is on its way; overwritten is what it had not
 * taken. */
Test(account, taken_while_reading)
{
    struct account account = account_of(10, 0, 0);

    account_close_live(
        &account,
        &(struct account_ring){.newest = 30, .oldest = 25, .taken_before = 11, .taken = 21},
        &report);
    expect_account(&account, 30, 4, 16, 0);
}

Test(account, missing_records_do_not_balance)
{
    struct account account = account_of(10, 0, 0);

    account_block(&account, 15, 6, true, &report);
    cr_expect_eq(problems, 1);
    account_close_live(&account, &(struct account_ring){.newest = 20}, &report);
    cr_expect_eq(problems, 2);
    cr_expect_neq(account.produced, account.written + account.dropped + account.in_ring);
}

/* Nonsense from a file is arithmetic like any other. */
Test(account, hostile_numbers)
{
    struct account account = account_of(UINT64_MAX, 0, 0);
    struct file_gap gap = {.cause = SHMLOG_LOST_DAMAGED, .count = UINT64_MAX, .seq = 3};

    account_gap(&account, &gap, true, &report);
    account_block(&account, UINT64_MAX, UINT64_MAX, true, &report);
    account_close_live(&account, &(struct account_ring){.newest = UINT64_MAX}, &report);
    gap.cause = 77;
    problems = 0;
    account_gap(&account, &gap, true, &report);
    cr_expect_eq(problems, 1);
}
