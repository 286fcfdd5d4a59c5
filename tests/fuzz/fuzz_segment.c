/* SPDX-License-Identifier: MIT
 *
 * A segment that was scribbled over, opened and looked at: --info in all its forms, and its records
 * through the cursor.
 *
 * Input: the policy, and whether a file gets another size at last; then steps of
 * tests/fuzz/hostile.h. All scribbling is done before the first look; fuzz_drain scribbles
 * meanwhile.
 */
#include "tests/fuzz/hostile.h"
#include "reader/cursor.h"
#include "tools/info.h"
#include "reader/line.h"
#include "tools/options.h"

static void on_damage(void *arg, const char *where, uint64_t offset, int error, const char *reason)
{
    FUZZ_CHECK(where && error < 0);
}

static void on_gap(void *arg, const struct file_gap *gap)
{
    FUZZ_CHECK(gap->count && gap->cause < SHMLOG_LOST_CAUSES);
}

static void show_info(const char *path)
{
    struct text out = {0};
    struct shm_segment *segment;

    if (shm_segment_open(path, false, &segment) < 0)
        return;
    FUZZ_CHECK(segment->geometry.rings <= SHMLOG_RINGS_MAX);
    FUZZ_CHECK(info_text(segment, SHOW_ALL, &out) == 0);
    text_clear(&out);
    FUZZ_CHECK(info_json(segment, SHOW_ALL, &out) == 0);
    text_done(&out);
    shm_segment_close(segment);
}

static void show_records(const char *path)
{
    const struct cursor_options options = {
        .since_ns = INT64_MIN,
        .until_ns = INT64_MAX,
        .on_damage = on_damage,
        .on_gap = on_gap,
    };
    const char *const paths[] = {path};
    char message[PATH_MAX + 256] = "";
    struct cursor_record record;
    struct line line = {0};
    struct cursor *cursor;
    uint64_t records = 0;
    int r;

    if (cursor_open(paths, 1, &options, &cursor, message, sizeof(message)) < 0)
        return;
    while ((r = cursor_next(cursor, &record)) > 0) {
        line_set(&line, &record);
        line_message(&line);
        FUZZ_CHECK(++records <= HOSTILE_RINGS * SHMLOG_RING_SLOTS_MIN);
    }
    FUZZ_CHECK(r == 0);
    line_done(&line);
    cursor_close(cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    unsigned first = (unsigned)fuzz_take(&in, 1);
    struct hostile *hostile = hostile_get(1 + first % 3);
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s", hostile->segment->path);
    for (unsigned steps = 0; fuzz_left(&in) && steps < 64; steps++)
        hostile_step(hostile, &in);
    if (first & 64) {
        in = (struct fuzz_in){data, data + size};
        hostile_resize(hostile, &in);
    }
    show_info(path);
    show_records(path);
    return 0;
}
