/* SPDX-License-Identifier: MIT
 *
 * What is of another version, or does not add up, is refused, by everybody for the same reason, and
 * left as it is: producer, tool and collector on a segment, the reader on a file. Where it is the
 * version, the message names both.
 */
#include "tests/producer/segment_kit.h"

#include "producer/shmlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SEGMENT "versions"
#define FRAME_VERSION_AT 13 /* see docs/format.md */

static const char *control_path(void)
{
    return kit_text("%s/" SEGMENT "/control", kit_shm_dir());
}

static void write_at(const char *path, size_t offset, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    KIT_COMPARE(fd, >=, 0);
    KIT_EQ(pwrite(fd, data, size, (off_t)offset), size);
    close(fd);
}

/* ---- One check for all: a table of bad control files ---- */

#define AT(member) \
    offsetof(struct shmlog_control, member), sizeof(((struct shmlog_control *)0)->member)

static const struct {
    const char *what;
    size_t offset, size;
    uint64_t value;
    int error;
} bad[] = {
    {"no magic", AT(magic), 0, SHMLOG_ERR_UNFINISHED},
    {"magic", AT(magic), 0x1234, SHMLOG_ERR_FOREIGN},
    {"older", AT(version), SHMLOG_LAYOUT_VERSION - 1, SHMLOG_ERR_OLDER},
    {"newer", AT(version), SHMLOG_LAYOUT_VERSION + 1, SHMLOG_ERR_NEWER},
    {"newest", AT(version), UINT32_MAX, SHMLOG_ERR_NEWER},
    {"features", AT(incompatible), 1, SHMLOG_ERR_NEWER},
    {"header size", AT(header_size), 8192, SHMLOG_ERR_GEOMETRY},
    {"slot size", AT(slot_size), 128, SHMLOG_ERR_GEOMETRY},
    {"ring header", AT(ring_header), 64, SHMLOG_ERR_GEOMETRY},
    {"file size", AT(file_size), 4096, SHMLOG_ERR_GEOMETRY},
    {"policy 0", AT(on_full), 0, SHMLOG_ERR_GEOMETRY},
    {"policy 4", AT(on_full), 4, SHMLOG_ERR_GEOMETRY},
    {"clock 0", AT(clock), 0, SHMLOG_ERR_GEOMETRY},
    {"clock 3", AT(clock), 3, SHMLOG_ERR_GEOMETRY},
    {"slots odd", AT(ring_slots), 1025, SHMLOG_ERR_GEOMETRY},
    {"slots few", AT(ring_slots), 512, SHMLOG_ERR_GEOMETRY},
    {"slots many", AT(ring_slots), UINT64_C(1) << 31, SHMLOG_ERR_GEOMETRY},
    /* rings stands right behind */
    {"no rings", offsetof(struct shmlog_control, cpu_rings), 8, 0, SHMLOG_ERR_GEOMETRY},
    {"many rings", AT(rings), SHMLOG_RINGS_MAX + 1, SHMLOG_ERR_GEOMETRY},
    {"more cores than rings", AT(cpu_rings), SHMLOG_CPUS_MAX, SHMLOG_ERR_GEOMETRY},
    {"no sites", AT(sites_max), 0, SHMLOG_ERR_GEOMETRY},
    {"one site", AT(sites_max), 1, SHMLOG_ERR_GEOMETRY},
    {"sites odd", AT(sites_max), 1000, SHMLOG_ERR_GEOMETRY},
    {"many sites", AT(sites_max), 1 << 21, SHMLOG_ERR_GEOMETRY},
    {"no producers", AT(producers_max), 0, SHMLOG_ERR_GEOMETRY},
    {"many producers", AT(producers_max), 65536, SHMLOG_ERR_GEOMETRY},
    {"no clock pairs", AT(clock_pairs), 0, SHMLOG_ERR_GEOMETRY},
    {"clock pairs odd", AT(clock_pairs), 3, SHMLOG_ERR_GEOMETRY},
    {"many clock pairs", AT(clock_pairs), 1 << 17, SHMLOG_ERR_GEOMETRY},
    {"rings in the header", AT(rings_offset), 64, SHMLOG_ERR_GEOMETRY},
    {"rings unaligned", AT(rings_offset), 4104, SHMLOG_ERR_GEOMETRY},
    {"clock over rings", AT(clock_offset), 4096, SHMLOG_ERR_GEOMETRY},
    {"producers beyond the end", AT(producers_offset), UINT64_C(1) << 40, SHMLOG_ERR_GEOMETRY},
    {"producers over clock", AT(producers_offset), 4224, SHMLOG_ERR_GEOMETRY},
    {"sites over producers", AT(sites_offset), 4096, SHMLOG_ERR_GEOMETRY},
    {"arena over sites", AT(arena_offset), 4096, SHMLOG_ERR_GEOMETRY},
    {"arena unaligned", AT(arena_offset), 12345, SHMLOG_ERR_GEOMETRY},
    {"arena large", AT(arena_size), UINT64_MAX, SHMLOG_ERR_GEOMETRY},
    {"closed", AT(state), SHMLOG_SEGMENT_CLOSED, SHMLOG_ERR_CLOSED},
};

static void refused_by_both(const char *what, int error)
{
    static int dummy;
    struct shmlog *log = (struct shmlog *)(void *)&dummy;
    struct shm_segment *segment = NULL;
    const int producer = shmlog_open(&log, SEGMENT, NULL);
    const int reader = shm_segment_open(kit_text("%s/" SEGMENT, kit_shm_dir()), false, &segment);

    if (producer != -error || reader != -error || log)
        KIT_FAIL("%s: producer %d, reader %d, not %d", what, producer, reader, -error);
}

static void test_table(void)
{
    const struct segment_kit_params params = {0};
    struct segment_kit segment;
    struct shmlog_control right;
    size_t size;
    char *whole;

    segment_kit_open(&segment, SEGMENT, &params);
    memcpy(&right, segment.segment->control, sizeof(right));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_at(control_path(), bad[i].offset, &bad[i].value, bad[i].size);
        refused_by_both(bad[i].what, bad[i].error);
        write_at(control_path(), bad[i].offset, (uint8_t *)&right + bad[i].offset, bad[i].size);
    }
    /* short files: the magic alone vouches for nothing */
    whole = kit_read_file(control_path(), &size);
    segment_kit_close(&segment);
    KIT_EQ(mkdir(kit_text("%s/" SEGMENT, kit_shm_dir()), 0750), 0);
    kit_write_file(control_path(), whole, 0);
    refused_by_both("empty", SHMLOG_ERR_UNFINISHED);
    kit_write_file(control_path(), whole, 100);
    refused_by_both("100 bytes", SHMLOG_ERR_GEOMETRY);
    kit_write_file(control_path(), whole, 4096);
    refused_by_both("the header alone", SHMLOG_ERR_GEOMETRY);
    kit_write_file(control_path(), whole, size - 1);
    refused_by_both("a byte too few", SHMLOG_ERR_GEOMETRY);
    kit_write_file(control_path(), "something else", 14);
    refused_by_both("another file", SHMLOG_ERR_FOREIGN);
    free(whole);
    KIT_EQ(unlink(control_path()), 0);
    KIT_EQ(symlink("/dev/zero", control_path()), 0);
    refused_by_both("a link", SHMLOG_ERR_FOREIGN);
    KIT_EQ(unlink(control_path()), 0);
    KIT_EQ(mkfifo(control_path(), 0600), 0);
    refused_by_both("a pipe", SHMLOG_ERR_FOREIGN);
    KIT_EQ(unlink(control_path()), 0);
    KIT_EQ(rmdir(kit_text("%s/" SEGMENT, kit_shm_dir())), 0);
}

/* Without the rings that are not sound. */
static const struct shmlog_options partial = {.flags = SHMLOG_OPEN_PARTIAL};

/* A ring's name that leads elsewhere is not followed: its content could be another's file. */
static void test_ring_link(void)
{
    const struct segment_kit_params params = {.spare_rings = 1};
    const char *ring, *elsewhere = kit_path("ring-000");
    struct segment_kit segment;
    struct shmlog *log;
    size_t size;
    char *bytes;

    segment_kit_open(&segment, SEGMENT, &params);
    ring = kit_text("%s/" SEGMENT "/ring-000", kit_shm_dir());
    bytes = kit_read_file(ring, &size);
    kit_write_file(elsewhere, bytes, size);
    free(bytes);
    KIT_EQ(unlink(ring), 0);
    KIT_EQ(symlink(elsewhere, ring), 0);
    KIT_EQ(shmlog_open(&log, SEGMENT, NULL), -SHMLOG_ERR_RINGS);
    KIT_OK(shmlog_open(&log, SEGMENT, &partial));
    KIT_CHECK(log->local.ring[0] == &log->local.none);
    KIT_CHECK(log->local.ring[1] != &log->local.none);
    shmlog_close(log);
    segment_kit_close(&segment);
}

/* A ring of another version is left out, by producer and reader; the others are used. */
static void test_ring(uint32_t version, int error)
{
    const struct segment_kit_params params = {.spare_rings = 1};
    const char *const path = kit_text("%s/" SEGMENT, kit_shm_dir());
    const uint32_t right = SHMLOG_LAYOUT_VERSION;
    struct shm_segment *reader;
    struct segment_kit segment;
    struct shmlog *log;

    segment_kit_open(&segment, SEGMENT, &params);
    write_at(kit_text("%s/ring-000", path), offsetof(struct shmlog_ring, version), &version, 4);
    KIT_EQ(shmlog_open(&log, SEGMENT, NULL), -SHMLOG_ERR_RINGS);
    KIT_OK(shmlog_open(&log, SEGMENT, &partial));
    KIT_CHECK(log->local.ring[0] == &log->local.none);
    KIT_CHECK(log->local.ring[1] != &log->local.none);
    shmlog_close(log);
    KIT_OK(shm_segment_open(path, false, &reader));
    KIT_EQ(reader->rings[0].error, -error);
    KIT_CHECK(!reader->rings[0].header);
    KIT_EQ(reader->rings[1].error, 0);
    shm_segment_close(reader);
    write_at(kit_text("%s/ring-000", path), offsetof(struct shmlog_ring, version), &right, 4);
    segment_kit_close(&segment);
}

/* ---- Messages that name both versions ---- */

static void names_both(const char *text, uint32_t theirs)
{
    if (!strstr(text, kit_text("version %u", theirs)) ||
        !strstr(text, kit_text("version %u", SHMLOG_LAYOUT_VERSION)))
        KIT_FAIL("does not name versions %u and %u: %s", theirs, SHMLOG_LAYOUT_VERSION, text);
}

static void refused_by(const char *const argv[], uint32_t theirs)
{
    struct kit_process process;
    char *text;

    KIT_EQ(kit_run(&process, argv, NULL), 1);
    text = kit_read_file(process.err, NULL);
    names_both(text, theirs);
    free(text);
}

static void test_segment(uint32_t version)
{
    const char *const dump[] = {kit_program("tools/shmlog-dump"), SEGMENT, NULL};
    const char *const info[] = {kit_program("tools/shmlog-dump"), SEGMENT, "--info", NULL};
    const char *const cat[] = {kit_program("tools/shmlog-cat"), "--segment", SEGMENT, NULL};
    const char *const adopt[] = {kit_program("collector/shmlog-collector"),
                                 "--segment",
                                 SEGMENT,
                                 "--output",
                                 kit_path("log"),
                                 NULL};
    const struct segment_kit_params params = {0};
    const uint32_t right = SHMLOG_LAYOUT_VERSION;
    struct segment_kit segment;
    struct shmlog *log;
    char *before, *after;
    size_t size;

    segment_kit_open(&segment, SEGMENT, &params);
    flock(segment.segment->control_fd, LOCK_UN); /* nobody runs on it */
    write_at(control_path(), offsetof(struct shmlog_control, version), &version, 4);
    before = kit_read_file(control_path(), &size);
    names_both(shmlog_strerror(shmlog_open(&log, SEGMENT, NULL)), version);
    refused_by(dump, version);
    refused_by(info, version);
    refused_by(cat, version);
    refused_by(adopt, version);
    after = kit_read_file(control_path(), &size);
    KIT_EQ(memcmp(before, after, size), 0);
    free(before);
    free(after);
    write_at(control_path(), offsetof(struct shmlog_control, version), &right, 4);
    segment_kit_close(&segment);
}

/* Every frame of a log file says its version, under its checksum. */
static void test_file(void)
{
    const char *const path = kit_path("newer.shmlog");
    const char *const dump[] = {kit_program("tools/shmlog-dump"), path, NULL};
    const char *const verify[] = {kit_program("tools/shmlog-dump"), "--verify", path, NULL};
    const char *const golden = kit_text("%s/tests/golden/orders.shmlog", getenv("SHMLOG_SOURCE"));
    size_t size;
    char *bytes = kit_read_file(golden, &size);
    uint32_t frame;
    uint64_t sum;

    memcpy(&frame, bytes + 4, sizeof(frame)); /* what follows of the first one */
    KIT_EQ(bytes[FRAME_VERSION_AT], 1);
    bytes[FRAME_VERSION_AT] = 7;
    sum = XXH64(bytes, frame, 0);
    memcpy(bytes + frame, &sum, sizeof(sum));
    kit_write_file(path, bytes, size);
    free(bytes);
    refused_by(dump, 7);
    refused_by(verify, 7);
}

int main(void)
{
    kit_begin("versions");
    test_table();
    test_ring_link();
    test_ring(SHMLOG_LAYOUT_VERSION + 1, SHMLOG_ERR_NEWER);
    test_ring(SHMLOG_LAYOUT_VERSION - 1, SHMLOG_ERR_OLDER);
    test_segment(SHMLOG_LAYOUT_VERSION + 1);
    test_segment(SHMLOG_LAYOUT_VERSION - 1);
    test_file();
    return 0;
}
