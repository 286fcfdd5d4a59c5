/* SPDX-License-Identifier: MIT
 *
 * SHMLOG_OPEN_LATER: a log that waits for its segment, attaches when it appears, and again when it
 * was replaced. Every call is in a segment or counted, whatever happens meanwhile.
 */
#include "tests/producer/later_kit.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>

#define RECORDS 200u

static struct segment_kit segment;

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

/* ---- One after the other ---- */

static void test_waiting(void)
{
    const struct segment_kit_params params = {.spare_rings = 2, .ring_bytes = 1 << 18};
    const uint64_t before = shmlog_lost(NULL), calls = RECORDS * LATER_KINDS;
    struct shmlog *const log = later_open();
    const uint64_t thread_lost = shmlog_thread_lost(log);

    KIT_EQ(shmlog_status(log), -ENOENT);
    KIT_EQ(shmlog_own_ring(log), -EINVAL);
    KIT_EQ(shmlog_set_level(log, SHMLOG_INFO), -EINVAL);
    KIT_EQ(shmlog_enabled(log, SHMLOG_TRACE), 1);
    shmlog_register_thread(log);
    later_log(log, RECORDS);
    KIT_EQ(shmlog_lost(log), calls);
    KIT_EQ(shmlog_thread_lost(log) - thread_lost, calls);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    later_await_segment(log);
    await_counted(calls);
    later_log(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), calls);
    KIT_EQ(shmlog_lost(log), calls);
    KIT_EQ(shmlog_thread_lost(log) - thread_lost, calls);
    KIT_OK(shmlog_own_ring(log));
    later_log(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), calls);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL), before);
    KIT_CHECK(!shm_segment_in_use(segment.segment));
    segment_kit_close(&segment);
}

static void test_never(void)
{
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *const log = later_open();

    later_log(log, RECORDS);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL) - before, RECORDS * LATER_KINDS);
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
        segment_kit_open(&segment, LATER_SEGMENT, &params[i]);
        if (i == 0)
            log = later_open();
        later_await_segment(log);
        await_counted(missed);
        later_log(log, RECORDS / 4);
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), RECORDS / 4 * LATER_KINDS);
        KIT_EQ(segment_kit_counted(&segment), missed);
        if (i % 2) /* cut off rather than removed */
            KIT_EQ(truncate(kit_text("%s/control", segment.segment->path), 0), 0);
        later_remove(&segment);
        later_await_loss(log);
        later_close_removed(&segment);
        later_log(log, i);
        missed = i * LATER_KINDS;
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
        segment_kit_open(&segment, LATER_SEGMENT, &params);
        KIT_OK(shmlog_open(&log, LATER_SEGMENT, NULL));
        later_log(log, 1);
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
        later_log(log, RECORDS);
        ring->limit = 0;
        KIT_EQ(shmlog_lost_in_dead_(log), RECORDS * LATER_KINDS);
        later_log(log, 1);
        KIT_EQ(shmlog_lost_in_dead_(log), LATER_KINDS); /* as calls without a ring */
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
    struct level_check off = {later_open(), SHMLOG_INFO, 0}, on = {off.log, SHMLOG_INFO, 1};

    segment_kit_open(&segment, LATER_SEGMENT, &params);
    later_await_segment(off.log);
    shmlog_store32_release_(&segment.segment->control->level, SHMLOG_ERROR); /* somebody else */
    KIT_CHECK(kit_wait(level_is, &off, 20));
    later_log(off.log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 0);
    KIT_OK(shmlog_set_level(off.log, SHMLOG_TRACE));
    KIT_CHECK(level_is(&on));
    KIT_EQ(shmlog_load32_relaxed_(&segment.segment->control->level), SHMLOG_TRACE);
    KIT_OK(shmlog_set_level(off.log, SHMLOG_ERROR));
    later_remove(&segment);
    later_await_loss(off.log);
    later_log(off.log, RECORDS); /* off, as they were: neither logged nor lost */
    KIT_EQ(shmlog_lost(off.log), 0);
    shmlog_close(off.log);
    later_close_removed(&segment);
}

/* What cannot be waited for is an error at once; what comes later, the status says. */
static void test_errors(void)
{
    const struct segment_kit_params params = {.spare_rings = 2};
    const uint32_t newer = SHMLOG_LAYOUT_VERSION + 1, right = SHMLOG_LAYOUT_VERSION;
    const char *const hidden = kit_text("%s/hidden", kit_shm_dir());
    const char *const place = kit_text("%s/" LATER_SEGMENT, kit_shm_dir());
    const struct shmlog_options wait = {.flags = SHMLOG_OPEN_LATER, .wait_ms = 30};
    const struct shmlog_options unknown = {.flags = SHMLOG_OPEN_LATER | 0x80};
    uint64_t start = kit_now_ns();
    struct shmlog *log;
    int fd;

    KIT_EQ(shmlog_status(NULL), -EINVAL);
    KIT_EQ(shmlog_open(&log, "a b", &later_options), -EINVAL);
    KIT_EQ(shmlog_open(&log, LATER_SEGMENT, &unknown), -EINVAL);
    KIT_OK(shmlog_open(&log, LATER_SEGMENT, &wait));
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

        KIT_EQ(shmlog_open(&another, LATER_SEGMENT, &later_options), -SHMLOG_ERR_NEWER);
        KIT_CHECK(another == NULL);
    }
    KIT_EQ(pwrite(fd, &right, 4, offsetof(struct shmlog_control, version)), 4);
    close(fd);
    later_await_segment(log);
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
    KIT_OK(shmlog_open(&by_path, "./" LATER_SEGMENT, &later_options));
    KIT_EQ(setenv("SHMLOG_DIR", ".", 1), 0);
    by_folder = later_open();
    KIT_EQ(setenv("SHMLOG_DIR", "/nonexistent", 1), 0);
    KIT_EQ(chdir("/"), 0);
    KIT_EQ(setenv("SHMLOG_DIR", folder, 1), 0);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    later_await_segment(by_path);
    later_await_segment(by_folder);
    shmlog_close(by_path);
    shmlog_close(by_folder);
    segment_kit_close(&segment);
    KIT_EQ(chdir(here), 0);
}

/* ---- Processes and threads ---- */

static int child_of_attached(void *arg)
{
    struct shmlog *const log = arg;

    later_log(log, RECORDS);
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
    later_log(log, RECORDS);
    KIT_EQ(shmlog_lost(log), RECORDS * LATER_KINDS);
    shmlog_close(log);
    own = later_open();
    later_await_segment(own);
    later_log(own, RECORDS);
    shmlog_close(own);
    return 0;
}

static void test_fork(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 4};
    struct shmlog *const log = later_open();
    struct kit_process waiting, attached;

    kit_spawn_function(&waiting, "waiting", child_of_waiting, log);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    if (kit_wait_exit(&waiting, 20) != 0)
        KIT_FAIL("waiting: %s", kit_read_file(waiting.err, NULL));
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), RECORDS * LATER_KINDS);
    later_await_segment(log);
    kit_spawn_function(&attached, "attached", child_of_attached, log);
    if (kit_wait_exit(&attached, 20) != 0)
        KIT_FAIL("attached: %s", kit_read_file(attached.err, NULL));
    later_log(log, RECORDS);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 2 * RECORDS * LATER_KINDS);
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
    log = later_open();
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

static void test_busy(void)
{
    static const uint32_t policies[] = {SHMLOG_ON_FULL_DROP, SHMLOG_ON_FULL_OVERWRITE,
                                        SHMLOG_ON_FULL_WAIT};
    const uint64_t before = shmlog_lost(NULL);
    uint64_t found = 0, counted = 0, produced, state = kit_seed();
    struct shmlog *const log = later_open();

    later_busy_begin(log);
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        struct segment_kit_params params;

        later_params(&state, policies[kit_random_below(&state, 3)], &params);
        segment_kit_open(&segment, LATER_SEGMENT, &params);
        later_await_segment(log);
        later_await_records(&segment);
        later_remove(&segment);
        if (cycle == CYCLES - 1)
            break;
        later_await_loss(log);
        found += segment_kit_drain(&segment, NULL, NULL) + segment.lost;
        counted += segment_kit_counted(&segment);
        later_close_removed(&segment);
    }
    produced = later_busy_end();
    shmlog_close(log);
    found += segment_kit_drain(&segment, NULL, NULL) + segment.lost;
    counted += segment_kit_counted(&segment) + shmlog_lost(NULL) - before;
    later_close_removed(&segment);
    printf("%llu calls: %llu in the segments, %llu counted as lost\n", (unsigned long long)produced,
           (unsigned long long)found, (unsigned long long)counted);
    KIT_EQ(found + counted, produced);
    KIT_COMPARE(found, >, CYCLES * LATER_MANY);
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
