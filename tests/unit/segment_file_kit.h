/* SPDX-License-Identifier: MIT
 *
 * Making segments that are then changed or opened, with the results as they are.
 */
#ifndef TESTS_UNIT_SEGMENT_FILE_KIT_H
#define TESTS_UNIT_SEGMENT_FILE_KIT_H

#include "tests/unit/segment_kit.h"

__attribute__((unused)) static int create(const struct shm_params *params,
                                          struct shm_segment **ret_segment)
{
    char message[512] = "";
    int r = shm_segment_create(kit_path, params, NULL, ret_segment, message, sizeof(message));

    if (r < 0)
        cr_assert_neq(message[0], '\0', "no message for %d", r);
    return r;
}

__attribute__((unused)) static void make_and_leave(void)
{
    struct shm_params params = kit_params();

    shm_segment_close(kit_create(&params));
}

__attribute__((unused)) static int open_result(bool writable)
{
    struct shm_segment *segment = NULL;
    int r = shm_segment_open(kit_path, writable, &segment);

    cr_assert((r == 0) == (segment != NULL));
    shm_segment_close(segment);
    return r;
}

__attribute__((unused)) static void set_control(size_t offset, const void *value, size_t size)
{
    kit_write_at(kit_file("control"), (long)offset, value, size);
}
#define SET_CONTROL(field, value)                                             \
    do {                                                                      \
        __typeof__(((struct shmlog_control *)0)->field) v_ = (value);         \
        set_control(offsetof(struct shmlog_control, field), &v_, sizeof(v_)); \
    } while (0)

#endif
