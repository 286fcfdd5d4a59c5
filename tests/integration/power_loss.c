/* SPDX-License-Identifier: MIT
 *
 * Power loss in durable mode. The collector runs under ptrace, which notes what it writes, syncs,
 * creates and renames; at each point where that or its count of acknowledged records has changed,
 * the log directory is made as a disk may have it if power is lost there, in several ways: nothing
 * that is not certain, all of it, and subsets of it (all of them where they are few). Shared memory
 * is gone then; from the files alone shmlog-dump must show every record that was acknowledged.
 *
 * SHMLOG_TEST_STATES: subsets tried at each point (6).
 */
#include "tests/integration/lost_disk.h"
#include "tests/integration/oracle.h"
#include "tests/integration/tracer.h"

#include "producer/shmlog/check.h"
#include "shm/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RECORDS 600u
#define STEPS 6u /* files */
#define FDS 256u
#define NO_FILE (UINT32_MAX - 1)

static struct tracer traced;
static struct disk disk;
static struct oracle oracle;
static const char *log_dir;
static unsigned file_of[FDS]; /* what a descriptor is, DISK_DIRECTORY, NO_FILE */
static struct {
    uint64_t user_data;
    unsigned request;
} under_way[64]; /* io_uring's writes */
static const struct shmlog_control *control;

/* ---- What the collector does ---- */

/* The name within the log directory, "" for itself, NULL: elsewhere. */
static const char *inside(const char *path)
{
    const size_t n = strlen(log_dir);

    if (strncmp(path, log_dir, n) != 0 || (path[n] && path[n] != '/'))
        return NULL;
    return path[n] ? path + n + 1 : path + n;
}

/* The file that has this name now. */
static unsigned find_file(const char *name)
{
    char called[NAME_MAX + 1];

    snprintf(called, sizeof(called), "%s", name);
    for (unsigned i = disk.names; i-- > 0;) {
        if (strcmp(disk.name[i].to, called) != 0)
            continue;
        if (!*disk.name[i].from)
            return disk.name[i].file;
        snprintf(called, sizeof(called), "%s", disk.name[i].from);
    }
    return NO_FILE;
}

static void opened(const char *path, int flags, int fd)
{
    const char *const name = inside(path);

    KIT_COMPARE(fd, <, FDS);
    file_of[fd] = NO_FILE;
    if (!name || *name == '.') /* the claim: nothing to be kept */
        return;
    file_of[fd] = *name ? find_file(name) : DISK_DIRECTORY;
    if (file_of[fd] == NO_FILE && flags & O_CREAT)
        file_of[fd] = disk_create(&disk, name);
    KIT_CHECK(file_of[fd] != NO_FILE);
}

static unsigned file_of_fd(unsigned long long fd)
{
    return fd < FDS ? file_of[fd] : NO_FILE;
}

static unsigned note_write(unsigned file, unsigned long long address, size_t size, uint64_t offset)
{
    uint8_t *const data = malloc(size);
    unsigned request;

    KIT_CHECK(data && tracer_read(&traced, address, data, size));
    request = disk_write(&disk, file, offset, data, size);
    free(data);
    return request;
}

static void note_entries(void)
{
    for (unsigned n = 0; n < traced.submitting; n++) {
        const struct io_uring_sqe *const sqe = tracer_entry(&traced, n);
        const unsigned file = file_of_fd((unsigned)sqe->fd);

        KIT_CHECK(file != NO_FILE);
        if (sqe->opcode == IORING_OP_FSYNC) {
            disk_sync(&disk, file);
            continue;
        }
        for (unsigned i = 0;; i++) {
            KIT_COMPARE(i, <, 64);
            if (under_way[i].request)
                continue;
            under_way[i].user_data = sqe->user_data;
            under_way[i].request = 1 + note_write(file, sqe->addr, sqe->len, sqe->off);
            break;
        }
    }
}

static void note_completion(void)
{
    const unsigned file = file_of_fd((unsigned)traced.sqe->fd);

    KIT_COMPARE(traced.cqe->res, >=, 0);
    if (traced.sqe->opcode == IORING_OP_FSYNC) {
        disk_synced(&disk, file);
        return;
    }
    KIT_EQ(traced.cqe->res, traced.sqe->len);
    for (unsigned i = 0; i < 64; i++) {
        if (under_way[i].request && under_way[i].user_data == traced.cqe->user_data) {
            disk_written(&disk, under_way[i].request - 1);
            under_way[i].request = 0;
        }
    }
}

static unsigned request; /* of the pwrite that is being made */

static bool note_call(void)
{
    const unsigned file = file_of_fd(traced.argument[0]);

    switch (traced.number) {
    case SYS_openat:
    case SYS_renameat2:
    case SYS_unlink:
        return true;
    case SYS_pwrite64:
        if (file != NO_FILE)
            request = note_write(file, traced.argument[1], traced.argument[2], traced.argument[3]);
        return file != NO_FILE;
    case SYS_fsync:
    case SYS_fdatasync:
        if (file != NO_FILE)
            disk_sync(&disk, file);
        return file != NO_FILE;
    case SYS_ftruncate:
        KIT_EQ(file, NO_FILE); /* not in this scenario */
        return false;
    case SYS_io_uring_enter:
        note_entries();
        return false;
    case SYS_close:
        if (traced.argument[0] < FDS)
            file_of[traced.argument[0]] = NO_FILE;
        return false;
    default:
        return false;
    }
}

static void note_return(void)
{
    const unsigned file = file_of_fd(traced.argument[0]);
    char path[PATH_MAX], to[PATH_MAX];

    if (traced.result < 0)
        return;
    switch (traced.number) {
    case SYS_openat:
        tracer_string(&traced, 1, path, sizeof(path));
        opened(path, (int)traced.argument[2], (int)traced.result);
        break;
    case SYS_renameat2:
        tracer_string(&traced, 1, path, sizeof(path));
        tracer_string(&traced, 3, to, sizeof(to));
        if (inside(path))
            disk_rename(&disk, inside(path), inside(to));
        break;
    case SYS_unlink:
        tracer_string(&traced, 0, path, sizeof(path));
        if (inside(path))
            disk_rename(&disk, inside(path), "");
        break;
    case SYS_pwrite64:
        KIT_EQ(traced.result, traced.argument[2]);
        disk_written(&disk, request);
        break;
    case SYS_fsync:
    case SYS_fdatasync:
        disk_synced(&disk, file);
        break;
    default:
        break;
    }
}

/* ---- What is left ---- */

static uint64_t acknowledged(void)
{
    if (!control) {
        const int fd = open(kit_text("%s/loss/control", kit_shm_dir()), O_RDONLY | O_CLOEXEC);
        const bool whole = fd >= 0 && lseek(fd, 0, SEEK_END) >= (off_t)sizeof(*control);
        void *const memory =
            whole ? mmap(NULL, sizeof(*control), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

        if (fd >= 0)
            close(fd);
        if (memory == MAP_FAILED)
            return 0;
        control = memory;
    }
    return __atomic_load_n(&control->stats[SHM_STAT_acknowledged], __ATOMIC_ACQUIRE);
}

static uint64_t states, points, most;

static void check_state(const bool *present, uint64_t want)
{
    const char *const dir = kit_path("lost");
    char dump[PATH_MAX + 64];
    struct kit_process rm;
    bool seen[RECORDS * 4] = {0};
    unsigned long line_number = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    FILE *out;

    KIT_EQ(mkdir(dir, 0700), 0);
    disk_lose_power(&disk, present, dir);
    snprintf(dump, sizeof(dump), "'%s' --fields message --format text '%s' 2>/dev/null",
             kit_program("tools/shmlog-dump"), dir);
    out = popen(dump, "re"); // NOLINT
    KIT_CHECK(out != NULL);
    while ((size = getline(&line, &room, out)) > 0) {
        unsigned producer;
        uint64_t number;

        line[size - 1] = 0;
        if (strncmp(line, "(record of unknown site", 23) == 0)
            continue; /* its site is not on the disk: then it does not count as being there */
        oracle_line(line, ++line_number, &producer, &number);
        KIT_COMPARE(number, <=, oracle.page[0].before);
        KIT_COMPARE(number, <, sizeof(seen));
        if (seen[number])
            KIT_FAIL("record %llu is there twice", (unsigned long long)number);
        seen[number] = true;
    }
    free(line);
    (void)pclose(out); /* what was cut off is an error to it */
    for (uint64_t n = 1; n <= want; n++)
        if (!seen[n])
            KIT_FAIL("point %llu: record %llu was acknowledged, of %llu, and is not in %s "
                     "(SHMLOG_TEST_KEEP=1 keeps it)",
                     (unsigned long long)points, (unsigned long long)n, (unsigned long long)want,
                     dir);
    states++;
    KIT_EQ(kit_run(&rm, (const char *const[]){"rm", "-r", dir, NULL}, NULL), 0);
}

static void check_states(uint64_t want, uint64_t tries)
{
    static uint64_t random;
    const unsigned n = disk_uncertain(&disk);
    bool present[DISK_WRITES + DISK_NAMES] = {0};

    if (!random)
        random = kit_seed();
    points++;
    most = n > most ? n : most;
    if (n < 16 && UINT64_C(1) << n <= tries) {
        for (uint64_t mask = 0; mask < UINT64_C(1) << n; mask++) {
            for (unsigned i = 0; i < n; i++)
                present[i] = mask >> i & 1;
            check_state(present, want);
        }
        return;
    }
    check_state(present, want);
    memset(present, 1, sizeof(present));
    check_state(present, want);
    for (uint64_t k = 2; k < tries; k++) {
        for (unsigned i = 0; i < n; i++)
            present[i] = kit_random_below(&random, 2);
        check_state(present, want);
    }
}

/* Power is lost now. */
static void check_point(uint64_t tries)
{
    static uint64_t last_changes, last_want;
    const uint64_t want = acknowledged();

    if (disk.changes == last_changes && want == last_want)
        return;
    last_changes = disk.changes;
    last_want = want;
    /* The drain waits meanwhile, or it would make piece after piece. Under ptrace it goes on with
     * the next look at it. */
    tracer_signal(&traced, SIGSTOP);
    check_states(want, tries);
}

/* The one that drains does nothing to the files. */
static bool is_the_drain(void)
{
    return traced.process[1].pid && traced.at == &traced.process[0];
}

static void pump(uint64_t tries)
{
    const struct timespec pause = {.tv_nsec = 50000};
    bool show = false;

    if (traced.event == TRACER_NONE && tracer_look(&traced) == TRACER_NONE) {
        nanosleep(&pause, NULL);
        return;
    }
    if (is_the_drain()) {
        if (traced.event != TRACER_ENDED)
            tracer_go(&traced, false);
        return;
    }
    if (traced.event == TRACER_CALL)
        show = note_call();
    else if (traced.event == TRACER_RETURN)
        note_return();
    else if (traced.event == TRACER_COMPLETION)
        note_completion();
    else
        return;
    check_point(tries);
    tracer_go(&traced, show);
}

static void pump_until_acknowledged(uint64_t number, uint64_t tries)
{
    const uint64_t deadline = kit_deadline(4 * KIT_PATIENCE);

    while (acknowledged() < number) {
        pump(tries);
        if (__atomic_load_n(&oracle.page[0].after, __ATOMIC_ACQUIRE) >= RECORDS)
            __atomic_store_n(&oracle.page[0].stop, 1, __ATOMIC_RELEASE); /* enough */
        KIT_CHECK(traced.event != TRACER_ENDED);
        if (kit_now_ns() > deadline)
            KIT_FAIL("%llu records acknowledged, not %llu; it said:\n%s",
                     (unsigned long long)acknowledged(), (unsigned long long)number,
                     kit_read_file(traced.err, NULL));
    }
}

int main(void)
{
    const uint64_t tries = kit_number("SHMLOG_TEST_STATES", 6);
    struct oracle_life life = {.segment = "loss",
                               .shared_rings = true,
                               .slow_ns = 5000000,
                               .slow_burst = 1};
    struct kit_process producer;

    kit_begin("power_loss");
    kit_need_io();
    tracer_need();
    oracle_open(&oracle);
    log_dir = kit_path("log");
    for (unsigned i = 0; i < FDS; i++)
        file_of[i] = NO_FILE;
    tracer_start(&traced,
                 (const char *const[]){kit_program("collector/shmlog-collector"),
                                       "--no-alarm-records",
                                       "--segment",
                                       "loss",
                                       "--output",
                                       log_dir,
                                       "--durable",
                                       "--cpus",
                                       "0",
                                       "--spare-rings",
                                       "1",
                                       "--on-full",
                                       "wait",
                                       "--wait-ms",
                                       "600000",
                                       "--flush-ms",
                                       "1",
                                       "--io",
                                       getenv("SHMLOG_TEST_IO") ? getenv("SHMLOG_TEST_IO") : "auto",
                                       "--outbox-size",
                                       "4m",
                                       "--ring-size",
                                       "64k",
                                       NULL});
    life.page = &oracle.page[0];
    kit_spawn_function(&producer, "producer", oracle_live, &life);
    for (uint64_t step = 1; step <= STEPS; step++) {
        pump_until_acknowledged(step * RECORDS / STEPS, tries);
        if (step < STEPS)
            tracer_signal(&traced, SIGHUP);
    }
    while (!kit_has_ended(&producer))
        pump(tries);
    KIT_EQ(producer.status, 0);
    pump_until_acknowledged(oracle.page[0].after, tries);
    tracer_signal(&traced, SIGTERM);
    while (traced.pid)
        pump(tries);
    KIT_EQ(traced.status, 0);
    KIT_EQ(acknowledged(), oracle.page[0].after);
    printf("%llu points, %llu states of the disk, up to %u of %u things uncertain; %llu records\n",
           (unsigned long long)points, (unsigned long long)states, (unsigned)most,
           disk.writes + disk.names, (unsigned long long)oracle.page[0].after);
    oracle_close(&oracle);
    return 0;
}
