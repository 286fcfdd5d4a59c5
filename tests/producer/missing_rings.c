/* SPDX-License-Identifier: MIT
 *
 * Rings that cannot be mapped when a program attaches: an error that says what it is, or, with
 * SHMLOG_OPEN_PARTIAL, a log that goes without them, loses no record uncounted, and says so in the
 * producer table.
 */
#include "tests/producer/segment_kit.h"

#include "shm/tables.h"

#include "producer/shmlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT "rings"
#define RECORDS 500u

static const struct shmlog_options partial = {.flags = SHMLOG_OPEN_PARTIAL};
static struct segment_kit segment;

static const char *ring_path(uint32_t index)
{
    return kit_text("%s/" SEGMENT "/ring-%03u", kit_shm_dir(), index);
}

/* The whole of the segment's producers that say how many rings they miss. */
static uint32_t missing_in_table(void)
{
    const uint32_t used = shm_producers_used(segment.segment);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < used; i++) {
        struct shmlog_producer producer;

        KIT_OK(shm_producer_at(segment.segment, i, &producer));
        sum += producer.rings_missing;
    }
    return sum;
}

static void refuse(const struct shmlog_options *options, int want)
{
    struct shmlog *log;
    const int error = shmlog_open(&log, SEGMENT, options);

    if (error != -want || log)
        KIT_FAIL("%d (%s), not -%d", error, shmlog_strerror(error), want);
    KIT_EQ(missing_in_table(), 0);
}

/* Attached without `missing` rings, every record is in another one or counted; how many are. */
static uint64_t go_without(uint32_t missing)
{
    struct shmlog *log;
    uint64_t lost;

    KIT_OK(shmlog_open(&log, SEGMENT, &partial));
    KIT_EQ(missing_in_table(), missing);
    lost = shmlog_lost(log);
    for (unsigned i = 0; i < RECORDS; i++)
        shmlog_info(log, "record %u", i);
    lost = shmlog_lost(log) - lost;
    KIT_EQ(segment_kit_drain(&segment, NULL, NULL) + lost, RECORDS);
    shmlog_close(log);
    return lost;
}

/* ---- Files ---- */

static void remove_file(const char *path)
{
    KIT_EQ(unlink(path), 0);
}

static void cut_file(const char *path)
{
    KIT_EQ(truncate(path, 8192), 0);
}

static void lengthen_file(const char *path)
{
    KIT_EQ(truncate(path, 1 << 20), 0);
}

static void replace_by_directory(const char *path)
{
    remove_file(path);
    KIT_EQ(mkdir(path, 0700), 0);
}

static void replace_by_link(const char *path)
{
    remove_file(path);
    KIT_EQ(symlink("/dev/zero", path), 0);
}

static void make_foreign(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const uint8_t other[16] = {1};

    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(pwrite(fd, other, sizeof(other), offsetof(struct shmlog_ring, segment_uuid)),
           sizeof(other));
    close(fd);
}

static void give_away(const char *path)
{
    KIT_EQ(chown(path, 65534, (gid_t)-1), 0);
}

static void test_files(void)
{
    static const struct {
        const char *name;
        void (*spoil)(const char *path);
        bool root;
    } cases[] = {
        {"missing", remove_file, false},     {"cut short", cut_file, false},
        {"too long", lengthen_file, false},  {"a directory", replace_by_directory, false},
        {"a link", replace_by_link, false},  {"another segment's", make_foreign, false},
        {"another user's", give_away, true},
    };
    static const uint32_t counts[] = {1, 2, 11, 101, 1025};

    for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            const struct segment_kit_params params = {.only_cpu = 1 + kit_cpu(0),
                                                      .spare_rings = counts[c] - 1};

            if ((cases[i].root && geteuid() != 0) || (counts[c] > 11 && i > 0))
                continue;
            segment_kit_open(&segment, SEGMENT, &params);
            cases[i].spoil(ring_path(counts[c] - 1)); /* the last one */
            if (counts[c] == 1) {
                refuse(NULL, SHMLOG_ERR_NO_RINGS);
                refuse(&partial, SHMLOG_ERR_NO_RINGS);
            } else {
                refuse(NULL, SHMLOG_ERR_RINGS);
                go_without(1);
            }
            printf("%s, of %u: as it should be\n", cases[i].name, counts[c]);
            rmdir(ring_path(counts[c] - 1));
            segment_kit_close(&segment);
        }
    }
}

/* ---- Limits ---- */

/* Addresses for so many rings, and not for all. */
static void leave_room(uint32_t rings)
{
    char *const text = kit_read_file("/proc/self/statm", NULL);
    const uint64_t have = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t plans = segment.segment->geometry.sites_max * sizeof(struct shmlog_plan_);
    const uint64_t more = segment.segment->geometry.file_size + plans + (1 << 20) +
                          rings * segment.segment->rings[0].map_size;
    const struct rlimit limit = {have + more, have + more};

    free(text);
    KIT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    refuse(NULL, ENOMEM);
}

/* The number of rings that are missing in an attachment of the moment. */
static uint32_t count_missing(void)
{
    struct shmlog *log;
    uint32_t missing;

    KIT_OK(shmlog_open(&log, SEGMENT, &partial));
    missing = missing_in_table();
    shmlog_close(log);
    /* its entry stays until the collector frees it */
    for (uint32_t i = 0; i < shm_producers_used(segment.segment); i++)
        shm_producers(segment.segment)[i].rings_missing = 0;
    return missing;
}

/* Room for about half of the rings. */
static int limit_addresses(void *arg)
{
    const uint32_t rings = segment.segment->geometry.rings;
    uint32_t missing;

    (void)arg;
    leave_room(rings / 2);
    missing = count_missing();
    KIT_COMPARE(missing, >, 0);
    KIT_COMPARE(missing, <, rings);
    go_without(missing);
    return 0;
}

/* Room for one ring: that is the shared one, and every thread can log. */
static int limit_to_one(void *arg)
{
    const uint32_t rings = segment.segment->geometry.rings;

    (void)arg;
    leave_room(1);
    KIT_EQ(count_missing(), rings - 1);
    KIT_EQ(go_without(rings - 1), 0);
    KIT_EQ(segment.segment->rings[rings - 1].header->head, RECORDS);
    return 0;
}

static int limit_files(void *arg)
{
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct rlimit limit = {(rlim_t)next, (rlim_t)next};

    (void)arg;
    close(next);
    KIT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    refuse(NULL, EMFILE);
    refuse(&partial, EMFILE);
    return 0;
}

static void test_limit(const char *name, int (*function)(void *), bool shared_ring)
{
    const struct segment_kit_params params = {.spare_rings = 8,
                                              .shared_ring = shared_ring,
                                              .ring_bytes = 4 << 20};
    struct kit_process process;

    segment_kit_open(&segment, SEGMENT, &params);
    kit_spawn_function(&process, name, function, NULL);
    if (kit_wait_exit(&process, 60) != 0)
        KIT_FAIL("%s: status %d: %s", name, process.status, kit_read_file(process.err, NULL));
    segment_kit_close(&segment);
}

/* ---- Programs ---- */

/* shmlog-cat does not log into half a segment. */
static void test_cat(void)
{
    const struct segment_kit_params params = {.spare_rings = 1};
    const char *const argv[] = {kit_program("tools/shmlog-cat"), "--segment", SEGMENT, NULL};
    struct kit_process cat;

    segment_kit_open(&segment, SEGMENT, &params);
    remove_file(ring_path(segment.segment->geometry.rings - 1));
    KIT_EQ(kit_run(&cat, argv, NULL), 1);
    KIT_CHECK(kit_err_contains(&cat, SEGMENT ": some of the segment's ring files are missing"));
    segment_kit_close(&segment);
}

int main(void)
{
    kit_begin("missing_rings");
    test_files();
    if (!kit_sanitized()) { /* has more addresses than any limit */
        test_limit("addresses", limit_addresses, false);
        test_limit("one ring", limit_to_one, true);
    }
    test_limit("files", limit_files, false);
    test_cat();
    return 0;
}
