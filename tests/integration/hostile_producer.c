/* SPDX-License-Identifier: MIT
 *
 * A hostile producer scribbles over the control file and the rings while a collector drains them
 * and shmlog-dump looks in all its ways. Demanded: nobody crashes or hangs; the records of a
 * producer that has a ring of its own all come out, whole and in order; the damage is reported.
 *
 * While that producer lives, it is left what it stands on: its ring, its entry, level and state of
 * the segment; and the geometry, so that shmlog-dump gets to the rings at all. When it
 * is done, nothing of the control file is left alone any more.
 *
 * SHMLOG_TEST_HOSTILE_SECONDS: how long each of the two goes on (default 1).
 */
#include "shm/path.h"
#include "shm/segment.h"
#include "tests/integration/oracle.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SEGMENT "hostile"

struct scribbler {
    uint64_t random;
    uint32_t spared_ring;
    bool all;
    const struct shm_segment *segment; /* opened before it began: now nobody else can open it */
    /* of what is spared in the control file: what was there when it began */
    uint32_t producers;
    uint64_t tail[8]; /* where the collector was, before it was scribbled over */
};

/* ---- Scribbling ---- */

static uint64_t any_value(struct scribbler *s, uint64_t now)
{
    switch (kit_random_below(&s->random, 6)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return now + kit_random_below(&s->random, 4096) - 2048;
    case 3:
        return UINT64_C(1) << kit_random_below(&s->random, 64);
    case 4:
        return kit_random_below(&s->random, 65536);
    default:
        return kit_random(&s->random);
    }
}

static void scribble_word(struct scribbler *s, void *memory, uint64_t at)
{
    uint64_t *word = (uint64_t *)memory + at / 8;

    __atomic_store_n(word, any_value(s, __atomic_load_n(word, __ATOMIC_RELAXED)), __ATOMIC_RELAXED);
}

/* Head, doorbell, tail and the like more often than the rest; and now and then a head that leads
 * on, so that the collector comes and looks at the slots. */
static void scribble_ring(struct scribbler *s, const struct shm_segment *segment, uint32_t i)
{
    const struct shm_ring *ring = &segment->rings[i];
    uint64_t tail = shmlog_load_relaxed_(&ring->header->tail);
    uint64_t slot = (tail + kit_random_below(&s->random, 64)) & segment->slot_mask;

    switch (kit_random_below(&s->random, 8)) {
    case 0:
        scribble_word(s, ring->header, kit_random_below(&s->random, SHMLOG_RING_HEADER));
        break;
    case 1:
        scribble_word(s, ring->header, 128 + kit_random_below(&s->random, 512));
        break;
    case 2:
    case 3:
        ring->slots[slot].seq = (uint32_t)(shmlog_load_relaxed_(&ring->header->tail_seq) +
                                           kit_random_below(&s->random, 4));
        ring->slots[slot].site =
            (uint32_t)(kit_random_below(&s->random, 4) | kit_random_below(&s->random, 4)
                                                             << SHMLOG_SITE_SLOTS_SHIFT);
        break;
    case 4:
        scribble_word(s, ring->slots,
                      kit_random_below(&s->random, segment->geometry.ring_slots * 64));
        break;
    default: /* where the collector can go on */
        if (tail - s->tail[i] > segment->geometry.ring_slots)
            shmlog_store_release_(&ring->header->tail, tail = s->tail[i]);
        s->tail[i] = tail;
        shmlog_store_release_(&ring->header->head, tail + kit_random_below(&s->random, 200));
        shmlog_store_release_(&ring->header->doorbell, tail + kit_random_below(&s->random, 100));
    }
}

static bool is_spared(const struct scribbler *s, const struct shm_segment *segment, uint64_t at)
{
    const struct shmlog_control *g = &segment->geometry;

    return at < offsetof(struct shmlog_control, arena_used) ||
           (at >= g->rings_offset && at < g->clock_offset) ||
           (at >= g->producers_offset &&
            at < g->producers_offset + s->producers * sizeof(struct shmlog_producer));
}

static void scribble_control(struct scribbler *s, const struct shm_segment *segment)
{
    uint64_t size = kit_random_below(&s->random, 2) ? 4096 : segment->map_size;
    uint64_t at = kit_random_below(&s->random, size) & ~UINT64_C(7);

    if (s->all || !is_spared(s, segment, at))
        scribble_word(s, segment->control, at);
}

/* Until it is killed. */
__attribute__((noreturn)) static int scribble(void *arg)
{
    struct scribbler *s = arg;
    const struct shm_segment *segment = s->segment;

    s->producers = segment->control->producers_used;
    fprintf(stderr, "scribbling\n");
    for (uint64_t turn = 0;; turn++) {
        uint32_t i = (uint32_t)kit_random_below(&s->random, segment->geometry.rings);

        if (i != s->spared_ring)
            scribble_ring(s, segment, i);
        if (turn % 4 == 0)
            scribble_control(s, segment);
    }
}

/* ---- Looking ---- */

/* It may say what it wants, but it ends, and by itself. */
static void look(const char *const argv[], unsigned *ret_reports)
{
    struct kit_process process;
    int status;

    kit_spawn(&process, argv, NULL);
    status = kit_wait_exit(&process, KIT_PATIENCE);
    if (status != 0 && status != 1)
        KIT_FAIL("%s ended with status %d", process.name, status);
    *ret_reports += status == 1;
}

static void look_for(double seconds, unsigned *ret_looks, unsigned *ret_reports)
{
    const char *dump = kit_program("tools/shmlog-dump");
    const uint64_t end = kit_now_ns() + (uint64_t)(seconds * 1e9);

    do {
        look((const char *const[]){dump, "--info", SEGMENT, NULL}, ret_reports);
        look((const char *const[]){dump, "--info", "--format", "json", SEGMENT, NULL}, ret_reports);
        look((const char *const[]){dump, SEGMENT, NULL}, ret_reports);
        look((const char *const[]){dump, "--follow", "--limit", "500", SEGMENT, NULL}, ret_reports);
        *ret_looks += 4;
    } while (kit_now_ns() < end);
}

/* The ring that the only producer is in, and stays in: nobody else takes it. */
static uint32_t used_ring(const struct shm_segment *segment)
{
    for (uint32_t i = segment->geometry.cpu_rings; i < segment->geometry.rings; i++)
        if (shmlog_load_relaxed_(&segment->rings[i].header->head))
            return i;
    KIT_FAIL("the producer has not logged into a shared ring");
}

static void open_segment(bool writable, struct shm_segment **ret_segment)
{
    char path[PATH_MAX];

    KIT_OK(shm_path_find(SEGMENT, path, sizeof(path)));
    KIT_OK(shm_segment_open(path, writable, ret_segment));
}

/* All of the spared ring is in the collector's hands. */
static bool is_drained(void *arg)
{
    const struct shmlog_ring *ring = arg;

    return shmlog_load_acquire_(&ring->tail) == shmlog_load_acquire_(&ring->head);
}

static bool has_logged(void *arg)
{
    const struct oracle_page *page = arg;

    return __atomic_load_n(&page->after, __ATOMIC_RELAXED) >= 100;
}

/* What came out of one ring, its messages alone. */
static void keep_ring(const char *all, const char *kept, uint32_t ring)
{
    const char *prefix = kit_text("%" PRIu32 "\t", ring);
    size_t size, prefix_size = strlen(prefix), kept_size = 0;
    char *text = kit_read_file(all, &size), *line, *next;

    for (line = text; *line; line = next) {
        next = strchr(line, '\n') + 1;
        if (strncmp(line, prefix, prefix_size))
            continue;
        memmove(text + kept_size, line + prefix_size, (size_t)(next - line) - prefix_size);
        kept_size += (size_t)(next - line) - prefix_size;
    }
    kit_write_file(kept, text, kept_size);
    free(text);
}

int main(void)
{
    static const char *const args[] = {
        "--cpus",     "0", "--spare-rings", "3",   "--on-full",   "wait", "--ring-size", "65536",
        "--flush-ms", "5", "--rotate-size", "64k", "--page-size", "4K",   NULL};
    struct kit_process collector, producer, hostile;
    struct scribbler scribbler = {0};
    struct oracle oracle;
    struct oracle_count count;
    struct oracle_life life;
    struct shm_segment *segment;
    struct kit_ledger ledger;
    const char *out;
    unsigned looks = 0, reports = 0;
    double seconds;

    kit_begin("hostile_producer");
    kit_need_io();
    seconds = (double)kit_number("SHMLOG_TEST_HOSTILE_SECONDS", 1);
    scribbler.random = kit_seed();
    out = kit_path("log");
    oracle_open(&oracle);
    kit_collector_start(&collector, SEGMENT, out, args);
    life = (struct oracle_life){.page = &oracle.page[0],
                                .segment = SEGMENT,
                                .shared_rings = true,
                                .slow_ns = 100000,
                                .slow_burst = 20};
    kit_spawn_function(&producer, "producer", oracle_live, &life);
    KIT_CHECK(kit_wait(has_logged, &oracle.page[0], KIT_PATIENCE));
    open_segment(true, &segment);
    scribbler.segment = segment;
    scribbler.spared_ring = used_ring(segment);

    kit_spawn_function(&hostile, "hostile", scribble, &scribbler);
    kit_wait_text(&hostile, "scribbling", KIT_PATIENCE);
    look_for(seconds, &looks, &reports);
    oracle.page[0].stop = 1;
    KIT_EQ(kit_wait_exit(&producer, KIT_PATIENCE), 0);
    kit_kill_hard(&hostile);
    KIT_CHECK(kit_wait(is_drained, segment->rings[scribbler.spared_ring].header, KIT_PATIENCE));

    scribbler.all = true;
    kit_spawn_function(&hostile, "hostile", scribble, &scribbler);
    kit_wait_text(&hostile, "scribbling", KIT_PATIENCE);
    look_for(seconds, &looks, &reports);
    kit_kill_hard(&hostile);
    kit_collector_stop(&collector);
    shm_segment_close(segment);

    kit_dump(kit_path("all.txt"), (const char *const[]){"--fields", "ring,message", out, NULL});
    keep_ring(kit_path("all.txt"), kit_path("kept.txt"), scribbler.spared_ring);
    oracle_check(&oracle, kit_path("kept.txt"), &count);
    kit_verify(out, &ledger);
    fprintf(stderr,
            "%u looks, %u of them reported damage; %" PRIu64 " records, %" PRIu64
            " written in all, verify %d\n",
            looks, reports, count.committed, ledger.written, ledger.status);
    KIT_EQ(count.missing, 0);
    KIT_CHECK(count.committed >= 100 && reports > 0 && ledger.found);
    oracle_close(&oracle);
    return 0;
}
