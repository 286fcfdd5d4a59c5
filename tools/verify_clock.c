/* SPDX-License-Identifier: MIT
 *
 * What --verify has to say of time: where the wall clock was set, and where records of a ring have
 * older times than those before them. Neither is a problem: order within a ring is that of its
 * numbers.
 */
#include "shm/clock.h"
#include "reader/text.h"
#include "tools/verify_state.h"

#include <inttypes.h>

/* Does the file begin where the segment does? */
static bool is_first(const struct file_reader *reader)
{
    size_t rings;
    const struct file_ledger_entry *const start = file_reader_start(reader, &rings);

    for (size_t i = 0; i < rings; i++)
        if (start[i].next_seq != 1)
            return false;
    return rings > 0;
}

void verify_clock(struct verify *verify, const struct file_reader *reader)
{
    const struct file_identity *const identity = &verify->file->identity;
    size_t count;
    const struct shmlog_clock_pair *const pairs = file_reader_clock(reader, &count);

    for (size_t i = 1; i < count; i++) {
        int64_t by_ns;

        /* pairs are repeated at the beginning of the next file */
        if (pairs[i].ticks <= verify->clock_seen ||
            shm_clock_between(&pairs[i - 1], &pairs[i], identity->clock_hz, &by_ns) !=
                SHM_CLOCK_SET)
            continue;
        text_say(verify->out,
                 "note: %s: the wall clock was set by %+.3f s, between ticks %" PRIu64
                 " and %" PRIu64,
                 verify->file->path, (double)by_ns / 1e9, pairs[i - 1].ticks, pairs[i].ticks);
    }
    if (count && !verify->clock_seen && is_first(reader))
        verify->clock_first = pairs[0].ticks;
    if (count && pairs[count - 1].ticks > verify->clock_seen)
        verify->clock_seen = pairs[count - 1].ticks;
}

void verify_times(struct account *account, uint64_t first_seq, const struct file_block *block)
{
    const uint64_t next = account->next_timed, end = first_seq + block->records;

    if (end <= next)
        return;
    account->next_timed = end;
    for (size_t i = first_seq < next ? next - first_seq : 0; i < block->records; i++) {
        const uint64_t time = block->record[i].time;

        if (time < account->oldest_time)
            account->oldest_time = time;
        if (time < account->newest_time) {
            account->backwards++;
            if (account->newest_time - time > account->backwards_by)
                account->backwards_by = account->newest_time - time;
        } else {
            account->newest_time = time;
        }
    }
}

void verify_print_times(struct verify *verify, const struct file_identity *identity)
{
    for (size_t i = 0; i < verify->accounts; i++) {
        const struct account *const account = &verify->account[i];

        if (account->backwards)
            fprintf(verify->out,
                    "note: ring %" PRIu32 ": %" PRIu64
                    " records are older than one before them, by "
                    "up to %.6f s: callers' own times, or a clock that differs between cores\n",
                    account->ring, account->backwards,
                    identity->clock_hz ? (double)account->backwards_by / (double)identity->clock_hz
                                       : 0.0);
    }
}
