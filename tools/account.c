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

static void adopt(struct account *account, const struct file_ledger_entry *entry)
{
    account->next_seq = entry->next_seq;
    account->written = entry->written;
    memcpy(account->lost, entry->lost, sizeof(account->lost));
    account->broken = false;
}

void account_begin(struct account *account, const struct file_ledger_entry *start)
{
    *account = (struct account){.ring = start->ring, .cpu = start->cpu, .kind = start->kind};
    adopt(account, start);
    account->before = start->written;
}

static bool same(const struct account *account, const struct file_ledger_entry *entry)
{
    return account->next_seq == entry->next_seq && account->written == entry->written &&
           !memcmp(account->lost, entry->lost, sizeof(account->lost));
}

/* Say in which numbers a ledger differs from what was found. */
static void differs(const struct account *account, const struct file_ledger_entry *entry,
                    const char *which, const struct account_report *report)
{
    if (account->next_seq != entry->next_seq)
        SAY("%s says that record %" PRIu64 " is next, by the blocks it is %" PRIu64, which,
            entry->next_seq, account->next_seq);
    if (account->written != entry->written)
        SAY("%s says %" PRIu64 " written, by the blocks it is %" PRIu64, which, entry->written,
            account->written);
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (account->lost[i] != entry->lost[i])
            SAY("%s says %" PRIu64 " lost (%s), by the gaps it is %" PRIu64, which, entry->lost[i],
                info_cause(i), account->lost[i]);
}

/* Does the ledger stand no later than the account? */
static bool not_later(const struct account *account, const struct file_ledger_entry *entry)
{
    if (entry->next_seq > account->next_seq || entry->written > account->written)
        return false;
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++)
        if (entry->lost[i] > account->lost[i])
            return false;
    return true;
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
        account->missing += start->next_seq - account->next_seq;
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
        SAY("records %" PRIu64 " to %" PRIu64 " are missing", account->next_seq, seq - 1);
        account->missing += seq - account->next_seq;
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
    account->proven = true;
    account->produced = produced;
    account->dropped = account_lost(account);
    account->in_ring = 0;
    if (produced > account->written + account->dropped)
        SAY("%" PRIu64 " records were still in the ring when the last file was sealed, and the "
            "segment is gone",
            produced - account->written - account->dropped);
    else if (produced < account->written + account->dropped)
        SAY("more was written and dropped than produced: %" PRIu64 " + %" PRIu64 " > %" PRIu64,
            account->written, account->dropped, produced);
}

void account_close_live(struct account *account, const struct account_ring *ring,
                        const struct account_report *report)
{
    uint64_t next = account->next_seq, unread = 0;

    account->proven = true;
    account->produced = ring->newest;
    for (size_t i = 0; i < SHMLOG_LOST_CAUSES; i++) {
        if (account_takes_seq(i))
            continue;
        account->produced += ring->lost[i];
        if (account->lost[i] > ring->lost[i])
            SAY("%" PRIu64 " lost (%s) are in the files, but the ring counts %" PRIu64,
                account->lost[i], info_cause(i), ring->lost[i]);
        else
            unread += ring->lost[i] - account->lost[i]; /* not in a gap record yet */
    }
    if (account->kind && ring->newest + 1 < next) {
        SAY("record %" PRIu64 " is in the files, but the ring's newest is %" PRIu64, next - 1,
            ring->newest);
    } else if (account->kind) {
        uint64_t oldest = ring->oldest > next ? ring->oldest : next;

        if (oldest > ring->newest + 1)
            oldest = ring->newest + 1;
        unread += oldest - next; /* overwritten, which nobody has noticed yet */
        account->in_ring = ring->newest + 1 - oldest;
    }
    account->dropped = account_lost(account) + unread;
    if (account->produced != account->written + account->dropped + account->in_ring)
        SAY("does not balance: %" PRIu64 " produced, but %" PRIu64 " written + %" PRIu64
            " dropped + %" PRIu64 " in the ring",
            account->produced, account->written, account->dropped, account->in_ring);
}
