/* SPDX-License-Identifier: MIT
 *
 * SHMLOG_OPEN_LATER: a log that waits for its segment, attaches when it appears, and again when it
 * was replaced. Every call is in a segment or counted, whatever happens meanwhile.
 */
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#undef SHMLOG_LAYOUT_ONLY
#include "producer/shmlog.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/time.h>

#define SEGMENT "later"
#define RECORDS 200u
#define KINDS 5u

static const struct shmlog_options later = {.flags = SHMLOG_OPEN_LATER};
static struct segment_kit segment;

struct point {
    uint64_t id;
    double px;
};
SHMLOG_RECORD(point_record, struct point, SHMLOG_INFO, SHMLOG_TRADE, "point",
              SHMLOG_FIELD(struct point, id), SHMLOG_FIELD(struct point, px));
struct page {
    uint64_t id;
    char text[200];
};
SHMLOG_RECORD(page_record, struct page, SHMLOG_INFO, SHMLOG_TRADE, "page",
              SHMLOG_FIELD(struct page, id), SHMLOG_FIELD(struct page, text));

/* Each way to commit, once for each record: KINDS calls. */
static void log_some(struct shmlog *log, unsigned records)
{
    struct page page = {.text = "long"};

    for (unsigned i = 0; i < records; i++) {
        const struct point point = {.id = i, .px = i * 0.5};

        page.id = i;
        shmlog_info(log, "short %u", i);
        shmlog_info_at(log, shmlog_now(log), "string %s of %u", "text", i);
        shmlog_event(log, SHMLOG_WARN, SHMLOG_ORDER, "event", "id", i);
        shmlog_record(log, &point_record, &point);
        shmlog_record(log, &page_record, &page);
    }
}

static struct shmlog *open_later(void)
{
    struct shmlog *log;

    KIT_OK(shmlog_open(&log, SEGMENT, &later));
    KIT_CHECK(log != NULL);
    return log;
}

static bool is_attached(void *log)
{
    return shmlog_status(log) == 0;
}

static bool is_waiting(void *log)
{
    return shmlog_status(log) != 0;
}

static void await_segment(struct shmlog *log)
{
    if (!kit_wait(is_attached, log, 20))
        KIT_FAIL("not attached: %s", shmlog_strerror(shmlog_status(log)));
}

static void await_loss(struct shmlog *log)
{
    if (!kit_wait(is_waiting, log, 20))
        KIT_FAIL("still attached");
}

struct expected {
    uint32_t cause;
    uint64_t count;
};

static bool is_counted(void *arg)
{
    const struct expected *const e = arg;

    return shmlog_load_relaxed_(&segment.segment->control->lost[e->cause]) == e->count;
}

/* The segment has been told of the calls that were made before. */
static void await_counted(uint64_t count)
{
    struct expected expected = {SHMLOG_LOST_NO_RING, count};

    if (!kit_wait(is_counted, &expected, 20))
        KIT_FAIL("the segment counts %llu, not %llu",
                 (unsigned long long)segment_kit_counted(&segment), (unsigned long long)count);
}

static const char *removed_path(void)
{
    return kit_text("%s/removed", kit_shm_dir());
}

/* Away with the files; what is mapped can still be read. */
static void remove_files(void)
{
    KIT_EQ(rename(segment.segment->path, removed_path()), 0);
}

static void close_removed(void)
{
    shm_segment_close(segment.segment);
    KIT_OK(shm_segment_destroy(removed_path()));
    free(segment.reader);
    free(segment.buffer);
}

/* ---- One after the other ---- */

static void test_waiting(void)
{
    const struct segment_kit_params params = {.spare_rings = 2, .ring_bytes = 1 << 18};
    const uint64_t before = shmlog_lost(NULL), calls = RECORDS * KINDS;
    struct shmlog *const log = open_later();
    const uint64_t thread_lost = shmlog_thread_lost(log);

    KIT_EQ(shmlog_status(log), -ENOENT);
    KIT_EQ(shmlog_own_ring(log), -EINVAL);
    KIT_EQ(shmlog_set_level(log, SHMLOG_INFO), -EINVAL);
    KIT_EQ(shmlog_enabled(log, SHMLOG_TRACE), 1);
    shmlog_register_thread(log);
    log_some(log, RECORDS);
    KIT_EQ(shmlog_lost(log), calls);
    KIT_EQ(shmlog_thread_lost(log) - thread_lost, calls);
    segment_kit_open(&segment, SEGMENT, &params);
    await_segment(log);
    await_counted(calls);
    log_some(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), calls);
    KIT_EQ(shmlog_lost(log), calls);
    KIT_EQ(shmlog_thread_lost(log) - thread_lost, calls);
    KIT_OK(shmlog_own_ring(log));
    log_some(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), calls);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL), before);
    KIT_CHECK(!shm_segment_in_use(segment.segment));
    segment_kit_close(&segment);
}

static void test_never(void)
{
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *const log = open_later();

    log_some(log, RECORDS);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL) - before, RECORDS * KINDS);
}

/* There from the start; then each time another one, with other rings. */
static void test_replaced(void)
{
    static const struct segment_kit_params params[] = {
        {.ring_bytes = 1 << 18, .spare_rings = 2},
        {.ring_bytes = 1 << 20, .spare_rings = 11, .on_full = SHMLOG_ON_FULL_OVERWRITE},
        {.ring_bytes = 1 << 17, .spare_rings = 1, .on_full = SHMLOG_ON_FULL_WAIT, .wait_ns = 1000},
        {.ring_bytes = 1 << 16, .spare_rings = 100, .sites_max = 64},
        {.ring_bytes = 1 << 18, .spare_rings = 2, .producers_max = 11},
    };
    struct shmlog *log = NULL;
    uint64_t missed = 0;

    for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        segment_kit_open(&segment, SEGMENT, &params[i]);
        if (i == 0)
            log = open_later();
        await_segment(log);
        await_counted(missed);
        log_some(log, RECORDS / 4);
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), RECORDS / 4 * KINDS);
        KIT_EQ(segment_kit_counted(&segment), missed);
        if (i % 2) /* cut off rather than removed */
            KIT_EQ(truncate(kit_text("%s/control", segment.segment->path), 0), 0);
        remove_files();
        await_loss(log);
        close_removed();
        log_some(log, i);
        missed = i * KINDS;
        KIT_EQ(shmlog_lost(log), missed);
    }
    shmlog_close(log);
}

/* A call that had made room by the overwrite policy is put off before it finds that its ring was
 * replaced meanwhile: until then the others commit to nowhere, and each of that is counted. */
static void test_nowhere(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 16,
                                              .on_full = SHMLOG_ON_FULL_OVERWRITE};
    struct shmlog_ring *ring;
    struct shmlog *log;
    cpu_set_t before, one;

    KIT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    CPU_SET(kit_cpu(0), &one);
    KIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    for (unsigned under_way = 0; under_way < 4; under_way++) {
        segment_kit_open(&segment, SEGMENT, &params);
        KIT_OK(shmlog_open(&log, SEGMENT, NULL));
        log_some(log, 1);
        ring = log->local.ring_of_cpu[kit_cpu(0)];
        if (ring == &log->local.none) { /* no restartable sequences here */
            shmlog_close(log);
            segment_kit_close(&segment);
            break;
        }
        KIT_OK(shmlog_lose_segment_(log));
        KIT_EQ(shmlog_lost_in_dead_(log), 0);
        if (under_way) { /* its sequence had the old head, and the number of the slot before */
            struct shmlog_slot *const slot = shmlog_slots_(ring) + 77;

            if (under_way < 3) /* it came whole, or the last of its slots did, or the head alone */
                *slot =
                    (struct shmlog_slot){.seq = 78,
                                         .site = (under_way == 1) << SHMLOG_SITE_SLOTS_SHIFT | 1};
            ring->head = 78;
            KIT_EQ(shmlog_lost_in_dead_(log), 1);
        }
        ring->limit = under_way < 3 ? UINT64_MAX : 0;
        log_some(log, RECORDS);
        ring->limit = 0;
        KIT_EQ(shmlog_lost_in_dead_(log), RECORDS * KINDS);
        log_some(log, 1);
        KIT_EQ(shmlog_lost_in_dead_(log), KINDS); /* as calls without a ring */
        shmlog_close(log);
        segment_kit_close(&segment);
    }
    KIT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

struct level_check {
    struct shmlog *log;
    uint32_t level;
    int on;
};

static bool level_is(void *arg)
{
    const struct level_check *const c = arg;

    return shmlog_enabled(c->log, c->level) == c->on;
}

static void test_levels(void)
{
    const struct segment_kit_params params = {0};
    struct level_check off = {open_later(), SHMLOG_INFO, 0}, on = {off.log, SHMLOG_INFO, 1};

    segment_kit_open(&segment, SEGMENT, &params);
    await_segment(off.log);
    shmlog_store32_release_(&segment.segment->control->level, SHMLOG_ERROR); /* somebody else */
    KIT_CHECK(kit_wait(level_is, &off, 20));
    log_some(off.log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 0);
    KIT_OK(shmlog_set_level(off.log, SHMLOG_TRACE));
    KIT_CHECK(level_is(&on));
    KIT_EQ(shmlog_load32_relaxed_(&segment.segment->control->level), SHMLOG_TRACE);
    KIT_OK(shmlog_set_level(off.log, SHMLOG_ERROR));
    remove_files();
    await_loss(off.log);
    log_some(off.log, RECORDS); /* off, as they were: neither logged nor lost */
    KIT_EQ(shmlog_lost(off.log), 0);
    shmlog_close(off.log);
    close_removed();
}

/* What cannot be waited for is an error at once; what comes later, the status says. */
static void test_errors(void)
{
    const struct segment_kit_params params = {.spare_rings = 2};
    const uint32_t newer = SHMLOG_LAYOUT_VERSION + 1, right = SHMLOG_LAYOUT_VERSION;
    const char *const hidden = kit_text("%s/hidden", kit_shm_dir());
    const char *const place = kit_text("%s/" SEGMENT, kit_shm_dir());
    const struct shmlog_options wait = {.flags = SHMLOG_OPEN_LATER, .wait_ms = 30};
    const struct shmlog_options unknown = {.flags = SHMLOG_OPEN_LATER | 0x80};
    uint64_t start = kit_now_ns();
    struct shmlog *log;
    int fd;

    KIT_EQ(shmlog_status(NULL), -EINVAL);
    KIT_EQ(shmlog_open(&log, "a b", &later), -EINVAL);
    KIT_EQ(shmlog_open(&log, SEGMENT, &unknown), -EINVAL);
    KIT_OK(shmlog_open(&log, SEGMENT, &wait));
    KIT_COMPARE(kit_now_ns() - start, >=, 30000000);

    segment_kit_open(&segment, "hidden", &params);
    fd = open(kit_text("%s/control", hidden), O_WRONLY | O_CLOEXEC);
    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(pwrite(fd, &newer, 4, offsetof(struct shmlog_control, version)), 4);
    KIT_EQ(rename(hidden, place), 0);
    while (shmlog_status(log) == -ENOENT)
        sched_yield();
    KIT_EQ(shmlog_status(log), -SHMLOG_ERR_NEWER);
    KIT_CHECK(strstr(shmlog_strerror(shmlog_status(log)), "layout version 2") != NULL);
    {
        struct shmlog *another;

        KIT_EQ(shmlog_open(&another, SEGMENT, &later), -SHMLOG_ERR_NEWER);
        KIT_CHECK(another == NULL);
    }
    KIT_EQ(pwrite(fd, &right, 4, offsetof(struct shmlog_control, version)), 4);
    close(fd);
    await_segment(log);
    shmlog_close(log);
    KIT_EQ(rename(place, hidden), 0);
    segment_kit_close(&segment);
}

/* Found from where the program was when it opened, with the $SHMLOG_DIR of then. */
static void test_moved(void)
{
    const struct segment_kit_params params = {0};
    const char *const folder = kit_text("%s", kit_shm_dir());
    char here[PATH_MAX];
    struct shmlog *by_path, *by_folder;

    KIT_CHECK(getcwd(here, sizeof(here)) != NULL);
    KIT_EQ(chdir(folder), 0);
    KIT_OK(shmlog_open(&by_path, "./" SEGMENT, &later));
    KIT_EQ(setenv("SHMLOG_DIR", ".", 1), 0);
    by_folder = open_later();
    KIT_EQ(setenv("SHMLOG_DIR", "/nonexistent", 1), 0);
    KIT_EQ(chdir("/"), 0);
    KIT_EQ(setenv("SHMLOG_DIR", folder, 1), 0);
    segment_kit_open(&segment, SEGMENT, &params);
    await_segment(by_path);
    await_segment(by_folder);
    shmlog_close(by_path);
    shmlog_close(by_folder);
    segment_kit_close(&segment);
    KIT_EQ(chdir(here), 0);
}

/* ---- Processes and threads ---- */

static int child_of_attached(void *arg)
{
    struct shmlog *const log = arg;

    log_some(log, RECORDS);
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
    return 0;
}

/* It keeps waiting; its own counts, and another log of its own works. */
static int child_of_waiting(void *arg)
{
    struct shmlog *const log = arg;
    struct shmlog *own;

    KIT_EQ(shmlog_status(log), -ENOENT);
    log_some(log, RECORDS);
    KIT_EQ(shmlog_lost(log), RECORDS * KINDS);
    shmlog_close(log);
    own = open_later();
    await_segment(own);
    log_some(own, RECORDS);
    shmlog_close(own);
    return 0;
}

static void test_fork(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 4};
    struct shmlog *const log = open_later();
    struct kit_process waiting, attached;

    kit_spawn_function(&waiting, "waiting", child_of_waiting, log);
    segment_kit_open(&segment, SEGMENT, &params);
    if (kit_wait_exit(&waiting, 20) != 0)
        KIT_FAIL("waiting: %s", kit_read_file(waiting.err, NULL));
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), RECORDS * KINDS);
    await_segment(log);
    kit_spawn_function(&attached, "attached", child_of_attached, log);
    if (kit_wait_exit(&attached, 20) != 0)
        KIT_FAIL("attached: %s", kit_read_file(attached.err, NULL));
    log_some(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 2 * RECORDS * KINDS);
    shmlog_close(log);
    segment_kit_close(&segment);
}

/* The tid of the thread that attaches, 0 if there is none. */
static pid_t find_thread(void)
{
    DIR *const tasks = opendir("/proc/self/task");
    struct dirent *entry;
    pid_t found = 0;

    KIT_CHECK(tasks != NULL);
    while ((entry = readdir(tasks))) {
        char *comm;

        if (entry->d_name[0] == '.')
            continue;
        comm = kit_read_file(kit_text("/proc/self/task/%s/comm", entry->d_name), NULL);
        if (strcmp(comm, "shmlog-attach\n") == 0)
            found = atoi(entry->d_name);
        free(comm);
    }
    closedir(tasks);
    return found;
}

static bool has_thread(void *arg)
{
    (void)arg;
    return find_thread() != 0;
}

static bool stepped_aside(void *arg)
{
    cpu_set_t set;

    return sched_getaffinity(find_thread(), sizeof(set), &set) == 0 &&
           !CPU_ISSET(*(const int *)arg, &set);
}

static uint64_t blocked_signals(pid_t tid)
{
    char *const text = kit_read_file(kit_text("/proc/self/task/%d/status", tid), NULL);
    const char *const line = strstr(text, "SigBlk:");
    uint64_t mask;

    KIT_CHECK(line != NULL);
    mask = strtoull(line + strlen("SigBlk:"), NULL, 16);
    free(text);
    return mask;
}

/* It leaves the caller's core and priority, takes no signals but those of the C library and SIGBUS,
 * and is gone after the close. */
static void test_thread(void)
{
    const struct sched_param fifo = {.sched_priority = 1}, normal = {0};
    const bool realtime = sched_setscheduler(0, SCHED_FIFO, &fifo) == 0;
    int cpu = kit_cpu(kit_cpus() - 1);
    cpu_set_t before, one;
    struct shmlog *log;
    pid_t tid;

    KIT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    KIT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    log = open_later();
    KIT_CHECK(kit_wait(has_thread, NULL, 20));
    tid = find_thread();
    if (kit_cpus() > 1)
        KIT_CHECK(kit_wait(stepped_aside, &cpu, 20));
    KIT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
    KIT_EQ(sched_getscheduler(tid), SCHED_OTHER);
    if (realtime)
        KIT_EQ(sched_setscheduler(0, SCHED_OTHER, &normal), 0);
    KIT_CHECK(blocked_signals(tid) & UINT64_C(1) << (SIGALRM - 1));
    KIT_CHECK(blocked_signals(tid) & UINT64_C(1) << (SIGTERM - 1));
    KIT_CHECK(!(blocked_signals(tid) & UINT64_C(1) << (SIGBUS - 1)));
    KIT_CHECK(!(blocked_signals(tid) & UINT64_C(7) << 31));
    KIT_EQ(setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1), 0); /* the C library signals each thread */
    shmlog_close(log);
    KIT_EQ(find_thread(), 0);
}

/* ---- All at once ---- */

#define CYCLES 50u
#define THREADS 4u

static struct shmlog *busy_log;
static uint64_t produced;
static uint32_t stop;

static void on_alarm(int signal)
{
    const int saved = errno;

    (void)signal;
    shmlog_warn(busy_log, "alarm");
    shmlog_event(busy_log, SHMLOG_INFO, "", "alarm", "name", "text");
    __atomic_fetch_add(&produced, 2, __ATOMIC_RELAXED);
    errno = saved;
}

static void *log_on(void *arg)
{
    const unsigned thread = *(const unsigned *)arg;

    if (thread == 0)
        (void)shmlog_own_ring(busy_log);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        log_some(busy_log, 1);
        __atomic_fetch_add(&produced, KINDS, __ATOMIC_RELAXED);
        if (thread == 0 && shmlog_status(busy_log) == 0)
            (void)shmlog_own_ring(busy_log);
    }
    return NULL;
}

static bool has_records(void *arg)
{
    const struct shm_segment *const s = segment.segment;
    uint64_t sum = 0;

    (void)arg;
    for (uint32_t i = 0; i < s->geometry.rings; i++)
        sum += shmlog_load_relaxed_(&s->rings[i].header->head);
    return sum > 1000;
}

static void test_busy(void)
{
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};
    const struct itimerval every = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const uint64_t before = shmlog_lost(NULL);
    uint64_t found = 0, counted = 0, state = kit_seed();
    unsigned number[THREADS];
    pthread_t thread[THREADS];

    busy_log = open_later();
    sigaction(SIGALRM, &action, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        number[i] = i;
        KIT_EQ(pthread_create(&thread[i], NULL, log_on, &number[i]), 0);
    }
    KIT_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        const struct segment_kit_params params = {
            .ring_bytes = UINT64_C(65536) << kit_random_below(&state, 4),
            .spare_rings = 1 + (uint32_t)kit_random_below(&state, 11),
            .only_cpu = kit_random_below(&state, 4) ? 0 : 1 + kit_cpu(0),
            .on_full = policies[kit_random_below(&state, 3)],
            .wait_ns = 1000000,
        };

        segment_kit_open(&segment, SEGMENT, &params);
        await_segment(busy_log);
        KIT_CHECK(kit_wait(has_records, NULL, 60));
        remove_files();
        if (cycle == CYCLES - 1)
            break;
        await_loss(busy_log);
        found += segment_kit_drain(&segment, NULL, NULL) + segment.lost;
        counted += segment_kit_counted(&segment);
        close_removed();
    }
    KIT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < THREADS; i++)
        KIT_EQ(pthread_join(thread[i], NULL), 0);
    shmlog_close(busy_log);
    found += segment_kit_drain(&segment, NULL, NULL) + segment.lost;
    counted += segment_kit_counted(&segment) + shmlog_lost(NULL) - before;
    close_removed();
    printf("%llu calls: %llu in the segments, %llu counted as lost\n", (unsigned long long)produced,
           (unsigned long long)found, (unsigned long long)counted);
    KIT_EQ(found + counted, produced);
    KIT_COMPARE(found, >, CYCLES * 1000);
}

int main(void)
{
    kit_begin("later");
    test_waiting();
    test_never();
    test_replaced();
    test_nowhere();
    test_levels();
    test_errors();
    test_moved();
    test_fork();
    test_thread();
    test_busy();
    return 0;
}
