/* SPDX-License-Identifier: MIT
 *
 * The account of one ring. All numbers come from files and shared memory: additions saturate
 * nowhere and trap nowhere, a nonsense number just does not balance.
 */
#include "tools/account.h"
#include "tools/info.h"

#include <inttypes.h>
#include <string.h>

#define SAY(...) report->problem(report->arg, account, __VA_ARGS__)

uint64_t account_lost(const struct account *account)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        sum += account->lost[i];
    return sum;
}

/* Records written by what the ledgers say. */
static uint64_t written(const struct account *account)
{
    return account->written + account->absent;
}

/* Go on from a ledger: after what it repeats of the files so far, or beyond what is not there. */
static void adopt(struct account *account, const struct file_ledger_entry *entry)
{
    account->next_seq = entry->next_seq;
    if (entry->written > written(account))
        account->absent += entry->written - written(account);
    else
        account->written = entry->written - account->absent;
    memcpy(account->lost, entry->lost, sizeof(account->lost));
    account->broken = false;
}

void account_begin(struct account *account, const struct file_ledger_entry *start)
{
    *account = (struct account){.ring = start->ring,
                                .cpu = start->cpu,
                                .kind = start->kind,
                                .oldest_time = UINT64_MAX};
    adopt(account, start);
    account->written = account->before = start->written;
    account->absent = 0;
}

void account_skip(struct account *account, const struct file_ledger_entry *start)
{
    const uint64_t there = account->written, absent = account->absent;

    adopt(account, start);
    account->before += account->absent - absent;
    account->written = there + (account->absent - absent);
    account->absent = absent;
}

static bool same(const struct account *account, const struct file_ledger_entry *entry)
{
    return account->next_seq == entry->next_seq && written(account) == entry->written &&
           !memcmp(account->lost, entry->lost, sizeof(account->lost));
}

/* Say in which numbers a ledger differs from what was found. */
static void differs(const struct account *account, const struct file_ledger_entry *entry,
                    const char *which, const struct account_report *report)
{
    if (account->next_seq != entry->next_seq)
        SAY("%s says that record %" PRIu64 " is next, by the blocks it is %" PRIu64, which,
            entry->next_seq, account->next_seq);
    if (written(account) != entry->written)
        SAY("%s says %" PRIu64 " written, by the blocks it is %" PRIu64, which, entry->written,
            written(account));
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (account->lost[i] != entry->lost[i])
            SAY("%s says %" PRIu64 " lost (%s), by the gaps it is %" PRIu64, which, entry->lost[i],
                shm_losses_name(i), account->lost[i]);
}

/* Does the ledger stand no later than the account? */
static bool not_later(const struct account *account, const struct file_ledger_entry *entry)
{
    if (entry->next_seq > account->next_seq || entry->written > written(account))
        return false;
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (entry->lost[i] > account->lost[i])
            return false;
    return true;
}

/* Records first .. end-1 should be there and are not. */
static void missing(struct account *account, uint64_t first, uint64_t end, const char *why,
                    const struct account_report *report)
{
    if (end - first == 1)
        SAY("record %" PRIu64 " is missing: %s", first, why);
    else
        SAY("records %" PRIu64 " to %" PRIu64 " are missing: %s", first, end - 1, why);
    account->missing += end - first;
}

void account_next_file(struct account *account, const struct file_ledger_entry *start, bool firm,
                       const struct account_report *report)
{
    if (same(account, start)) {
        account->broken = false;
        return;
    }
    if (!firm && not_later(account, start)) {
        adopt(account, start);
        return;
    }
    differs(account, start, "the start of this file", report);
    if (start->next_seq > account->next_seq)
        missing(account, account->next_seq, start->next_seq, "no file before this one has them",
                report);
    adopt(account, start);
}

static void out_of_line(struct account *account, uint64_t seq, bool firm,
                        const struct account_report *report)
{
    if (!firm) {
        if (!account->broken)
            account->broken_at = account->next_seq;
        account->broken = true;
        return;
    }
    if (seq > account->next_seq) {
        missing(account, account->next_seq, seq, "the file has no block of them", report);
    } else {
        SAY("record %" PRIu64 " comes again, %" PRIu64 " is next", seq, account->next_seq);
    }
}

void account_block(struct account *account, uint64_t first_seq, uint64_t records, bool firm,
                   const struct account_report *report)
{
    if (account->broken)
        return;
    if (first_seq != account->next_seq) {
        out_of_line(account, first_seq, firm, report);
        if (account->broken)
            return;
        if (first_seq < account->next_seq) { /* count what is new in it */
            uint64_t again = account->next_seq - first_seq;

            if (again >= records)
                return;
            first_seq += again;
            records -= again;
        }
    }
    account->next_seq = first_seq + records;
    account->written += records;
}

void account_gap(struct account *account, const struct file_gap *gap, bool firm,
                 const struct account_report *report)
{
    if (account->broken)
        return;
    if (gap->cause >= SHMLOG_LOST_CAUSES) {
        SAY("a gap of unknown cause %" PRIu32, gap->cause);
        return;
    }
    if (account_takes_seq(gap->cause)) {
        uint64_t first = gap->seq - gap->count;

        if (first != account->next_seq) {
            out_of_line(account, first, firm, report);
            if (account->broken || gap->seq <= account->next_seq)
                return;
        }
        account->next_seq = gap->seq;
    }
    account->lost[gap->cause] += gap->count;
}

void account_seal(struct account *account, const struct file_ledger_entry *end,
                  const struct account_report *report)
{
    if (!same(account, end))
        differs(account, end, "the seal", report);
}

void account_end(struct account *account, const struct account_report *report)
{
    if (account->broken)
        SAY("records from %" PRIu64 " on are missing, and no further file has them",
            account->broken_at);
}

void account_close_sealed(struct account *account, uint64_t produced,
                          const struct account_report *report)
{
    uint64_t seen;

    account->proven = true;
    account->produced = produced;
    account->dropped = account_lost(account);
    account->in_ring = 0;
    seen = written(account) + account->dropped;
    if (produced > seen)
        SAY("%" PRIu64 " record%s still in the ring when the last file was sealed, and the "
            "segment is gone",
            produced - seen, produced - seen == 1 ? " was" : "s were");
    else if (produced < seen)
        SAY("more was written and dropped than produced: %" PRIu64 " + %" PRIu64 " > %" PRIu64,
            written(account), account->dropped, produced);
}

/* Follow what is on its way to the files, from the first record that is in none of them. Returns
 * the number of the first record behind it; *ret_lost: how many of those passed are gaps. */
static uint64_t follow_waiting(struct account *account, const struct account_ring *ring,
                               uint64_t *ret_lost, const struct account_report *report)
{
    static const char why[] = "the collector took them from the ring, but no file here has them";
    uint64_t next = account->next_seq;

    *ret_lost = 0;
    if (!ring->taken_before)
        return next;
    for (size_t i = 0; i < ring->waits; i++) {
        const struct account_range *const range = &ring->waiting[i];

        if (range->end <= next)
            continue;
        if (range->first > next && range->first <= ring->taken_before) {
            missing(account, next, range->first, why, report);
            next = range->first;
        }
        if (range->first > next)
            break;
        if (range->lost)
            *ret_lost += range->end - next;
        next = range->end;
    }
    if (next < ring->taken_before) {
        missing(account, next, ring->taken_before, why, report);
        next = ring->taken_before;
    }
    return next;
}

void account_close_live(struct account *account, const struct account_ring *ring,
                        const struct account_report *report)
{
    const uint64_t first = account->next_seq, end = ring->newest + 1;
    uint64_t unread = 0;

    account->proven = true;
    account->produced = ring->newest;
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++) {
        if (account_takes_seq(i))
            continue;
        account->produced += ring->lost[i];
        if (account->lost[i] > ring->lost[i])
            SAY("%" PRIu64 " lost (%s) are in the files, but the ring counts %" PRIu64,
                account->lost[i], shm_losses_name(i), ring->lost[i]);
        else
            unread += ring->lost[i] - account->lost[i]; /* not in a gap record yet */
    }
    if (account->kind && end < first) {
        SAY("record %" PRIu64 " is in the files, but the ring's newest is %" PRIu64, first - 1,
            ring->newest);
    } else if (account->kind) {
        const uint64_t missing_before = account->missing;
        uint64_t lost, next = follow_waiting(account, ring, &lost, report), oldest;

        if (next < ring->taken)
            next = ring->taken; /* taken while the files were read */
        if (next > end)
            next = end;
        oldest = ring->oldest > end ? end : ring->oldest;
        if (oldest > next)
            lost += oldest - next; /* overwritten, which nobody has noticed yet */
        unread += lost;
        account->in_ring = end - first - lost - (account->missing - missing_before);
    }
    account->dropped = account_lost(account) + unread;
    if (account->produced != account->written + account->dropped + account->in_ring)
        SAY("does not balance: %" PRIu64 " produced, but %" PRIu64 " written + %" PRIu64
            " dropped + %" PRIu64 " in the ring",
            account->produced, account->written, account->dropped, account->in_ring);
}
