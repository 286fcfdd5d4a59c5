/* SPDX-License-Identifier: MIT
 *
 * The journal: when files begin and end, what they say of the clock and of themselves, and what
 * becomes of a file that a dead collector left.
 */
#include "producer/shmlog.h"

#include "shm/clock.h"
#include "shm/stats.h"
#include "shm/tables.h"
#include "tests/unit/agents_kit.h"

TestSuite(journal, .init = kit_open, .fini = kit_close, .timeout = 120);

static struct agents agents;
static uint64_t stats[64];

static void start(void)
{
    struct shm_params params = kit_params();

    agents_open(&agents, &params);
}

static void restart(void)
{
    struct shm_params params = kit_params();

    agents_die(&agents);
    agents_open(&agents, &params);
    cr_assert(!agents.segment->created);
}

/* A journal with other parameters than the kit's. */
static void reopen(const struct journal_params *params)
{
    struct journal_params p = *params;

    journal_close(agents.journal);
    p.segment = agents.segment;
    p.outbox = agents.outbox;
    p.segment_name = "t";
    p.zstd_level = 1;
    p.stats = stats;
    cr_assert_eq(journal_open(&p, &agents.journal), 0);
}

/* A block of one record, of no ring that anybody reads. */
static int put_record(uint64_t number, uint32_t site, uint64_t time)
{
    struct shmlog_slot slot = {.seq = (uint32_t)number,
                               .site = site | 1u << SHMLOG_SITE_SLOTS_SHIFT};
    const struct journal_batch batch = {.ring = 0,
                                        .first_pos = number - 1,
                                        .first_seq = number,
                                        .slots = &slot,
                                        .slot_count = 1,
                                        .records = 1};
    struct file_ledger_entry line = *outbox_ledger(agents.outbox, 0);

    memcpy(slot.payload + SHMLOG_PAYLOAD_TIME, &time, sizeof(time));
    line.next_seq = number + 1;
    line.next_pos = number;
    line.written++;
    return journal_block(agents.journal, &batch, &line);
}

static int put_block_of(uint64_t number, uint32_t site)
{
    return put_record(number, site, 0);
}

static int put_block_at(uint64_t number, uint64_t time)
{
    return put_record(number, 0, time);
}

static int put_block(uint64_t number)
{
    return put_record(number, 0, 0);
}

static const char *path_of_file(bool part)
{
    const struct outbox_file *const file = outbox_file(agents.outbox);
    static char path[PATH_MAX];

    cr_assert_eq(writeback_path(agents.out, "t", file->number, file->created_ns, part, path,
                                sizeof(path)),
                 0);
    return path;
}

Test(journal, begins_and_seals)
{
    struct file_reader *reader = NULL;
    struct tally *t;

    start();
    cr_assert(!journal_is_open(agents.journal));
    cr_assert_eq(journal_seal(agents.journal), 0, "nothing to seal");
    cr_assert_eq(outbox_head(agents.outbox), 0);
    cr_assert_eq(journal_begin(agents.journal), 0);
    cr_assert_eq(journal_begin(agents.journal), 0, "it has begun");
    cr_assert(journal_is_open(agents.journal));
    cr_assert_eq(put_block(1), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    cr_assert(!journal_is_open(agents.journal));
    agents_write(&agents);
    cr_assert_eq(file_reader_open(path_of_file(false), &reader), 0);
    cr_assert_str_eq(file_reader_identity(reader)->segment, "t");
    cr_assert_str_eq(file_reader_identity(reader)->segment_path, kit_path);
    cr_assert_eq(file_reader_identity(reader)->file_number, 1);
    cr_assert_eq(memcmp(file_reader_identity(reader)->segment_uuid, agents.segment->geometry.uuid,
                        16),
                 0);
    file_reader_close(reader);
    t = tally_open(agents.out);
    cr_assert_eq(t->files, 1);
    cr_assert_eq(t->sealed, 1);
    cr_assert_eq(t->ring[0].written, 1);
    tally_close(t);
    agents_die(&agents);
}

Test(journal, numbers_go_on)
{
    const struct journal_params params = {.newest_file = 41};
    struct tally *t;

    start();
    reopen(&params);
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(put_block(i), 0);
        cr_assert_eq(outbox_file(agents.outbox)->number, 41 + i);
        cr_assert_eq(journal_seal(agents.journal), 0);
    }
    agents_write(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->sealed, 3);
    cr_assert_eq(t->ring[0].written, 3);
    tally_close(t);
    agents_die(&agents);
}

/* A segment made anew goes on where its namesake's files end, and harms none of them. */
Test(journal, names_are_not_used_twice)
{
    struct shm_params params = kit_params();

    start();
    cr_assert_eq(put_block(1), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    agents_die(&agents);
    cr_assert_eq(shm_segment_destroy(kit_path), 0);
    agents_open(&agents, &params);
    cr_assert(agents.segment->created);
    cr_assert_eq(put_block(1), 0);
    cr_assert_eq(outbox_file(agents.outbox)->number, 2);
    agents_die(&agents);
}

Test(journal, due)
{
    const struct journal_params by_size = {.rotate_bytes = 5000};
    const struct journal_params by_time = {.rotate_ns = 1000};
    uint64_t created, number = 1;

    start();
    reopen(&by_size);
    cr_assert_eq(journal_begin(agents.journal), 0);
    cr_assert(!journal_due(agents.journal, UINT64_MAX / 2));
    while (!journal_due(agents.journal, 0)) {
        cr_assert_lt(outbox_file(agents.outbox)->offset, 5000);
        cr_assert_eq(put_block(number++), 0);
    }
    cr_assert_geq(outbox_file(agents.outbox)->offset, 5000);
    cr_assert_eq(journal_seal(agents.journal), 0);
    cr_assert(!journal_due(agents.journal, 0));
    agents_write(&agents);

    reopen(&by_time);
    cr_assert_eq(journal_begin(agents.journal), 0);
    created = outbox_file(agents.outbox)->created_ns;
    cr_assert(!journal_due(agents.journal, created + 2000), "no record yet");
    cr_assert_eq(put_block(number++), 0);
    cr_assert(!journal_due(agents.journal, created + 999));
    cr_assert(journal_due(agents.journal, created + 1000));
    agents_die(&agents);
}

/* -EAGAIN changes nothing: not the file, not the ledger; and it goes on where it was. */
Test(journal, full_outbox_changes_nothing)
{
    struct shmlog_slot *const slots = calloc(7000, sizeof(*slots));
    struct outbox_file before;
    struct file_ledger_entry line;
    uint64_t number = 1;
    struct tally *t;
    int r = 0;

    agents.outbox_size = OUTBOX_SIZE_MIN;
    start();
    srand(5);
    while (r == 0) {
        const struct journal_batch batch = {.ring = 0,
                                            .first_pos = number - 1,
                                            .first_seq = number,
                                            .slots = slots,
                                            .slot_count = 7000,
                                            .records = 7000};

        for (unsigned i = 0; i < 7000; i++) {
            slots[i] = (struct shmlog_slot){.seq = (uint32_t)(number + i),
                                            .site = 1u << SHMLOG_SITE_SLOTS_SHIFT};
            for (unsigned k = 0; k < sizeof(slots[i].payload); k++)
                slots[i].payload[k] = (uint8_t)rand();
        }
        before = *outbox_file(agents.outbox);
        line = *outbox_ledger(agents.outbox, 0);
        line.next_seq += 7000;
        line.next_pos += 7000;
        line.written += 7000;
        r = journal_block(agents.journal, &batch, &line);
        number += r == 0 ? 7000 : 0;
    }
    cr_assert_eq(r, -EAGAIN);
    cr_assert_gt(number, 7000, "one such block fits always");
    cr_assert_eq(memcmp(&before, outbox_file(agents.outbox), sizeof(before)), 0);
    cr_assert_eq(outbox_ledger(agents.outbox, 0)->next_seq, number);
    agents_write(&agents);
    cr_assert_eq(put_block(number), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->ring[0].written, number);
    tally_close(t);
    free(slots);
    agents_die(&agents);
}

/* Pieces without end: files are sealed, by themselves, before an index gets too large for the
 * outbox. */
Test(journal, seal_fits_the_outbox)
{
    struct tally *t;

    agents.outbox_size = OUTBOX_SIZE_MIN;
    start();
    for (uint64_t number = 1; number <= 30000; number++) {
        int r = put_block(number);

        if (r == -EAGAIN) {
            agents_write(&agents);
            r = put_block(number);
        }
        cr_assert_eq(r, 0);
    }
    agents_write(&agents);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    t = tally_open(agents.out);
    cr_assert_gt(t->files, 1);
    cr_assert_eq(t->sealed, t->files);
    cr_assert_eq(t->ring[0].written, 30000);
    tally_close(t);
    agents_die(&agents);
}

static size_t clock_pairs(const char *path, struct shmlog_clock_pair *ret_last)
{
    struct file_reader *reader = NULL;
    const struct shmlog_clock_pair *pair;
    struct file_piece piece;
    size_t count;

    cr_assert_eq(file_reader_open(path, &reader), 0);
    while (file_reader_next(reader, &piece) == 0 && piece.kind != FILE_PIECE_END)
        ;
    pair = file_reader_clock(reader, &count);
    if (count)
        *ret_last = pair[count - 1];
    file_reader_close(reader);
    return count;
}

/* A second apart, ahead of those that the segment has already. */
static uint64_t publish_pairs(unsigned count, int64_t set_ns)
{
    const uint64_t hz = agents.segment->geometry.clock_hz;
    struct shmlog_clock_pair pair;

    cr_assert(shm_clock_newest(agents.segment, &pair));
    for (unsigned i = 0; i < count; i++) {
        pair.ticks += hz;
        pair.realtime_ns += UINT64_C(1000000000) + (i == count / 2 ? (uint64_t)set_ns : 0);
        pair.error_ns = 1;
        shm_clock_publish(agents.segment, &pair);
    }
    return pair.ticks;
}

/* A file has the pairs that its records need, those between which the clock was set, and the
 * newest ones when it was begun and sealed: not those of a quiet time. */
Test(journal, clock_pairs)
{
    struct shmlog_clock_pair last = {0};
    uint64_t newest;

    start();
    newest = publish_pairs(10, 0); /* and the segment's first */
    cr_assert_eq(put_block_at(1, newest), 0);
    cr_assert_eq(put_block_at(2, newest + 1), 0);
    agents_write(&agents);
    /* the one before the newest counts, so the two before that, the newest as the file began */
    cr_assert_eq(clock_pairs(path_of_file(true), &last), 4);
    cr_assert_eq(last.ticks, newest);
    publish_pairs(100, 0);
    cr_assert_eq(put_block_at(3, newest), 0);
    agents_write(&agents);
    cr_assert_eq(clock_pairs(path_of_file(true), &last), 4, "it needs none of them");
    newest = publish_pairs(100, 2000000000);
    cr_assert_eq(put_block_at(4, newest), 0);
    agents_write(&agents);
    cr_assert_eq(clock_pairs(path_of_file(true), &last), 4 + 2 + 3);
    cr_assert_lt(last.ticks, newest, "it does not count yet");
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    cr_assert_eq(clock_pairs(path_of_file(false), &last), 4 + 2 + 3 + 1);
    cr_assert_eq(last.ticks, newest);
    agents_die(&agents);
}

/* ---- What a dead collector left ---- */

Test(journal, left_open)
{
    struct tally *t;

    start();
    for (uint64_t i = 1; i <= 50; i++)
        cr_assert_eq(put_block(i), 0);
    restart(); /* half of the way: nothing of it is written yet */
    cr_assert(journal_is_open(agents.journal));
    agents_recover(&agents);
    cr_assert(!journal_is_open(agents.journal));
    cr_assert_eq(put_block(51), 0);
    restart();
    agents_recover(&agents);
    restart(); /* nothing was left */
    cr_assert(!journal_is_open(agents.journal));
    agents_recover(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->files, 2);
    cr_assert_eq(t->sealed, 2);
    cr_assert_eq(t->ring[0].written, 51);
    tally_close(t);
    agents_die(&agents);
}

/* Dead after the seal was committed, and after it was written, and after the file had its name. */
Test(journal, left_at_the_seal)
{
    struct tally *t;
    uint64_t tail;

    start();
    cr_assert_eq(put_block(1), 0);
    agents_write(&agents);
    tail = outbox_tail(agents.outbox);
    cr_assert_eq(journal_seal(agents.journal), 0);
    restart();
    cr_assert(!journal_is_open(agents.journal));
    agents_write(&agents);
    outbox_release(agents.outbox, tail); /* not freed any more */
    restart();
    agents_recover(&agents);
    cr_assert_eq(put_block(2), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    t = tally_open(agents.out);
    cr_assert_eq(t->files, 2);
    cr_assert_eq(t->sealed, 2);
    cr_assert_eq(t->ring[0].written, 2);
    tally_close(t);
    agents_die(&agents);
}

/* The file that was left is gone, or is no log file any more: it goes on without it. */
Test(journal, left_file_is_gone)
{
    struct file_reader *reader = NULL;

    start();
    cr_assert_eq(put_block(1), 0);
    agents_write(&agents);
    cr_assert_eq(unlink(path_of_file(true)), 0);
    restart();
    agents_recover(&agents);
    cr_assert_eq(put_block(2), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    cr_assert_eq(file_reader_open(path_of_file(false), &reader), 0);
    file_reader_close(reader);
    agents_die(&agents);
}

/* ---- Moving to a new file ---- */

/* Bring about what an I/O error does. */
static void move(void)
{
    agents_move(&agents);
}

/* Every record once, whatever was on the disk when it happened; `bad`: files without a good seal.
 */
static void check_moved(uint64_t records, unsigned files, unsigned sealed)
{
    struct tally *const t = tally_open(agents.out);

    cr_assert_eq(t->ring[0].written, records, "%llu", (unsigned long long)t->ring[0].written);
    cr_assert_eq(t->files, files, "%u files", t->files);
    cr_assert_eq(t->sealed, sealed, "%u sealed", t->sealed);
    tally_close(t);
}

/* In the middle of a file, at its beginning, twice, after its seal, with nothing waiting. */
Test(journal, moves)
{
    struct file_gap gap = {.cause = SHMLOG_LOST_DAMAGED, .count = 3, .seq = 8, .pos = 7};
    struct file_ledger_entry line;

    start();
    cr_assert_eq(put_block(1), 0);
    agents_write(&agents);
    cr_assert_eq(put_block(2), 0);
    cr_assert_eq(put_block(3), 0);
    move(); /* 1 stays in the first file */
    cr_assert_eq(outbox_file(agents.outbox)->number, 2);
    cr_assert_eq(put_block(4), 0);
    move(); /* nothing of the second is there yet: its number again, the bad seal once */
    cr_assert_eq(outbox_file(agents.outbox)->number, 2);
    agents_write(&agents);
    check_moved(4, 2, 1);
    line = *outbox_ledger(agents.outbox, 0);
    line.next_seq = 8;
    line.next_pos = 7;
    line.lost[SHMLOG_LOST_DAMAGED] += 3;
    cr_assert_eq(journal_gap(agents.journal, &gap, &line), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    cr_assert_eq(put_block(8), 0); /* in the third */
    move();                        /* both into one, which ends as the first of them did */
    cr_assert_eq(outbox_file(agents.outbox)->number, 3);
    cr_assert(!journal_is_open(agents.journal));
    agents_write(&agents);
    move(); /* nothing is open: nothing happens */
    cr_assert(!journal_is_open(agents.journal));
    cr_assert_eq(put_block(9), 0);
    agents_write(&agents);
    move(); /* everything is written: an empty new file */
    cr_assert_eq(put_block(10), 0);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    check_moved(7, 5, 5);
    agents_die(&agents);
}

static bool file_has(const char *path, const char *text)
{
    static char bytes[1 << 20];
    FILE *const f = fopen(path, "re");
    size_t size;

    cr_assert_not_null(f, "%s", path);
    size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

/* The new file has a site as it was when its first record came, whatever the segment says now. */
Test(journal, moves_with_sites_as_they_were)
{
    uint8_t bytes[SHMLOG_SITE_MAX], *site;
    struct shmlog *log;
    uint16_t size_there;
    uint32_t id = 1;
    uint64_t *word;
    size_t size;

    start();
    cr_assert_eq(shmlog_open(&log, kit_path, NULL), 0);
    shmlog_info(log, "sound %d", 1);
    while (shm_site_copy(agents.segment, id, bytes, &size) < 0)
        cr_assert_lt(++id, agents.segment->geometry.sites_max);
    cr_assert_eq(put_block_of(1, id), 0);
    agents_write(&agents);
    /* somebody who knows how makes another one of it */
    word = &shm_site_words(agents.segment)[id];
    site = shm_arena(agents.segment) + (*word & UINT32_MAX) * 8;
    memcpy(&size_there, site, sizeof(size_there)); /* not that of the copy: it has names */
    memcpy(memmem(site, size_there, "sound %d", 8), "wrong %d", 8);
    *word = (uint64_t)shmlog_site_hash_(site, size_there) << 32 | (*word & UINT32_MAX);
    cr_assert_eq(shm_site_copy(agents.segment, id, bytes, &size), 0);
    move();
    agents_write(&agents);
    cr_assert(file_has(path_of_file(true), "sound %d"));
    cr_assert(!file_has(path_of_file(true), "wrong %d"));
    shmlog_close(log);
    agents_die(&agents);
}

/* Dead right after: the next collector finds it as it was left. */
Test(journal, moves_and_dies)
{
    start();
    cr_assert_eq(put_block(1), 0);
    agents_write(&agents);
    cr_assert_eq(put_block(2), 0);
    move();
    restart();
    agents_recover(&agents);
    check_moved(2, 2, 2);
    agents_die(&agents);
}

/* An outbox as full as it can be has a larger one after it. */
Test(journal, moves_a_full_outbox)
{
    uint64_t n = 0, size;
    int r;

    agents.outbox_size = OUTBOX_SIZE_MIN;
    start();
    cr_assert_eq(put_block(++n), 0);
    agents_write(&agents);
    while ((r = put_block(n + 1)) == 0)
        n++;
    cr_assert_eq(r, -EAGAIN);
    size = outbox_size(agents.outbox);
    move();
    cr_assert_geq(outbox_size(agents.outbox), size);
    agents_write(&agents);
    cr_assert_eq(journal_seal(agents.journal), 0);
    agents_write(&agents);
    check_moved(n, 2, 2);
    agents.outbox_size = 0;
    agents_die(&agents);
}
