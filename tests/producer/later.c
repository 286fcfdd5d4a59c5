/* SPDX-License-Identifier: MIT
 *
 * SHMLOG_OPEN_LATER and shmlog_poll(): a log that waits for its segment, attaches when it is there,
 * and again when it was replaced. Calls without a segment are counted, exactly, and the next
 * segment is told of them.
 */
#include "tests/producer/later_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDS 50u
#define CALLS (RECORDS * LATER_KINDS)

static struct segment_kit segment;

static void log_some(struct shmlog *log)
{
    for (unsigned i = 0; i < RECORDS; i++)
        later_log(log, i, 0);
}

static uint64_t told(void)
{
    return segment.segment->control->lost[SHMLOG_LOST_NO_RING];
}

/* ---- One after the other ---- */

static void test_waiting(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18};
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *const log = later_open();

    KIT_EQ(shmlog_status(log), -ENOENT);
    KIT_EQ(shmlog_poll(log), -ENOENT);
    KIT_EQ(shmlog_set_level(log, SHMLOG_INFO), -EINVAL);
    KIT_EQ(shmlog_enabled(log, SHMLOG_TRACE), 1);
    shmlog_register_thread(log);
    log_some(log);
    KIT_EQ(shmlog_lost(log), CALLS);
    KIT_EQ(shmlog_thread_lost(log), 0);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    log_some(log); /* it is there, but nobody has looked */
    KIT_EQ(shmlog_lost(log), 2 * CALLS);
    KIT_OK(shmlog_poll(log));
    KIT_EQ(shmlog_status(log), 0);
    KIT_EQ(told(), 2 * CALLS);
    log_some(log);
    KIT_OK(shmlog_poll(log));
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), CALLS);
    KIT_EQ(shmlog_lost(log), 2 * CALLS);
    KIT_EQ(segment_kit_counted(&segment), 2 * CALLS);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL), before);
    KIT_CHECK(!shm_segment_in_use(segment.segment));
    segment_kit_close(&segment);
}

static void test_never(void)
{
    const uint64_t before = shmlog_lost(NULL);
    struct shmlog *const log = later_open();

    log_some(log);
    KIT_EQ(shmlog_poll(log), -ENOENT);
    shmlog_close(log);
    KIT_EQ(shmlog_lost(NULL) - before, CALLS);
}

/* A log without the flag is not asked, and stays where it is. */
static void test_others(void)
{
    const struct segment_kit_params params = {0};
    struct shmlog *log;

    KIT_EQ(shmlog_poll(NULL), -EINVAL);
    KIT_EQ(shmlog_status(NULL), -EINVAL);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_open(&log, LATER_SEGMENT, NULL));
    later_remove(&segment, LATER_RENAMED);
    KIT_EQ(shmlog_poll(log), 0);
    shmlog_info(log, "still here");
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 1);
    shmlog_close(log);
    later_close_removed(&segment);
}

/* There from the start; then each time another one, with other rings, and each time gone in another
 * way. Until somebody looks, calls go to the one that is gone; nothing of that is kept afterwards.
 */
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
        KIT_OK(shmlog_poll(log));
        KIT_EQ(told(), missed);
        log_some(log);
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), CALLS);
        later_remove(&segment, (enum later_way)(i % LATER_WAYS));
        log_some(log);
        KIT_COMPARE(shmlog_poll(log), <, 0);
        KIT_COMPARE(shmlog_status(log), <, 0);
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), CALLS);
        KIT_EQ(segment_kit_counted(&segment), missed);
        KIT_CHECK(!shm_segment_in_use(segment.segment));
        for (unsigned k = 0; k < i; k++)
            later_log(log, k, 0);
        missed = i * LATER_KINDS;
        KIT_EQ(shmlog_lost(log), missed);
        KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 0);
        later_close_removed(&segment);
        KIT_EQ(later_mappings(), 0);
    }
    shmlog_close(log);
}

static void test_levels(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18};
    struct shmlog *const log = later_open();

    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_poll(log));
    segment.segment->control->level = SHMLOG_ERROR; /* somebody else */
    KIT_EQ(shmlog_enabled(log, SHMLOG_INFO), 1);    /* nobody has looked */
    KIT_OK(shmlog_poll(log));
    KIT_EQ(shmlog_enabled(log, SHMLOG_INFO), 0);
    log_some(log);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 0);
    KIT_OK(shmlog_set_level(log, SHMLOG_TRACE));
    KIT_EQ(shmlog_enabled(log, SHMLOG_INFO), 1);
    KIT_EQ(segment.segment->control->level, SHMLOG_TRACE);
    KIT_OK(shmlog_set_level(log, SHMLOG_ERROR));
    later_remove(&segment, LATER_RENAMED);
    KIT_EQ(shmlog_poll(log), -ENOENT);
    log_some(log); /* off, as they were: neither logged nor lost */
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
    later_close_removed(&segment);
}

/* What cannot be waited for is an error at once; what comes later, the status says. */
static void test_errors(void)
{
    const struct segment_kit_params params = {0};
    const uint32_t newer = SHMLOG_LAYOUT_VERSION + 1, right = SHMLOG_LAYOUT_VERSION;
    const char *const hidden = kit_text("%s/hidden", kit_shm_dir());
    const char *const place = kit_text("%s/" LATER_SEGMENT, kit_shm_dir());
    const struct shmlog_options wait = {.flags = SHMLOG_OPEN_LATER, .wait_ms = 30};
    const uint64_t start = kit_now_ns();
    struct shmlog *log, *another;
    int fd;

    KIT_EQ(shmlog_open(&log, "a b", &later_options), -EINVAL);
    KIT_OK(shmlog_open(&log, LATER_SEGMENT, &wait));
    KIT_COMPARE(kit_now_ns() - start, >=, 30000000);
    segment_kit_open(&segment, "hidden", &params);
    fd = open(kit_text("%s/control", hidden), O_WRONLY | O_CLOEXEC);
    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(pwrite(fd, &newer, 4, offsetof(struct shmlog_control, version)), 4);
    KIT_EQ(rename(hidden, place), 0);
    KIT_EQ(shmlog_poll(log), -SHMLOG_ERR_NEWER);
    KIT_EQ(shmlog_status(log), -SHMLOG_ERR_NEWER);
    KIT_CHECK(strstr(shmlog_strerror(shmlog_status(log)), "layout version 2") != NULL);
    KIT_EQ(shmlog_open(&another, LATER_SEGMENT, &later_options), -SHMLOG_ERR_NEWER);
    KIT_CHECK(another == NULL);
    KIT_EQ(pwrite(fd, &right, 4, offsetof(struct shmlog_control, version)), 4);
    close(fd);
    KIT_OK(shmlog_poll(log));
    shmlog_close(log);
    KIT_EQ(rename(place, hidden), 0);
    segment_kit_close(&segment);
}

/* Found from where the program was when it opened. */
static void test_moved(void)
{
    const struct segment_kit_params params = {0};
    char here[PATH_MAX];
    struct shmlog *log;

    KIT_CHECK(getcwd(here, sizeof(here)) != NULL);
    KIT_EQ(chdir(kit_shm_dir()), 0);
    KIT_OK(shmlog_open(&log, "./" LATER_SEGMENT, &later_options));
    KIT_EQ(chdir("/"), 0);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_poll(log));
    shmlog_close(log);
    segment_kit_close(&segment);
    KIT_EQ(chdir(here), 0);
}

/* ---- Children ---- */

static int child_of_attached(void *arg)
{
    struct shmlog *const log = arg;

    log_some(log);
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
    return 0;
}

/* It goes on waiting, by itself; its own counts, and another log of its own works. */
static int child_of_waiting(void *arg)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 4};
    struct shmlog *const log = arg;
    struct shmlog *own;

    KIT_EQ(shmlog_poll(log), -ENOENT);
    log_some(log);
    KIT_EQ(shmlog_lost(log), CALLS);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_poll(log));
    KIT_EQ(told(), CALLS);
    own = later_open();
    log_some(log);
    log_some(own);
    shmlog_close(log);
    shmlog_close(own);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 2 * CALLS);
    segment_kit_close(&segment);
    return 0;
}

static void in_child(const char *name, int (*function)(void *), struct shmlog *log)
{
    struct kit_process process;

    kit_spawn_function(&process, name, function, log);
    if (kit_wait_exit(&process, KIT_PATIENCE) != 0)
        KIT_FAIL("%s: %s", name, kit_read_file(process.err, NULL));
}

static void test_fork(void)
{
    const struct segment_kit_params params = {.ring_bytes = 1 << 18, .spare_rings = 4};
    struct shmlog *const log = later_open();

    in_child("waiting", child_of_waiting, log);
    KIT_EQ(shmlog_poll(log), -ENOENT);
    KIT_EQ(shmlog_lost(log), 0);
    segment_kit_open(&segment, LATER_SEGMENT, &params);
    KIT_OK(shmlog_poll(log));
    in_child("attached", child_of_attached, log);
    log_some(log);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 2 * CALLS);
    shmlog_close(log);
    segment_kit_close(&segment);
}

int main(void)
{
    kit_begin("later");
    test_waiting();
    test_never();
    test_others();
    test_replaced();
    test_levels();
    test_errors();
    test_moved();
    test_fork();
    return 0;
}
