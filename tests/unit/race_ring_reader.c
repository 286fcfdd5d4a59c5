/* SPDX-License-Identifier: MIT
 *
 * A writer, a collector and a follower on one ring at the same time, for so many records.
 * Records read and records lost must add up to records written, exactly, and no record may be torn.
 * A plain program, so that it also runs under TSan.
 */
#include "tests/unit/ring_writer.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#define SLOTS 1024u
#define RECORDS 500000u
#define BATCH 256u

struct race {
    struct ring_fixture *fixture;
    uint64_t written; /* records committed; after the join */
    uint32_t writer_done;
};

struct tally {
    uint64_t read, lost, torn, first_seq, next_seq;
};

static void *write_records(void *arg)
{
    struct race *race = arg;
    uint64_t random = 42, number = 1;

    while (number <= RECORDS) {
        uint64_t r = ring_random(&random);
        uint32_t count = r % 16 == 0 ? 1 + (uint32_t)(r >> 32) % SHMLOG_RECORD_SLOTS : 1;

        number += ring_put(race->fixture, number, 7, count);
        if (r % 4096 < 2) { /* let a reader get near now and then */
            struct timespec pause = {0, 1000};

            nanosleep(&pause, NULL);
        }
    }
    race->written = number - 1;
    __atomic_store_n(&race->writer_done, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Read until the writer is done and nothing is left. */
static void read_all(struct race *race, struct shm_ring_reader *reader, bool collector,
                     struct tally *ret_tally)
{
    static __thread struct shmlog_slot buffer[BATCH];
    struct ring_fixture *f = race->fixture;
    struct tally tally = {.first_seq = reader->seq};

    for (;;) {
        bool done = __atomic_load_n(&race->writer_done, __ATOMIC_ACQUIRE);
        struct shm_read read;

        shm_ring_read(reader, shm_ring_head(f->ring.header), buffer, BATCH, &read);
        if (read.kind == SHM_READ_NONE && done)
            break;
        if (read.kind == SHM_READ_RECORDS) {
            tally.read += read.records;
            tally.torn += !ring_check_read(buffer, &read);
        } else if (read.kind == SHM_READ_LOST) {
            tally.lost += read.lost;
            tally.torn += read.cause != SHMLOG_LOST_OVERWRITTEN;
        }
        if (collector)
            ring_release(f, reader);
    }
    tally.next_seq = reader->seq;
    *ret_tally = tally;
}

static void *follow(void *arg)
{
    struct race *race = arg;
    struct tally *tally = calloc(1, sizeof(*tally));
    struct shm_ring_reader reader;

    shm_ring_reader_init_oldest(&reader, &race->fixture->segment, 0);
    read_all(race, &reader, false, tally);
    return tally;
}

static int judge(const char *what, const struct race *race, const struct tally *tally)
{
    bool good = tally->torn == 0 && tally->next_seq == race->written + 1 &&
                tally->read + tally->lost == tally->next_seq - tally->first_seq;

    printf("%-24s written %" PRIu64 " dropped %" PRIu64 " read %" PRIu64 " lost %" PRIu64
           " torn %" PRIu64 " next %" PRIu64 ": %s\n",
           what, race->written, race->fixture->dropped, tally->read, tally->lost, tally->torn,
           tally->next_seq, good ? "exact" : "WRONG");
    return good ? 0 : 1;
}

static int run(uint32_t on_full, bool with_follower, const char *what)
{
    struct race race = {.fixture = ring_fixture_open(SLOTS, on_full)};
    struct tally tally, *followed = NULL;
    struct shm_ring_reader reader;
    pthread_t writer, follower;
    char name[64];
    int failed;

    shm_ring_reader_init(&reader, &race.fixture->segment, 0, 0, 1);
    if (with_follower && pthread_create(&follower, NULL, follow, &race))
        return 1;
    if (pthread_create(&writer, NULL, write_records, &race))
        return 1;
    read_all(&race, &reader, true, &tally);
    pthread_join(writer, NULL);
    failed = judge(what, &race, &tally);
    failed += tally.read == 0;
    if (on_full != SHMLOG_ON_FULL_OVERWRITE)
        failed += tally.lost != 0;
    if (with_follower) {
        pthread_join(follower, (void **)&followed);
        snprintf(name, sizeof(name), "%s, follower", what);
        failed += judge(name, &race, followed);
        free(followed);
    }
    ring_fixture_close(race.fixture);
    return failed;
}

int main(void)
{
    int failed = run(SHMLOG_ON_FULL_DROP, false, "drop");

    failed += run(SHMLOG_ON_FULL_OVERWRITE, false, "overwrite");
    failed += run(SHMLOG_ON_FULL_DROP, true, "drop");
    return failed ? 1 : 0;
}
