/* SPDX-License-Identifier: MIT
 *
 * Tables filled to their last entry: threads beyond log without a name, calls of sites beyond are
 * counted as lost; once there is room again, new ones get in.
 *
 *     tables producers N   N threads, which fill the producer table; N 4096 is the default table
 *     tables sites         a table of 16 sites, one of 64, and a full arena
 *     tables sites N       N call sites, of a program that is started anew every 5,000, and of one
 *                          that comes last, in a table of the default size
 *     tables attachments   as many segments at once as a program can be attached to
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "shm/segment.h"
#include "shm/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SEGMENT "tables"
#define THREADS_MAX 4096u
#define STACK_BYTES (256u << 10)
#define ROUNDS 2u

/* The segment is made here, since the collector's tables have one size, and taken over by the
 * collector, since somebody is attached to it. */
static void make_segment(const struct shm_params *params)
{
    const char *const path = kit_text("%s/" SEGMENT, kit_shm_dir());
    struct shm_segment *segment;
    char message[512] = "";

    if (shm_segment_create(path, params, NULL, &segment, message, sizeof(message)) < 0)
        KIT_FAIL("%s", message);
    shm_segment_close(segment);
}

static struct shm_params small_params(void)
{
    static uint32_t cpus[SHMLOG_CPUS_MAX];
    struct shm_params params = {
        .name = SEGMENT,
        .cpus = cpus,
        .ring_bytes = 65536,
        .on_full = SHMLOG_ON_FULL_WAIT,
        .wait_ns = UINT64_MAX,
        .level = SHMLOG_TRACE,
        .page_kib = 4,
        .group = -1,
    };

    for (unsigned i = 0; i < kit_cpus(); i++)
        cpus[params.cpu_count++] = (uint32_t)kit_cpu(i);
    return params;
}

static void start(struct kit_process *collector, const char *dir)
{
    kit_collector_start(collector, SEGMENT, dir,
                        (const char *const[]){"--ring-size", "64k", "--page-size", "4K",
                                              "--on-full", "wait", "--wait-ms", "forever",
                                              "--flush-ms", "5", NULL});
}

/* ---- producers ---- */

static struct shared {
    uint32_t attached;
    uint32_t drained; /* there is a collector */
    uint32_t full;    /* the table is, and all have logged */
    uint32_t finish;  /* the threads may exit */
} * shared;

static struct {
    unsigned threads; /* that fill the table, the process's first among them */
    unsigned late;    /* that come when it is full */
    unsigned records; /* of each */
} plan;

static struct shmlog *log_of_all;
static pthread_barrier_t barrier;

static bool is_set(void *flag)
{
    return __atomic_load_n((uint32_t *)flag, __ATOMIC_ACQUIRE) != 0;
}

static void log_records(void)
{
    for (unsigned i = 0; i < plan.records; i++)
        shmlog_info(log_of_all, "record %u", i);
}

static void *fill_entry(void *arg)
{
    shmlog_register_thread(log_of_all);
    pthread_barrier_wait(&barrier);
    log_records();
    KIT_EQ(shmlog_thread_lost(log_of_all), 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* let go */
    return arg;
}

/* No entry and so no name, but its records are in the rings all the same. */
static void *come_late(void *arg)
{
    log_records();
    KIT_EQ(shmlog_threads_[log_of_all->local.entry].producer, 0);
    KIT_EQ(shmlog_thread_lost(log_of_all), 0);
    return arg;
}

static void start_threads(pthread_t *thread, unsigned count, void *(*function)(void *))
{
    pthread_attr_t attr;

    KIT_EQ(pthread_attr_init(&attr), 0);
    KIT_EQ(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    for (unsigned i = 0; i < count; i++) {
        const int r = pthread_create(&thread[i], &attr, function, NULL);

        if (r == EAGAIN)
            kit_skip("%u threads at once are not allowed here", count);
        KIT_EQ(r, 0);
    }
    pthread_attr_destroy(&attr);
}

static int fill_table(void *arg)
{
    static pthread_t thread[THREADS_MAX], late[THREADS_MAX];
    const unsigned others = plan.threads - 1;

    (void)arg;
    KIT_OK(shmlog_open(&log_of_all, SEGMENT, NULL));
    __atomic_store_n(&shared->attached, 1, __ATOMIC_RELEASE);
    KIT_CHECK(kit_wait(is_set, &shared->drained, 60));
    KIT_EQ(pthread_barrier_init(&barrier, NULL, others + 1), 0);
    start_threads(thread, others, fill_entry);
    pthread_barrier_wait(&barrier);
    log_records();
    KIT_EQ(shmlog_thread_lost(log_of_all), 0);
    pthread_barrier_wait(&barrier);
    start_threads(late, plan.late, come_late);
    for (unsigned i = 0; i < plan.late; i++)
        KIT_EQ(pthread_join(late[i], NULL), 0);
    __atomic_store_n(&shared->full, 1, __ATOMIC_RELEASE);
    KIT_CHECK(kit_wait(is_set, &shared->finish, 100));
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < others; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    shmlog_close(log_of_all);
    return 0;
}

struct wait {
    struct kit_process *producer;
    uint32_t *flag;
};

static bool set_or_ended(void *arg)
{
    const struct wait *const wait = arg;

    return is_set(wait->flag) || kit_has_ended(wait->producer);
}

static void wait_flag(struct kit_process *producer, uint32_t *flag)
{
    struct wait wait = {producer, flag};

    if (!kit_wait(set_or_ended, &wait, 100))
        KIT_FAIL("the producer is not done");
    if (is_set(flag))
        return;
    if (producer->status == 77)
        kit_skip("so many threads at once are not allowed here");
    KIT_FAIL("the producer ended with status %d", producer->status);
}

static unsigned entries_in_use(void)
{
    unsigned entries = 0;
    char *text, *save = NULL;

    kit_dump(kit_path("producers"), (const char *const[]){"--info", "--producers", SEGMENT, NULL});
    text = kit_read_file(kit_path("producers"), NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned id;

        entries += sscanf(line, "%u", &id) == 1;
    }
    free(text);
    return entries;
}

/* Of the dead, entries are kept for their names; who comes next takes them, once they are read. */
static bool table_free(void *arg)
{
    const struct shmlog_producer *entry;
    struct shm_segment *segment;
    uint32_t used;
    bool all = true;

    (void)arg;
    KIT_OK(shm_segment_open(kit_text("%s/%s", kit_shm_dir(), SEGMENT), false, &segment));
    entry = shm_producers(segment);
    used = shm_producers_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        const uint64_t claim = shmlog_load_relaxed_(&entry[i].claim);

        all &= !claim || (claim & SHMLOG_PRODUCER_STATE) >= SHMLOG_PRODUCER_DEAD;
    }
    shm_segment_close(segment);
    return all;
}

static void run_producers(unsigned threads)
{
    const char *const dir = kit_path("log");
    struct shm_params params = small_params();
    struct kit_process collector = {0}, producer;
    struct kit_ledger ledger;
    uint64_t calls = 0;

    if (threads < 1 || threads > THREADS_MAX)
        KIT_FAIL("1 to %u", THREADS_MAX);
    plan.threads = threads;
    plan.late = threads < 20 ? threads : 20;
    /* all of them fit one ring: thousands of threads that wait would keep the collector waiting */
    plan.records = threads > 1000 ? 2 : 20;
    while (params.ring_bytes / SHMLOG_SLOT_SIZE < 2ull * threads * plan.records)
        params.ring_bytes *= 2;
    params.producers_max = threads == 4096 ? 0 : threads; /* the default has no other name */
    params.spare_rings = 1;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(shared != MAP_FAILED);
    make_segment(&params);
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(shared, 0, sizeof(*shared));
        kit_spawn_function(&producer, "producer", fill_table, NULL);
        wait_flag(&producer, &shared->attached);
        if (!collector.pid)
            start(&collector, dir); /* it finds the segment in use, and takes it over as it is */
        __atomic_store_n(&shared->drained, 1, __ATOMIC_RELEASE);
        wait_flag(&producer, &shared->full);
        KIT_EQ(entries_in_use(), threads);
        calls += (uint64_t)(plan.threads + plan.late) * plan.records;
        __atomic_store_n(&shared->finish, 1, __ATOMIC_RELEASE);
        KIT_EQ(kit_wait_exit(&producer, 100), 0);
        if (!kit_wait(table_free, NULL, 60))
            KIT_FAIL("%u entries of the dead are still in use", entries_in_use());
    }
    kit_collector_stop(&collector);
    kit_verify_balanced(dir, &ledger);
    KIT_EQ(ledger.produced, calls);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.written, calls);
}

/* ---- sites ---- */

/* 64 call sites, each with a format of its own. */
#define SITE_(prefix, n) shmlog_info(log, prefix "site " n " of %u", sites);
#define SITES_4(prefix, n) \
    SITE_(prefix, n "0") SITE_(prefix, n "1") SITE_(prefix, n "2") SITE_(prefix, n "3")
#define SITES_16(prefix, n) \
    SITES_4(prefix, n "0") SITES_4(prefix, n "1") SITES_4(prefix, n "2") SITES_4(prefix, n "3")
#define TIMES_4(text) text text text text
#define LONG TIMES_4(TIMES_4("a long format, but not too long ")) /* less than is kept of one */

/* In four functions: sanitizers take minutes to compile a large one. */
#define FUNCTION_(n)                                                \
    static void log_from_16_##n(struct shmlog *log, unsigned sites) \
    {                                                               \
        SITES_16("", #n)                                            \
    }
FUNCTION_(0)
FUNCTION_(1)
FUNCTION_(2)
FUNCTION_(3)

static void log_from_64_sites(struct shmlog *log, unsigned sites)
{
    log_from_16_0(log, sites);
    log_from_16_1(log, sites);
    log_from_16_2(log, sites);
    log_from_16_3(log, sites);
}

static void log_from_16_long_sites(struct shmlog *log, unsigned sites)
{
    SITES_16(LONG, "0")
}

/* Log `calls` times from more sites than there is room for: as many are known (0: as many as the
 * arena has room for), the calls of the others are lost, and counted; the second time as the first.
 */
static void fill_sites(uint32_t sites_max, void (*log_them)(struct shmlog *, unsigned),
                       unsigned calls, unsigned known)
{
    const char *const dir = kit_path(kit_text("log-%u-%u", sites_max, calls));
    struct shm_params params = small_params();
    struct kit_process collector;
    struct kit_ledger ledger;
    struct shmlog *log;
    uint64_t lost;

    params.sites_max = sites_max;
    params.spare_rings = 1;
    make_segment(&params);
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    start(&collector, dir);
    log_them(log, sites_max);
    lost = shmlog_lost(log);
    if (known)
        KIT_EQ(lost, calls - known);
    KIT_COMPARE(lost, >, 0);
    KIT_COMPARE(lost, <, calls);
    log_them(log, sites_max);
    KIT_EQ(shmlog_lost(log), 2 * lost);
    KIT_EQ(shmlog_load_relaxed_(&log->control.lost[SHMLOG_LOST_NO_SITE]), 2 * lost);
    KIT_EQ(shmlog_thread_lost(log), 2 * lost);
    shmlog_close(log);
    kit_collector_stop(&collector);
    kit_verify_balanced(dir, &ledger);
    KIT_EQ(ledger.written, 2 * (calls - lost));
    KIT_EQ(ledger.dropped, 2 * lost);
}

static void run_sites(void)
{
    fill_sites(16, log_from_64_sites, 64, 15); /* 0 is no site */
    fill_sites(64, log_from_64_sites, 64, 63);
    fill_sites(16, log_from_16_long_sites, 16, 0); /* 4 KiB of text: full before the table */
}

#define SITES 65535u                       /* of a table of the default size */
#define STRINGS "from line\0\"line\", i\0" /* format, arguments, category */

/* Log once from each of the call sites of these lines. */
static void log_from_lines(uint32_t first, uint32_t count)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    for (uint32_t i = first; i < first + count; i++) {
        struct {
            struct shmlog_site_ site;
            uint8_t types[2];
            char strings[sizeof(STRINGS)];
        } at = {{0, "made.c", "made", NULL, i, SHMLOG_SITE_EVENT, SHMLOG_INFO, 0},
                {1, SHMLOG_TYPE_U32},
                STRINGS};

        shmlog_put4_(log, &at.site, (uint64_t)i << 32, 0, 0, 0);
    }
    KIT_EQ(shmlog_lost(log), first + count - 1 > SITES ? first + count - 1 - SITES : 0);
    shmlog_close(log);
}

/* Each record is there, with the line that it was made of. */
static void check_lines(const char *dir, uint32_t count)
{
    const char *const path = kit_path("lines");
    uint8_t *const seen = calloc(count + 1, 1);
    uint32_t found = 0;
    char *text, *at;

    KIT_CHECK(seen);
    kit_dump(path, (const char *const[]){dir, "--fields", "line,message", NULL});
    text = kit_read_file(path, NULL);
    for (at = text; *at; at++) {
        static const char between[] = "\tfrom line line=";
        const unsigned long line = strtoul(at, &at, 10);

        KIT_EQ(strncmp(at, between, strlen(between)), 0);
        KIT_EQ(strtoul(at + strlen(between), &at, 10), line);
        KIT_COMPARE(line, <=, count);
        KIT_EQ(seen[line], 0);
        seen[line] = 1;
        found++;
        KIT_EQ(*at, '\n');
    }
    KIT_EQ(found, count);
    free(text);
    free(seen);
}

static void run_many_sites(uint32_t count)
{
    enum { PROGRAM = 5000 };
    const char *const dir = kit_path("log");
    const struct shm_params params = small_params();
    struct kit_process collector;
    struct kit_ledger ledger;
    uint32_t known;
    struct shmlog *log; /* attached all the time: a segment that nobody uses is made anew */

    make_segment(&params);
    KIT_OK(shmlog_open(&log, SEGMENT, NULL));
    start(&collector, dir);
    for (uint32_t i = 0; i < count; i += PROGRAM)
        log_from_lines(1 + i, count - i < PROGRAM ? count - i : PROGRAM);
    log_from_lines(count + 1, 1);
    shmlog_close(log);
    kit_collector_stop(&collector);
    kit_verify_balanced(dir, &ledger);
    known = count + 1 < SITES ? count + 1 : SITES;
    KIT_EQ(ledger.written, known);
    KIT_EQ(ledger.dropped, count + 1 - known);
    check_lines(dir, known);
}

/* ---- attachments ---- */

static void run_attachments(void)
{
    enum { MOST = 64 };
    const struct shm_params params = small_params();
    struct shmlog *log[MOST];
    unsigned count = 0;
    int r = 0;

    make_segment(&params);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned got = 0;

        while (got < MOST && (r = shmlog_open(&log[got], SEGMENT, NULL)) == 0)
            shmlog_info(log[got++], "attachment %u", got);
        if (got < MOST)
            KIT_EQ(r, -EMFILE);
        KIT_COMPARE(got, >=, 4);
        KIT_CHECK(!round || got == count);
        count = got;
        /* one goes, one comes */
        shmlog_close(log[got / 2]);
        KIT_OK(shmlog_open(&log[got / 2], SEGMENT, NULL));
        for (unsigned i = 0; i < got; i++) {
            shmlog_info(log[i], "once more %u", i);
            KIT_EQ(shmlog_lost(log[i]), 0);
        }
        for (unsigned i = 0; i < got; i++)
            shmlog_close(log[i]);
    }
    KIT_OK(shm_segment_destroy(kit_text("%s/" SEGMENT, kit_shm_dir())));
}

int main(int argc, char **argv)
{
    const char *const what = argc > 1 ? argv[1] : "";
    const unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    kit_begin("tables");
    kit_need_io();
    if (strcmp(what, "producers") == 0)
        run_producers(count);
    else if (strcmp(what, "sites") == 0 && count)
        run_many_sites(count);
    else if (strcmp(what, "sites") == 0)
        run_sites();
    else if (strcmp(what, "attachments") == 0)
        run_attachments();
    else
        KIT_FAIL("producers N, sites, sites N or attachments");
    return 0;
}
