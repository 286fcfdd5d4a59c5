/* SPDX-License-Identifier: MIT
 *
 * The collector's drain over a segment that a hostile producer scribbles on meanwhile: drain,
 * encode, journal, census; then what came out is read as a file.
 *
 * Input: policy and whether the script runs meanwhile, too, then steps of tests/fuzz/hostile.h.
 * First they are taken one by one with a round of the drain after each, then again and again by a
 * thread while the drain goes on, so a crash may not come again at once. What the journal committed
 * is a sound file whatever the rings held: no piece is damaged, and the numbers of each ring go on
 * without a hole that is not in a gap.
 */
#include "collector/census.h"
#include "collector/drain.h"
#include "logfile/read/reader.h"
#include "tests/fuzz/hostile.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEPS_MAX 40u
#define ROUNDS 30u
#define STOP_ROUNDS_MAX 4000u
#define FLUSH_NS 1000u

static int out_fd = -1;
static char out_path[64];

struct machine {
    struct hostile *hostile;
    struct outbox *outbox;
    struct journal *journal;
    struct drain *drain;
    struct census *census;
    uint64_t now;
    uint64_t stats[64];
};

struct scribbler {
    struct machine *machine;
    const uint8_t *data;
    size_t size;
    bool stop;
};

static void *scribble(void *arg)
{
    struct scribbler *s = arg;

    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        struct fuzz_in in = {s->data, s->data + s->size};

        while (fuzz_left(&in))
            hostile_step(s->machine->hostile, &in);
    }
    return NULL;
}

static void prepare(void)
{
    if (out_fd >= 0)
        return;
    out_fd = memfd_create("drained", MFD_CLOEXEC);
    FUZZ_CHECK(out_fd >= 0);
    snprintf(out_path, sizeof(out_path), "/proc/self/fd/%d", out_fd);
}

static void open_machine(struct machine *m, uint32_t on_full)
{
    const struct shm_segment *segment;
    struct journal_params journal = {.segment_name = "fuzz", .zstd_level = 1};
    struct drain_params drain = {.flush_ns = FLUSH_NS};

    *m = (struct machine){.hostile = hostile_get(on_full)};
    segment = m->hostile->segment;
    FUZZ_CHECK(outbox_create(segment->path, segment->geometry.uuid, segment->geometry.rings,
                             OUTBOX_SIZE_MIN, &m->outbox) == 0);
    journal.outbox = drain.outbox = m->outbox;
    journal.segment = drain.segment = segment;
    journal.stats = m->stats;
    FUZZ_CHECK(journal_open(&journal, &m->journal) == 0);
    drain.journal = m->journal;
    FUZZ_CHECK(drain_open(&drain, &m->drain) == 0);
    FUZZ_CHECK(census_open(segment, m->outbox, &m->census) == 0);
    FUZZ_CHECK(ftruncate(out_fd, 0) == 0);
}

static void close_machine(struct machine *m)
{
    census_close(m->census);
    drain_close(m->drain);
    journal_close(m->journal);
    outbox_close(m->outbox);
}

/* What writeback does, to one file. */
static void write_out(struct machine *m)
{
    uint64_t pos = outbox_tail(m->outbox);
    const struct outbox_entry *entry;
    const uint8_t *bytes;
    int r;

    while ((r = outbox_next(m->outbox, &pos, &entry, &bytes)) > 0)
        if (entry->kind != OUTBOX_ENTRY_PAD)
            FUZZ_CHECK(pwrite(out_fd, bytes, entry->size, (off_t)entry->file_offset) ==
                       (ssize_t)entry->size);
    FUZZ_CHECK(r == 0);
    outbox_release(m->outbox, pos);
}

static void round_of(struct machine *m)
{
    m->now += FLUSH_NS;
    FUZZ_CHECK(drain_work(m->drain, m->now) >= 0);
    write_out(m);
}

static void stop(struct machine *m)
{
    unsigned rounds = 0;
    int r;

    drain_begin_stop(m->drain);
    while ((r = drain_stop(m->drain)) == 1) {
        FUZZ_CHECK(++rounds < STOP_ROUNDS_MAX);
        write_out(m);
    }
    FUZZ_CHECK(r == 0);
    FUZZ_CHECK(journal_seal(m->journal) == 0);
    write_out(m);
}

/* ---- What came out ---- */

static void check_gap(const struct file_gap *gap, uint64_t *next)
{
    uint32_t ring = gap->ring == UINT32_MAX ? HOSTILE_RINGS : gap->ring;

    FUZZ_CHECK(ring <= HOSTILE_RINGS && gap->cause < SHMLOG_LOST_CAUSES && gap->count);
    if (ring == HOSTILE_RINGS)
        return; /* the segment's own line has no numbers */
    if (gap->cause == SHMLOG_LOST_OVERWRITTEN)
        FUZZ_CHECK(gap->seq == next[ring] + gap->count);
    else if (gap->cause == SHMLOG_LOST_DAMAGED)
        FUZZ_CHECK(gap->seq - next[ring] >= gap->count);
    else
        FUZZ_CHECK(gap->seq == next[ring]);
    next[ring] = gap->seq;
}

static void check_out(void)
{
    uint64_t next[HOSTILE_RINGS] = {1, 1};
    struct file_block block = {0};
    struct file_reader *reader;
    struct file_piece piece = {.kind = FILE_PIECE_OTHER};
    size_t rings;

    if (lseek(out_fd, 0, SEEK_END) == 0)
        return; /* nothing was logged */
    FUZZ_CHECK(file_reader_open(out_path, &reader) == 0);
    for (;;) {
        FUZZ_CHECK(file_reader_next(reader, &piece) == 0);
        FUZZ_CHECK(piece.kind != FILE_PIECE_DAMAGED);
        if (piece.kind == FILE_PIECE_END)
            break;
        if (piece.kind == FILE_PIECE_GAP)
            check_gap(&piece.gap, next);
        if (piece.kind != FILE_PIECE_BLOCK)
            continue;
        FUZZ_CHECK(file_reader_decode(reader, &piece, &block) == 0);
        FUZZ_CHECK(piece.block.ring < HOSTILE_RINGS);
        FUZZ_CHECK(piece.block.first_seq == next[piece.block.ring]);
        next[piece.block.ring] += block.records;
    }
    FUZZ_CHECK(file_reader_whole(reader) && file_reader_end(reader, &rings));
    file_block_done(&block);
    file_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    unsigned first = (unsigned)fuzz_take(&in, 1);
    struct machine m;
    struct scribbler scribbler = {.machine = &m, .data = in.at, .size = fuzz_left(&in)};
    pthread_t thread;
    bool meanwhile = first & 4;

    prepare();
    open_machine(&m, 1 + first % 4 % 3);
    for (unsigned steps = 0; fuzz_left(&in) && steps < STEPS_MAX; steps++) {
        hostile_step(m.hostile, &in);
        round_of(&m);
    }
    if (first & 8)
        census_work(m.census);
    if (meanwhile) {
        FUZZ_CHECK(pthread_create(&thread, NULL, scribble, &scribbler) == 0);
        for (unsigned i = 0; i < ROUNDS; i++)
            round_of(&m);
    }
    stop(&m);
    if (meanwhile) {
        __atomic_store_n(&scribbler.stop, true, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
    }
    check_out();
    close_machine(&m);
    return 0;
}
