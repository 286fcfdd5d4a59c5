/* SPDX-License-Identifier: MIT
 *
 * The collector's agents in a test: a real segment, outbox and log directory, driven by hand with
 * a clock of the test's own; and an account of what came out in the files, which checks on the way
 * that records, gaps and ledgers fit together.
 *
 * Include producer/shmlog.h first to log with it.
 */
#ifndef TESTS_UNIT_AGENTS_KIT_H
#define TESTS_UNIT_AGENTS_KIT_H

#include "collector/drain.h"
#include "logfile/read/reader.h"
#include "collector/retention.h"
#include "collector/writeback.h"
#include "shm/tables.h"
#include "tests/unit/segment_kit.h"

#include <dirent.h>
#include <errno.h>

#define AGENTS_FLUSH_NS 1000

struct agents {
    struct shm_segment *segment;
    struct outbox *outbox;
    struct store *store;
    struct writeback *writeback;
    struct journal *journal;
    struct drain *drain;
    uint64_t outbox_size;
    uint64_t now;
    char out[128];
};

__attribute__((unused)) static void agents_say(unsigned level, const char *line)
{
    (void)level;
    fprintf(stderr, "%s\n", line);
}

/* As the collector starts: the segment is made, or the one that is there is taken over. */
__attribute__((unused)) static void agents_open(struct agents *a, const struct shm_params *params)
{
    struct journal_params journal = {.segment_name = "t", .zstd_level = 1};
    struct drain_params drain = {.flush_ns = AGENTS_FLUSH_NS};
    struct writeback_params writeback = {.segment = "t", .say = agents_say};
    const struct shmlog_control *g;
    int r = -ENOENT;

    snprintf(a->out, sizeof(a->out), "%s/out", kit_folder);
    (void)mkdir(a->out, 0700);
    a->segment = kit_create(params);
    g = &a->segment->geometry;
    if (!a->segment->created)
        r = outbox_open(kit_path, g->uuid, g->rings, &a->outbox);
    if (r == -ENOENT)
        r = outbox_create(kit_path, g->uuid, g->rings,
                          a->outbox_size ? a->outbox_size : UINT64_C(4) << 20, &a->outbox);
    cr_assert_eq(r, 0, "outbox: %d", r);
    cr_assert_eq(store_plain_open(&a->store), 0);
    writeback.outbox = journal.outbox = drain.outbox = a->outbox;
    writeback.store = a->store;
    writeback.directory = a->out;
    writeback.stats = journal.stats = a->segment->control->stats;
    journal.segment = drain.segment = a->segment;
    cr_assert_eq(writeback_open(&writeback, &a->writeback), 0);
    cr_assert_eq(old_files_newest(a->out, "t", &journal.newest_file), 0);
    cr_assert_eq(journal_open(&journal, &a->journal), 0);
    drain.journal = a->journal;
    cr_assert_eq(drain_open(&drain, &a->drain), 0);
    drain_release_all(a->drain);
}

/* As SIGKILL leaves it: what is in shared memory and on the disk stays. */
__attribute__((unused)) static void agents_die(struct agents *a)
{
    writeback_close(a->writeback);
    store_close(a->store);
    drain_close(a->drain);
    journal_close(a->journal);
    outbox_close(a->outbox);
    shm_segment_close(a->segment);
}

/* What the pipeline does when it takes a new file to go on. */
__attribute__((unused)) static void agents_move(struct agents *a)
{
    cr_assert_eq(writeback_leave_files(a->writeback), 0);
    cr_assert_eq(journal_move(a->journal), 0);
    writeback_begin_anew(a->writeback, true, a->now);
}

/* Write all that the outbox holds. */
__attribute__((unused)) static void agents_write(struct agents *a)
{
    for (unsigned i = 0; !writeback_idle(a->writeback); i++) {
        cr_assert_lt(i, 100000, "the outbox does not get empty");
        cr_assert_geq(writeback_work(a->writeback, a->now++), 0);
        if (writeback_stalled(a->writeback))
            a->now += 50000000;
        if (writeback_needs_new_file(a->writeback, a->now))
            agents_move(a);
    }
}

/* A round over the rings in which every ring is due. */
__attribute__((unused)) static int64_t agents_drain(struct agents *a)
{
    a->now += AGENTS_FLUSH_NS;
    return drain_work(a->drain, a->now);
}

/* What the collector before left: written, and its file sealed. */
__attribute__((unused)) static void agents_recover(struct agents *a)
{
    const struct outbox_file *const file = outbox_file(a->outbox);
    char path[PATH_MAX];

    agents_write(a);
    cr_assert_eq(writeback_path(a->out, "t", file->number, file->created_ns, true, path,
                                sizeof(path)),
                 0);
    cr_assert_eq(journal_seal_left(a->journal, path), 0);
    agents_write(a);
}

__attribute__((unused)) static void agents_stop(struct agents *a)
{
    int r;

    drain_begin_stop(a->drain);
    for (unsigned i = 0; (r = drain_stop(a->drain)) == 1; i++) {
        cr_assert_lt(i, 100000, "the rings do not get empty");
        agents_write(a);
    }
    cr_assert_eq(r, 0);
    agents_write(a);
    cr_assert_eq(journal_seal(a->journal), 0);
    agents_write(a);
}

/* ---- What is in the files ---- */

#define TALLY_RINGS 16u
#define TALLY_GAPS 4096u

struct tally_record {
    uint64_t value; /* what is at payload offset 16: the first 64-bit argument */
    uint64_t time;
    uint32_t producer, site, slots;
    bool site_known, producer_known;
};
struct tally_ring {
    struct tally_record *record; /* as many as `written` */
    size_t room;
    uint64_t next_seq, written, lost[SHMLOG_LOST_CAUSES];
    uint64_t produced; /* as the last ledger says */
    uint64_t blocks;
    struct file_gap gap[TALLY_GAPS];
    uint64_t gap_at[TALLY_GAPS]; /* records before it */
    uint32_t gaps;
};
struct tally {
    struct tally_ring ring[TALLY_RINGS + 1]; /* the last: the segment's own line */
    unsigned files, sealed;
};

static void tally_check(const struct tally *t, const char *name, const char *what,
                        const struct file_ledger_entry *line, size_t rings)
{
    for (size_t i = 0; i < rings; i++) {
        const struct tally_ring *const r = &t->ring[i + 1 == rings ? TALLY_RINGS : i];

        cr_assert_eq(line[i].next_seq, r->next_seq, "%s: %s of line %zu: next %llu, found %llu",
                     name, what, i, (unsigned long long)line[i].next_seq,
                     (unsigned long long)r->next_seq);
        cr_assert_eq(line[i].written, r->written, "%s: %s of line %zu", name, what, i);
        for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
            cr_assert_eq(line[i].lost[cause], r->lost[cause],
                         "%s: %s of line %zu: cause %u: %llu, found %llu", name, what, i, cause,
                         (unsigned long long)line[i].lost[cause],
                         (unsigned long long)r->lost[cause]);
    }
}

static void tally_block(struct tally *t, struct file_reader *reader, const struct file_piece *piece,
                        struct file_block *block)
{
    struct tally_ring *r;

    cr_assert_eq(file_reader_decode(reader, piece, block), 0);
    cr_assert_lt(piece->block.ring, TALLY_RINGS);
    r = &t->ring[piece->block.ring];
    cr_assert_eq(piece->block.first_seq, r->next_seq);
    if (r->written + block->records > r->room) {
        r->room = 2 * (r->written + block->records);
        r->record = realloc(r->record, r->room * sizeof(*r->record));
    }
    for (size_t i = 0; i < block->records; i++) {
        const struct file_record *const from = &block->record[i];
        struct tally_record *const to = &r->record[r->written++];

        cr_assert_eq(from->seq, r->next_seq++);
        *to = (struct tally_record){.time = from->time,
                                    .producer = from->producer,
                                    .site = from->site,
                                    .slots = from->slots};
        if (from->payload_size >= 24)
            memcpy(&to->value, from->payload + 16, 8);
        to->site_known = file_sites_get(file_reader_sites(reader), from->site) != NULL;
        to->producer_known = file_reader_producer(reader, from->producer) != NULL;
    }
    r->blocks++;
}

static void tally_gap(struct tally *t, const struct file_gap *gap)
{
    struct tally_ring *const r = &t->ring[gap->ring == UINT32_MAX ? TALLY_RINGS : gap->ring];

    cr_assert(gap->ring == UINT32_MAX || gap->ring < TALLY_RINGS);
    cr_assert_lt(gap->cause, SHMLOG_LOST_CAUSES);
    cr_assert_gt(gap->count, 0);
    if (gap->cause == SHMLOG_LOST_OVERWRITTEN)
        cr_assert_eq(gap->seq, r->next_seq + gap->count);
    else if (gap->cause == SHMLOG_LOST_DAMAGED)
        cr_assert_geq(gap->seq, r->next_seq + gap->count);
    else
        cr_assert_eq(gap->seq, r->next_seq);
    r->next_seq = gap->seq;
    r->lost[gap->cause] += gap->count;
    cr_assert_lt(r->gaps, TALLY_GAPS);
    r->gap_at[r->gaps] = r->written;
    r->gap[r->gaps++] = *gap;
}

static void tally_file(struct tally *t, const char *path)
{
    const struct file_ledger_entry *line;
    struct file_block block = {0};
    struct file_reader *reader = NULL;
    struct file_piece piece;
    size_t rings;
    int r = file_reader_open(path, &reader);

    cr_assert_eq(r, 0, "%s: %s", path, file_strerror(r));
    line = file_reader_start(reader, &rings);
    tally_check(t, path, "start", line, rings);
    while ((r = file_reader_next(reader, &piece)) == 0 && piece.kind != FILE_PIECE_END) {
        cr_assert_neq(piece.kind, FILE_PIECE_DAMAGED, "%s: at %llu: %s", path,
                      (unsigned long long)piece.offset, piece.reason);
        if (piece.kind == FILE_PIECE_BLOCK)
            tally_block(t, reader, &piece, &block);
        else if (piece.kind == FILE_PIECE_GAP)
            tally_gap(t, &piece.gap);
    }
    cr_assert_eq(r, 0);
    line = file_reader_end(reader, &rings);
    if (line) {
        tally_check(t, path, "end", line, rings);
        for (size_t i = 0; i < rings; i++)
            t->ring[i + 1 == rings ? TALLY_RINGS : i].produced = line[i].produced;
        t->sealed++;
    }
    t->files++;
    file_block_done(&block);
    file_reader_close(reader);
}

static int tally_pick(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* By number, which stands before the ending: stamps may be alike, or go back. */
static int tally_order(const struct dirent **a, const struct dirent **b)
{
    const char *const x = strchr((*a)->d_name, '.'), *const y = strchr((*b)->d_name, '.');

    return strncmp(x - 6, y - 6, 6);
}

/* Read all files of a directory, in order. Every record is there exactly once, or this fails. */
__attribute__((unused)) static struct tally *tally_open(const char *directory)
{
    struct tally *const t = calloc(1, sizeof(*t));
    struct dirent **entry;
    const int n = scandir(directory, &entry, tally_pick, tally_order);

    cr_assert_geq(n, 0);
    for (uint32_t i = 0; i <= TALLY_RINGS; i++)
        t->ring[i].next_seq = 1;
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", directory, entry[i]->d_name);
        tally_file(t, path);
        free(entry[i]);
    }
    free(entry);
    return t;
}

__attribute__((unused)) static void tally_close(struct tally *t)
{
    for (uint32_t i = 0; i <= TALLY_RINGS; i++)
        free(t->ring[i].record);
    free(t);
}

__attribute__((unused)) static uint64_t tally_written(const struct tally *t)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < TALLY_RINGS; i++)
        sum += t->ring[i].written;
    return sum;
}

/* The last seal's balance: produced = written + lost, for every line. */
__attribute__((unused)) static void tally_balances(const struct tally *t)
{
    for (uint32_t i = 0; i <= TALLY_RINGS; i++) {
        uint64_t sum = t->ring[i].written;

        for (uint32_t cause = 0; cause < SHMLOG_LOST_CAUSES; cause++)
            sum += t->ring[i].lost[cause];
        cr_assert_eq(t->ring[i].produced, sum, "line %u: %llu produced, %llu found", i,
                     (unsigned long long)t->ring[i].produced, (unsigned long long)sum);
    }
}

#endif
