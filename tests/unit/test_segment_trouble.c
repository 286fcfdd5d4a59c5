/* SPDX-License-Identifier: MIT
 *
 * A segment made, opened, adopted and removed while each call that can fail does: an error comes
 * back, or less is got and said; nothing is left open; the next try works.
 */
#include "shm/ring_reader.h"
#include "tests/unit/segment_kit.h"
#include "tests/unit/trouble.h"

TestSuite(segment_trouble, .init = kit_open, .fini = kit_close, .timeout = 120);

static int create(struct shm_segment **ret_segment)
{
    const struct shm_params params = kit_params();
    char message[512] = "";
    int r = shm_segment_create(kit_path, &params, NULL, ret_segment, message, sizeof(message));

    cr_assert(r == 0 || message[0], "error %d without a word", r);
    return r;
}

static void check_whole(const struct shm_segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.rings; i++)
        cr_assert_not_null(segment->rings[i].header);
}

Test(segment_trouble, create)
{
    const unsigned files = trouble_open_files();
    bool failed = true;

    for (uint64_t n = 1; failed; n++) {
        struct shm_segment *segment;
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = create(&segment);
        failed = trouble_disarm();
        cr_assert(failed || r == 0, "%d", r);
        if (r < 0) /* what the failed one left is no obstacle */
            cr_assert_eq(create(&segment), 0, "after call %llu, %s", (unsigned long long)n,
                         trouble_call());
        check_whole(segment);
        shm_segment_close(segment);
        cr_assert_eq(shm_segment_destroy(kit_path), 0);
        cr_assert_eq(trouble_open_files(), files, "call %llu, %s", (unsigned long long)n,
                     trouble_call());
    }
}

Test(segment_trouble, adopt)
{
    const unsigned files = trouble_open_files();
    struct shm_segment *segment;
    bool failed = true;

    cr_assert_eq(create(&segment), 0);
    segment->rings[0].header->head = 0;
    shm_segment_close(segment);
    for (uint64_t n = 1; failed; n++) {
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = create(&segment);
        failed = trouble_disarm();
        cr_assert(failed || r == 0, "%d", r);
        if (r == 0) {
            cr_assert_not(segment->created, "call %llu, %s: made anew", (unsigned long long)n,
                          trouble_call());
            shm_segment_close(segment);
        }
        cr_assert_eq(trouble_open_files(), files, "call %llu, %s", (unsigned long long)n,
                     trouble_call());
    }
    cr_assert_eq(create(&segment), 0);
    cr_assert_not(segment->created);
    check_whole(segment);
    shm_segment_close(segment);
}

Test(segment_trouble, open_and_destroy)
{
    const unsigned files = trouble_open_files();
    struct shm_segment *segment;
    bool failed = true;

    cr_assert_eq(create(&segment), 0);
    shm_segment_close(segment);
    for (uint64_t n = 1; failed; n++) {
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = shm_segment_open(kit_path, n % 2, &segment);
        failed = trouble_disarm();
        cr_assert(failed || r == 0, "%d", r);
        if (r == 0)
            shm_segment_close(segment);
        cr_assert_eq(trouble_open_files(), files, "call %llu, %s", (unsigned long long)n,
                     trouble_call());
    }
    for (uint64_t n = 1, gone = 0; !gone; n++) {
        int r;

        cr_assert_lt(n, TROUBLE_MOST);
        trouble_arm(n);
        r = shm_segment_destroy(kit_path);
        failed = trouble_disarm();
        gone = access(kit_path, F_OK) != 0;
        cr_assert(gone || (failed && r < 0), "%d", r);
        cr_assert_eq(trouble_open_files(), files);
    }
}
