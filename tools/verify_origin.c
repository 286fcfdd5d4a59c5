/* SPDX-License-Identifier: MIT
 *
 * What --verify has to say of where records come from. Whoever may write to a segment may write any
 * producer and any time into its rings: the group is the domain of trust, and what a record says of
 * its origin is what a member of it says. Here is what can be told from outside:
 *
 * The producer is in no dictionary. The collector writes each that it finds in the table, so the
 * record names one that was not there, or was gone by then: entries are reused when the table is
 * full.
 *
 * The record is in a core's ring and names one that cannot use these, or in a shared one and names
 * one that has no reason for that. In files of older versions threads own rings: there the record
 * is in the ring of another one. A thread kept the ring that it owned until it exited, unless the
 * ring's file was cut.
 *
 * The time is later than the newest, or earlier than the first, that the collector took from the
 * clock itself, by more than a minute. Callers may bring times of their own.
 *
 * These are notes: each has a cause without fault, and who forges with care is not found.
 */
#include "tools/verify_state.h"

#include <inttypes.h>

#define SLACK_S \
    60 /* also the longest that a collector keeps a record in its ring, see --flush-ms */

static bool fits(const struct verify *verify, const struct account *account,
                 const struct shmlog_producer *producer)
{
    const struct verify_live *live;

    if (account->kind == SHMLOG_RING_CPU)
        return producer->why != SHMLOG_WHY_NO_RSEQ && producer->why != SHMLOG_WHY_NO_TSC;
    if (producer->ring) /* owned, and claimed by the time that the file got it */
        return producer->ring == account->ring + 1;
    live = verify->file ? verify_find_live(verify, &verify->file->identity) : NULL;
    return !live || !verify_live_shares_none(live, producer->id);
}

void verify_origins(struct verify *verify, const struct file_reader *reader,
                    struct account *account, uint64_t first_seq, const struct file_block *block)
{
    const uint64_t next = account->next_timed;
    bool known = true, placed = true;
    uint32_t last = 0;

    for (size_t i = first_seq < next ? next - first_seq : 0; i < block->records; i++) {
        const uint32_t id = block->record[i].producer;

        if (!id)
            continue;
        if (id != last) {
            const struct shmlog_producer *const producer = file_reader_producer(reader, id);

            known = producer;
            placed = !producer || fits(verify, account, producer);
            last = id;
        }
        if (!known && !account->unknown.records++) {
            account->unknown.first_seq = first_seq + i;
            account->unknown.producer = id;
        }
        if (!placed && !account->misplaced.records++) {
            account->misplaced.first_seq = first_seq + i;
            account->misplaced.producer = id;
        }
    }
}

static double seconds(const struct file_identity *identity, uint64_t ticks)
{
    return identity->clock_hz ? (double)ticks / (double)identity->clock_hz : 0.0;
}

static void print_times(struct verify *verify, const struct account *account,
                        const struct file_identity *identity)
{
    const uint64_t slack = SLACK_S * identity->clock_hz;

    if (verify->clock_seen && account->newest_time > verify->clock_seen &&
        account->newest_time - verify->clock_seen > slack)
        fprintf(verify->out,
                "note: in ring %" PRIu32
                ", times go up to %.0f s beyond the collector's newest one: "
                "callers' own times, or false ones\n",
                account->ring, seconds(identity, account->newest_time - verify->clock_seen));
    if (account->oldest_time < verify->clock_first &&
        verify->clock_first - account->oldest_time > slack)
        fprintf(verify->out,
                "note: in ring %" PRIu32 ", times begin %.0f s before the collector's first one: "
                "callers' own times, or false ones\n",
                account->ring, seconds(identity, verify->clock_first - account->oldest_time));
}

static void print_origin(struct verify *verify, uint32_t ring, const struct account_origin *origin,
                         const char *which)
{
    if (origin->records)
        fprintf(verify->out,
                "note: in ring %" PRIu32 ", %" PRIu64 " record%s a producer that %s; the first is "
                "number %" PRIu64 " and names %" PRIu32 "\n",
                ring, origin->records, origin->records == 1 ? " names" : "s name", which,
                origin->first_seq, origin->producer);
}

void verify_print_origins(struct verify *verify, const struct file_identity *identity)
{
    for (size_t i = 0; i < verify->accounts; i++) {
        const struct account *const account = &verify->account[i];

        if (account->ring == VERIFY_NO_RING)
            continue;
        print_origin(verify, account->ring, &account->unknown, "the files do not know");
        print_origin(verify, account->ring, &account->misplaced, "does not write to this ring");
        print_times(verify, account, identity);
    }
}
