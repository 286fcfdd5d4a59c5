/* SPDX-License-Identifier: MIT
 *
 * The collector at each system call and at each completion of io_uring: it dies there, or what it
 * asked for fails, once, with each error that is likely there, or is done in part.
 *
 * The scenario: start, drain two producers' rings, rotate by SIGHUP, retain, stop. One run without
 * a fault counts the calls by name; then each run has one fault, at the n-th call of a name. Where
 * the collector has ended, another one takes over. At the end every record that the producers noted
 * is in the files once, the files are sound, and older files are as they were.
 *
 * SHMLOG_TEST_FAULTS=all: all of them; a number: that many, evenly spread (60).
 * SHMLOG_TEST_FAULT=NAME:N:ERRNO: only that one; ERRNO 0 to die, -1 for in part.
 */
#include "tests/integration/oracle.h"
#include "tests/integration/tracer.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PRODUCERS 2u
#define RECORDS 300u /* of each producer, at least */
#define OLD_FILES 6u
#define NAMES_MAX 96u
#define PART (-1)
#define COMPLETED_WRITE "completion of a write"
#define COMPLETED_SYNC "completion of a sync"

struct fault {
    const char *name; /* NULL: none */
    unsigned at;      /* the n-th of this name, from 1 */
    int error;        /* 0: die; PART */
};

struct counted {
    const char *name;
    unsigned count;
};

static struct tracer traced;
static struct kit_process second; /* takes over */
static struct oracle oracle;
static struct kit_process producer[PRODUCERS];
static struct oracle_life life[PRODUCERS];
static const char *log_dir;
static unsigned runs;

/* of one run */
static struct counted counted[NAMES_MAX];
static struct counted all_names[NAMES_MAX]; /* of the run without a fault */
static bool counting, hit, rotated;
static unsigned refused, gave_up, doubted;
static struct {
    unsigned deaths, errors, parts;
} reached;

static const char *const args[] = {"--on-full",
                                   "wait",
                                   "--wait-ms",
                                   "600000",
                                   "--ring-size",
                                   "64k",
                                   "--cpus",
                                   "0",
                                   "--spare-rings",
                                   "2",
                                   "--flush-ms",
                                   "5",
                                   "--outbox-size",
                                   "4m",
                                   "--retain-count",
                                   "7",
                                   "--durable",
                                   "--page-size",
                                   "4K",
                                   NULL};

/* ---- Faults ---- */

static const int *likely_errors(const char *name)
{
    static const struct {
        const char *name;
        int error[8];
    } likely[] = {
        {"mkdir", {EROFS, ENOSPC, EACCES}},
        {"openat", {EIO, ENOSPC, EMFILE, EACCES, EROFS}},
        {"open", {EIO, ENOSPC, EMFILE, EACCES, EROFS}},
        {"pwrite64", {EIO, ENOSPC, EDQUOT, EINTR, EROFS, EFBIG, PART}},
        {COMPLETED_WRITE, {EIO, ENOSPC, EDQUOT, EINTR, EAGAIN, ECANCELED, PART}},
        {COMPLETED_SYNC, {EIO, ENOSPC, EINTR}},
        {"fsync", {EIO, ENOSPC, EROFS}},
        {"fdatasync", {EIO, ENOSPC, EDQUOT, EINTR}},
        {"renameat2", {EIO, ENOSPC, EACCES, EROFS, EEXIST, EINVAL}},
        {"unlink", {EACCES, EIO, EROFS}},
        {"unlinkat", {EACCES, EIO, EROFS}},
        {"ftruncate", {ENOSPC, EIO}},
        {"fallocate", {ENOSPC, EINTR, EOPNOTSUPP}},
        {"mmap", {ENOMEM}},
        {"munmap", {ENOMEM}},
        {"brk", {0}}, /* does not fail with an error, but by doing nothing: see mmap */
        {"io_uring_setup", {EPERM, ENOSYS, ENOMEM}},
        {"io_uring_register", {ENOMEM, EPERM}},
        {"io_uring_enter", {EAGAIN, EBUSY, EINTR, EPERM}},
        {"getrandom", {EAGAIN, ENOSYS}},
        {"newfstatat", {EIO, EACCES}},
        {"access", {EACCES}},
        {"flock", {EWOULDBLOCK}},
        {"close", {EIO}},
    };
    static const int any[8] = {EIO};

    for (size_t i = 0; i < sizeof(likely) / sizeof(likely[0]); i++)
        if (strcmp(likely[i].name, name) == 0)
            return likely[i].error;
    return any;
}

static unsigned count(const char *name)
{
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (!counted[i].name)
            counted[i].name = name;
        if (strcmp(counted[i].name, name) == 0)
            return ++counted[i].count;
    }
    KIT_FAIL("more than %u names", NAMES_MAX);
}

/* Messages are not what this is about, nor what the loader does before main. */
static bool is_counted(void)
{
    if (traced.event != TRACER_CALL)
        return counting;
    counting |= traced.number == SYS_mkdir;
    return counting && !(traced.number == SYS_write && traced.argument[0] <= 2);
}

static const char *name_of_stop(void)
{
    if (traced.event == TRACER_CALL)
        return tracer_name(traced.number);
    KIT_CHECK(traced.sqe != NULL);
    return traced.sqe->opcode == IORING_OP_FSYNC ? COMPLETED_SYNC : COMPLETED_WRITE;
}

static void strike(const struct fault *fault)
{
    hit = true;
    ++*(!fault->error ? &reached.deaths : fault->error == PART ? &reached.parts : &reached.errors);
    if (fault->error == 0) {
        tracer_kill(&traced);
    } else if (traced.event == TRACER_COMPLETION) {
        traced.cqe->res = fault->error == PART ? traced.cqe->res / 2 : -fault->error;
        tracer_go(&traced, false);
    } else if (fault->error == PART) {
        tracer_argument(&traced, 2, (traced.argument[2] + 1) / 2);
        tracer_go(&traced, false);
    } else {
        tracer_fail(&traced, fault->error);
    }
}

/* One step of the traced collector. */
static void pump(const struct fault *fault)
{
    const struct timespec pause = {.tv_nsec = 50000};

    if (!traced.pid) {
        nanosleep(&pause, NULL);
        return;
    }
    if (traced.event == TRACER_NONE && tracer_look(&traced) == TRACER_NONE) {
        nanosleep(&pause, NULL);
        return;
    }
    if (traced.event == TRACER_ENDED)
        return;
    if (is_counted()) {
        const char *const name = name_of_stop();
        const unsigned n = count(name);

        if (fault->name && !hit && n == fault->at && strcmp(name, fault->name) == 0) {
            strike(fault);
            return;
        }
    }
    tracer_go(&traced, false);
}

/* ---- The scenario ---- */

static void old_path(unsigned i, char *to, size_t size)
{
    snprintf(to, size, "%s/fault-20200101T00000%u-%06u.shmlog", log_dir, i, i + 1);
}

static void put_old_files(void)
{
    KIT_EQ(mkdir(log_dir, 0700), 0);
    for (unsigned i = 0; i < OLD_FILES; i++) {
        char path[PATH_MAX];

        old_path(i, path, sizeof(path));
        kit_write_file(path, path, strlen(path));
    }
}

static void describe(const struct fault *fault)
{
    if (fault->name)
        fprintf(stderr, "SHMLOG_TEST_FAULT='%s:%u:%d'%s\n", fault->name, fault->at, fault->error,
                hit ? "" : " (not reached)");
}

/* The order of numbers is that of age: two files with one number, and retention may remove the
 * newer one as the oldest. */
static void check_numbers(const struct fault *fault)
{
    DIR *const dir = opendir(log_dir);
    const struct dirent *entry;
    bool used[100] = {false};

    KIT_CHECK(dir != NULL);
    while ((entry = readdir(dir))) {
        const char *const dash = strrchr(entry->d_name, '-');
        const unsigned long number = dash ? strtoul(dash + 1, NULL, 10) : 0;

        if (!dash)
            continue;
        KIT_COMPARE(number, <, 100);
        if (used[number]) {
            describe(fault);
            KIT_FAIL("two files have the number %lu", number);
        }
        used[number] = true;
    }
    closedir(dir);
}

/* Those that retention left are as they were; then they go. */
static unsigned take_old_files(void)
{
    unsigned left = 0;

    for (unsigned i = 0; i < OLD_FILES; i++) {
        char path[PATH_MAX];
        char *text;

        old_path(i, path, sizeof(path));
        if (access(path, F_OK) < 0)
            continue;
        text = kit_read_file(path, NULL);
        KIT_STR_EQ(text, path);
        free(text);
        unlink(path);
        left++;
    }
    return left;
}

static void start_second(void)
{
    kit_collector_start(&second, "fault", log_dir, args);
    if (rotated) /* the other one may have died with it */
        kit_kill(&second, SIGHUP);
}

static bool traced_said(const char *text)
{
    char *const said = kit_read_file(traced.err, NULL);
    const bool found = strstr(said, text) != NULL;

    free(said);
    return found;
}

/* The traced one has ended: as it was killed, or by itself, and then it says why. */
static void look_after(const struct fault *fault)
{
    char *said;

    if (traced.event != TRACER_ENDED || second.pid)
        return;
    if (traced.status != 128 + SIGKILL || !hit || fault->error) {
        said = kit_read_file(traced.err, NULL);
        if (traced.status != 1 || !hit)
            describe(fault);
        KIT_EQ(traced.status, 1);
        KIT_CHECK(hit);
        if (strstr(said, "ready")) {
            gave_up++;
            describe(fault);
            fprintf(stderr, "it gave up; it said:\n%s", said);
        } else {
            refused++;
        }
        KIT_CHECK(strstr(said, "shmlog-collector: ") != NULL);
        free(said);
    }
    start_second();
}

static void to_collector(int signal)
{
    if (traced.pid)
        tracer_signal(&traced, signal);
    else
        kit_kill(&second, signal);
}

static bool producers_at(uint64_t number)
{
    for (unsigned i = 0; i < PRODUCERS; i++)
        if (__atomic_load_n(&oracle.page[i].after, __ATOMIC_ACQUIRE) < number)
            return false;
    return true;
}

static bool producers_ended(void)
{
    bool all = true;

    for (unsigned i = 0; i < PRODUCERS; i++)
        all &= kit_has_ended(&producer[i]);
    return all;
}

/* A file of this run is there, or is finished; the old ones do not count. */
static bool has_file(bool finished)
{
    DIR *const dir = opendir(log_dir);
    const struct dirent *entry;
    bool found = false;

    KIT_CHECK(dir != NULL);
    while (!found && (entry = readdir(dir))) {
        const size_t n = strlen(entry->d_name);

        found = n > 7 && entry->d_name[0] != '.' && !strstr(entry->d_name, "-20200101T") &&
                (!finished || strcmp(entry->d_name + n - 7, ".shmlog") == 0);
    }
    closedir(dir);
    return found;
}

static bool finished(void)
{
    if (traced.pid)
        return false;
    return second.name[0] ? kit_has_ended(&second) : traced.event == TRACER_ENDED;
}

#define PUMP_UNTIL(condition, what)                                                      \
    do {                                                                                 \
        const uint64_t deadline_ = kit_deadline(2 * KIT_PATIENCE);                       \
        while (!(condition)) {                                                           \
            pump(fault);                                                                 \
            look_after(fault);                                                           \
            if (kit_now_ns() > deadline_) {                                              \
                describe(fault);                                                         \
                KIT_FAIL("%s: not yet; it said:\n%s", what,                              \
                         kit_read_file(second.name[0] ? second.err : traced.err, NULL)); \
            }                                                                            \
        }                                                                                \
    } while (0)

static void start(void)
{
    const char *argv[48] = {kit_program("collector/shmlog-collector"),
                            "--no-alarm-records", /* all records are counted */
                            "--segment",
                            "fault",
                            "--output",
                            log_dir,
                            "--io",
                            getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto"};

    memset(counted, 0, sizeof(counted));
    counting = hit = rotated = false;
    memset(&second, 0, sizeof(second));
    memset(oracle.page, 0, ORACLE_PRODUCERS * sizeof(*oracle.page));
    put_old_files();
    memcpy(argv + 8, args, sizeof(args));
    tracer_start(&traced, argv);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        oracle.page[i].burst = RECORDS / 2;
        life[i] = (struct oracle_life){.page = &oracle.page[i],
                                       .segment = "fault",
                                       .producer = i,
                                       .shared_rings = i % 2 == 1,
                                       .slow_ns = 500000,
                                       .slow_burst = 1};
        kit_spawn_function(&producer[i], "producer", oracle_live, &life[i]);
    }
}

/* It ended in the middle of stopping: the next one has to finish. */
static void stop(const struct fault *fault)
{
    to_collector(SIGTERM);
    if (traced.pid) {
        const uint64_t deadline = kit_deadline(2 * KIT_PATIENCE);

        while (traced.pid && kit_now_ns() < deadline)
            pump(fault);
        if (traced.pid) {
            describe(fault);
            KIT_FAIL("does not stop; it said:\n%s", kit_read_file(traced.err, NULL));
        }
        if (traced.status == 0)
            return;
        look_after(fault);
        to_collector(SIGTERM);
    }
    PUMP_UNTIL(finished(), "stopping");
    if (second.status != 0) {
        describe(fault);
        KIT_FAIL("ended with status %d; it said:\n%s", second.status,
                 kit_read_file(second.err, NULL));
    }
}

static void check(const struct fault *fault)
{
    struct kit_ledger ledger;
    struct oracle_count result;
    struct kit_process rm;

    check_numbers(fault);
    (void)take_old_files();
    kit_verify(log_dir, &ledger);
    if (ledger.status != 0)
        describe(fault);
    kit_verify_balanced(log_dir, &ledger);
    kit_dump(kit_path("dump"),
             (const char *const[]){log_dir, "--fields", "message", "--format", "text", NULL});
    oracle_check(&oracle, kit_path("dump"), &result);
    if (result.missing || result.seen != ledger.written || ledger.dropped || ledger.in_ring)
        describe(fault);
    KIT_EQ(result.missing, 0);
    KIT_EQ(result.seen, ledger.written);
    KIT_EQ(ledger.dropped, 0);
    KIT_EQ(ledger.in_ring, 0);
    kit_check_zstd(log_dir);
    KIT_EQ(kit_run(&rm, (const char *const[]){"rm", "-r", log_dir, NULL}, NULL), 0);
}

/* After EIO, and after any failure of a sync, nobody knows what the disk has of the file: it says
 * so, and goes on in another one. */
static void check_new_file(const struct fault *fault)
{
    const bool write = fault->name && (strcmp(fault->name, "pwrite64") == 0 ||
                                       strcmp(fault->name, COMPLETED_WRITE) == 0);
    const bool sync = fault->name && (strcmp(fault->name, "fdatasync") == 0 ||
                                      strcmp(fault->name, COMPLETED_SYNC) == 0);

    if (!hit || !(write ? fault->error == EIO : sync && fault->error && fault->error != EINTR))
        return;
    doubted++;
    if (!traced_said("trying with new files") && !traced_said("cannot even be sealed")) {
        describe(fault);
        KIT_FAIL("it goes on in the same file; it said:\n%s", kit_read_file(traced.err, NULL));
    }
}

/* A fault may have kept the segment: the next collector that stops removes it. */
static void clear_segment(const struct fault *fault)
{
    const char *const path = kit_text("%s/fault", kit_shm_dir());

    if (access(path, F_OK) < 0)
        return;
    kit_collector_start(&second, "fault", log_dir, args);
    kit_collector_stop(&second);
    if (access(path, F_OK) == 0) {
        describe(fault);
        KIT_FAIL("%s stays", path);
    }
}

static void run(const struct fault *fault)
{
    log_dir = kit_path(kit_text("log-%u", ++runs));
    start();
    PUMP_UNTIL(producers_at(RECORDS / 2), "half of the records");
    PUMP_UNTIL(has_file(false), "a file"); /* or there is nothing to rotate */
    rotated = true;
    to_collector(SIGHUP);
    PUMP_UNTIL(has_file(true), "a finished file");
    for (unsigned i = 0; i < PRODUCERS; i++)
        __atomic_store_n(&oracle.page[i].burst, RECORDS, __ATOMIC_RELEASE);
    PUMP_UNTIL(producers_at(RECORDS), "all of the records");
    for (unsigned i = 0; i < PRODUCERS; i++)
        __atomic_store_n(&oracle.page[i].stop, 1, __ATOMIC_RELEASE);
    PUMP_UNTIL(producers_ended(), "the producers' end");
    stop(fault);
    check(fault);
    check_new_file(fault);
    clear_segment(fault);
}

/* ---- All of them ---- */

struct faults {
    struct fault *fault;
    size_t count, room;
};

static void add(struct faults *all, const char *name, unsigned at, int error)
{
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 1024;
        all->fault = realloc(all->fault, all->room * sizeof(*all->fault));
        KIT_CHECK(all->fault != NULL);
    }
    all->fault[all->count++] = (struct fault){name, at, error};
}

static void list(struct faults *all)
{
    unsigned calls = 0;

    for (unsigned i = 0; i < NAMES_MAX && counted[i].name; i++) {
        const int *const error = likely_errors(counted[i].name);

        printf("%6u %s\n", counted[i].count, counted[i].name);
        calls += counted[i].count;
        for (unsigned n = 1; n <= counted[i].count; n++) {
            add(all, counted[i].name, n, 0);
            for (unsigned k = 0; k < 8 && error[k]; k++)
                add(all, counted[i].name, n, error[k]);
        }
    }
    printf("%6u calls and completions, %zu faults\n", calls, all->count);
}

static unsigned count_of(const char *name)
{
    for (unsigned i = 0; i < NAMES_MAX && all_names[i].name; i++)
        if (strcmp(all_names[i].name, name) == 0)
            return all_names[i].count;
    return 0;
}

/* This call, or completion, fails; in each run, whatever the sample has. `sure`: it is made in each
 * run, since that begins two files, and writes and syncs both. */
static void fail_always(const char *name, unsigned nth, int error, bool sure)
{
    const struct fault fault = {name, nth, error};

    if (count_of(name) < nth)
        return;
    run(&fault);
    if (sure && !hit) {
        describe(&fault);
        KIT_FAIL("a call of each run was not made");
    }
}

static bool given_fault(struct fault *ret_fault)
{
    const char *const text = getenv("SHMLOG_TEST_FAULT");
    char *copy, *colon;

    if (!text)
        return false;
    copy = strdup(text);
    KIT_CHECK(copy != NULL);
    ret_fault->name = copy;
    colon = strchr(copy, ':');
    KIT_CHECK(colon != NULL);
    *colon = 0;
    KIT_EQ(sscanf(colon + 1, "%u:%d", &ret_fault->at, &ret_fault->error), 2);
    return true;
}

int main(void)
{
    const char *const wanted = getenv("SHMLOG_TEST_FAULTS");
    const struct fault none = {0};
    struct faults all = {0};
    size_t todo, hits = 0;
    struct fault given;

    kit_begin("fault_collector");
    kit_need_io();
    tracer_need();
    oracle_open(&oracle);
    if (given_fault(&given)) {
        run(&given);
        printf("%s\n", hit ? "passed" : "not reached");
        return 0;
    }
    run(&none);
    KIT_EQ(traced.status, 0);
    memcpy(all_names, counted, sizeof(counted));
    list(&all);
    todo = !wanted ? 60 : strcmp(wanted, "all") == 0 ? all.count : strtoul(wanted, NULL, 10);
    todo = todo > all.count ? all.count : todo;
    for (size_t i = 0; i < todo; i++) {
        run(&all.fault[i * all.count / todo]);
        hits += hit;
        if (i % 100 == 99)
            printf("%zu of %zu\n", i + 1, todo);
    }
    fail_always("pwrite64", 2, EIO, true);
    fail_always("pwrite64", 2, PART, true);
    fail_always("fdatasync", 2, EIO, true);
    fail_always("fdatasync", 2, ENOSPC, true);
    fail_always(COMPLETED_WRITE, 2, EIO, true);
    fail_always(COMPLETED_WRITE, 2, PART, true);
    fail_always(COMPLETED_SYNC, 2, EIO, true);
    fail_always(COMPLETED_SYNC, 2, ENOSPC, true);
    for (unsigned n = 1; n <= count_of("getdents64"); n++) /* an error is not an empty directory */
        fail_always("getdents64", n, EIO, false);
    fail_always("getrandom", 3, EAGAIN, false); /* of a file that begins under way */
    printf("%zu faults tried, %zu reached; %u refused at start, %u gave up later\n", todo, hits,
           refused, gave_up);
    printf("%u deaths, %u errors, %u done in part\n", reached.deaths, reached.errors,
           reached.parts);
    KIT_EQ(gave_up, 0);
    /* How many calls there are is not the same in each run, so not each fault is reached; but the
     * first call of all is, and those that all runs have. */
    KIT_COMPARE(reached.deaths, >=, 1);
    KIT_COMPARE(reached.errors, >=, 1);
    KIT_COMPARE(reached.parts, >=, 1);
    KIT_COMPARE(doubted, >=, 3); /* a write and two syncs */
    free(all.fault);
    oracle_close(&oracle);
    return 0;
}
