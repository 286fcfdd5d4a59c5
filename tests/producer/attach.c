/* SPDX-License-Identifier: MIT
 *
 * Attaching, and what happens without: errors and their texts, waiting for a segment, a NULL log,
 * levels.
 */
#include "tests/producer/segment_kit.h"

#include "producer/shmlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int evaluated;

static int argument(void)
{
    return ++evaluated;
}

static void test_null(void)
{
    const uint64_t before = shmlog_lost(NULL);

    for (int i = 0; i < 100; i++)
        shmlog_error(NULL, "nobody listens %d", argument());
    shmlog_event(NULL, SHMLOG_INFO, SHMLOG_TRADE, "nothing", "n", argument());
    KIT_EQ(evaluated, 0);
    KIT_EQ(shmlog_lost(NULL) - before, 101);
    KIT_EQ(shmlog_now(NULL), 0);
    shmlog_close(NULL);
}

static void test_levels(void)
{
    const struct segment_kit_params params = {0};
    struct segment_kit segment;
    struct shmlog *log;

    segment_kit_open(&segment, "levels", &params);
    KIT_OK(shmlog_open(&log, "levels", NULL));
    evaluated = 0;
    KIT_OK(shmlog_set_level(log, SHMLOG_WARN));
    shmlog_info(log, "off %d", argument());
    shmlog_warn(log, "on %d", argument());
    KIT_EQ(evaluated, 1);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 1);
    KIT_OK(shmlog_set_level(log, SHMLOG_OFF));
    shmlog_critical(log, "off %d", argument());
    KIT_EQ(evaluated, 1);
    KIT_COMPARE(shmlog_set_level(log, 99), <, 0);
    KIT_OK(shmlog_set_level(log, SHMLOG_TRACE));
    shmlog_trace(log, "on %d", argument());
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 1);
    KIT_EQ(shmlog_lost(log), 0);
    shmlog_close(log);
    segment_kit_close(&segment);
}

/* Must fail with `want`, leave NULL, and have a text of its own. */
static void refuse(const char *name, int want)
{
    static int dummy;
    struct shmlog *log = (struct shmlog *)(void *)&dummy;
    int error = shmlog_open(&log, name, NULL);

    if (error != -want || log)
        KIT_FAIL("open of %s: %d (%s), not -%d", name, error, shmlog_strerror(error), want);
    KIT_COMPARE(strlen(shmlog_strerror(error)), >, 5);
    KIT_STR_EQ(shmlog_strerror(-error), shmlog_strerror(error));
}

static void scribble(const char *segment, off_t offset, const void *data, size_t size)
{
    int fd = open(kit_text("%s/%s/control", kit_shm_dir(), segment), O_WRONLY | O_CLOEXEC);

    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(pwrite(fd, data, size, offset), size);
    close(fd);
}

static void test_refusals(void)
{
    static const struct {
        size_t offset;
        uint32_t value;
        int error;
    } wrong[] = {
        {offsetof(struct shmlog_control, magic), 0x12345678, SHMLOG_ERR_FOREIGN},
        {offsetof(struct shmlog_control, version), SHMLOG_LAYOUT_VERSION + 1, SHMLOG_ERR_NEWER},
        {offsetof(struct shmlog_control, version), 0, SHMLOG_ERR_OLDER},
        {offsetof(struct shmlog_control, incompatible), 0x80, SHMLOG_ERR_NEWER},
        {offsetof(struct shmlog_control, ring_slots), 12345, SHMLOG_ERR_GEOMETRY},
        {offsetof(struct shmlog_control, rings), 0x7fffffff, SHMLOG_ERR_GEOMETRY},
        {offsetof(struct shmlog_control, slot_size), 128, SHMLOG_ERR_GEOMETRY},
        {offsetof(struct shmlog_control, state), SHMLOG_SEGMENT_CLOSED, SHMLOG_ERR_CLOSED},
    };
    const struct segment_kit_params params = {0};
    struct segment_kit segment;
    struct shmlog *log;

    refuse("nowhere", ENOENT);
    refuse("/nonexistent/segment", ENOENT);
    refuse("", EINVAL);
    refuse("a b", EINVAL);
    refuse("-a", EINVAL);
    refuse("a/", EINVAL);
    refuse("a/.b", EINVAL);
    refuse(kit_text("%s/", kit_shm_dir()), EINVAL);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint32_t right;
        int fd;

        segment_kit_open(&segment, "wrong", &params);
        fd = open(kit_text("%s/wrong/control", kit_shm_dir()), O_RDONLY | O_CLOEXEC);
        KIT_EQ(pread(fd, &right, 4, (off_t)wrong[i].offset), 4);
        close(fd);
        scribble("wrong", (off_t)wrong[i].offset, &wrong[i].value, 4);
        refuse("wrong", wrong[i].error);
        scribble("wrong", (off_t)wrong[i].offset, &right, 4);
        KIT_OK(shmlog_open(&log, "wrong", NULL));
        shmlog_close(log);
        segment_kit_close(&segment);
    }
}

/* Flags that there are not, and one attachment more than a program can have. */
static void test_limits(void)
{
    const struct segment_kit_params params = {0};
    struct segment_kit segment;
    struct shmlog *log[5];

    segment_kit_open(&segment, "limits", &params);
    for (uint32_t flag = 1; flag; flag <<= 1) {
        const struct shmlog_options options = {.flags = flag};
        const bool known = flag >= SHMLOG_OPEN_PARTIAL && flag <= SHMLOG_OPEN_GUARD;

        KIT_EQ(shmlog_open(&log[0], "limits", &options), known ? 0 : -EINVAL);
        shmlog_close(log[0]);
    }
    for (unsigned i = 0; i < 4; i++)
        KIT_OK(shmlog_open(&log[i], "limits", NULL));
    KIT_EQ(shmlog_open(&log[4], "limits", NULL), -EMFILE);
    KIT_CHECK(log[4] == NULL);
    shmlog_close(log[2]);
    KIT_OK(shmlog_open(&log[2], "limits", NULL));
    for (unsigned i = 0; i < 4; i++) {
        shmlog_info(log[i], "still works");
        shmlog_close(log[i]);
    }
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 4);
    KIT_CHECK(!shm_segment_in_use(segment.segment));
    segment_kit_close(&segment);
}

static int wait_and_log(void *arg)
{
    const struct shmlog_options options = {.wait_ms = 20000};
    struct shmlog *log;

    (void)arg;
    KIT_OK(shmlog_open(&log, "later", &options));
    shmlog_info(log, "it came");
    shmlog_close(log);
    return 0;
}

static void test_waiting(void)
{
    const struct segment_kit_params params = {0};
    const struct shmlog_options options = {.wait_ms = 30};
    struct segment_kit segment;
    struct kit_process process;
    struct shmlog *log;
    uint64_t start = kit_now_ns();

    KIT_EQ(shmlog_open(&log, "later", &options), -ENOENT);
    KIT_COMPARE(kit_now_ns() - start, >=, 30000000);
    kit_spawn_function(&process, "waiter", wait_and_log, NULL);
    segment_kit_open(&segment, "later", &params);
    KIT_EQ(kit_wait_exit(&process, 20), 0);
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL), 1);
    segment_kit_close(&segment);
}

/* ---- No right ---- */

#define NOBODY 65123u /* a user that owns nothing */

struct right {
    const char *folder; /* NULL: none */
    mode_t mode;
};

/* As a user who may not look into the folder, or not into the segment. */
static int open_as_nobody(void *arg)
{
    const struct right *const right = arg;
    const struct shmlog_options later = {.flags = SHMLOG_OPEN_LATER};
    struct shmlog *log;

    KIT_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
    KIT_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
    if (right->folder) {
        KIT_EQ(unsetenv("SHMLOG_DIR"), 0);
        KIT_EQ(mkdir(right->folder, right->mode), 0);
    }
    refuse("rights", EACCES);
    KIT_EQ(shmlog_open(&log, "rights", &later), -EACCES);
    if (right->folder)
        KIT_EQ(rmdir(right->folder), 0);
    KIT_CHECK(strstr(shmlog_strerror(-EACCES), "--group") != NULL);
    return 0;
}

static void test_rights(void)
{
    const struct segment_kit_params params = {0};
    const char *const own = kit_text("/dev/shm/shmlog-%u", NOBODY);
    const struct right rights[] = {
        {NULL, 0},   /* not in its group */
        {own, 0600}, /* the folder cannot be searched */
        {own, 0777}, /* others may write to it */
    };
    struct segment_kit segment;

    if (geteuid() != 0)
        return;
    segment_kit_open(&segment, "rights", &params);
    KIT_EQ(chmod(kit_shm_dir(), 0755), 0);
    umask(0);
    for (unsigned i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        struct right right = rights[i];
        struct kit_process process;

        rmdir(own); /* of a run that failed */
        kit_spawn_function(&process, "nobody", open_as_nobody, &right);
        if (kit_wait_exit(&process, 20) != 0)
            KIT_FAIL("%u: %s", i, kit_read_file(process.err, NULL));
    }
    segment_kit_close(&segment);
}

int main(void)
{
    kit_begin("attach");
    test_null();
    test_levels();
    test_refusals();
    test_limits();
    test_waiting();
    test_rights();
    return 0;
}
