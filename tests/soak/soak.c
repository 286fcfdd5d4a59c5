/* SPDX-License-Identifier: MIT
 *
 * Everything at once, for as long as asked: four producers (two with rings of their own, two that
 * also log from a timer's signal handler), a crowd of threads that come and go, programs with ever
 * new call sites, which fill the table of these, a collector whose files retention removes, and a
 * reader that follows; one after the other, at random, they are killed, stopped, continued, told to
 * rotate, told to end, and started again; the process that writes the files hangs, the wall clock
 * jumps by days, and other collectors want the directory. At the end one ledger: what the producers
 * noted outside the system against what comes out of the files, of which each has a second name
 * where retention does not look.
 *
 * usage: soak wait|drop|overwrite SECONDS
 */
#include "tests/integration/oracle.h"
#include "tests/soak/crowd.h"
#include "tests/soak/deployment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SITES 65000u /* that the table has room for beside those of other programs */
#define PROCESSES 4u /* each with two pages of the oracle: its own and its handler's */
#define PAGES (2 * PROCESSES)
#define RETAIN "100" /* files */
#define DAY_NS INT64_C(86400000000000)

enum event {
    KILL_PRODUCER,
    KILL_COLLECTOR,
    KILL_STARTING, /* a collector that only just started again */
    KILL_ALL,
    END_COLLECTOR,
    STOP_COLLECTOR, /* SIGSTOP, and on */
    STOP_PRODUCER,
    HANG, /* the process that writes the files stops, as at a disk that does not answer */
    SET_CLOCK,
    RIVAL, /* another collector wants the directory, or the segment */
    KILL_CROWD,
    DEPLOY,
    ROTATE,
    BURST,
    KILL_READER,
    ASK, /* shmlog-dump --info */
    EVENTS,
};

static const struct {
    const char *name;
    unsigned weight;
} kinds[EVENTS] = {
    [KILL_PRODUCER] = {"a producer killed", 30},
    [KILL_COLLECTOR] = {"the collector killed", 12},
    [KILL_STARTING] = {"a starting collector killed", 6},
    [KILL_ALL] = {"all killed", 4},
    [END_COLLECTOR] = {"the collector ended and started again", 4},
    [STOP_COLLECTOR] = {"the collector stopped for a while", 8},
    [STOP_PRODUCER] = {"a producer stopped for a while", 8},
    [HANG] = {"a disk that hangs", 8},
    [SET_CLOCK] = {"the wall clock set by days", 8},
    [RIVAL] = {"a rival refused", 6},
    [KILL_CROWD] = {"the crowd killed", 2},
    [DEPLOY] = {"a deployment", 6},
    [ROTATE] = {"SIGHUP", 10},
    [BURST] = {"a burst", 20},
    [KILL_READER] = {"the reader killed", 4},
    [ASK] = {"--info asked", 4},
};

static struct {
    struct oracle oracle;
    struct kit_process producer[PROCESSES];
    struct oracle_life life[PROCESSES];
    struct kit_process collector;
    struct kit_process reader;
    struct kit_process crowd;
    struct crowd_life crowd_life;
    uint64_t crowd_maybe; /* calls of it that were interrupted by death */
    struct deployment deployment;
    int64_t *clock_shift; /* of the wall clock that the collector sees; NULL: the real one */
    bool is_long;
    const char *log;
    const char *saved; /* directory of the files' second names */
    const char *args[32];
    uint64_t random;
    uint64_t happened[EVENTS];
} soak;

/* Chance decides when things happen; nothing is waited for here. */
static void let_pass(uint64_t most_ns)
{
    const uint64_t ns = kit_random_below(&soak.random, most_ns);
    const struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    nanosleep(&pause, NULL);
}

/* An hour's runs would leave tens of thousands of files. */
static void forget_output(const struct kit_process *process)
{
    unlink(process->out);
    unlink(process->err);
}

static void burst(unsigned i)
{
    struct oracle_page *page = &soak.oracle.page[2 * i];

    __atomic_store_n(&page->burst, page->before + kit_random_below(&soak.random, 20000),
                     __ATOMIC_RELAXED);
}

static void start_producer(unsigned i)
{
    burst(i);
    soak.life[i] = (struct oracle_life){
        .page = &soak.oracle.page[2 * i],
        .segment = "soak",
        .producer = 2 * i,
        .shared_rings = i % 2 == 1,
        .slow_ns = 1000000,
        .slow_burst = 10,
        .timer_us = i < 2 ? 1500 : 0,
    };
    kit_spawn_function(&soak.producer[i], "producer", oracle_live, &soak.life[i]);
}

static void bury_producer(unsigned i)
{
    kit_kill_hard(&soak.producer[i]);
    forget_output(&soak.producer[i]);
    oracle_killed(&soak.oracle, 2 * i);
    oracle_killed(&soak.oracle, 2 * i + 1);
}

static void *shared_memory(const char *name, size_t size)
{
    int fd = open(kit_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *memory;

    KIT_CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    KIT_CHECK(memory != MAP_FAILED);
    close(fd);
    return memory;
}

static void start_crowd(void)
{
    kit_spawn_function(&soak.crowd, "crowd", crowd_live, &soak.crowd_life);
}

static void bury_crowd(void)
{
    struct crowd_page *const page = soak.crowd_life.page;

    kit_kill_hard(&soak.crowd);
    forget_output(&soak.crowd);
    soak.crowd_maybe += page->begun - page->logged;
    page->begun = page->logged;
}

/* Collectors from now on see the clock shifted. Sanitizers want no library before their own. */
static void shift_clock(void)
{
    if (kit_sanitized())
        return;
    soak.clock_shift = shared_memory("shift", 2 * sizeof(*soak.clock_shift));
    KIT_EQ(setenv("SHMLOG_TEST_CLOCK_SHIFT", kit_path("shift"), 1), 0);
}

static void begin_shift(void)
{
    if (soak.clock_shift)
        KIT_EQ(setenv("LD_PRELOAD", kit_program("tests/fault/libclock_shift.so"), 1), 0);
}

static void end_shift(void)
{
    KIT_EQ(unsetenv("LD_PRELOAD"), 0);
}

static void start_collector(void)
{
    begin_shift();
    kit_collector_start(&soak.collector, "soak", soak.log, soak.args);
    end_shift();
}

static void bury_collector(void)
{
    kit_kill_hard(&soak.collector);
    forget_output(&soak.collector);
}

static void kill_starting_collector(void)
{
    const char *argv[40] = {kit_program("collector/shmlog-collector"),
                            "--no-alarm-records", /* all records are counted */
                            "--segment",
                            "soak",
                            "--output",
                            soak.log,
                            "--io",
                            getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto"};

    memcpy(argv + 8, soak.args, sizeof(soak.args));
    begin_shift();
    kit_spawn(&soak.collector, argv, NULL);
    end_shift();
    let_pass(40000000);
    bury_collector();
}

static void start_reader(void)
{
    const char *argv[] = {kit_program("tools/shmlog-dump"), "--follow", "soak", NULL};
    const struct kit_spawn_options options = {.stdout_path = "/dev/null"};

    kit_spawn(&soak.reader, argv, &options);
}

static void bury_reader(void)
{
    kit_kill_hard(&soak.reader);
    unlink(soak.reader.err);
}

static void stop_for_a_while(struct kit_process *process, uint64_t most_ns)
{
    kit_kill(process, SIGSTOP);
    let_pass(most_ns);
    kit_kill(process, SIGCONT);
}

static void kill_all(void)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        burst(i);
    let_pass(2000000);
    kit_kill(&soak.collector, SIGKILL);
    for (unsigned i = 0; i < PROCESSES; i++)
        kit_kill(&soak.producer[i], SIGKILL);
    bury_collector();
    for (unsigned i = 0; i < PROCESSES; i++)
        bury_producer(i);
    kit_verify_balanced(soak.log, NULL); /* what is in no file yet is in the segment */
    start_collector();
    for (unsigned i = 0; i < PROCESSES; i++)
        start_producer(i);
}

static void ask(void)
{
    const char *argv[] = {kit_program("tools/shmlog-dump"), "--info", "soak", NULL};
    struct kit_process dump;

    KIT_EQ(kit_run(&dump, argv, NULL), 0);
    forget_output(&dump);
}

static void hang(void)
{
    const pid_t pid = kit_child(&soak.collector);

    KIT_EQ(kill(pid, SIGSTOP), 0);
    let_pass(soak.is_long ? 3000000000 : 300000000);
    KIT_EQ(kill(pid, SIGCONT), 0);
}

static void set_clock(void)
{
    if (soak.clock_shift)
        __atomic_store_n(soak.clock_shift,
                         ((int64_t)kit_random_below(&soak.random, 21) - 10) * DAY_NS,
                         __ATOMIC_RELAXED);
}

/* One of another folder for the same directory, or for the same segment: it is told who has it. */
static void refuse_rival(void)
{
    const bool same = kit_random_below(&soak.random, 2);
    const char *const argv[] = {kit_program("collector/shmlog-collector"),
                                "--segment",
                                same ? "soak" : kit_text("%s/rival/soak", kit_shm_dir()),
                                "--output",
                                soak.log,
                                NULL};
    struct kit_process rival;

    KIT_EQ(kit_run(&rival, argv, NULL), 1);
    if (!kit_err_contains(&rival, kit_text("pid %ld", (long)soak.collector.pid)))
        KIT_FAIL("a rival said: %s", kit_read_file(rival.err, NULL));
    forget_output(&rival);
}

static void deploy(void)
{
    struct kit_process process;

    kit_spawn_function(&process, "deployed", deployment_live, &soak.deployment);
    KIT_EQ(kit_wait_exit(&process, 120), 0);
    forget_output(&process);
}

static bool is_finished(const struct dirent *entry)
{
    const char *const end = strrchr(entry->d_name, '.');

    return end && strcmp(end, ".shmlog") == 0;
}

/* Give finished files a second name. Retention keeps them for longer than this is away. */
static void save_files(void)
{
    DIR *const d = opendir(soak.log);
    const struct dirent *entry;

    KIT_CHECK(d != NULL);
    while ((entry = readdir(d))) {
        char from[PATH_MAX], to[PATH_MAX];

        if (!is_finished(entry))
            continue;
        snprintf(from, sizeof(from), "%s/%s", soak.log, entry->d_name);
        snprintf(to, sizeof(to), "%s/%s", soak.saved, entry->d_name);
        if (link(from, to) < 0 && errno != EEXIST && errno != ENOENT)
            KIT_FAIL("%s: %s", to, strerror(errno));
    }
    closedir(d);
}

static void happen(enum event event)
{
    const unsigned i = (unsigned)kit_random_below(&soak.random, PROCESSES);

    soak.happened[event]++;
    switch (event) {
    case KILL_PRODUCER:
        burst(i); /* death shall find it at work */
        let_pass(2000000);
        bury_producer(i);
        start_producer(i);
        break;
    case KILL_STARTING:
        bury_collector();
        kill_starting_collector();
        start_collector();
        break;
    case KILL_COLLECTOR:
        bury_collector();
        let_pass(20000000);
        start_collector();
        break;
    case KILL_ALL:
        kill_all();
        break;
    case END_COLLECTOR:
        kit_collector_stop(&soak.collector);
        forget_output(&soak.collector);
        start_collector();
        break;
    case STOP_COLLECTOR:
        stop_for_a_while(&soak.collector, 300000000);
        break;
    case STOP_PRODUCER:
        stop_for_a_while(&soak.producer[i], 100000000);
        break;
    case HANG:
        hang();
        break;
    case SET_CLOCK:
        set_clock();
        break;
    case RIVAL:
        refuse_rival();
        break;
    case KILL_CROWD:
        bury_crowd();
        start_crowd();
        break;
    case DEPLOY:
        deploy();
        break;
    case ROTATE:
        kit_kill(&soak.collector, SIGHUP);
        break;
    case BURST:
        burst(i);
        break;
    case KILL_READER:
        bury_reader();
        start_reader();
        break;
    case ASK:
        ask();
        break;
    case EVENTS:
        break;
    }
}

static enum event any_event(void)
{
    unsigned total = 0;
    uint64_t at;

    for (unsigned e = 0; e < EVENTS; e++)
        total += kinds[e].weight;
    at = kit_random_below(&soak.random, total);
    for (unsigned e = 0;; e++) {
        if (at < kinds[e].weight)
            return (enum event)e;
        at -= kinds[e].weight;
    }
}

static uint64_t noted(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < PAGES; i++)
        sum += __atomic_load_n(&soak.oracle.page[i].after, __ATOMIC_RELAXED);
    return sum;
}

static void live_through(uint64_t seconds)
{
    const uint64_t start = kit_now_ns(), end = start + seconds * 1000000000;
    uint64_t minute = 1, events = 0;

    for (uint64_t now = start; now < end; now = kit_now_ns()) {
        happen(any_event());
        save_files();
        events++;
        let_pass(50000000);
        if ((now - start) / 60000000000 >= minute) {
            printf("%" PRIu64 " minutes: %" PRIu64 " events, %" PRIu64 " records\n", minute++,
                   events, noted());
            fflush(stdout);
        }
    }
}

static void end_all(void)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        __atomic_store_n(&soak.oracle.page[2 * i].stop, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&soak.crowd_life.page->stop, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < PROCESSES; i++)
        KIT_EQ(kit_wait_exit(&soak.producer[i], 60), 0);
    KIT_EQ(kit_wait_exit(&soak.crowd, 60), 0);
    kit_collector_stop(&soak.collector);
    save_files();
    bury_reader();
}

/* The files may hold more than a disk should as text: it goes through a FIFO. */
static void read_back(double seconds, struct oracle_count *ret_count)
{
    const char *fifo = kit_path("lines");
    const char *argv[] = {kit_program("tools/shmlog-dump"),
                          soak.saved,
                          "--site",
                          "oracle.c",
                          "--fields",
                          "message",
                          "--format",
                          "text",
                          NULL};
    const struct kit_spawn_options options = {.stdout_path = fifo};
    struct kit_process dump;

    KIT_EQ(mkfifo(fifo, 0600), 0);
    kit_spawn(&dump, argv, &options);
    oracle_check(&soak.oracle, fifo, ret_count);
    KIT_EQ(kit_wait_exit(&dump, seconds), 0);
}

/* Records of a source file, as shmlog-dump counts them. */
static uint64_t count_of(const char *file)
{
    const char *argv[] = {kit_program("tools/shmlog-dump"),
                          soak.saved,
                          "--site",
                          file,
                          "--count-by",
                          "file",
                          "--format",
                          "csv",
                          NULL};
    struct kit_process dump;
    uint64_t sum = 0;
    char *text;

    kit_spawn(&dump, argv, NULL);
    KIT_EQ(kit_wait_exit(&dump, 600), 0);
    text = kit_read_file(dump.out, NULL);
    for (char *comma = strchr(text, ','); comma; comma = strchr(comma + 1, ','))
        sum += strtoull(comma + 1, NULL, 10); /* 0 in the header row */
    free(text);
    return sum;
}

static void reckon(bool wait)
{
    const struct crowd_page *const crowd = soak.crowd_life.page;
    struct kit_ledger ledger;
    struct oracle_count count;
    const uint64_t deployed = soak.deployment.page->logged;
    uint64_t crowd_seen, deployed_seen;

    kit_verify_balanced(soak.saved, &ledger);
    read_back(600, &count);
    crowd_seen = count_of("crowd.c");
    deployed_seen = count_of("deployed.c");
    for (unsigned e = 0; e < EVENTS; e++)
        printf("%8" PRIu64 " x %s\n", soak.happened[e], kinds[e].name);
    printf("%" PRIu64 " committed, %" PRIu64 " seen, %" PRIu64 " interrupted by death\n",
           count.committed, count.seen, count.maybe);
    printf("%" PRIu64 " committed by %" PRIu64 " threads of the crowd, %" PRIu64 " seen, %" PRIu64
           " interrupted by death\n",
           crowd->logged, crowd->came, crowd_seen, soak.crowd_maybe);
    printf("%" PRIu64 " committed by deployments, each by a site of its own, %" PRIu64 " seen\n",
           deployed, deployed_seen);
    printf("%u files, of which %u are left\n", kit_count_files(soak.saved, NULL),
           kit_count_files(soak.log, ".shmlog"));
    printf("produced=%" PRIu64 " written=%" PRIu64 " dropped=%" PRIu64 " in_ring=%" PRIu64 "\n",
           ledger.produced, ledger.written, ledger.dropped, ledger.in_ring);
    KIT_EQ(ledger.in_ring, 0);
    KIT_EQ(count.seen + crowd_seen + deployed_seen, ledger.written);
    KIT_COMPARE(count.missing, <=, ledger.dropped); /* an interrupted call may have counted, too */
    KIT_COMPARE(count.committed + crowd->logged + deployed, <=, ledger.produced);
    KIT_COMPARE(ledger.produced, <=,
                count.committed + count.maybe + crowd->logged + soak.crowd_maybe + deployed);
    KIT_COMPARE(kit_count_files(soak.log, ".shmlog"), <=, atoi(RETAIN));
    /* Who waits loses no record. */
    for (unsigned i = 0; wait && i < PAGES; i++)
        KIT_EQ(count.missing_of[i], 0);
    if (wait) {
        KIT_COMPARE(crowd->logged, <=, crowd_seen);
        /* of sites that the table has no room for, calls are counted as lost */
        KIT_EQ(deployed, deployed_seen + ledger.dropped);
        KIT_CHECK(deployed_seen == deployed || deployed_seen >= SITES);
    } else {
        KIT_COMPARE(ledger.dropped, >, 0); /* else nothing was tried */
    }
    kit_check_zstd(soak.saved);
}

int main(int argc, char **argv)
{
    const char *policy = argc > 1 ? argv[1] : "wait";
    const uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 5;
    const bool wait = strcmp(policy, "wait") == 0;

    kit_begin("soak");
    kit_need_io();
    soak.random = kit_seed();
    soak.is_long = seconds > 60;
    soak.log = kit_path("log");
    soak.saved = kit_path("saved");
    KIT_EQ(mkdir(soak.saved, 0700), 0);
    KIT_EQ(mkdir(kit_text("%s/rival", kit_shm_dir()), 0700), 0);
    memcpy(soak.args,
           (const char *const[]){"--on-full", policy, "--wait-ms", "600000", "--ring-size",
                                 wait ? "256k" : "64k", "--flush-ms", "5", "--rotate-size",
                                 soak.is_long ? "16m" : "256k", "--spare-rings", "4",
                                 "--retain-count", RETAIN, "--retain-age", "86400"},
           16 * sizeof(char *));
    oracle_open(&soak.oracle);
    soak.crowd_life = (struct crowd_life){
        .page = shared_memory("crowd-page", sizeof(struct crowd_page)),
        .segment = "soak",
        .threads = soak.is_long ? 2000 : 50,
    };
    soak.deployment = (struct deployment){
        .page = shared_memory("deployment-page", sizeof(struct deployment_page)),
        .segment = "soak",
        .sites = soak.is_long ? 500 : 50,
    };
    shift_clock();
    start_collector();
    start_crowd();
    for (unsigned i = 0; i < PROCESSES; i++)
        start_producer(i);
    start_reader();
    live_through(seconds);
    end_all();
    reckon(wait);
    oracle_close(&soak.oracle);
    return 0;
}
