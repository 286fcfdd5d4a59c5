/* SPDX-License-Identifier: MIT
 *
 * Any number of rings: each is mapped, written, drained, and read back from memory and from files.
 *
 *     rings N         N rings, half of them of cores, most of which the machine does not have, and
 *                     half shared ones, each with a thread that begins there; the collector is
 *                     killed in between
 *     rings shared    100 threads, each in another one of 121 shared rings, fill them many times
 *     rings crowd     300 threads at once log and exit, three times
 *     rings holes     cores out of order, that the machine does not have, or without a ring
 */
#define SHMLOG_IMPLEMENTATION
#include "producer/shmlog.h"

#include "tests/kit/kit.h"
#include "tests/kit/shared_rings.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#define SEGMENT "rings"
#define WRITERS_MAX SHMLOG_RINGS_MAX
#define RING_BYTES (69632u + 4096u) /* 64 KiB of slots, the header, the table's entry */
#define OTHER_BYTES (32u << 20)     /* control file and outbox */
#define STACK_BYTES (256u << 10)
#define CROWD 300u
#define ROUNDS 3u

/* A segment to be: its cores in the order of their rings, and who logs how much. */
struct plan {
    unsigned cpus, spares;
    uint32_t cpu[SHMLOG_CPUS_MAX];
    unsigned sharers; /* threads that use shared rings, each another one */
    unsigned pinned;  /* threads that run on the machine's first cores */
    unsigned records; /* of each thread */
};

static struct plan plan;

/* What the test's process and that of its threads know of each other. */
static struct shared {
    uint32_t logged; /* all threads have logged */
    uint32_t finish; /* they may exit */
} * shared;

static bool is_set(void *flag)
{
    return __atomic_load_n((uint32_t *)flag, __ATOMIC_ACQUIRE) != 0;
}

static bool logged_or_ended(void *producer)
{
    return is_set(&shared->logged) || kit_has_ended(producer);
}

/* Until all its threads have logged. */
static void start_producer(struct kit_process *producer, int (*function)(void *))
{
    kit_spawn_function(producer, "producer", function, NULL);
    if (!kit_wait(logged_or_ended, producer, 100))
        KIT_FAIL("the producer is not done");
    if (!is_set(&shared->logged))
        KIT_FAIL("the producer ended with status %d", producer->status);
}

static bool is_here(uint32_t cpu)
{
    for (unsigned i = 0; i < kit_cpus(); i++)
        if ((uint32_t)kit_cpu(i) == cpu)
            return true;
    return false;
}

/* `made_up` cores that this process has not, from `from` on, up or down. */
static void add_made_up(unsigned made_up, uint32_t from, int step)
{
    for (uint32_t cpu = from; made_up && cpu < SHMLOG_CPUS_MAX; cpu += (uint32_t)step) {
        if (is_here(cpu))
            continue;
        plan.cpu[plan.cpus++] = cpu;
        made_up--;
    }
    KIT_EQ(made_up, 0);
}

static void add_here(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        plan.cpu[plan.cpus++] = (uint32_t)kit_cpu(i);
}

static const char *cpu_list(void)
{
    char text[SHMLOG_CPUS_MAX * 5 + 1] = "";
    size_t at = 0;

    for (unsigned i = 0; i < plan.cpus; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", i ? "," : "", plan.cpu[i]);
    return kit_text("%s", text);
}

static void need_room(void)
{
    const uint64_t need = (uint64_t)(plan.cpus + plan.spares) * RING_BYTES + OTHER_BYTES;
    struct statvfs fs;

    KIT_EQ(statvfs(kit_shm_dir(), &fs), 0);
    if ((uint64_t)fs.f_bavail * fs.f_frsize < need)
        kit_skip("/dev/shm has no room for %u rings: %" PRIu64 " MiB needed",
                 plan.cpus + plan.spares, need >> 20);
}

static bool ready_or_ended(void *collector)
{
    return kit_err_contains(collector, "shmlog-collector: ready") || kit_has_ended(collector);
}

/* The room that there was may be taken meanwhile: then it says so, and the test is not for here. */
static void start(struct kit_process *collector, const char *dir, const char *flush_ms)
{
    const char *const io = getenv("SHMLOG_TEST_IO");
    const char *const argv[] = {kit_program("collector/shmlog-collector"),
                                "--no-alarm-records",
                                "--segment",
                                SEGMENT,
                                "--output",
                                dir,
                                "--io",
                                io ? io : "auto",
                                "--cpus",
                                cpu_list(),
                                "--spare-rings",
                                kit_text("%u", plan.spares),
                                "--ring-size",
                                "64k",
                                "--page-size",
                                "4K",
                                "--outbox-size",
                                "4m",
                                "--on-full",
                                "wait",
                                "--wait-ms",
                                "forever",
                                "--flush-ms",
                                flush_ms,
                                NULL};

    kit_spawn(collector, argv, NULL);
    if (!kit_wait(ready_or_ended, collector, 2 * KIT_PATIENCE))
        KIT_FAIL("the collector does not get ready");
    if (!kit_has_ended(collector))
        return;
    if (kit_err_contains(collector, "No space left on device"))
        kit_skip("/dev/shm has no room any more for %u rings", plan.cpus + plan.spares);
    KIT_FAIL("the collector ended with status %d", collector->status);
}

/* Can threads here use the rings of cores? As the collector sees it, for itself and for them. */
static bool has_core_rings(const struct kit_process *collector)
{
    return kit_err_contains(collector, "clock: TSC") &&
           !kit_err_contains(collector, "no restartable sequences");
}

/* ---- the producer: a process with all the threads ---- */

static struct shmlog *log_of_cores, *log_of_sharers; /* two attachments to the segment */
static pthread_barrier_t barrier;

static void *write_records(void *arg)
{
    const unsigned writer = (unsigned)(uintptr_t)arg;
    struct shmlog *const log = writer < plan.sharers ? log_of_sharers : log_of_cores;
    cpu_set_t one;

    if (writer < plan.sharers) {
        kit_share_from(log, writer);
    } else if (plan.pinned) {
        CPU_ZERO(&one);
        CPU_SET((unsigned)kit_cpu(writer - plan.sharers), &one);
        KIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    }
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < plan.records; i++)
        shmlog_info(log, "writer %u record %u%s", writer, i,
                    i % 8 ? "" : " and some text, so that it takes a second slot");
    KIT_EQ(shmlog_thread_lost(log), 0);
    if (!plan.pinned && !plan.sharers)
        return NULL;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* let go */
    return NULL;
}

static void start_threads(pthread_t *thread, unsigned first, unsigned count)
{
    pthread_attr_t attr;

    KIT_EQ(pthread_attr_init(&attr), 0);
    KIT_EQ(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    for (unsigned i = 0; i < count; i++) {
        const int r =
            pthread_create(&thread[i], &attr, write_records, (void *)(uintptr_t)(first + i));

        if (r)
            KIT_FAIL("thread %u of %u: %s; is there a limit on them?", i, count, strerror(r));
    }
    pthread_attr_destroy(&attr);
}

static int write_and_stay(void *arg)
{
    const unsigned threads = plan.sharers + plan.pinned;
    static pthread_t thread[WRITERS_MAX];

    (void)arg;
    KIT_OK(shmlog_open(&log_of_cores, SEGMENT, NULL));
    KIT_OK(shmlog_open(&log_of_sharers, SEGMENT, NULL));
    kit_share(log_of_sharers);
    KIT_EQ(pthread_barrier_init(&barrier, NULL, threads + 1), 0);
    start_threads(thread, 0, threads);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    __atomic_store_n(&shared->logged, 1, __ATOMIC_RELEASE);
    KIT_CHECK(kit_wait(is_set, &shared->finish, 120));
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < threads; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    KIT_EQ(shmlog_lost(log_of_cores), 0);
    shmlog_close(log_of_sharers);
    shmlog_close(log_of_cores);
    return 0;
}

static int write_and_exit(void *arg)
{
    static pthread_t thread[CROWD];

    (void)arg;
    KIT_OK(shmlog_open(&log_of_cores, SEGMENT, NULL));
    for (unsigned round = 0; round < ROUNDS; round++) {
        KIT_EQ(pthread_barrier_init(&barrier, NULL, CROWD), 0);
        start_threads(thread, round * CROWD, CROWD);
        for (unsigned i = 0; i < CROWD; i++)
            KIT_EQ(pthread_join(thread[i], NULL), 0);
        pthread_barrier_destroy(&barrier);
    }
    __atomic_store_n(&shared->logged, 1, __ATOMIC_RELEASE);
    KIT_EQ(shmlog_lost(log_of_cores), 0);
    shmlog_close(log_of_cores);
    return 0;
}

/* ---- what is there ---- */

/* Which ring each writer's records are in. */
struct found {
    unsigned records[WRITERS_MAX];
    unsigned ring[WRITERS_MAX];
    bool moved[WRITERS_MAX]; /* they are in more than one */
    unsigned all;
};

/* Each record of each writer once, in order. */
static void find_records(const char *source, struct found *found)
{
    const char *const path = kit_path("dump");
    char *text, *save = NULL;

    memset(found, 0, sizeof(*found));
    kit_dump(path,
             (const char *const[]){source, "--format", "csv", "--fields", "ring,message", NULL});
    text = kit_read_file(path, NULL);
    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        unsigned ring, writer, record;

        if (sscanf(line, "%u,writer %u record %u", &ring, &writer, &record) != 3 &&
            sscanf(line, "%u,\"writer %u record %u", &ring, &writer, &record) != 3) {
            if (found->all)
                KIT_FAIL("%s: '%s'", source, line);
            continue; /* the heading */
        }
        KIT_COMPARE(writer, <, WRITERS_MAX);
        if (record != found->records[writer])
            KIT_FAIL("%s: record %u of writer %u (ring %u) where its record %u should be", source,
                     record, writer, ring, found->records[writer]);
        found->moved[writer] |= record && found->ring[writer] != ring;
        found->ring[writer] = ring;
        found->records[writer]++;
        found->all++;
    }
    free(text);
}

/* Every writer's records are there, in one ring each. */
static void check_records(const char *source, bool core_rings)
{
    static bool taken[SHMLOG_RINGS_MAX];
    static struct found found;

    memset(taken, 0, sizeof(taken));
    find_records(source, &found);
    for (unsigned i = 0; i < plan.sharers + plan.pinned; i++) {
        const unsigned ring = found.ring[i];

        KIT_EQ(found.records[i], plan.records);
        KIT_CHECK(!found.moved[i]);
        KIT_COMPARE(ring, <=, plan.cpus + plan.spares); /* one is made on top of the spare ones */
        if (i < plan.sharers)
            KIT_COMPARE(ring, >=, plan.cpus);
        else if (core_rings && ring < plan.cpus)
            KIT_EQ(plan.cpu[ring], kit_cpu(i - plan.sharers));
        KIT_CHECK(!taken[ring]);
        taken[ring] = true;
    }
    KIT_EQ(found.all, (plan.sharers + plan.pinned) * plan.records);
}

/* `--info`: each ring in its place, with its core; and how many rings hold records. */
static unsigned check_info(void)
{
    const char *const path = kit_path("info");
    unsigned rings = 0, used = 0;
    char *text, *save = NULL;

    kit_dump(path, (const char *const[]){"--info", "--rings", SEGMENT, NULL});
    text = kit_read_file(path, NULL);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char kind[8], cpu[8];
        unsigned index;
        uint64_t head;

        if (sscanf(line, "%u %7s %7s %" SCNu64, &index, kind, cpu, &head) != 4)
            continue;
        KIT_EQ(index, rings);
        KIT_STR_EQ(kind, index < plan.cpus ? "cpu" : "shared");
        KIT_STR_EQ(cpu, index < plan.cpus ? kit_text("%u", plan.cpu[index]) : "-");
        used += head > 0;
        rings++;
    }
    free(text);
    /* and one more, unless there are as many as there can be */
    KIT_EQ(rings, plan.cpus + plan.spares + (plan.cpus + plan.spares < SHMLOG_RINGS_MAX));
    return used;
}

static void make_shared(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    KIT_CHECK(shared != MAP_FAILED);
}

/* Stop both, the producer first: everything is in the files, and nothing is left of the segment. */
static void finish(struct kit_process *producer, struct kit_process *collector, const char *dir,
                   uint64_t records)
{
    struct kit_ledger ledger;

    __atomic_store_n(&shared->finish, 1, __ATOMIC_RELEASE);
    KIT_EQ(kit_wait_exit(producer, 120), 0);
    kit_collector_stop(collector);
    kit_verify_balanced(dir, &ledger);
    KIT_EQ(ledger.written, records);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    KIT_CHECK(access(kit_text("%s/" SEGMENT, kit_shm_dir()), F_OK) != 0);
}

static bool is_written(void *dir)
{
    struct kit_ledger ledger;

    kit_verify(dir, &ledger);
    return ledger.status == 0 && ledger.in_ring == 0;
}

static bool has_sealed(void *dir)
{
    return kit_count_files(dir, ".shmlog") > 0;
}

static void run_count(unsigned rings)
{
    const char *const dir = kit_path("log");
    struct kit_process collector, producer;
    struct kit_ledger ledger;
    unsigned here;
    bool core_rings;

    if (rings < 1 || rings > SHMLOG_RINGS_MAX)
        KIT_FAIL("1 to %u rings", SHMLOG_RINGS_MAX);
    plan.spares = rings / 2;
    here = rings - plan.spares < kit_cpus() ? rings - plan.spares : kit_cpus();
    /* the real ones last: their rings have the higher numbers */
    add_made_up(rings - plan.spares - here, SHMLOG_CPUS_MAX - 1, -1);
    add_here(here);
    plan.sharers = plan.spares;
    plan.records = 24;
    need_room();
    make_shared();
    start(&collector, dir, "60000");
    core_rings = has_core_rings(&collector);
    plan.pinned = core_rings ? here : 0;
    if (!plan.sharers && !plan.pinned)
        kit_skip("no restartable sequences here, and no shared ring to be asked for");
    start_producer(&producer, write_and_stay);

    KIT_EQ(check_info(), plan.sharers + plan.pinned);
    check_records(SEGMENT, core_rings);
    kit_verify_balanced(dir, &ledger);
    KIT_EQ(ledger.in_ring, (plan.sharers + plan.pinned) * plan.records);

    kit_kill_hard(&collector);
    start(&collector, dir, "1");
    if (!kit_wait(is_written, (void *)dir, KIT_PATIENCE))
        KIT_FAIL("not all is written");
    kit_kill(&collector, SIGHUP);
    if (!kit_wait(has_sealed, (void *)dir, KIT_PATIENCE))
        KIT_FAIL("no sealed file after SIGHUP");
    check_info();
    finish(&producer, &collector, dir, (plan.sharers + plan.pinned) * plan.records);
    check_records(dir, core_rings);
    kit_check_zstd(dir);
}

static void run_shared(void)
{
    const char *const dir = kit_path("log");
    struct kit_process collector, producer;

    plan.spares = 120;
    add_here(kit_cpus());
    plan.sharers = 100;
    plan.records = 4000; /* its ring four times over */
    need_room();
    make_shared();
    start(&collector, dir, "10");
    start_producer(&producer, write_and_stay);
    KIT_COMPARE(check_info(), >=, plan.sharers);
    finish(&producer, &collector, dir, plan.sharers * plan.records);
    check_records(dir, false);
}

static void run_crowd(void)
{
    const char *const dir = kit_path("log");
    struct kit_process collector, producer;
    static struct found found;

    plan.spares = 8;
    add_here(kit_cpus());
    plan.records = 100;
    need_room();
    make_shared();
    start(&collector, dir, "10");
    start_producer(&producer, write_and_exit);
    finish(&producer, &collector, dir, ROUNDS * CROWD * plan.records);
    find_records(dir, &found);
    for (unsigned i = 0; i < ROUNDS * CROWD; i++)
        KIT_EQ(found.records[i], plan.records);
}

static void run_holes(void)
{
    const char *const dir = kit_path("log");
    struct kit_process collector, producer;
    const unsigned here = kit_cpus();
    bool core_rings;
    char *info;

    add_made_up(10, 5, 1);
    add_here(here - 1); /* the last core has no ring */
    plan.spares = here;
    plan.pinned = here;
    plan.records = 4000;
    need_room();
    make_shared();
    start(&collector, dir, "10");
    core_rings = has_core_rings(&collector);
    start_producer(&producer, write_and_stay);
    check_info();
    kit_dump(kit_path("producers"), (const char *const[]){"--info", "--producers", SEGMENT, NULL});
    info = kit_read_file(kit_path("producers"), NULL);
    if (core_rings &&
        (!strstr(info, "no-core-ring") || strstr(strstr(info, "no-core-ring") + 1, "no-core-ring")))
        KIT_FAIL("not one thread without a core's ring:\n%s", info);
    free(info);
    finish(&producer, &collector, dir, plan.pinned * plan.records);
    check_records(dir, core_rings);
}

int main(int argc, char **argv)
{
    const char *const what = argc > 1 ? argv[1] : "11";

    kit_begin("rings");
    kit_need_io();
    if (strcmp(what, "shared") == 0)
        run_shared();
    else if (strcmp(what, "crowd") == 0)
        run_crowd();
    else if (strcmp(what, "holes") == 0)
        run_holes();
    else
        run_count((unsigned)strtoul(what, NULL, 10));
    return 0;
}
